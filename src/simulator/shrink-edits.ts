/**
 * What is tried to make a scenario smaller, apart from leaving out strikes: less time, a calmer network, fewer replicas and
 * clients, round numbers. Each edit is tried alone on the best so far; null when there is nothing for it to change.
 */
import type { Plain } from './faults/definition.ts';
import type { Strike } from './faults/strike.ts';
import { calmNetwork } from './network-faults.ts';
import type { Profile } from './profile.ts';
import type { Script } from './scenario.ts';

export type Edit = (script: Script) => Script | null;
/** All of a kind, for a script whose failure shows at its end or anywhere. */
export type Edits = (script: Script, showsAtEnd: boolean) => readonly Edit[];

const onProfile =
  (change: (profile: Partial<Profile>) => Partial<Profile>): Edit =>
  (script) => {
    const profile = { ...script.profile, ...change(script.profile) };
    return JSON.stringify(profile) === JSON.stringify(script.profile) ? null : { ...script, profile };
  };

const onNetwork = (change: Partial<Profile['network']>): Edit =>
  onProfile(({ network = calmNetwork }) => ({ network: { ...network, ...change } }));

const onStrikes =
  (change: (strike: Strike, index: number) => Strike): Edit =>
  (script) => {
    const strikes = script.strikes.map(change);
    return JSON.stringify(strikes) === JSON.stringify(script.strikes) ? null : { ...script, strikes };
  };

// --- time -------------------------------------------------------------------------------------------------------------

/** Sooner than this a cell has no master yet. */
const soonMs = 100;

/** Everything happens in this part of the time. */
const faster =
  (share: number): Edit =>
  (script) =>
    (script.strikes.at(-1)?.atMs ?? 0) < soonMs
      ? null
      : onStrikes((strike) => ({ ...strike, atMs: strike.atMs * share }))(script);

/** All before strike `index` stays; it and what follows comes sooner, so that half of the waiting before it is gone. */
const sooner =
  (index: number): Edit =>
  (script) => {
    const { strikes } = script;
    const [before, at] = [strikes[index - 1]?.atMs ?? 0, strikes[index]?.atMs];
    if (at === undefined || at - before < soonMs / 10) return null;
    const byMs = (at - before) / 2;
    return { ...script, strikes: strikes.map((each, i) => (i < index ? each : { ...each, atMs: each.atMs - byMs })) };
  };

/** For what only the end of a run shows; elsewhere the violation itself is the end. */
const shorterRun =
  (share: number): Edit =>
  ({ cell, ...script }) => ({ ...script, cell: { ...cell, hours: Number((cell.hours * share).toPrecision(2)) } });

export const lessTime: Edits = ({ strikes }, showsAtEnd) => [
  ...(showsAtEnd ? [0.1, 0.25, 0.5, 0.75].map(shorterRun) : []),
  ...[0.1, 0.25, 0.5, 0.75].map(faster),
  ...strikes.slice(0, 20).map((_, index) => sooner(index)),
];

// --- what goes wrong all the time -------------------------------------------------------------------------------------

const { delayMsMin: _min, delayMsMean: _mean, ...unhurt } = calmNetwork;

export const calmer: Edits = () => [
  onProfile(({ network = calmNetwork }) => ({
    network: { ...network, ...unhurt, delayMsMean: network.delayMsMin / 4 },
    faultEveryMs: {},
    clockStepMs: 0,
    timerLatenessMs: 0,
  })),
  onNetwork(unhurt),
  ...Object.entries(unhurt).map(([name, value]) => onNetwork({ [name]: value })),
  onProfile(({ network = calmNetwork }) => ({ network: { ...network, delayMsMean: network.delayMsMin / 4 } })),
  // Only the drift that clocks begin with is left of it in a script.
  onProfile(() => ({ faultEveryMs: {} })),
  onProfile(() => ({ clockStepMs: 0 })),
  onProfile(() => ({ timerLatenessMs: 0 })),
];

// --- fewer ------------------------------------------------------------------------------------------------------------

const replicas =
  (count: number): Edit =>
  (script) => {
    if ((script.profile.replicas ?? 0) <= count) return null;
    return {
      ...script,
      cell: { ...script.cell, replicas: count },
      profile: { ...script.profile, replicas: count },
      strikes: script.strikes.map((strike) => ({ ...strike, with: among(count, strike.with) as Strike['with'] })),
    };
  };

/** Names of members that are gone stand for others, so that as many are struck as before. */
function among(count: number, value: Plain): Plain {
  if (typeof value === 'string') {
    const number = Number(/^n(\d+)$/.exec(value)?.[1]);
    return number > count ? `n${((number - 1) % count) + 1}` : value;
  }
  return mapped(value, (part) => among(count, part));
}

export const fewer: Edits = () => [
  ...[1, 3, 5].map(replicas),
  ...[1, 2, 4].map((clients) => onProfile((profile) => ({ clients: Math.min(clients, profile.clients ?? clients) }))),
  ...[8, 4, 2].map((times) =>
    onProfile(({ thinkMs = 100 }) => ({ thinkMs: thinkMs * times > 20_000 ? thinkMs : thinkMs * times })),
  ),
];

// --- round numbers ----------------------------------------------------------------------------------------------------

const roundTo = (value: number, digits: number): number => Number(value.toPrecision(digits));
const roundAll = (value: Plain, digits: number): Plain =>
  typeof value === 'number' ? roundTo(value, digits) : mapped(value, (part) => roundAll(part, digits));

const roundTimes = (stepMs: number): Edit =>
  onStrikes((strike) => ({ ...strike, atMs: Math.round(strike.atMs / stepMs) * stepMs }));

const roundStrikes = (digits: number, only?: number): Edit =>
  onStrikes((strike, index) =>
    only === undefined || only === index
      ? { ...strike, with: roundAll(strike.with, digits) as Strike['with'] }
      : strike,
  );

const profileNames = ['leaseMs', 'driftPpm', 'alpha', 'flushMeanMs', 'thinkMs', 'limits', 'network'] as const;
const roundProfile = (digits: number, names: readonly (typeof profileNames)[number][] = profileNames): Edit =>
  onProfile((profile) =>
    Object.fromEntries(names.map((name) => [name, roundAll(profile[name] as unknown as Plain, digits)])),
  );

export const rounder: Edits = ({ strikes, profile }) => [
  // Production's own sizes are the least surprising ones.
  onProfile(() => ({ limits: {} })),
  ...Object.keys(profile.limits ?? {}).map((name) =>
    onProfile(({ limits = {} }) => ({
      limits: Object.fromEntries(Object.entries(limits).filter(([other]) => other !== name)),
    })),
  ),
  onProfile(() => ({ snapshotLogBytes: 500_000, segmentBytes: 1024 * 1024 })),
  ...[1, 2].flatMap((digits) => [roundProfile(digits), ...profileNames.map((name) => roundProfile(digits, [name]))]),
  ...[1_000, 100, 10, 1].map(roundTimes),
  ...[1, 2].flatMap((digits) => [
    roundStrikes(digits),
    ...strikes.slice(0, 20).map((_, index) => roundStrikes(digits, index)),
  ]),
];

function mapped(value: Plain, change: (part: Plain) => Plain): Plain {
  if (Array.isArray(value)) return value.map(change);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, change(part as Plain)]));
}

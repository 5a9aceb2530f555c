/**
 * What one seed means: sizes, limits and timing of the cell, and which faults strike it how often.
 *
 * Source: pitfalls §2 rule 2 (swarm): each class of fault is on with probability one half and has its own intensity, so
 * that some seeds starve a class and others drown in it. A run of everything at once would only ever find the first bug. Operators
 * who change the members are one of these classes.
 */
import type { Limits } from '../core/consensus/limits.ts';
import { sessionTtlMsMin } from '../core/database/session-limits.ts';
import type { Random } from '../core/random.ts';
import { lockLevel } from '../formats/levels.ts';
import {
  type FaultKind,
  faultKinds,
  operatedKinds,
  ownDraws,
  restoredKinds,
  swarmKinds,
  upgradedKinds,
} from './faults/catalogue.ts';
import { calmNetwork, type NetworkFaults } from './network-faults.ts';

export interface Profile {
  readonly replicas: number;
  readonly leaseMs: number;
  readonly driftPpm: number;
  readonly alpha: number;
  readonly limits: Partial<Limits>;
  readonly snapshotLogBytes: number;
  readonly segmentBytes: number;
  /** Of one flush, exponential. */
  readonly flushMeanMs: number;
  readonly network: NetworkFaults;
  /** Mean true time between two strikes, for the kinds that are on. */
  readonly faultEveryMs: Readonly<Partial<Record<FaultKind, number>>>;
  /** Step of the clocks of each machine; 0 for fine ones. */
  readonly clockStepMs: number;
  /** Timers fire up to this late. */
  readonly timerLatenessMs: number;
  /** Between two checks of all replicas' databases; none where absent. */
  readonly checkEveryMs?: number;
  /** Operators change its members: its replicas are whole processes of `node start`, and there are machines to spare. */
  readonly operated?: boolean;
  /** They keep it as small as it can be: down to one voter and up again. */
  readonly keptSmall?: boolean;
  /** Somebody upgrades it. */
  readonly upgraded?: boolean;
  /** Somebody goes back to backups of it: it has one generation after another. */
  readonly restored?: boolean;
  /** Numbers of the versions that its members run at first, in their order; 1 where absent. They decide at which level the cell is formed. */
  readonly programs?: readonly number[];
  /** Of the clients' sessions. */
  readonly sessionTtlMs: number;
  /** Clients with sessions ask for locks, too. */
  readonly locks?: boolean;
  readonly clients: number;
  /** Mean pause of one client between operations. */
  readonly thinkMs: number;
}

/** What of a profile makes its clients ask for so many operations in a simulated second, as long as answers are quick. */
export function loadOf(operationsPerSecond: number): Pick<Profile, 'clients' | 'thinkMs'> {
  const clients = Math.max(4, Math.ceil(operationsPerSecond / 10));
  return { clients, thinkMs: (1_000 * clients) / operationsPerSecond };
}

/** Even ones, too: what is wrong with majorities shows there first. */
const replicaCounts = [1, 2, 3, 3, 3, 4, 5, 5, 7] as const;

/** What the log takes for one instance, and how many instances renew one lease: roughly. */
const groupBytes = 1_024;
const renewalsPerLease = 4.5;
/** Often, for the time that is simulated. */
const checkEveryLeases = 40;
/** Replicas that only renew a lease take snapshots no more often than this. */
const snapshotEveryMsMin = 500;

/**
 * Draws a profile. `replicas` fixes the size; `calm` leaves out every fault. `operators`: whose cells are theirs to change, `drawn` like
 * any other class of faults where nothing is said.
 */
export function drawProfile(
  random: Random,
  options: { readonly replicas: number | null; readonly calm: boolean; readonly operators?: Operators },
): Profile {
  return withLocks(drawOperated(random, options), random.fork('locks'));
}

/** Most cells have locks, and most of those are formed at the level that knows them: elsewhere they are refused until it is raised. */
function withLocks(profile: Profile, random: Random): Profile {
  const formed = random.chance(0.85);
  if (random.chance(0.1)) return profile;
  if (!formed || profile.upgraded === true) return { ...profile, locks: true };
  return { ...profile, locks: true, programs: Array.from({ length: profile.replicas }, () => lockLevel) };
}

function drawOperated(random: Random, options: Parameters<typeof drawProfile>[1]): Profile {
  const profile = drawUntouched(random, options);
  const { operators = 'drawn' } = options;
  const own = random.fork('operators');
  if (profile.replicas < 2 || options.calm) return profile;
  // Who upgrades a cell, or makes a generation of it, can do without one member.
  const large = profile.replicas >= 3;
  if (operators === 'upgrades' && large) return withUpgrades(profile, own);
  if (operators === 'generations' && large) return withGenerations(profile, own);
  const operated = operators === 'often' || (operators === 'drawn' && own.chance(0.5));
  return operated ? withOperators(profile, own, operators) : profile;
}

/**
 * Whether operators act on a cell: in none, in every second one, each as often as is drawn, or in all of them and very often; or all are
 * upgraded, or made anew from backups.
 */
export const operatorsChoices = ['never', 'drawn', 'often', 'upgrades', 'generations'] as const;
export type Operators = (typeof operatorsChoices)[number];

/** What else strikes a cell in which `operators` have long work: half of them are changed by others meanwhile, and faults leave room for some steps. */
function besides(
  operators: 'upgrades' | 'generations',
  profile: Profile,
  random: Random,
  [rarerMin, rarerMax]: readonly [number, number],
): { readonly changed: Profile; readonly faultEveryMs: Partial<Record<FaultKind, number>> } {
  const changed = random.chance(0.5) ? withOperators(profile, random, operators) : { ...profile, operated: true };
  const faultEveryMs: Partial<Record<FaultKind, number>> = { ...changed.faultEveryMs };
  delete faultEveryMs['replace-member'];
  const rarer = random.betweenLogarithmic(rarerMin, rarerMax);
  for (const kind of faultKinds) {
    const everyMs = faultEveryMs[kind];
    if (everyMs !== undefined) faultEveryMs[kind] = rarer * everyMs;
  }
  return { changed, faultEveryMs };
}

/** Of cells that are upgraded: nothing goes wrong there but what upgrades themselves bring, so that many of them come to an end. */
const aloneShare = 0.6;

function withUpgrades(profile: Profile, random: Random): Profile {
  // An upgrade stops at whatever it doubts.
  const { changed, faultEveryMs } = besides('upgrades', profile, random, [1, 30]);
  const alone = random.fork('alone').chance(aloneShare);
  if (alone) for (const kind of faultKinds) delete faultEveryMs[kind];
  // Whoever changes the members strikes nobody: they come as often as drawn.
  const changesMs = changed.faultEveryMs['operator-sequence'];
  if (changesMs !== undefined) faultEveryMs['operator-sequence'] = changesMs;
  faultEveryMs['upgrade-sequence'] = random.betweenLogarithmic(500, alone ? 3_000 : 10_000);
  if (random.chance(0.5)) faultEveryMs['wrong-version'] = random.betweenLogarithmic(5_000, 60_000);
  const others = random.fork('other-version');
  if (others.chance(0.5)) faultEveryMs['other-version'] = others.betweenLogarithmic(2_000, 60_000);
  const { delayMsMin } = profile.network;
  const network =
    random.chance(0.5) && !alone ? profile.network : { ...calmNetwork, delayMsMin, delayMsMean: delayMsMin };
  return { ...changed, network, upgraded: true, faultEveryMs, ...drawPrograms(profile, random.fork('programs')) };
}

function withGenerations(profile: Profile, random: Random): Profile {
  // A generation needs all its members for a while.
  const { changed, faultEveryMs } = besides('generations', profile, random, [0.5, 20]);
  faultEveryMs['backup-sequence'] = random.betweenLogarithmic(500, 10_000);
  faultEveryMs['restore-sequence'] = random.betweenLogarithmic(1_000, 20_000);
  return { ...changed, restored: true, faultEveryMs };
}

/** Some cells are formed by later versions, or by two of them: at a level from which other versions are refused. */
function drawPrograms({ replicas }: Profile, random: Random): Pick<Profile, 'programs'> {
  if (random.chance(0.5)) return {};
  const first = 1 + random.below(3);
  const mixed = random.chance(0.3);
  return { programs: Array.from({ length: replicas }, () => first + (mixed ? random.below(2) : 0)) };
}

const smallShare = 0.2;
/** Mean time between two sequences, at least and at most. */
const sequenceEveryMs: Readonly<Record<Operators, readonly [number, number]>> = {
  never: [60_000, 60_000],
  drawn: [1_000, 60_000],
  often: [250, 4_000],
  // An upgrade stops at whatever it doubts.
  upgrades: [2_000, 30_000],
  generations: [2_000, 30_000],
};

/** Nobody else changes members then; leases are short enough for many commands. */
function withOperators(profile: Profile, random: Random, operators: Operators): Profile {
  const faultEveryMs: Partial<Record<FaultKind, number>> = { ...profile.faultEveryMs };
  delete faultEveryMs['replace-member'];
  for (const kind of operatedKinds) {
    const every = random.betweenLogarithmic(5_000, 120_000);
    if (random.chance(0.5)) faultEveryMs[kind] = every;
  }
  const [leastMs, mostMs] = sequenceEveryMs[operators];
  const sequencesMs = random.betweenLogarithmic(leastMs, mostMs);
  const small = random.fork('kept small');
  const keptSmall = small.chance(smallShare);
  // Where two decide, the crash of one as the other goes is the one that counts.
  if (keptSmall) faultEveryMs['crash-at-change'] = small.betweenLogarithmic(500, 5_000);
  return { ...profile, keptSmall, operated: true, faultEveryMs: { ...faultEveryMs, 'operator-sequence': sequencesMs } };
}

/** Shorter ones are drawn rarely: most of what such a cell does is to renew them, with no more faults in an hour than others see. */
const commonLeaseMsMin = 200;
const shortLeaseShare = 1 / 20;

function drawLeaseMs(random: Random): number {
  const [least, most] = random.chance(shortLeaseShare) ? [50, commonLeaseMsMin] : [commonLeaseMsMin, 5_000];
  return Math.round(random.betweenLogarithmic(least, most));
}

function drawUntouched(random: Random, options: { readonly replicas: number | null; readonly calm: boolean }): Profile {
  const drawn = random.pick(replicaCounts);
  const leaseMs = drawLeaseMs(random);
  const delayMs = random.betweenLogarithmic(0.05, leaseMs / 40);
  const on = (): boolean => random.chance(0.5) && !options.calm;
  const share = (high: number): number => (on() ? random.betweenLogarithmic(0.001, high) : 0);
  const network: NetworkFaults = {
    ...calmNetwork,
    delayMsMin: delayMs,
    delayMsMean: on() ? random.betweenLogarithmic(delayMs, Math.max(delayMs, Math.min(100, leaseMs / 5))) : delayMs / 4,
    loss: share(0.3),
    duplication: share(0.5),
    replay: share(0.05),
    replayMsMax: 120_000,
    reorder: share(1),
    tail: share(0.02),
    corruption: share(0.05),
    snapshotLoss: share(0.3),
    stranger: share(0.05),
    queueMessagesMax: on() ? Math.round(random.betweenLogarithmic(8, 1_000)) : calmNetwork.queueMessagesMax,
    chunkMs: on() ? random.betweenLogarithmic(0.1, leaseMs / 4) : 0,
  };
  const faultEveryMs: Partial<Record<FaultKind, number>> = {};
  for (const kind of swarmKinds) {
    if (operatedKinds.includes(kind) || upgradedKinds.includes(kind) || restoredKinds.includes(kind)) continue;
    const own = ownDraws.has(kind) ? random.fork(kind) : random;
    const every = own.betweenLogarithmic(Math.max(2_000, 10 * leaseMs), 120_000);
    if (own.chance(0.5) && !options.calm) faultEveryMs[kind] = every;
  }
  const alpha = Math.round(random.betweenLogarithmic(1, 64));
  const clients = 2 + random.below(7);
  const drawnProfile: Profile = {
    replicas: options.replicas ?? drawn,
    leaseMs,
    driftPpm: Math.round(random.betweenLogarithmic(1_000, 50_000)),
    alpha,
    limits: {
      acceptWindowInstances: Math.round(random.betweenLogarithmic(1, 32)),
      eagerWindowInstances: 1 + random.below(4),
      commitDelayMs: random.below(3) * 10,
      batchItemsMax: Math.round(random.betweenLogarithmic(1, 64)),
      pendingItemsMax: Math.round(random.betweenLogarithmic(4, 1024)),
      pageBytesMax: Math.round(random.betweenLogarithmic(100, 100_000)),
      retainBehindSnapshotInstances: random.below(200),
      boostEveryMs: random.betweenLogarithmic(4 * leaseMs, 20_000),
    },
    // Of some 4 to 500 instances. What renews the shortest leases would make that dozens a second, at each replica.
    snapshotLogBytes: Math.max(
      Math.round(random.betweenLogarithmic(4_000, 500_000)),
      Math.round((groupBytes * renewalsPerLease * snapshotEveryMsMin) / leaseMs),
    ),
    // Every start reads whole segments, and what a larger one has more of is mostly zeros.
    segmentBytes: Math.round(random.betweenLogarithmic(64 * 1024, 256 * 1024) / 4096) * 4096,
    // A start takes some hundred operations of the disk, and many must be over within a lease.
    flushMeanMs: random.betweenLogarithmic(0.05, Math.max(0.1, leaseMs / 250)),
    network,
    faultEveryMs,
    clockStepMs: random.chance(0.2) && leaseMs >= 500 && !options.calm ? 16 : 0,
    timerLatenessMs: on() ? random.betweenLogarithmic(0.1, Math.min(1_000, leaseMs / 2)) : 0,
    checkEveryMs: checkEveryLeases * leaseMs,
    // Short ones end, and are renewed at the last moment, again and again.
    sessionTtlMs: Math.round(random.fork('sessions').betweenLogarithmic(sessionTtlMsMin, 60_000)),
    clients,
    thinkMs: 100 * clients,
  };
  const worn = random.fork('worn');
  return worn.chance(wornShare) && !options.calm ? withWornDisks(drawnProfile, worn) : drawnProfile;
}

/** Of those with worn disks. */
const forgetfulShare = 0.3;

/** One master after another, so that there is always a newer promise to forget: a disk goes back to an older one, again and again. */
function withForgottenPromises(profile: Profile, oftenMs: number, random: Random): Profile {
  const network = { ...calmNetwork, delayMsMin: profile.network.delayMsMin };
  const faultEveryMs: Partial<Record<FaultKind, number>> = {
    ...{ 'promises-rolled-back': oftenMs, 'promises-put-back': 4 * oftenMs },
    ...{ 'hand-over': random.between(0.3, 1) * oftenMs, 'isolate-master': 2 * oftenMs },
  };
  return { ...profile, network, faultEveryMs };
}

/** Of cells of which nothing but disks and processes fails. */
const wornShare = 0.15;
const wornKinds = [
  ...(['bare-majority', 'bare-majority', 'left-behind', 'left-behind', 'lost-write', 'bit-rot'] as const),
  ...(['misdirected-write', 'wrong-size', 'wrong-size', 'newest-snapshot-bad', 'deep-check'] as const),
  ...(['damaged-again', 'damaged-again'] as const),
] satisfies readonly FaultKind[];

/** One or two ways in which disks lose something, again and again, at a member that also dies: few other faults are in their way. */
function withWornDisks(profile: Profile, random: Random): Profile {
  const { leaseMs } = profile;
  const often = (): number => random.betweenLogarithmic(Math.max(500, 4 * leaseMs), Math.max(2_000, 20 * leaseMs));
  const kinds = [random.pick(wornKinds), ...(random.chance(0.5) ? [random.pick(wornKinds)] : [])];
  const faultEveryMs: Partial<Record<FaultKind, number>> = { crash: 2 * often() };
  for (const kind of kinds) faultEveryMs[kind] = often();
  const forgetful = random.fork('forgetful');
  if (forgetful.chance(forgetfulShare)) return withForgottenPromises(profile, often(), forgetful);
  const network = random.chance(0.5) ? profile.network : { ...calmNetwork, delayMsMin: profile.network.delayMsMin };
  if (!kinds.includes('left-behind')) return { ...profile, network, faultEveryMs };
  // What somebody who was left behind had proposed alone reaches beyond what the others have cut.
  return {
    ...profile,
    ...{ network, faultEveryMs, alpha: 32 + random.below(33), snapshotLogBytes: 4_000, thinkMs: 20 * profile.clients },
    limits: { ...profile.limits, retainBehindSnapshotInstances: random.below(4), acceptWindowInstances: 32 },
  };
}

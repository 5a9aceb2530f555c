/** Are the machines, and the ways between them, up to it? */

import { linkText } from '../../client/cell-status.ts';
import { brokenLinks, linkBrokenMsMin } from '../../client/link-status.ts';
import type { ReplicaStatusDocument } from '../../formats/http-body.ts';
import { type Check, type Finding, fail, notChecked, warn } from './check.ts';
import type { LiveFacts } from './live-facts.ts';

/** Two clocks further apart make the times in logs and statuses misleading. The protocol does not rest on them. */
const clocksApartMsMax = 1_000;
/** A lease that is renewed late is lost: a quarter of it in one flush, or one pause of the process, is close. */
const leaseShareWarn = 1 / 4;
const leaseShareFail = 1 / 2;
/** Below, a snapshot and a copy of the log soon do not fit any more. */
const diskShareWarn = 0.1;
const diskShareFail = 0.03;
const usedShareWarn = 0.8;
const usedShareFail = 0.95;
/** Clients, peers, segments and snapshots at once. */
const descriptorsMin = 1_024;
/** In one hour: more than rolling restarts of five. */
const changesPerHourMax = 6;

export const machineChecks: readonly Check<LiveFacts>[] = [
  {
    id: 'reach',
    what: 'every member reaches every other one, in both directions',
    look: (facts) => [...linkFindings(facts), ...unheardFindings(facts), ...neverMet(facts)],
  },
  {
    id: 'clocks',
    what: `the wall clocks agree within ${clocksApartMsMax} ms`,
    look: ({ asked, own }) => {
      const offsets = asked.answers.flatMap(({ status, at }) => {
        if (status === null || !own.includes(status) || status.at === undefined) return [];
        const offsetMs = Date.parse(status.at) - (at.wallMs - at.tookMs / 2);
        return [{ name: status.name, offsetMs, doubtMs: at.tookMs / 2 }];
      });
      const unknown = own.filter(({ at }) => at === undefined).map(({ name }) => name);
      const found: Finding[] =
        unknown.length === 0
          ? []
          : [notChecked({ text: `${unknown.join(', ')} did not tell the time`, fix: 'paxosctl status' })];
      const [first, ...rest] = [...offsets].sort((a, b) => a.offsetMs - b.offsetMs);
      const last = rest.at(-1);
      if (first === undefined || last === undefined) return found;
      const apartMs = last.offsetMs - first.offsetMs - last.doubtMs - first.doubtMs;
      if (apartMs <= clocksApartMsMax) return found;
      const text = `the clock of ${last.name} is at least ${(apartMs / 1000).toFixed(1)} s ahead of that of ${first.name}`;
      return [...found, warn({ text, advice: 'on the machine whose clock is wrong', fix: 'timedatectl set-ntp true' })];
    },
  },
  {
    id: 'disk',
    what: 'there is room on every disk',
    look: perMember(({ name, readOnly, machine }) => {
      const directory = `DATA-DIR-OF-${name}`;
      if (readOnly) {
        const text = `${name} takes no writes: its disk is nearly full`;
        return fail({ member: name, text, advice: spaceAdvice, fix: `df -h ${directory}` });
      }
      const { diskFreeBytes: freeBytes = null, diskBytes: bytes = null } = machine ?? {};
      return diskFinding({ whose: `the disk of ${name}`, directory, freeBytes, bytes, member: name });
    }),
  },
  {
    id: 'flush',
    what: 'flushes are quick against the lease',
    look: againstLease({
      of: ({ load }) => load?.flushMsP99,
      text: 'one flush of the log in a hundred takes',
      advice: 'a slow or shared disk; every write waits for a flush on a majority',
    }),
  },
  {
    id: 'event-loop',
    what: 'no process pauses for long against the lease',
    look: againstLease({
      of: ({ load }) => load?.eventLoopLagMsP99,
      text: 'one turn of the event loop in a hundred is late by',
      advice: 'an overloaded machine, or one that is paused by its host',
    }),
  },
  {
    id: 'descriptors',
    what: 'file descriptors are left',
    look: perMember(({ name, machine }) => {
      const fix = 'systemctl edit --full paxosctl  # LimitNOFILE=65536';
      if (machine?.descriptors == null || machine.descriptorsMax == null) {
        return notChecked({ member: name, text: `${name} does not tell its descriptors`, fix });
      }
      const { descriptors, descriptorsMax } = machine;
      const text = `${name} has ${descriptors} of ${descriptorsMax} file descriptors open`;
      if (descriptors > usedShareFail * descriptorsMax) return fail({ member: name, text, fix });
      if (descriptors > usedShareWarn * descriptorsMax) return warn({ member: name, text, fix });
      if (descriptorsMax >= descriptorsMin) return null;
      return warn({ member: name, text: `${name} may open only ${descriptorsMax} files`, fix });
    }),
  },
  {
    id: 'memory',
    what: 'memory is left',
    look: perMember(({ name, machine }) => {
      const fix = 'systemctl edit --full paxosctl  # MemoryMax=';
      if (machine?.memoryBytesMax == null) {
        return notChecked({ member: name, text: `${name} does not tell its memory`, fix });
      }
      const share = machine.residentBytes / machine.memoryBytesMax;
      const text = `${name} uses ${percent(share)} of the memory that it may have`;
      if (share > usedShareFail) return fail({ member: name, text, fix });
      return share > usedShareWarn ? warn({ member: name, text, fix }) : null;
    }),
  },
  {
    id: 'hosts',
    what: 'no one machine can stop the cell',
    look: ({ own, status: { cell, members } }) => {
      const voters = members.filter(({ voting }) => voting);
      // Whoever gave only addresses of one machine knows.
      if (voters.length < 2 || voters.every(({ url }) => isLoopback(url))) return [];
      const hosts = new Map<string, { readonly hostname: string; readonly names: string[] }>();
      for (const { name, machine } of own) {
        if (machine === undefined || !voters.some((it) => it.name === name)) continue;
        const key = machine.kernelId ?? machine.hostname;
        const host = hosts.get(key) ?? { hostname: machine.hostname, names: [] };
        host.names.push(name);
        hosts.set(key, host);
      }
      return [...hosts.values()].flatMap(({ hostname, names }) => {
        if (names.length < 2 || names.length <= cell.intended) return [];
        const text = `${names.length} of ${voters.length} voters (${names.sort().join(', ')}) run on one machine, ${hostname}`;
        const last = names.at(-1) ?? 'OLD';
        return [warn({ text, advice: 'its failure stops the cell', fix: replaceCommand(last) })];
      });
    },
  },
  {
    id: 'mastership',
    what: 'mastership rests',
    look: ({ status: { cell } }) => {
      const { lastHour, causes } = cell.changes;
      if (lastHour === null || lastHour <= changesPerHourMax) return [];
      const each = Object.entries(causes).map(([cause, n]) => `${cause} ${n}`);
      const text = `mastership moved ${lastHour} times in the last hour (in a day: ${each.join(', ')})`;
      return [warn({ text, advice: 'see flush, event-loop and reach', fix: 'paxosctl master status' })];
    },
  },
];

const spaceAdvice = 'free space outside the data directory';

/** Null when there is room. */
export function diskFinding(disk: {
  readonly whose: string;
  readonly directory: string;
  readonly freeBytes: number | null;
  readonly bytes: number | null;
  readonly member?: string;
}): Finding | null {
  const { whose, directory, freeBytes, bytes } = disk;
  const about = { fix: `df -h ${directory}`, ...(disk.member === undefined ? {} : { member: disk.member }) };
  if (freeBytes === null || bytes === null || bytes === 0) {
    return notChecked({ ...about, text: `the system does not tell how full ${whose} is` });
  }
  const share = freeBytes / bytes;
  if (share >= diskShareWarn) return null;
  const text = `${whose} has ${percent(share)} left`;
  return (share < diskShareFail ? fail : warn)({ ...about, text, advice: spaceAdvice });
}

const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
const isLoopback = (url: string): boolean =>
  URL.canParse(url) && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(url).hostname);

const replaceCommand = (old: string): string => `paxosctl members replace ${old} NEW --url http://OTHER-HOST:7401`;

const hasBegun = ({ role }: ReplicaStatusDocument): boolean => role !== 'waiting';

function perMember(look: (status: ReplicaStatusDocument) => Finding | null): Check<LiveFacts>['look'] {
  return ({ own }) => own.filter(hasBegun).flatMap((status) => look(status) ?? []);
}

function againstLease(about: {
  of(status: ReplicaStatusDocument): number | undefined;
  readonly text: string;
  readonly advice: string;
}): Check<LiveFacts>['look'] {
  return (facts) => {
    const slow = ({ name, leaseMs }: ReplicaStatusDocument, ms: number | undefined): Finding | null => {
      const fix = `paxosctl node drain ${name} --for 1h`;
      if (ms === undefined || leaseMs === undefined) {
        return notChecked({ member: name, text: `${name} does not tell`, fix });
      }
      const text = `at ${name} ${about.text} ${ms.toFixed(0)} ms; the lease is ${leaseMs} ms`;
      if (ms > leaseMs * leaseShareFail) return fail({ member: name, text, advice: about.advice, fix });
      return ms > leaseMs * leaseShareWarn ? warn({ member: name, text, advice: about.advice, fix }) : null;
    };
    const found = perMember((status) => slow(status, about.of(status)))(facts);
    // Where everybody is slow there is nobody to send mastership to.
    const looked = facts.own.filter(hasBegun).length;
    const all = found.length > 1 && found.length === looked;
    return all ? found.map((finding) => ({ ...finding, fix: 'paxosctl status --watch' })) : found;
  };
}

function linkFindings({ own }: LiveFacts): Finding[] {
  return brokenLinks(own).map((link) => {
    const advice = link.met ? 'a firewall, a route or a name that is right on one side only' : 'they have never met';
    return fail({ member: link.from, text: linkText(link), advice, fix: `curl -sS -m 3 ${link.url}/healthz` });
  });
}

/** Connected, and yet not a word that counts. */
function unheardFindings({ own }: LiveFacts): Finding[] {
  const master = own.find(({ role, lease }) => role === 'master' && lease.held);
  return (master?.unheard ?? []).flatMap((name) => {
    if (!own.some((it) => it.name === name)) return [];
    const text = `${name} has acknowledged nothing to the master ${master?.name} for two leases`;
    return [fail({ member: name, text, advice: 'its log says why', fix: 'paxosctl status --json' })];
  });
}

/** Up, as it says to us; nobody of the cell has ever seen it. */
function neverMet({ own }: LiveFacts): Finding[] {
  const told = own.filter(({ links }) => links !== undefined);
  return own.flatMap(({ name, machine }) => {
    const links = told.flatMap((it) => it.links?.filter((link) => link.name === name) ?? []);
    if (links.length < 2 || links.some(({ met, brokenMs }) => met || brokenMs < linkBrokenMsMin)) return [];
    const text = `no other member has met ${name} since they started`;
    const advice = `it runs${machine === undefined ? '' : ` on ${machine.hostname}`}: compare name and address`;
    return [fail({ member: name, text, advice, fix: 'paxosctl members list' })];
  });
}

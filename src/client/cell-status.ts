/**
 * The cell at a glance: every member's answer about itself, put together (contract §1 `status`).
 *
 * The first question is how many failures the cell survives *now*, and why fewer than it was made for: what lowers it is named,
 * whoever was asked, within the time of one look (pitfalls P50, L4).
 */
import type {
  FrozenDocument,
  LastCheckDocument,
  NewestSnapshotDocument,
  OpenUpgradeDocument,
  ReplicaStatusDocument,
} from '../formats/http-body.ts';
import { sizeOfMembers } from '../formats/membership-size.ts';
import { type BackupStatusDocument, backupStatus } from './backup-status.ts';
import { type BrokenLink, brokenLinks, cutOffAtLeast } from './link-status.ts';
import { compareChecksums, type MemberStatusDocument, memberStatus } from './member-status.ts';
import { type AskStatus, isSilent, nobodyAnswers, type Survey, survey } from './survey.ts';

export { type ChecksumVerdict, lagInstancesMax, type MemberStatusDocument } from './member-status.ts';
export type { Answer, AskStatus, Survey } from './survey.ts';

/** What the last full check of all replicas said. */
export interface LastChecksumDocument {
  /** `agree`: every configured member, at one instance; `incomplete`: those who were checked agree. */
  readonly verdict: 'agree' | 'differ' | 'incomplete';
  readonly instance: number;
  readonly at: string;
  readonly ageMs: number;
  readonly agreeing: readonly string[];
}

export interface CellStatusDocument {
  readonly cell: {
    readonly id: string | null;
    readonly name: string | null;
    readonly generation: number | null;
    readonly level: number | null;
    readonly health: 'healthy' | 'degraded' | 'unavailable';
    /** Failures of voters that the cell survives now. */
    readonly tolerates: number;
    /** The same with every voter well. */
    readonly intended: number;
    /** What lowers it, worst first. */
    readonly why: readonly string[];
    readonly master: string | null;
    readonly epoch: number | null;
    readonly voters: number;
    readonly votersAnswering: number;
    readonly leaseMs: number | null;
    readonly leaseRemainingMs: number | null;
    /** Of the present mastership, RFC 3339; as the master saw it since it started. */
    readonly masterSince: string | null;
    readonly changes: {
      readonly lastHour: number | null;
      readonly lastDay: number | null;
      /** Of the last day. */
      readonly causes: Readonly<Record<string, number>>;
    };
    readonly revision: number | null;
    readonly entries: number | null;
    /** Null before the first full check, and from replicas that tell of none. */
    readonly checksum: LastChecksumDocument | null;
    /** The newest that was read back and found good, on any member. */
    readonly snapshot:
      | (NewestSnapshotDocument & { readonly ageMs: number; readonly members: readonly string[] })
      | null;
    /** Null where no replica tells of them. */
    readonly backups: BackupStatusDocument | null;
    readonly pendingMembership: { readonly from: number; readonly members: readonly string[] } | null;
    /** The upgrade that is open. */
    readonly upgrade: OpenUpgradeDocument | null;
    readonly warnings: readonly string[];
    /** Why the cell is frozen, as the first member that is says; null while none is. */
    readonly frozen: FrozenDocument | null;
  };
  readonly members: readonly MemberStatusDocument[];
}

/** @throws {UnreachableError} when nobody answers. */
export async function cellStatus(
  endpoints: readonly string[],
  ask: AskStatus,
  timeoutMs: number,
): Promise<CellStatusDocument> {
  const asked = await survey(endpoints, ask, timeoutMs);
  if (isSilent(asked)) throw nobodyAnswers(asked);
  return cellStatusOf(asked);
}

/** The answers of the cell that is meant: the one that most of them belong to, and of two the one that was asked first. */
export function answersOfCell({ answers }: Survey): readonly ReplicaStatusDocument[] {
  const statuses = answers.flatMap(({ status }) => (status === null ? [] : [status]));
  const counts = new Map<string | null, number>();
  for (const { cell } of statuses) if (cell.id !== null) counts.set(cell.id, (counts.get(cell.id) ?? 0) + 1);
  const [[id] = [null]] = [...counts].sort(([, m], [, n]) => n - m);
  return statuses.filter(({ cell }) => cell.id === id);
}

/** What the answers say together. */
export function cellStatusOf(asked: Survey): CellStatusDocument {
  const { answers } = asked;
  const own = answersOfCell(asked);
  const best = [...own].sort((a, b) => b.instances.applied - a.instances.applied)[0] ?? null;
  const master = currentMaster(own);
  const checksums = compareChecksums(own);
  const furthest = best?.instances.applied ?? 0;
  const whole = { answers, own, furthest, checksums, master };
  const members = (best?.members ?? []).map((it) => memberStatus(it, whole));
  const formed = best !== null && best.cell.id !== null;

  // A cell that is not formed yet is meant to have those who are listed.
  const voters = formed ? members.filter(({ voting }) => voting) : members;
  const quorum = Math.floor(voters.length / 2) + 1;
  const answering = voters.filter(({ answered }) => answered).length;
  const well = new Set(voters.filter(({ answered, detail }) => answered && detail === null).map(({ name }) => name));
  const links = brokenLinks(own).filter(({ from, to }) => well.has(from) && well.has(to));
  const frozen = earliestFreeze(own);
  const serves = master !== null && answering >= quorum && frozen === null;
  const { intended } = sizeOfMembers(formed ? (best?.members ?? []) : members.map((it) => ({ ...it, voting: true })));
  const tolerates = serves ? Math.max(0, well.size - cutOffAtLeast(links) - quorum) : 0;
  const why = formed
    ? whyNot({ members, own, links, frozen, master, answering, voters: voters.length, quorum })
    : whyNotFormed(own, members);
  const { mastership } = master ?? {};
  return {
    cell: {
      id: best?.cell.id ?? null,
      name: best?.cell.name ?? null,
      generation: best?.cell.generation ?? null,
      level: best?.level ?? null,
      health: !serves ? 'unavailable' : why.length > 0 ? 'degraded' : 'healthy',
      tolerates,
      intended,
      why,
      master: master?.name ?? null,
      epoch: (master ?? best)?.epoch ?? null,
      voters: voters.length,
      votersAnswering: answering,
      leaseMs: best?.leaseMs ?? null,
      leaseRemainingMs: master?.lease.remainingMs ?? null,
      masterSince: mastership?.since ?? null,
      changes: {
        lastHour: mastership?.changesLastHour ?? null,
        lastDay: mastership?.changesLastDay ?? null,
        causes: mastership?.causes ?? {},
      },
      revision: (master ?? best)?.revision ?? null,
      entries: (master ?? best)?.entries ?? null,
      checksum: lastChecksum(asked, own, members),
      snapshot: newestSnapshot(asked, own),
      backups: backupStatus(own, master, (at) => ageMs(at, asked)),
      pendingMembership: best?.pendingMembership ?? null,
      upgrade: (master ?? best)?.upgrade ?? null,
      warnings: own.flatMap(({ name, warnings }) => (warnings ?? []).map((it) => `${name}: ${it}`)).sort(),
      frozen,
    },
    members,
  };
}

/** Who says that it is master and holds the lease; of two, which a paused one may cause, that of the later epoch. */
export const currentMaster = (statuses: readonly ReplicaStatusDocument[]): ReplicaStatusDocument | null =>
  statuses.filter(({ role, lease }) => role === 'master' && lease.held).sort((a, b) => b.epoch - a.epoch)[0] ?? null;

/** The oldest evidence is the one that counts; the others were told of it, or came to the same by themselves. */
const earliestFreeze = (statuses: readonly ReplicaStatusDocument[]): FrozenDocument | null =>
  statuses.flatMap(({ frozen }) => frozen ?? []).sort((a, b) => (a.seenAt < b.seenAt ? -1 : 1))[0] ?? null;

interface Trouble {
  readonly members: readonly MemberStatusDocument[];
  readonly own: readonly ReplicaStatusDocument[];
  readonly links: readonly BrokenLink[];
  readonly frozen: FrozenDocument | null;
  readonly master: ReplicaStatusDocument | null;
  readonly answering: number;
  readonly voters: number;
  readonly quorum: number;
}

/** One sentence a reason, worst first. */
function whyNot({ members, own, links, frozen, master, answering, voters, quorum }: Trouble): string[] {
  const why: string[] = [];
  if (frozen !== null) {
    const others = own.filter((it) => it.role !== 'frozen').map(({ name }) => name);
    const notYet = others.length === 0 ? '' : ` (not yet: ${others.join(', ')})`;
    why.push(`frozen since ${frozen.seenAt}${notYet}, ${frozen.cause}, seen by ${frozen.seenBy}: ${frozen.text}`);
  }
  if (answering < quorum) why.push(`no quorum: ${answering} of ${voters} voters answer, ${quorum} are needed`);
  if (answering < quorum && master !== null) {
    why.push(`${master.name} holds the lease of the master: the others may be out of reach from here alone`);
  }
  if (master === null) why.push(...lostState(own, members), 'no master: nobody holds the lease');
  for (const { name, detail } of members) if (detail !== null) why.push(`${name} ${detail}`);
  for (const link of links) why.push(linkText(link));
  return why;
}

/** Whoever answers lacks its state, and waits for somebody who has it. */
function lostState(own: readonly ReplicaStatusDocument[], members: readonly MemberStatusDocument[]): readonly string[] {
  const lives = own.filter(({ role }) => role !== 'rebuilding');
  const upTo = lives.map(({ instances: { missingUpTo = 0 } }) => missingUpTo);
  if (upTo.length === 0 || upTo.includes(0)) return [];
  const silent = members.filter(({ answered }) => !answered).map(({ name }) => name);
  const first = silent.length === 0 ? '' : `start ${silent.sort().join(' and ')}, which may have it; or `;
  const names = lives.map(({ name }) => name).sort();
  return [
    `no member that answers has the state of the cell up to instance ${Math.max(...upTo)} (${names.join(', ')}: their snapshots are bad, ` +
      `their logs begin later): ${first}put good copies of the snapshot files back and start those members again, ` +
      'or restore a backup (paxosctl cell restore FILE)',
  ];
}

export function linkText({ from, to, bothWays, url, trouble }: BrokenLink): string {
  const reason = trouble === null ? '' : ` (${trouble})`;
  if (bothWays) return `${from} and ${to} do not reach each other, though both run${reason}`;
  return `${from} does not reach ${to} at ${url}${reason}, though ${to} reaches ${from}`;
}

/** Nobody is a member yet: what each one waits for is all there is to say. */
function whyNotFormed(own: readonly ReplicaStatusDocument[], members: readonly MemberStatusDocument[]): string[] {
  const silent = members.filter(({ answered }) => !answered).map(({ name, detail }) => `${name} ${detail}`);
  const waiting = own.flatMap(({ name, warnings }) => (warnings ?? []).map((it) => `${name} waits: ${it}`));
  const lost = own.filter(({ role }) => role === 'rebuilding').map(({ name }) => name);
  if (lost.length > 0) return [rebuiltFromNobody(lost), ...silent];
  return ['the cell is not formed yet: it is formed when all that are listed answer and agree', ...silent, ...waiting];
}

/** Their directories are empty, old or damaged, and nobody who answers has another: nothing is formed in their place. */
const rebuiltFromNobody = (names: readonly string[]): string => {
  const [who, wait, their] =
    names.length === 1 ? [names[0], 'waits', 'its'] : [[...names].sort().join(', '), 'wait', 'their'];
  return (
    `${who} ${wait} to be rebuilt from the others, and no replica that answers has the data of the cell: ` +
    `${their} log says what was found; put a newer data directory back, or restore a backup (paxosctl cell restore FILE)`
  );
};

const ageMs = (at: string, { answers }: Survey): number => {
  const now = Math.max(...answers.map(({ at: { wallMs } }) => wallMs));
  return Math.max(0, Math.round(now - Date.parse(at)));
};

/** The newest instance at which anybody was checked in full. */
function lastChecksum(
  asked: Survey,
  own: readonly ReplicaStatusDocument[],
  members: readonly MemberStatusDocument[],
): LastChecksumDocument | null {
  const checks = own.flatMap(({ name, lastCheck }) => (lastCheck == null ? [] : [{ name, ...lastCheck }]));
  const newest = checks.reduce((top, { instance }) => Math.max(top, instance), 0);
  const there = checks.filter(({ instance }) => instance === newest);
  const [first] = there as readonly (LastCheckDocument & { readonly name: string })[];
  if (first === undefined) return null;
  const differ = there.some(({ database, log }) => database !== first.database || log !== first.log);
  const all = members.every(({ name }) => there.some((it) => it.name === name));
  return {
    verdict: differ ? 'differ' : all ? 'agree' : 'incomplete',
    instance: newest,
    at: first.at,
    ageMs: ageMs(first.at, asked),
    agreeing: differ ? [] : there.map(({ name }) => name).sort(),
  };
}

function newestSnapshot(asked: Survey, own: readonly ReplicaStatusDocument[]): CellStatusDocument['cell']['snapshot'] {
  const good = own.flatMap(({ name, newestSnapshot: it }) => (it?.verified ? [{ name, ...it }] : []));
  const [newest] = [...good].sort((a, b) => b.instance - a.instance);
  if (newest === undefined) return null;
  const { name: _, ...snapshot } = newest;
  return { ...snapshot, ageMs: ageMs(snapshot.createdAt, asked), members: good.map(({ name }) => name).sort() };
}

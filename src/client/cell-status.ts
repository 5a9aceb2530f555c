/**
 * The cell at a glance: every member is asked about itself, and the answers are put together (contract §1 `status`).
 *
 * The endpoints are a hint; the members that replicas name are the truth. Who does not answer counts as down, never as
 * "not asked"; and a replica that answers under another name than expected is not that member (PML §7: one misspelled
 * name cost a cell one of its spare failures for months).
 */
import { UnreachableError } from '../errors/cell-errors.ts';
import type { FrozenDocument, MemberDocument, ReplicaStatusDocument } from '../formats/http-body.ts';

export type ChecksumVerdict = 'agrees' | 'differs' | 'unknown';

export interface MemberStatusDocument {
  readonly name: string;
  readonly url: string;
  /** As the replica says; 'unreachable' when it did not. */
  readonly role: string;
  readonly voting: boolean;
  readonly incarnation: number;
  readonly version: string | null;
  readonly applied: number | null;
  /** Instances behind the furthest. */
  readonly lag: number | null;
  readonly answered: boolean;
  /** What is wrong with it; null when nothing is. */
  readonly detail: string | null;
  readonly checksum: ChecksumVerdict;
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
    readonly leaseRemainingMs: number | null;
    readonly revision: number | null;
    readonly entries: number | null;
    readonly warnings: readonly string[];
    /** Why the cell is frozen, as the first member that is says; null while none is. */
    readonly frozen: FrozenDocument | null;
  };
  readonly members: readonly MemberStatusDocument[];
}

/** Asks one replica; rejects when it does not answer. */
export type AskStatus = (url: string, timeoutMs: number) => Promise<ReplicaStatusDocument>;

/** One that hangs must not hide the others for as long as a write may wait. */
const answerMsMax = 2000;
/** Closer than this a replica is called caught up: writes are under way all the time. */
export const lagInstancesMax = 100;

interface Answer {
  readonly url: string;
  readonly status: ReplicaStatusDocument | null;
  readonly why: string | null;
}

/** @throws {UnreachableError} when nobody answers. */
export async function cellStatus(
  endpoints: readonly string[],
  ask: AskStatus,
  timeoutMs: number,
): Promise<CellStatusDocument> {
  const limit = Math.min(timeoutMs, answerMsMax);
  const one = async (url: string): Promise<Answer> => {
    try {
      return { url, status: await ask(url, limit), why: null };
    } catch (error) {
      return { url, status: null, why: (error as Error).message };
    }
  };
  const first = await Promise.all(endpoints.map(one));
  const asked = new Set(endpoints);
  const named = first.flatMap(({ status }) => status?.members.map(({ url }) => url) ?? []);
  const others = [...new Set(named)].filter((url) => !asked.has(url) && !asked.has(url.replace(/\/$/, '')));
  const answers = [...first, ...(await Promise.all(others.map(one)))];
  if (answers.every(({ status }) => status === null)) {
    const facts = { endpoints: answers.map(({ url, why }) => ({ url, why })) };
    const what = answers.map(({ url, why }) => `${url}: ${why}`).join('; ');
    throw new UnreachableError(`No replica answers (${what}).`, { facts });
  }
  return cellStatusOf(answers);
}

/** What the answers say together. */
export function cellStatusOf(answers: readonly Answer[]): CellStatusDocument {
  const statuses = answers.flatMap(({ status }) => (status === null ? [] : [status]));
  const best = [...statuses].sort((a, b) => b.instances.applied - a.instances.applied)[0] ?? null;
  const master = masterOf(statuses);
  const own = statuses.filter((it) => it.cell.id === best?.cell.id);
  const checksums = compareChecksums(own);
  const furthest = best?.instances.applied ?? 0;
  const members = (best?.members ?? []).map((it) => memberStatus(it, answers, own, { furthest, checksums, master }));

  const voters = members.filter(({ voting }) => voting);
  const quorum = Math.floor(voters.length / 2) + 1;
  const answering = voters.filter(({ answered }) => answered).length;
  const well = voters.filter(({ answered, detail }) => answered && detail === null).length;
  const frozen = earliestFreeze(own);
  const serves = master !== null && answering >= quorum && frozen === null;
  const intended = Math.max(0, voters.length - quorum);
  const tolerates = serves ? Math.max(0, well - quorum) : 0;
  const why = members.flatMap(({ name, detail }) => (detail === null ? [] : [`${name} ${detail}`]));
  if (master === null) why.unshift('no master: nobody holds the lease');
  if (answering < quorum)
    why.unshift(`no quorum: ${answering} of ${voters.length} voters answer, ${quorum} are needed`);
  if (frozen !== null) {
    const others = own.filter((it) => it.role !== 'frozen').map(({ name }) => name);
    const notYet = others.length === 0 ? '' : ` (not yet: ${others.join(', ')})`;
    why.unshift(`frozen since ${frozen.seenAt}${notYet}, ${frozen.cause}, seen by ${frozen.seenBy}: ${frozen.text}`);
  }
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
      leaseRemainingMs: master?.lease.remainingMs ?? null,
      revision: (master ?? best)?.revision ?? null,
      entries: (master ?? best)?.entries ?? null,
      warnings: statuses.flatMap(({ name, warnings }) => warnings.map((warning) => `${name}: ${warning}`)).sort(),
      frozen,
    },
    members,
  };
}

/** Who says that it is master and holds the lease; of two, which a paused one may cause, that of the later epoch. */
const masterOf = (statuses: readonly ReplicaStatusDocument[]): ReplicaStatusDocument | null =>
  statuses.filter(({ role, lease }) => role === 'master' && lease.held).sort((a, b) => b.epoch - a.epoch)[0] ?? null;

/** The oldest evidence is the one that counts; the others were told of it, or came to the same by themselves. */
const earliestFreeze = (statuses: readonly ReplicaStatusDocument[]): FrozenDocument | null =>
  statuses.flatMap(({ frozen }) => frozen ?? []).sort((a, b) => (a.seenAt < b.seenAt ? -1 : 1))[0] ?? null;

interface Whole {
  readonly furthest: number;
  readonly checksums: ReadonlyMap<string, ChecksumVerdict>;
  readonly master: ReplicaStatusDocument | null;
}

function memberStatus(
  member: MemberDocument,
  answers: readonly Answer[],
  own: readonly ReplicaStatusDocument[],
  whole: Whole,
): MemberStatusDocument {
  const { name, url, voting, incarnation } = member;
  const status = own.find((it) => it.name === name) ?? null;
  const checksum = whole.checksums.get(name) ?? 'unknown';
  const applied = status?.instances.applied ?? null;
  return {
    name,
    url,
    role: status?.role ?? 'unreachable',
    voting,
    incarnation: status?.incarnation ?? incarnation,
    version: status?.version ?? null,
    applied,
    lag: applied === null ? null : whole.furthest - applied,
    answered: status !== null,
    detail: status === null ? whyAbsent(member, answers) : whatIsWrong(status, member, checksum, whole),
    checksum,
  };
}

function whyAbsent({ url }: MemberDocument, answers: readonly Answer[]): string {
  const answer = answers.find((it) => it.url === url || it.url === url.replace(/\/$/, ''));
  if (answer?.status != null) {
    const { name, cell } = answer.status;
    return `is not at ${url}: ${name} of cell ${cell.id ?? 'none'} answers there`;
  }
  return `does not answer at ${url}${answer?.why == null ? '' : ` (${answer.why})`}`;
}

const wellRoles: ReadonlySet<string> = new Set(['master', 'replica', 'candidate']);

function whatIsWrong(
  status: ReplicaStatusDocument,
  member: MemberDocument,
  checksum: ChecksumVerdict,
  { furthest, master }: Whole,
): string | null {
  // Learners are not counted on; they are well while they are on their way.
  if (!member.voting && status.role === 'learner') return null;
  if (checksum === 'differs') return `holds another database than the majority at instance ${status.checksum.instance}`;
  if (!wellRoles.has(status.role)) return `is ${status.role}`;
  if (status.incarnation !== member.incarnation) {
    return `runs as incarnation ${status.incarnation}, the cell counts on ${member.incarnation}`;
  }
  if (!status.voting) return 'does not vote yet';
  if (status.readOnly) return 'is read-only: its disk is nearly full';
  const lag = furthest - status.instances.applied;
  if (lag > lagInstancesMax) return `is ${lag} instances behind`;
  const linked = master === null || master.name === status.name || master.peers.includes(status.name);
  const unheard: unknown = (master as { readonly unheard?: unknown } | null)?.unheard;
  if (Array.isArray(unheard) && unheard.includes(status.name)) {
    return `was not heard by the master ${master?.name} for more than two leases`;
  }
  return linked ? null : `has no connection from the master ${master.name}`;
}

/** Compares those that stand at the same instance. The odd one out differs; without a majority all do. */
function compareChecksums(statuses: readonly ReplicaStatusDocument[]): Map<string, ChecksumVerdict> {
  const verdicts = new Map<string, ChecksumVerdict>();
  const byInstance = new Map<number, ReplicaStatusDocument[]>();
  for (const status of statuses) {
    const { instance } = status.checksum;
    if (instance > 0) byInstance.set(instance, [...(byInstance.get(instance) ?? []), status]);
  }
  for (const group of byInstance.values()) {
    if (group.length < 2) continue;
    for (const status of group) {
      const alike = group.filter((it) => it.checksum.database === status.checksum.database).length;
      verdicts.set(status.name, alike * 2 > group.length ? 'agrees' : 'differs');
    }
  }
  return verdicts;
}

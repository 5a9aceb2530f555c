/**
 * One member in the status of its cell: what it said of itself, held against what the others count on.
 *
 * A replica that answers under another name than expected is not that member (PML §6.3: one misspelled name cost a cell one of
 * its spare failures for months).
 */
import type {
  CatchUpDocument,
  DrainDocument,
  MachineDocument,
  MemberDocument,
  ReplicaStatusDocument,
} from '../formats/http-body.ts';
import { silence } from './link-status.ts';
import type { Answer } from './survey.ts';

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
  /** Where the checksum was taken. */
  readonly checksumInstance: number | null;
  readonly uptimeMs: number | null;
  readonly flushMsP99: number | null;
  readonly diskFreeBytes: number | null;
  readonly diskBytes: number | null;
  /** Mastership is kept away from it. */
  readonly drain: DrainDocument | null;
  /** A snapshot on its way to it; null when none is. */
  readonly catchUp: CatchUpDocument | null;
}

/** Closer than this a replica is called caught up: writes are under way all the time. */
export const lagInstancesMax = 100;

/** What the judgement of one member rests on. */
export interface Whole {
  readonly answers: readonly Answer[];
  /** Those of this cell. */
  readonly own: readonly ReplicaStatusDocument[];
  readonly furthest: number;
  readonly checksums: ReadonlyMap<string, ChecksumVerdict>;
  readonly master: ReplicaStatusDocument | null;
}

export function memberStatus(member: MemberDocument, whole: Whole): MemberStatusDocument {
  const { name, url, voting, incarnation } = member;
  const { own, master } = whole;
  const status = statusOfMember(member, whole);
  const checksum = whole.checksums.get(name) ?? 'unknown';
  const applied = status?.instances.applied ?? null;
  const machine: MachineDocument | undefined = status?.machine;
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
    detail: status === null ? whyAbsent(member, whole) : whatIsWrong(status, member, { ...whole, checksum }),
    checksum,
    checksumInstance: status?.checksum?.instance ?? null,
    uptimeMs: status?.uptimeMs ?? null,
    flushMsP99: status?.load?.flushMsP99 ?? null,
    diskFreeBytes: machine?.diskFreeBytes ?? null,
    diskBytes: machine?.diskBytes ?? null,
    catchUp: status?.catchUp ?? null,
    drain: (master ?? own[0])?.drains?.find((it) => it.member === name) ?? null,
  };
}

/** Who answers under the member's name; where two do, the one at its address. */
function statusOfMember(member: MemberDocument, { answers, own }: Whole): ReplicaStatusDocument | null {
  const there = answerAt(member.url, answers)?.status;
  if (there != null && there.name === member.name && own.includes(there)) return there;
  return own.find((it) => it.name === member.name) ?? null;
}

export const answerAt = (url: string, answers: readonly Answer[]): Answer | undefined =>
  answers.find((it) => it.url === url || it.url === url.replace(/\/$/, ''));

function whyAbsent({ name, url }: MemberDocument, { answers, own }: Whole): string {
  const answer = answerAt(url, answers);
  if (answer?.status != null) {
    const { name: other, cell } = answer.status;
    return `is not at ${url}: ${other} of cell ${cell.id ?? 'none'} answers there`;
  }
  const reason = answer?.why == null ? '' : ` (${answer.why})`;
  return `does not answer at ${url}${reason}${heardText(name, own)}`;
}

/** Closer than this nobody needs to be told for how long. */
const silenceMsShown = 10_000;

function heardText(name: string, own: readonly ReplicaStatusDocument[]): string {
  const silent = silence(name, own);
  if (silent === null) return '';
  if (!silent.met) return '; no replica has met it since they started';
  return silent.ms < silenceMsShown ? '' : `; not heard by the others for ${inWords(silent.ms)}`;
}

function inWords(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}

const wellRoles: ReadonlySet<string> = new Set(['master', 'replica', 'candidate']);

function whatIsWrong(
  status: ReplicaStatusDocument,
  member: MemberDocument,
  { checksum, furthest, master }: Whole & { readonly checksum: ChecksumVerdict },
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
  if (master?.unheard?.includes(status.name)) {
    return `was not heard by the master ${master.name} for more than two leases`;
  }
  return linked ? null : `has no connection from the master ${master.name}`;
}

/** Compares those that stand at the same instance. The odd one out differs; without a majority all do. */
export function compareChecksums(statuses: readonly ReplicaStatusDocument[]): Map<string, ChecksumVerdict> {
  const verdicts = new Map<string, ChecksumVerdict>();
  const byInstance = new Map<number, ReplicaStatusDocument[]>();
  for (const status of statuses) {
    const instance = status.checksum?.instance ?? 0;
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

/**
 * Whether a member that was restarted is what it should be, by what it reports of itself and never by how the restart ended.
 *
 * Each lie of a restart has its own sentence: nothing was restarted, the old version was started, another member's directory or
 * an older copy of its own, two processes in turn (design §6.4).
 */
import type { ReplicaStatusDocument } from '../../formats/http-body.ts';
import type { MemberProgress } from './journal.ts';
import { type Seen, seenMember, unwell } from './seen.ts';

export type Verdict =
  | { readonly kind: 'good' }
  /** Not yet; when time is up, `why` is the doubt. */
  | { readonly kind: 'pending'; readonly why: string }
  /** It will not become right by waiting. */
  | { readonly kind: 'doubt'; readonly why: string };

const pending = (why: string): Verdict => ({ kind: 'pending', why });
const doubt = (why: string): Verdict => ({ kind: 'doubt', why });

const finalRoles: ReadonlySet<string> = new Set(['frozen', 'quarantined', 'removed', 'halted']);

export interface Expected {
  readonly version: string;
  /** Nothing below this instance: what was applied before, and the mark of the attempt. */
  readonly floor: number;
  /** The boot that this driver saw come up first; another one means that something restarts it. */
  readonly bootSeen: string | null;
}

export function judgeRestart(progress: MemberProgress, seen: Seen, expected: Expected): Verdict {
  const { name } = progress;
  const it = seenMember(seen, name);
  if (it === null) return doubt(`${name} is not in the membership any more`);
  const { status } = it;
  if (status === null) return pending(`${name} ${unwell(it, seen)}`);
  return (
    judgeIdentity(progress, status, seen) ??
    judgeBoot(progress, status, expected) ??
    judgeState(progress, seen, expected)
  );
}

function judgeIdentity(
  { name, incarnation, url }: MemberProgress,
  status: ReplicaStatusDocument,
  seen: Seen,
): Verdict | null {
  if (status.name !== name) return doubt(`at ${url} answers ${status.name}, on that member's data, instead of ${name}`);
  // It opens its data, or waits to be let in: it has not said who it is yet.
  if (status.role === 'waiting') return pending(`${name} is waiting: ${status.warnings[0] ?? 'no reason given'}`);
  if (status.cell.id !== seen.cell.id) {
    return doubt(`${name} came back with data of cell ${status.cell.id ?? 'none'} instead of ${seen.cell.id}`);
  }
  if (status.cell.generation !== seen.cell.generation) {
    return doubt(`${name} came back in generation ${status.cell.generation}, the cell is in ${seen.cell.generation}`);
  }
  if (status.incarnation !== incarnation) {
    return doubt(
      `${name} came back as incarnation ${status.incarnation}, it was ${incarnation}: its data was replaced`,
    );
  }
  return null;
}

function judgeBoot(
  { before, name }: MemberProgress,
  { boot, version }: ReplicaStatusDocument,
  expected: Expected,
): Verdict | null {
  if (before !== null) {
    if (boot.id === before.boot.id) {
      return pending(`${name} was not restarted: boot ${boot.number} of before still answers, with version ${version}`);
    }
    if (boot.number <= before.boot.number) {
      return doubt(
        `${name} stands on an older copy of its directory: boot ${boot.number}, and it was in boot ${before.boot.number} before`,
      );
    }
  }
  if (expected.bootSeen !== null && boot.id !== expected.bootSeen) {
    return doubt(`${name} was started twice: boot ${boot.number} answers, and another one did a moment ago`);
  }
  if (version !== expected.version) {
    return doubt(`${name} was started with version ${version} instead of ${expected.version}, as boot ${boot.number}`);
  }
  return null;
}

function judgeState(progress: MemberProgress, seen: Seen, { floor }: Expected): Verdict {
  const { name } = progress;
  const it = seenMember(seen, name);
  const status = it?.status ?? null;
  if (it === null || status === null) return pending(`${name} does not answer`);
  // Of this boot: the one of before says what it likes while it ends.
  if (finalRoles.has(status.role)) return doubt(`${name} is ${status.role}`);
  if (it.member.voting !== progress.voting) {
    return doubt(
      `${name} is ${it.member.voting ? 'a voter' : 'no voter'} now, it was ${progress.voting ? 'one' : 'none'}`,
    );
  }
  const why = unwell(it, seen);
  if (why !== null) return pending(`${name} ${why}`);
  if (status.instances.applied < floor) {
    return pending(`${name} is at instance ${status.instances.applied}, it or the cell was at ${floor} before`);
  }
  if (seen.master === null) return pending('the cell has no master');
  const master = seenMember(seen, seen.master)?.status;
  if (master?.unheard?.includes(name)) return pending(`${name} is not heard by the master ${seen.master}`);
  const news = status.warnings.filter((warning) => !(progress.before?.warnings ?? []).includes(warning));
  return news.length === 0 ? { kind: 'good' } : pending(`${name} warns: ${news.join(' ')}`);
}

/**
 * The snapshots that the members keep: seeing them, and having one taken.
 *
 * Source: contract §1 (`snapshot list`, `take`). A member is asked about its own disk, so each is asked directly; who does
 * not answer is named, never left out silently.
 */
import { CheckIncompleteError, OperatorError, UsageError } from '../errors/index.ts';
import type { ReplicaStatusDocument, SnapshotDocument, SnapshotsDocument } from '../formats/http-body.ts';
import { type Answer, currentMaster, survey } from './cell-status.ts';
import type { CellFlags } from './connect.ts';
import { askReplica } from './replica-http.ts';

export interface AnsweringMember {
  readonly name: string;
  readonly url: string;
  readonly status: ReplicaStatusDocument;
}

/** A member that gave no answer, and why. */
export interface SilentMember {
  readonly name: string;
  readonly why: string;
}

/** A snapshot, how old it is, and how many instances its member has applied since. */
export interface ListedSnapshot extends SnapshotDocument {
  readonly ageMs: number;
  readonly behind: number;
}

export interface SnapshotList {
  readonly snapshots: readonly ListedSnapshot[];
  readonly unanswered: readonly SilentMember[];
}

export interface SnapshotsTaken extends SnapshotList {
  readonly dryRun: boolean;
  readonly wouldTake: readonly string[];
}

/**
 * All members that answer, the master last: what disturbs it is best done elsewhere. With `member`, only that one.
 *
 * @throws {UnreachableError} (exit 3) when nobody answers; {UsageError} (exit 2) for a name that the cell does not have.
 */
export async function membersOf(
  { endpoints, timeout }: CellFlags,
  member?: string,
): Promise<{ readonly answering: readonly AnsweringMember[]; readonly silent: readonly SilentMember[] }> {
  const { answers } = await survey(endpoints, timeout);
  const statuses = answers.flatMap(({ status }) => (status === null ? [] : [status]));
  const master = currentMaster(statuses);
  const best = master ?? [...statuses].sort((a, b) => b.instances.applied - a.instances.applied)[0];
  const cell = best?.cell.id ?? null;
  const answering = uniqueByName(
    answers.flatMap(({ url, status }) =>
      status === null || status.cell.id !== cell ? [] : [{ name: status.name, url, status }],
    ),
  ).sort((a, b) => Number(a.name === master?.name) - Number(b.name === master?.name));
  const silent = (best?.members ?? [])
    .filter(({ name }) => !answering.some((it) => it.name === name))
    .map(({ name, url }) => ({ name, why: whySilent(url, answers) }));
  if (member === undefined) return { answering, silent };
  const chosen = answering.filter(({ name }) => name === member);
  const missing = silent.filter(({ name }) => name === member);
  if (chosen.length + missing.length === 0) {
    throw new UsageError(`${member} is not a member of this cell.`, {
      code: 'PAXOS_MEMBER_UNKNOWN',
      facts: { member, members: answering.map(({ name }) => name) },
    });
  }
  return { answering: chosen, silent: missing };
}

const whySilent = (url: string, answers: readonly Answer[]): string =>
  answers.find((it) => it.url === url.replace(/\/$/, ''))?.why ?? 'it was not reached';

function uniqueByName(members: readonly AnsweringMember[]): AnsweringMember[] {
  return members.filter(({ name }, at) => members.findIndex((it) => it.name === name) === at);
}

/** @throws as {@link membersOf}. */
export async function listSnapshots(flags: CellFlags, member?: string): Promise<SnapshotList> {
  const { answering, silent } = await membersOf(flags, member);
  const lists = await Promise.all(answering.map((it) => ask(it, flags.timeout)));
  return {
    snapshots: lists.flatMap((it) => it.snapshots),
    unanswered: [...silent, ...lists.flatMap((it) => it.unanswered)],
  };
}

async function ask(member: AnsweringMember, timeoutMs: number, body?: unknown): Promise<SnapshotList & TakenFlags> {
  const document = (await askReplica(`${member.url}/v1/snapshots`, {
    timeoutMs,
    ...(body === undefined ? {} : { body }),
  }).catch((error: unknown) => {
    if (error instanceof OperatorError) return error;
    throw error;
  })) as SnapshotsDocument | OperatorError;
  if (document instanceof OperatorError) {
    return { snapshots: [], unanswered: [{ name: member.name, why: document.message }], wouldTake: false };
  }
  const { applied } = member.status.instances;
  return {
    snapshots: document.snapshots.map((it) => aged(it, applied)),
    unanswered: [],
    wouldTake: document.wouldTake ?? false,
  };
}

interface TakenFlags {
  readonly wouldTake: boolean;
}

/** What a snapshot looks like beside how far its member has come. */
export const aged = (snapshot: SnapshotDocument, applied: number): ListedSnapshot => ({
  ...snapshot,
  ageMs: Math.max(0, Date.now() - Date.parse(snapshot.createdAt)),
  behind: Math.max(0, applied - snapshot.instance),
});

/**
 * Takes one on every member that answers, one after the other, or on `member` alone.
 *
 * @throws {OperatorError} of the only member that was asked; {CheckIncompleteError} (exit 8) when some took none.
 */
export async function takeSnapshots(
  flags: CellFlags,
  { member, dryRun }: { readonly member: string | undefined; readonly dryRun: boolean },
): Promise<SnapshotsTaken> {
  const { answering, silent } = await membersOf(flags, member);
  const snapshots: ListedSnapshot[] = [];
  const unanswered: SilentMember[] = [...silent];
  const wouldTake: string[] = [];
  for (const it of answering) {
    const taken = await ask(it, flags.timeout, { dryRun });
    snapshots.push(...taken.snapshots);
    unanswered.push(...taken.unanswered);
    if (taken.wouldTake) wouldTake.push(it.name);
  }
  if (unanswered.length === 0) return { snapshots, unanswered, dryRun, wouldTake };
  const who = unanswered.map(({ name, why }) => `${name}: ${why}`).join(' ');
  const done = snapshots.map((it) => `${it.member} at instance ${it.instance}`).join(', ');
  throw new CheckIncompleteError(
    `Not every member has a new snapshot: ${who}${done === '' ? '' : ` Taken: ${done}.`}`,
    { facts: { unanswered, snapshots }, suggestions: ['paxosctl snapshot list', 'paxosctl status'] },
  );
}

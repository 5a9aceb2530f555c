/**
 * `snapshot save`: a copy of the cell's present state in a file, read from a member that is not the master where possible.
 *
 * Source: contract §1; design §4; pitfalls P55. Keeps: the file appears under its name only when it was received whole,
 * flushed, and read back; what is there otherwise bears another name and is removed; bytes of two snapshots never mix, since
 * each attempt begins a new file.
 */

import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CellRolledBackError,
  errorFromProblem,
  OperatorError,
  problemFrom,
  RefusedError,
  UnreachableError,
  UsageError,
} from '../errors/index.ts';
import type { SnapshotDocument } from '../formats/http-body.ts';
import { type Told, tellOfBackup, whereOf } from './backups.ts';
import { type CellFlags, remembersAny, withCell } from './connect.ts';
import { flushFolder } from './flush-folder.ts';
import { inWords, jsonOrNull, openReplica, readAll } from './replica-http.ts';
import { type AnsweringMember, membersOf, type SilentMember } from './snapshots.ts';

export interface SaveProgress {
  readonly member: string;
  readonly instance: number;
  readonly bytes: number;
  readonly totalBytes: number;
  readonly tookMs: number;
}

export interface SaveOptions {
  readonly file: string;
  /** Only from this member. */
  readonly member: string | undefined;
  readonly overwrite: boolean;
  readonly onProgress: (progress: SaveProgress) => void;
  /**
   * What is done where nobody is master, so that nobody can say whether the state is the last one. `refuse` (where absent): nothing, once
   * `timeout` has passed. `accept`: the furthest of those that answer is saved. `as-it-is`: what `member` has, which the caller holds
   * against what it reported.
   */
  readonly unconfirmed?: 'refuse' | 'accept' | 'as-it-is';
  /** Nothing came for so long: the connection or the member has failed. 10 s where absent. */
  readonly stallMs?: number;
  /** Reads the finished file whole and says what it is. @throws when it is not a good snapshot. */
  readonly verify: (file: string) => Promise<Omit<SnapshotDocument, 'member' | 'createdAt'>>;
}

export interface SavedSnapshot {
  readonly snapshots: readonly SnapshotDocument[];
  readonly file: string;
  readonly bytes: number;
  readonly tookMs: number;
  /** Members that were tried before, and what was wrong. */
  readonly failed: readonly { readonly name: string; readonly why: string }[];
  /** Whether the cell could be told, for `status` and `doctor`. */
  readonly told: Told;
  /** A master said how far the cell was when the command began. Otherwise the state may be older than what was acknowledged. */
  readonly confirmed: boolean;
  /** Members that did not answer, where it is not confirmed: each of them may have more. */
  readonly mayHaveMore: readonly string[];
}

const stallMsDefault = 10_000;
const roundsMax = 2;
const pollMs = 100;

/**
 * @throws {UsageError} when the file exists, or cannot be written; {UnreachableError} (exit 3) when no member gave one, or nobody is
 * master and that was not accepted.
 */
export async function saveSnapshot(flags: CellFlags, options: SaveOptions): Promise<SavedSnapshot> {
  const started = performance.now();
  const deadline = started + flags.timeout;
  if (!options.overwrite) await refusePresent(options.file);
  const { answering, askedMs, confirmed, floor, silent } = await floorOf(flags, options, deadline);
  if (confirmed) await refuseRolledBack(flags);
  const failed: { name: string; why: string }[] = [...silent];
  // Only from this one: it catches up.
  const waits = (): boolean => options.member !== undefined && confirmed && performance.now() < deadline;
  for (let round = 0; round < roundsMax || waits(); round++) {
    if (round >= roundsMax) await sleep(pollMs);
    for (const member of inOrder(answering)) {
      try {
        const snapshot = await saveFrom(member, floor, flags.timeout, options);
        const tookMs = Math.round(performance.now() - started);
        const told = confirmed
          ? await tell(flags, options.file, snapshot, () => performance.now() - askedMs)
          : ({ told: false, why: 'no master said how old its state is' } as const);
        const mayHaveMore = confirmed ? [] : silent.map(({ name }) => name);
        const saved = { snapshots: [snapshot], file: options.file, bytes: snapshot.bytes, tookMs, failed };
        return { ...saved, told, confirmed, mayHaveMore };
      } catch (error) {
        if (!(error instanceof OperatorError) || error instanceof UsageError) throw error;
        if (round >= roundsMax) failed.pop();
        failed.push({ name: member.name, why: error.message });
      }
    }
  }
  const why = failed.map((it) => `${it.name}: ${it.why}`).join(' ');
  throw new UnreachableError(`No member gave a whole snapshot. ${why}`, { facts: { failed } });
}

/**
 * The master of a cell that went back knows of nothing newer: what this tool has seen is held against it before its state is called a
 * backup. @throws {UnreachableError} when no master judges it; {CellRolledBackError} the cell is frozen from then on, and what it holds may be saved all the same.
 */
async function refuseRolledBack(flags: CellFlags): Promise<void> {
  if (!(await remembersAny())) return;
  try {
    await withCell(flags, (client) => client.putDryRun('a', ''));
  } catch (error) {
    // That it is of a newer generation, say, is no reason not to save what it has.
    if (error instanceof CellRolledBackError || error instanceof UnreachableError) throw error;
  }
}

interface Floor {
  readonly answering: readonly AnsweringMember[];
  readonly silent: readonly SilentMember[];
  readonly confirmed: boolean;
  /** Nothing below this instance is saved. */
  readonly floor: number;
  /** When it was known. */
  readonly askedMs: number;
}

/**
 * How far the cell is now, by the word of its master, which is waited for: everything that was acknowledged before is at or below. Where
 * nobody is master, how far anybody is who answers; that may be hours behind, and only who accepts it gets it.
 */
async function floorOf(
  flags: CellFlags,
  { member, unconfirmed = 'refuse' }: SaveOptions,
  deadline: number,
): Promise<Floor> {
  for (;;) {
    const askedMs = performance.now();
    const all = await membersOf(flags);
    // A name that the cell does not have is refused by this.
    const chosen = member === undefined ? all : await membersOf(flags, member);
    const applied = (members: readonly AnsweringMember[]): number =>
      Math.max(0, ...members.map(({ status }) => status.instances.applied));
    const parts = { answering: chosen.answering, askedMs };
    if (unconfirmed === 'as-it-is') return { ...parts, silent: chosen.silent, confirmed: false, floor: 0 };
    const serving = all.answering.filter(isServing);
    if (serving.length > 0) return { ...parts, silent: chosen.silent, confirmed: true, floor: applied(serving) };
    const { silent } = all;
    // A frozen cell has no master until an operator ends that, and acknowledges nothing more.
    const frozen = all.answering.some(({ status }) => status.role === 'frozen');
    if (unconfirmed === 'accept' || frozen) {
      return { ...parts, silent, confirmed: false, floor: member === undefined ? applied(all.answering) : 0 };
    }
    if (performance.now() >= deadline) throw withoutMaster(all);
    await sleep(pollMs);
  }
}

function withoutMaster({ answering, silent }: Awaited<ReturnType<typeof membersOf>>): UnreachableError {
  const [furthest] = [...answering].sort((a, b) => b.status.instances.applied - a.status.instances.applied);
  const has =
    furthest === undefined
      ? 'no member answers'
      : `the furthest is ${furthest.name} at instance ${furthest.status.instances.applied}`;
  const away = silent.length === 0 ? '' : `, and ${silent.map(({ name }) => name).join(', ')} may have more`;
  return new UnreachableError(
    `Nobody is master, so nobody can say whether the state of those that answer is the last one: ${has}${away}. Nothing was saved.`,
    {
      code: 'PAXOS_NO_MASTER',
      facts: { members: answering.map(({ name, status }) => ({ name, applied: status.instances.applied })), silent },
      suggestions: ['paxosctl wait master --timeout 2m', 'paxosctl snapshot save FILE --without-master'],
    },
  );
}

async function tell(flags: CellFlags, file: string, snapshot: SnapshotDocument, ageMs: () => number): Promise<Told> {
  const { bytes, checksum, digest, entries, generation, instance } = snapshot;
  if (checksum === null || entries === null || generation === null) return { told: false, why: 'it is no database' };
  const saved = { generation, instance, digest, entries, bytes, checksum, ageMs: Math.round(ageMs()) };
  return tellOfBackup(flags, null, { op: 'saved', ...saved, ...whereOf(file) });
}

const isServing = ({ status }: AnsweringMember): boolean => status.role === 'master' && status.lease.held;

/** Voters that follow first, the master last, and the furthest first among equals. */
function inOrder(members: readonly AnsweringMember[]): AnsweringMember[] {
  const rank = ({ status }: AnsweringMember): number =>
    status.role === 'replica' ? 0 : status.role === 'master' ? 1 : 2;
  return [...members].sort((a, b) => rank(a) - rank(b) || b.status.instances.applied - a.status.instances.applied);
}

const saveFrom = (
  { name, url }: AnsweringMember,
  atLeast: number,
  timeoutMs: number,
  options: SaveOptions,
): Promise<SnapshotDocument> =>
  downloadSnapshot({ name, url: `${url}/v1/snapshots/current?atLeast=${atLeast}` }, timeoutMs, options);

/** One snapshot file of one member. @throws {OperatorError} with nothing under that name that was not there before. */
export async function downloadSnapshot(
  member: { readonly name: string; readonly url: string },
  timeoutMs: number,
  options: Omit<SaveOptions, 'member'>,
): Promise<SnapshotDocument> {
  const { url } = member;
  const response = await openReplica(url, { timeoutMs });
  if (response.statusCode !== 200) {
    const document = jsonOrNull(await readAll(response, timeoutMs, url));
    throw errorFromProblem(problemFrom(response.statusCode ?? 0, document));
  }
  const createdAt = new Date().toISOString();
  // A process that was killed in a container has left one of the same process id.
  const part = `${options.file}.part-${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    await receive(response, part, member.name, options);
    const found = await options.verify(part);
    if (found.digest !== response.headers['paxos-snapshot-digest']) {
      throw new UnreachableError(`${member.name} sent another file than it announced.`);
    }
    if (!options.overwrite) await refusePresent(options.file);
    await rename(part, options.file);
    await flushFolder(path.dirname(path.resolve(options.file)));
    return { ...found, member: member.name, createdAt };
  } finally {
    response.destroy();
    await rm(part, { force: true });
  }
}

async function receive(
  response: IncomingMessage,
  part: string,
  member: string,
  { onProgress, stallMs = stallMsDefault }: Pick<SaveOptions, 'onProgress' | 'stallMs'>,
): Promise<void> {
  const totalBytes = Number(response.headers['content-length']);
  const instance = Number(response.headers['paxos-snapshot-instance']);
  const started = performance.now();
  const file = await open(part, 'wx', 0o600).catch((error: unknown) => {
    throw new UsageError(`File ${part} cannot be written: ${(error as Error).message}.`, { cause: error });
  });
  const stalled = (): void => void response.destroy(new Error(`nothing came for ${stallMs / 1000} s`));
  let timer = setTimeout(stalled, stallMs);
  let bytes = 0;
  try {
    for await (const chunk of response) {
      clearTimeout(timer);
      await file.write(chunk as Buffer, 0, (chunk as Buffer).length, bytes).catch(whyNotWritten(part));
      bytes += (chunk as Buffer).length;
      onProgress({ member, instance, bytes, totalBytes, tookMs: performance.now() - started });
      timer = setTimeout(stalled, stallMs);
    }
    if (bytes !== totalBytes) throw new Error(`it ended after ${bytes} of ${totalBytes} bytes`);
    await file.sync().catch(whyNotWritten(part));
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw new UnreachableError(`${member} did not send it to the end (${inWords(error as Error)}).`, { cause: error });
  } finally {
    clearTimeout(timer);
    await file.close();
  }
}

const whyNotWritten =
  (file: string) =>
  (error: unknown): never => {
    throw new UsageError(`File ${file} cannot be written: ${(error as Error).message}.`, {
      facts: { file },
      suggestions: [`df -h ${path.dirname(path.resolve(file))}`],
      cause: error,
    });
  };

async function refusePresent(file: string): Promise<void> {
  const present = await open(file, 'r').catch(() => null);
  await present?.close();
  if (present === null) return;
  throw new RefusedError(`File ${file} exists already; it would be replaced.`, {
    facts: { file },
    suggestions: [`paxosctl snapshot inspect ${file}`, `paxosctl snapshot save ${file} --overwrite`],
  });
}

/**
 * `snapshot save`: a copy of the cell's present state in a file, read from a member that is not the master where possible.
 *
 * Source: contract §1; design §4; pitfalls P55. Keeps: the file appears under its name only when it was received whole,
 * flushed, and read back; what is there otherwise bears another name and is removed; bytes of two snapshots never mix, since
 * each attempt begins a new file.
 */

import { open, rename, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import {
  errorFromProblem,
  OperatorError,
  problemFrom,
  RefusedError,
  UnreachableError,
  UsageError,
} from '../errors/index.ts';
import type { SnapshotDocument } from '../formats/http-body.ts';
import { type Told, tellOfBackup, whereOf } from './backups.ts';
import type { CellFlags } from './connect.ts';
import { flushFolder } from './flush-folder.ts';
import { inWords, jsonOrNull, openReplica, readAll } from './replica-http.ts';
import { type AnsweringMember, membersOf } from './snapshots.ts';

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
}

const stallMsDefault = 10_000;
const roundsMax = 2;

/**
 * @throws {UsageError} when the file exists, or cannot be written; {UnreachableError} (exit 3) when no member gave one.
 */
export async function saveSnapshot(flags: CellFlags, options: SaveOptions): Promise<SavedSnapshot> {
  const started = performance.now();
  if (!options.overwrite) await refusePresent(options.file);
  const { answering, silent } = await membersOf(flags, options.member);
  // Everything that was acknowledged before this command began is in it.
  const atLeast = Math.max(0, ...answering.filter(isServing).map(({ status }) => status.instances.applied));
  const failed: { name: string; why: string }[] = [...silent];
  for (let round = 0; round < roundsMax; round++) {
    for (const member of inOrder(answering)) {
      try {
        const snapshot = await saveFrom(member, atLeast, flags.timeout, options);
        const tookMs = Math.round(performance.now() - started);
        const told = await tell(flags, options.file, snapshot);
        return { snapshots: [snapshot], file: options.file, bytes: snapshot.bytes, tookMs, failed, told };
      } catch (error) {
        if (!(error instanceof OperatorError) || error instanceof UsageError) throw error;
        failed.push({ name: member.name, why: error.message });
      }
    }
  }
  const why = failed.map((it) => `${it.name}: ${it.why}`).join(' ');
  throw new UnreachableError(`No member gave a whole snapshot. ${why}`, { facts: { failed } });
}

async function tell(flags: CellFlags, file: string, snapshot: SnapshotDocument): Promise<Told> {
  const { bytes, checksum, digest, entries, generation, instance } = snapshot;
  if (checksum === null || entries === null || generation === null) return { told: false, why: 'it is no database' };
  const saved = { generation, instance, digest, entries, bytes, checksum };
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
  const part = `${options.file}.part-${process.pid}`;
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

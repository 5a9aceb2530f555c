/** The snapshots of this replica: which there are, taking one, reading one out. Answered in every role that has a state. */
import { catalogued } from '../../errors/catalogue.ts';
import type { SnapshotsDocument } from '../../formats/http-body.ts';
import { readJson } from './body-reader.ts';
import { takeSnapshotSchema } from './body-schemas.ts';
import type { Exchange } from './exchange.ts';
import { isFault, readInteger } from './query.ts';
import type { Route } from './route.ts';
import type { SnapshotDownload, SnapshotService, SnapshotTaking } from './service.ts';
import { sendSnapshot } from './snapshot-stream.ts';

function withSnapshots(exchange: Exchange, use: (snapshots: SnapshotService) => Promise<void>): void {
  const snapshots = exchange.service.snapshots();
  if (snapshots === null) {
    exchange.problem('PAXOS_NOT_SERVING', 'This replica has no database yet.');
    return;
  }
  // A large one takes longer than any request may wait: it is not held, so no deadline ends it.
  use(snapshots).catch((error: unknown) => {
    exchange.front.log({ kind: 'snapshot-failed', error: String(error) });
    exchange.problem('PAXOS_INTERNAL', 'The snapshots could not be read.', { outcome: 'none' });
  });
}

function list(exchange: Exchange): void {
  withSnapshots(exchange, async (snapshots) => {
    const document: SnapshotsDocument = { snapshots: await snapshots.list() };
    exchange.json(document);
  });
}

function take(exchange: Exchange): void {
  readJson(exchange, takeSnapshotSchema, { optional: true }, (body) => {
    exchange.unheld();
    withSnapshots(exchange, async (snapshots) => answerTaking(exchange, await snapshots.take(body.dryRun ?? false)));
  });
}

function answerTaking(exchange: Exchange, taking: SnapshotTaking): void {
  if (taking.kind === 'refused') return refuse(exchange, taking.code, taking.message);
  const document: SnapshotsDocument =
    taking.kind === 'would'
      ? { snapshots: [], dryRun: true, wouldTake: true }
      : { snapshots: [taking.snapshot], taken: taking.taken };
  exchange.json(document);
}

function refuse(exchange: Exchange, code: string, message: string): void {
  exchange.problem(code, message, { outcome: 'none', status: catalogued(code).status ?? 409 });
}

/** `current`, `newest` or an instance in its one spelling; null for anything else. */
function whichOf(text: string): 'current' | 'newest' | number | null {
  if (text === 'current' || text === 'newest') return text;
  const instance = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(instance) ? instance : null;
}

function download(exchange: Exchange): void {
  const which = whichOf(exchange.parameter);
  const atLeast = readInteger(exchange.query, 'atLeast', { min: 0, max: Number.MAX_SAFE_INTEGER });
  if (isFault(atLeast)) return exchange.fault(atLeast);
  if (which === null) return exchange.problem('PAXOS_NOT_FOUND', 'A snapshot is current, newest or an instance.');
  withSnapshots(exchange, async (snapshots) => {
    const opened = await snapshots.open(which, atLeast ?? 0);
    if (opened.kind === 'refused') return refuse(exchange, opened.code, opened.message);
    await send(exchange, opened.download);
  });
}

const send = (exchange: Exchange, opened: SnapshotDownload): Promise<void> =>
  sendFile(exchange, opened.snapshot, opened);

/** All of it, and closes it. */
export async function sendFile(
  exchange: Exchange,
  { instance, digest }: { readonly instance: number; readonly digest: string },
  opened: Omit<SnapshotDownload, 'snapshot'>,
): Promise<void> {
  const headers = ['Content-Type', 'application/octet-stream', 'Cache-Control', 'no-store'];
  headers.push('Paxos-Snapshot-Instance', String(instance), 'Paxos-Snapshot-Digest', digest);
  try {
    const response = exchange.stream(headers, opened.bytes);
    if (response !== null && exchange.req.method === 'HEAD') response.end();
    else if (response !== null) await sendSnapshot(response, opened, exchange.front.limits);
  } catch (error) {
    exchange.front.log({ kind: 'snapshot-not-sent', instance, error: String(error) });
    exchange.res.destroy();
  } finally {
    await opened
      .close()
      .catch((error: unknown) => exchange.front.log({ kind: 'snapshot-not-closed', error: String(error) }));
  }
}

export const snapshotRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/snapshots',
    operation: 'snapshots',
    summary: 'The snapshots that this replica keeps, newest first.',
    answer:
      '{"snapshots":[{"member","instance","epoch","generation","entries","bytes","checksum","digest","createdAt","verified"}]}.',
    problems: ['PAXOS_NOT_SERVING'],
    handle: list,
  },
  {
    method: 'POST',
    path: '/v1/snapshots',
    operation: 'takeSnapshot',
    summary: 'Takes a snapshot of everything applied here; answers when it was read back and counts.',
    body: { json: takeSnapshotSchema, optional: true },
    answer: 'As GET, of the one that holds everything now; "taken" is false when it was there already.',
    problems: ['PAXOS_SNAPSHOT_FAILED', 'PAXOS_SNAPSHOT_REFUSED', 'PAXOS_NOT_SERVING'],
    handle: take,
  },
  {
    method: 'GET',
    path: '/v1/snapshots/{which}',
    operation: 'readSnapshot',
    summary:
      'The bytes of a snapshot: "current" for one of this moment that is kept by nobody, "newest" or an instance for one that this replica keeps.',
    query: { atLeast: { type: 'integer', description: 'Refuse one that holds less than this instance.' } },
    answer: 'The file. Paxos-Snapshot-Instance and Paxos-Snapshot-Digest say which one it is.',
    problems: ['PAXOS_SNAPSHOT_NOT_FOUND', 'PAXOS_SNAPSHOT_FAILED', 'PAXOS_NOT_SERVING'],
    handle: download,
  },
];

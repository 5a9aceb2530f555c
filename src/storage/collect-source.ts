/**
 * What a data directory holds that nobody runs on, as a start would read it, changing nothing: for `recover collect`.
 *
 * Source: design §3 "Generations", §4. A directory that must not vote any more (lost promises, a rolled-back disk) still says what was
 * chosen and accepted: no survivor's knowledge is thrown away because its member cannot start.
 */
import type { AcceptedEntry } from '../core/consensus/message.ts';
import type { Manifest } from '../formats/manifest.ts';
import { manifestOwner } from '../formats/manifest.ts';
import type { StoredPromise } from '../formats/promise.ts';
import type { SnapshotHeader } from '../formats/snapshot.ts';
import type { DigestPort } from '../ports/digest.ts';
import type { Disk } from '../ports/disk.ts';
import { ManifestCorruptError, PromiseLostError, SnapshotCorruptError } from './errors.ts';
import { acceptedIn, checkAgreement, expectedFlush, missingUpToOf } from './opening.ts';
import { PromiseCopies } from './promise-copies.ts';
import { snapshotRecords, verifySnapshot } from './snapshot-reader.ts';
import { type RecoveredLog, recoverLog } from './wal/recovery.ts';

export interface CollectSource {
  /** The newest good snapshot; null: the state before the first instance. */
  readonly base: { readonly header: SnapshotHeader; records(): AsyncIterable<Uint8Array> } | null;
  /** Above the base. */
  readonly log: RecoveredLog;
  /** Accepted above the base, ascending. */
  readonly entries: readonly AcceptedEntry[];
  /** Up to here its state is gone: what stood for it is bad, and the log does not lead there. 0 for nothing. */
  readonly missingUpTo: number;
  /** Why `node start` would refuse this directory; empty when it would not. */
  readonly refusals: readonly string[];
  /** What is not as it should be, and no reason not to start. */
  readonly notes: string[];
}

/** @throws {WalCorruptError} for a log that is not this member's; {SnapshotCorruptError} when nothing leads to a state. */
export async function readCollectable(disk: Disk, manifest: Manifest, digest: DigestPort): Promise<CollectSource> {
  const refusals: string[] = [];
  const notes: string[] = [];
  const owner = manifestOwner(manifest);
  const promise = await promiseOf(disk, manifest, refusals);
  const origin = { cellId: manifest.cell.id, generation: manifest.cell.generation };
  const received = manifest.received?.instance ?? 0;
  let base: CollectSource['base'] = null;
  for (const { file, verified } of manifest.snapshots) {
    if (!verified) continue;
    try {
      const { header } = await verifySnapshot(disk, file, origin, digest);
      base = { header, records: () => snapshotRecords(disk, file) };
      break;
    } catch (error) {
      if (!(error instanceof SnapshotCorruptError)) throw error;
      notes.push(`${file} is bad: ${error.facts.problem}`);
    }
  }
  const from = base?.header.handle.instance ?? 0;
  // Below a snapshot that came from another member the own log may hold values that were never chosen.
  if (from < received) {
    const problem = `the snapshot of instance ${received} is bad, and the log below it may not be what was chosen`;
    throw new SnapshotCorruptError({ file: manifest.received?.file ?? '', problem, instance: received });
  }
  const flush = expectedFlush(manifest, promise);
  const log = await recoverLog(disk, owner, manifest.segments, { above: from, restateAbove: from, flush });
  for (const { file, offset, problem } of log.damage) notes.push(`${file} is damaged at ${offset}: ${problem}`);
  if (promise !== null) refusals.push(...disagreement(manifest, promise, log));
  if (manifest.rolledBack !== '') refusals.push(`it was rolled back: ${manifest.rolledBack}`);
  if (manifest.flags.removed) refusals.push('its member was removed');
  const missingUpTo = missingUpToOf(manifest, log, from);
  if (missingUpTo > 0) notes.push(`its state up to instance ${missingUpTo} is gone`);
  return { base, log, entries: acceptedIn(log, missingUpTo), missingUpTo, refusals, notes };
}

async function promiseOf(disk: Disk, manifest: Manifest, refusals: string[]): Promise<StoredPromise | null> {
  try {
    return await PromiseCopies.read(disk, manifestOwner(manifest));
  } catch (error) {
    if (!(error instanceof PromiseLostError)) throw error;
    refusals.push(`both copies of the promise are lost: ${error.message}`);
    return null;
  }
}

function disagreement(manifest: Manifest, promise: StoredPromise, log: RecoveredLog): readonly string[] {
  try {
    checkAgreement(manifest, promise, log);
    return [];
  } catch (error) {
    if (!(error instanceof PromiseLostError || error instanceof ManifestCorruptError)) throw error;
    return [error.message];
  }
}

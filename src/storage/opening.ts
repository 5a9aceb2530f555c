/**
 * Choosing what a start of the process goes on from: the newest good snapshot and the log after it, or an error.
 *
 * Source: design §4 "No fallback to older": an older snapshot counts only together with everything up to the newest. It never
 * counts below a snapshot that came from another member: what this member's log holds there may be values that it accepted
 * and that were never chosen.
 */
import { WitnessMemory } from '../core/consensus/witness-memory.ts';
import type { Manifest, SnapshotEntry } from '../formats/manifest.ts';
import { manifestOwner } from '../formats/manifest.ts';
import type { StoredPromise } from '../formats/promise.ts';
import type { Disk } from '../ports/disk.ts';
import { ManifestCorruptError, PromiseLostError, SnapshotCorruptError, WalCorruptError } from './errors.ts';
import { segmentName } from './files.ts';
import type { LoadedSnapshot, SnapshotStore } from './snapshot-store.ts';
import { type RecoveredLog, recoverLog } from './wal/recovery.ts';

export interface Start {
  readonly snapshot: LoadedSnapshot | null;
  readonly log: RecoveredLog;
  /** What manifest and log know of the disks of others. */
  readonly memory: WitnessMemory;
  /** Files found to be bad, which were not needed. */
  readonly bad: readonly SnapshotEntry[];
}

/** @throws {SnapshotCorruptError | WalCorruptError} */
export async function chooseStart(disk: Disk, manifest: Manifest, snapshots: SnapshotStore): Promise<Start> {
  const owner = manifestOwner(manifest);
  const candidates = manifest.snapshots.filter(({ verified }) => verified);
  const newest = candidates[0];
  const bad: SnapshotEntry[] = [];
  let firstError: SnapshotCorruptError | null = null;
  for (const entry of [...candidates, null]) {
    const snapshot = entry === null ? null : await verified(snapshots, entry);
    if (snapshot instanceof SnapshotCorruptError) {
      bad.push(entry as SnapshotEntry);
      firstError ??= snapshot;
      continue;
    }
    const from = entry?.instance ?? 0;
    if (manifest.received !== null && from < manifest.received.instance) {
      throw belowReceived(manifest.received, firstError);
    }
    const memory = rememberedBy(manifest);
    const log = await recoverLog(disk, owner, manifest.segments, from, memory);
    if (newest === undefined || isComplete(log, from, newest.instance)) return { snapshot, log, memory, bad };
    // An incomplete log cannot rebuild the newest state from here, nor from anything older.
    break;
  }
  throw firstError ?? new Error('unreachable: the newest snapshot needs no log');
}

function rememberedBy({ remembered }: Manifest): WitnessMemory {
  const memory = new WitnessMemory();
  for (const { member, histories } of remembered) for (const history of histories) memory.learn(member, history);
  return memory;
}

/** Names the snapshot that is bad now and the one from another member, which may be gone from the directory. */
function belowReceived(
  { file, instance }: NonNullable<Manifest['received']>,
  bad: SnapshotCorruptError | null,
): SnapshotCorruptError {
  const why = `up to instance ${instance} only ${file}, which came from another member, or a later one can be started from`;
  if (bad === null) return new SnapshotCorruptError({ file, problem: `no good one is left, and ${why}`, instance });
  return new SnapshotCorruptError({ ...bad.facts, problem: `${bad.facts.problem}; ${why}` }, { cause: bad });
}

async function verified(
  snapshots: SnapshotStore,
  entry: SnapshotEntry,
): Promise<LoadedSnapshot | SnapshotCorruptError> {
  try {
    return await snapshots.verify(entry);
  } catch (error) {
    if (error instanceof SnapshotCorruptError) return error;
    throw error;
  }
}

/** Whether the log alone leads from the state at `from` to the state at `to`. */
function isComplete(log: RecoveredLog, from: number, to: number): boolean {
  if (from >= to) return true;
  if (log.chosenUpTo < to) return false;
  for (let instance = from + 1; instance <= to; instance++) {
    if (!log.entries.has(instance)) return false;
  }
  return true;
}

/**
 * Manifest, promise copies and log carry the flush and boot at which they were written: one that is older than another
 * proves was rolled back alone, or has lost its end (pitfalls D15, D6).
 */
export function checkAgreement(manifest: Manifest, promise: StoredPromise, log: RecoveredLog): void {
  if (promise.flush < log.promiseFlush) {
    const problem = `the newest one is of flush ${promise.flush}, the log knows one of flush ${log.promiseFlush}`;
    throw new PromiseLostError({ problems: [problem] });
  }
  const boot = Math.max(log.boot, promise.boot);
  if (manifest.boot.number < boot) {
    throw new ManifestCorruptError({
      problem: `it is of boot ${manifest.boot.number}, other files are of boot ${boot}`,
    });
  }
  // A promise takes the flush number before that of the group which follows it.
  const expected = Math.max(manifest.flush, promise.flush - 1);
  if (log.flush < expected) {
    const segment = manifest.segments.at(-1);
    const file = segment === undefined ? 'wal' : segmentName(segment);
    const problem = `it ends at flush ${log.flush}, flush ${expected} has been acknowledged`;
    throw new WalCorruptError({ file, offset: 0, problem, bad: [] });
  }
}

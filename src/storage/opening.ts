/**
 * Choosing what a start of the process goes on from: the newest snapshot that reads well, and the log after it.
 *
 * Source: design §4 "No fallback to older": an older snapshot counts only together with everything up to the newest. Where
 * that is not here any more it is fetched from the others, and until then this replica knows that it is missing. An older
 * one never counts below a snapshot that came from another member: what this member's log holds there may be values that it
 * accepted and that were never chosen.
 */
import type { Configuration, ConfigurationFrom } from '../core/consensus/configuration.ts';
import type { Instance } from '../core/consensus/identity.ts';
import type { AcceptedEntry } from '../core/consensus/message.ts';
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
  /** Files found to be bad. */
  readonly bad: readonly SnapshotEntry[];
  /** Up to here the state is missing: a bad snapshot stood for it, and the log alone does not lead there. 0 for nothing. */
  readonly missingUpTo: Instance;
}

/**
 * Where nobody else has a copy, nothing is gained by going on, and writing the log anew would take away what a better reading of
 * the medium might still bring back: a cell of one is left as it is.
 * @throws {WalCorruptError | SnapshotCorruptError}
 */
export function refuseWithoutCopies(start: Start, manifest: Manifest): void {
  const { bad, log, missingUpTo, snapshot } = start;
  if ((log.bad.length === 0 && missingUpTo === 0) || newestConfiguration(start, manifest).members.length > 1) return;
  const [damage] = log.damage;
  if (damage !== undefined) throw new WalCorruptError(damage);
  const [file] = bad;
  const last = snapshot?.handle.instance ?? 0;
  const problem = `the log does not lead from instance ${last} to ${Math.max(missingUpTo, log.bad[0]?.instance ?? 0)}`;
  if (file !== undefined) throw new SnapshotCorruptError({ file: file.file, instance: file.instance, problem });
  throw new WalCorruptError({ file: segmentName(manifest.segments.at(-1) ?? 0), offset: 0, problem });
}

/** Of those that are known as chosen here. */
function newestConfiguration({ log, snapshot }: Start, manifest: Manifest): Configuration {
  const given = snapshot?.handle.configurations ?? manifest.configurations;
  let newest = (given.at(-1) as ConfigurationFrom).configuration;
  const entries = [...log.entries.values()].sort((a, b) => a.instance - b.instance);
  for (const { instance, value } of entries) {
    if (value.kind === 'configuration' && instance <= log.chosenUpTo) newest = value.configuration;
  }
  return newest;
}

/** What the other files say of the log. */
export interface Known {
  readonly manifest: Manifest;
  readonly promise: StoredPromise;
}

/** @throws {WalCorruptError} */
export async function chooseStart(disk: Disk, { manifest, promise }: Known, snapshots: SnapshotStore): Promise<Start> {
  const owner = manifestOwner(manifest);
  const candidates = manifest.snapshots.filter(({ verified }) => verified);
  const bad: SnapshotEntry[] = [];
  let snapshot: LoadedSnapshot | null = null;
  // One that was found bad may read well by now: put back, or its medium has recovered. Its digest says that it is what was verified.
  // It is started from, and stays marked: no log is cut for it, and nobody is given it.
  for (const entry of [...manifest.snapshots].sort((a, b) => b.instance - a.instance)) {
    const found = await verified(snapshots, entry);
    if (!(found instanceof SnapshotCorruptError)) {
      snapshot = found;
      break;
    }
    if (entry.verified) bad.push(entry);
  }
  const from = snapshot?.handle.instance ?? 0;
  // What this member's own log holds up to there may be values that were accepted and never chosen.
  const received = manifest.received?.instance ?? 0;
  const above = Math.max(from, received);
  const restateAbove = Math.min(
    above,
    ...candidates.map(({ instance }) => instance),
    ...(candidates.length < 2 ? [0] : []),
  );
  const flush = expectedFlush(manifest, promise);
  const memory = rememberedBy(manifest);
  const log = await recoverLog(disk, owner, manifest.segments, { above, restateAbove, flush }, { memory });
  return { snapshot, log, memory, bad, missingUpTo: missingUpToOf(manifest, log, from) };
}

/**
 * Up to where the state at `from` and the log above it (and above all that was received) lack what snapshots stood for; 0 for nothing. Also
 * what one stood for that an earlier start found to be bad.
 */
export function missingUpToOf({ received, snapshots }: Manifest, log: RecoveredLog, from: number): Instance {
  const receivedUpTo = received?.instance ?? 0;
  const newest = Math.max(receivedUpTo, ...snapshots.map(({ instance }) => instance), 0);
  const whole = from >= receivedUpTo && isComplete(log, from, newest);
  return Math.max(whole ? 0 : newest, lastUnaccounted(log, Math.max(from, receivedUpTo))) as Instance;
}

function rememberedBy({ remembered }: Manifest): WitnessMemory {
  const memory = new WitnessMemory();
  for (const { member, histories } of remembered) for (const history of histories) memory.learn(member, history);
  return memory;
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

/**
 * The last instance known as chosen of which the log has nothing, good or bad: a snapshot stood for it that is not here any more,
 * when the one that was fetched in its place is of an earlier instance. 0 when there is none.
 */
function lastUnaccounted(log: RecoveredLog, above: number): number {
  let instance = log.chosenUpTo;
  while (instance > above) {
    const known = log.entries.has(instance)
      ? { instance }
      : log.bad.find((item) => item.instance <= instance && instance <= item.upTo);
    if (known === undefined) return instance;
    // What is bad may reach from the first instance of all to those of a later generation.
    instance = known.instance - 1;
  }
  return 0;
}

/** Below what is missing only what the log calls chosen; above, everything. */
export const acceptedIn = (log: RecoveredLog, missingUpTo: number): readonly AcceptedEntry[] =>
  [...log.entries.values()]
    .filter(({ instance }) => instance > missingUpTo || instance <= log.chosenUpTo)
    .sort((a, b) => a.instance - b.instance);

/** Whether the log alone leads from the state at `from` to the state at `to`. */
function isComplete(log: RecoveredLog, from: number, to: number): boolean {
  if (from >= to) return true;
  if (log.chosenUpTo < to) return false;
  for (let instance = from + 1; instance <= to; instance++) {
    if (!log.entries.has(instance)) return false;
  }
  return true;
}

/** A flush that other files know to have been acknowledged. A promise takes the number before that of the group which follows it. */
export const expectedFlush = (manifest: Manifest, promise: StoredPromise | null): number =>
  Math.max(manifest.flush, (promise?.flush ?? 0) - 1);

/**
 * Manifest, promise copies and log carry the flush and boot at which they were written: one that is older than another
 * proves was rolled back alone, or has lost its end (pitfalls D15, D6).
 */
export function checkAgreement(manifest: Manifest, promise: StoredPromise, log: RecoveredLog): void {
  if (promise.flush < log.promiseFlush) {
    const problem = `the newest one is of flush ${promise.flush}, the log knows one of flush ${log.promiseFlush}`;
    throw new PromiseLostError({ problems: [problem] });
  }
  const found = manifest.boots.at(-1)?.promiseFlush ?? 0;
  if (promise.flush < found) {
    const problem = `the newest one is of flush ${promise.flush}, an earlier start found one of flush ${found}`;
    throw new PromiseLostError({ problems: [problem] });
  }
  const boot = Math.max(log.boot, promise.boot);
  if (manifest.boot.number < boot) {
    throw new ManifestCorruptError({
      problem: `it is of boot ${manifest.boot.number}, other files are of boot ${boot}`,
    });
  }
}

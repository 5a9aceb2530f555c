/**
 * A start of the storage: what the directory has is read and judged, the log is taken over, and the parts are made that write from then
 * on.
 *
 * Source: PML §4, §5.1; design §4. Keeps: nothing is changed before all refusals; what was recovered, and the new boot, are
 * durable before anything is handed out.
 */
import { type BadItem, endless } from '../core/consensus/bad-item.ts';
import { shortened } from '../core/consensus/boot-history.ts';
import type { PromiseRecord } from '../core/consensus/effect.ts';
import type { Instance } from '../core/consensus/identity.ts';
import type { AcceptedEntry } from '../core/consensus/message.ts';
import type { WitnessMemory } from '../core/consensus/witness-memory.ts';
import { invariant } from '../core/invariant.ts';
import type { CellIdentity, Manifest, MemberIdentity, SnapshotEntry } from '../formats/manifest.ts';
import type { StoredPromise } from '../formats/promise.ts';
import { encodeValue } from '../formats/value.ts';
import type { DigestPort } from '../ports/digest.ts';
import { type Disk, DiskError } from '../ports/disk.ts';
import type { RandomnessPort } from '../ports/randomness.ts';
import { DataDirectory, quarantine, unknownFiles } from './data-directory.ts';
import { type UnknownFile, UnknownFilesError, WrongDirectoryError } from './errors.ts';
import { inspect } from './formation.ts';
import { beginGeneration } from './generation.ts';
import { GroupCommit } from './group-commit.ts';
import { describeUnknown } from './leftovers.ts';
import { acceptedIn, checkAgreement, chooseStart, refuseWithoutCopies, type Start } from './opening.ts';
import { PromiseCopies } from './promise-copies.ts';
import { type LoadedSnapshot, SnapshotStore } from './snapshot-store.ts';
import type { Damage } from './wal/recovery.ts';
import { Wal, type WalOptions } from './wal/wal.ts';

/** Of its own; peers that know only an earlier one are compared with by flush numbers alone. */
const bootsKept = 256;
/** Enough for about a quarter of an hour of a busy replica's smallest groups; three of them lie on an idle disk. */
const segmentBytesDefault = 16 * 1024 * 1024;

/** A damaged log may have lost as many flushes: numbers that others remember are not used again. */
const flushesLostMax = 2 ** 20;

export interface StorageOptions {
  /** The member that this directory must belong to. */
  readonly expectName: string;
  /** The cell that it must belong to, where that is known. */
  readonly expectCellId?: string;
  readonly segmentBytes?: number;
  readonly digest: DigestPort;
  readonly randomness: RandomnessPort;
  readonly programVersion: string;
  /** Milliseconds of a clock that never goes back, for how long flushes take. */
  readonly now: () => number;
  /** Milliseconds since 1970, for when a snapshot was made. */
  readonly wallMs: () => number;
  /** Move files that do not belong into quarantine/`label`/ instead of refusing to open. */
  readonly quarantineLeftovers?: string;
  readonly logger?: StorageLogger;
}

export interface StorageLogger {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

export interface Recovered {
  readonly identity: { readonly cell: CellIdentity; readonly member: MemberIdentity };
  readonly boot: { readonly number: number; readonly id: string };
  readonly promise: PromiseRecord;
  /** The newest of each instance above the snapshot's, ascending. */
  readonly entries: readonly AcceptedEntry[];
  readonly chosenUpTo: Instance;
  /** What the log held and cannot give back, ascending. */
  readonly bad: readonly BadItem[];
  /** Up to here a bad snapshot stood for the state, and nothing here can take its place; 0 for nothing. */
  readonly missingUpTo: Instance;
  readonly damage: readonly Damage[];
  /** Nobody can tell up to where the log went, and nothing here whether the promise is the newest. */
  readonly endLost: boolean;
  readonly snapshot: LoadedSnapshot | null;
  readonly flushNumber: number;
  /** The files were copied since formation: not to be trusted with a vote without being asked for. */
  readonly copied: boolean;
  /** Id of the boot before this one; empty for the first. */
  readonly previousBoot: string;
  /** Program version that ran here before this one; empty for the first start. */
  readonly lastVersion: string;
  readonly quarantined: readonly UnknownFile[];
  /** The manifest as this start left it. */
  readonly manifest: Manifest;
}

/** What one replica's storage is made of. */
export interface StorageParts {
  readonly directory: DataDirectory;
  readonly walOptions: WalOptions;
  readonly wal: Wal;
  readonly promises: PromiseCopies;
  readonly commit: GroupCommit;
  readonly snapshots: SnapshotStore;
  readonly space: SpaceWatch;
  readonly memory: WitnessMemory;
}

/** Whether there is room for another segment, and whom to tell. */
class SpaceWatch {
  low = false;
  notify: (low: boolean) => void = () => undefined;

  set(low: boolean): void {
    if (low === this.low) return;
    this.low = low;
    this.notify(low);
  }
}

export interface OpenedParts {
  readonly recovered: Recovered;
  readonly parts: StorageParts;
  /** Of log that the newest snapshot does not need. */
  readonly walBytes: number;
  /** Of values in the log above the newest snapshot: what this start has to apply. */
  readonly replayBytes: number;
}

/** As `ReplicaStorage.open`, with its errors. */
export async function openParts(disk: Disk, options: StorageOptions): Promise<OpenedParts> {
  const found = await readDirectory(disk, options);
  const { directory, manifest, promise, quarantined, snapshots, start } = found;
  tell(start, options.logger);
  const boot = { number: manifest.boot.number + 1, id: Buffer.from(options.randomness.bytes(16)).toString('hex') };
  const lost = start.log.damage.length > 0 ? flushesLostMax : 0;
  const flush = Math.max(start.log.flush, promise.flush, manifest.flush) + lost + 1;
  const promises = await PromiseCopies.open(disk, directory.owner, promise);
  const parts = await takeOverLog(found, promises, { ...options, boot, flush }).catch(async (error: unknown) => {
    await promises.close();
    throw error;
  });
  const chosenUpTo = Math.max(start.log.chosenUpTo, start.snapshot?.handle.instance ?? 0, start.missingUpTo);
  const recovered: Recovered = {
    identity: { cell: manifest.cell, member: manifest.member },
    boot,
    promise: { ballot: promise.ballot, leaseMsMax: promise.leaseMsMax },
    entries: acceptedIn(start.log, start.missingUpTo),
    chosenUpTo: chosenUpTo as Instance,
    bad: start.log.bad,
    missingUpTo: start.missingUpTo,
    damage: start.log.damage,
    endLost: start.log.bad.some(({ upTo }) => upTo === endless),
    snapshot: start.snapshot,
    flushNumber: flush,
    copied: directory.copied,
    previousBoot: manifest.boot.id,
    lastVersion: manifest.lastVersion,
    quarantined,
    manifest: directory.manifest,
  };
  return { recovered, parts: { ...parts, snapshots }, walBytes: walBytesOf(start), replayBytes: replayBytesOf(start) };
}

interface FoundDirectory {
  readonly directory: DataDirectory;
  /** As it was found. */
  readonly manifest: Manifest;
  readonly promise: StoredPromise;
  readonly snapshots: SnapshotStore;
  readonly start: Start;
  readonly quarantined: readonly UnknownFile[];
}

/** Everything that may refuse the directory. */
async function readDirectory(disk: Disk, options: StorageOptions): Promise<FoundDirectory> {
  await beginGeneration(disk, options.digest, options.wallMs());
  const { state, manifest } = await inspect(disk);
  invariant(state === 'formed', 'only a formed data directory is opened', { state });
  checkOwner(manifest, options);
  const quarantined = await refuseUnknown(disk, manifest, options);
  const directory = await DataDirectory.open(disk, manifest);
  const snapshots = new SnapshotStore(directory, options.digest, options.wallMs);
  const promise = await PromiseCopies.read(disk, directory.owner);
  const start = await chooseStart(disk, { manifest, promise }, snapshots);
  checkAgreement(manifest, promise, start.log);
  refuseWithoutCopies(start, manifest);
  return { directory, manifest, promise, snapshots, start, quarantined };
}

function tell({ bad, log, missingUpTo }: Start, logger: StorageLogger | undefined): void {
  for (const { file, instance } of bad) {
    const how = missingUpTo === 0 ? 'the log after the one before it is complete' : 'another is fetched';
    logger?.warn({ file, instance }, `a snapshot is bad; ${how}`);
  }
  if (missingUpTo > 0) {
    const what =
      'the state up to here is not on this disk; it is asked of the other members, and nothing older is served';
    logger?.warn({ missingUpTo }, what);
  }
  for (const damage of log.damage) {
    logger?.warn({ ...damage }, 'the log is damaged; what is missing is asked of the others');
  }
  if (log.torn !== null) {
    logger?.info({ ...log.torn }, 'the last group of the log was never flushed whole; it is dropped');
  }
}

/** From here on the log of this boot counts. */
async function takeOverLog(
  { directory, manifest, promise, start }: FoundDirectory,
  promises: PromiseCopies,
  options: StorageOptions & { readonly boot: Recovered['boot']; readonly flush: number },
): Promise<Omit<StorageParts, 'snapshots'>> {
  const { boot, flush, programVersion: lastVersion } = options;
  const { memory } = start;
  const space = new SpaceWatch();
  const holder: { commit: GroupCommit | null } = { commit: null };
  const fail = (error: Error): void => holder.commit?.fail(asDiskError(error));
  const began = { ...boot, began: flush - 1, promiseFlush: promise.flush };
  const past = { boots: [...manifest.boots, began], flush, promiseFlush: promise.flush };
  const { boots } = shortened(past, bootsKept);
  // The last group of the log is written anew, without what it had learned of others.
  const told = (): Pick<Manifest, 'remembered'> => ({ remembered: memory.all() });
  memory.takeChanged();
  const walOptions: WalOptions = {
    directory,
    digest: options.digest,
    segmentBytes: options.segmentBytes ?? segmentBytesDefault,
    onSpace: (low) => space.set(low),
    onFailed: fail,
  };
  const opening = { flush, boot: boot.number, chosenUpTo: start.log.soundUpTo, promiseFlush: promise.flush };
  const wal = await Wal.open(walOptions, start.log, opening, (before) => ({
    ...takeOver(before, start),
    ...{ boot, boots, flush, lastVersion, ...told() },
  }));
  const commit = new GroupCommit({ wal, promises, ...opening, memory, now: options.now });
  holder.commit = commit;
  directory.onFailure(fail);
  directory.stampWith((next) => ({ ...next, flush: Math.max(next.flush, commit.flushed), ...told() }));
  return { directory, walOptions, wal, promises, commit, space, memory };
}

function checkOwner({ cell, member }: Manifest, { expectName, expectCellId }: StorageOptions): void {
  if (member.name === expectName && (expectCellId === undefined || cell.id === expectCellId)) return;
  throw new WrongDirectoryError({
    expected: { member: expectName, cellId: expectCellId ?? null },
    found: { member: member.name, cellId: cell.id },
  });
}

async function refuseUnknown(
  disk: Disk,
  manifest: Manifest,
  { quarantineLeftovers }: StorageOptions,
): Promise<readonly UnknownFile[]> {
  if (quarantineLeftovers !== undefined) return quarantine(disk, manifest, quarantineLeftovers);
  const unknown = await unknownFiles(disk, manifest);
  if (unknown.length > 0) throw new UnknownFilesError(await describeUnknown(disk, manifest, unknown));
  return [];
}

/** A snapshot found bad is not named as good again; it stays until the next one replaces it. */
const takeOver = (manifest: Manifest, { bad }: Start): Manifest =>
  withBad(manifest, new Set(bad.map(({ file }) => file)));

export function withBad(manifest: Manifest, files: ReadonlySet<string>): Manifest {
  const marked = (entry: SnapshotEntry): SnapshotEntry =>
    files.has(entry.file) ? { ...entry, verified: false } : entry;
  return { ...manifest, snapshots: manifest.snapshots.map(marked) };
}

/**
 * Segments that hold more than the snapshot, at the size that they take on the disk: every start leaves one behind, and
 * snapshots are what gets rid of them.
 */
const walBytesOf = ({ log, snapshot }: Start): number =>
  log.live
    .filter(({ highest }) => highest > (snapshot?.handle.instance ?? 0))
    .reduce((sum, { bytes }) => sum + bytes, 0);

function replayBytesOf({ log, snapshot }: Start): number {
  const from = snapshot?.handle.instance ?? 0;
  let bytes = 0;
  for (const { instance, value } of log.entries.values()) if (instance > from) bytes += encodeValue(value).length;
  return bytes;
}

const asDiskError = (error: Error): DiskError =>
  error instanceof DiskError ? error : new DiskError('io', '', error.message, { cause: error });

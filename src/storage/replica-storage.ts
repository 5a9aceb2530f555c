import type { BootHistory } from '../core/consensus/boot-history.ts';
import type { Member } from '../core/consensus/configuration.ts';
import type { WriteRequest } from '../core/consensus/effect.ts';
import type { FreezeEvidence } from '../core/consensus/freeze.ts';
import type { WriteId } from '../core/consensus/identity.ts';
import type { SnapshotHandle } from '../core/consensus/input.ts';
import type { WitnessMemory } from '../core/consensus/witness-memory.ts';
import { invariant } from '../core/invariant.ts';
import type {
  GenerationAttempt,
  GenerationStep,
  LocalFlags,
  Manifest,
  RecordedPoint,
  SnapshotEntry,
} from '../formats/manifest.ts';
import type { DigestPort } from '../ports/digest.ts';
import type { Disk, DiskError } from '../ports/disk.ts';
import type { SnapshotStream } from '../ports/network.ts';
import { keepEvidence, leftovers, unknownFiles } from './data-directory.ts';
import type { UnknownFile } from './errors.ts';
import { type BadFile, checkFiles } from './file-check.ts';
import { isSegmentName, manifestName, promiseNames } from './files.ts';
import { type Formation, type Inspection, inspect, markFormed, writeForming } from './formation.ts';
import {
  beginGeneration,
  isFenced,
  openState,
  type ReadyFile,
  readyFile,
  receiveState,
  type StatePlace,
  stateRecords,
  verifyState,
  withAttempt,
  writeState,
} from './generation.ts';
import type { LogMemory } from './log-renewal.ts';
import { repairLog } from './log-repair.ts';
import { type OfferExpected, OfferedState } from './offered-state.ts';
import { Serial } from './serial.ts';
import type { OpenSnapshot, SnapshotDetails } from './snapshot-details.ts';
import type { VerifiedSnapshot } from './snapshot-reader.ts';
import {
  type AnnouncedSnapshot,
  type ElsewhereSource,
  type LoadedSnapshot,
  type SnapshotReceiver,
  SnapshotStore,
  type TakenSnapshot,
  type TakeOptions,
} from './snapshot-store.ts';
import type { SnapshotSource, SnapshotView } from './snapshot-writer.ts';
import {
  type OpenedParts,
  openParts,
  type Recovered,
  type StorageOptions,
  type StorageParts,
  withBad,
} from './storage-parts.ts';

export type { Formation, Inspection } from './formation.ts';
export type { OfferedState } from './offered-state.ts';
export type { OpenSnapshot, SnapshotDetails } from './snapshot-details.ts';
export type { LoadedSnapshot, SnapshotReceiver, TakenSnapshot } from './snapshot-store.ts';
export type { SnapshotView } from './snapshot-writer.ts';
export type { Recovered, StorageLogger, StorageOptions } from './storage-parts.ts';

export interface StorageStats {
  readonly flushMsP50: number;
  readonly flushMsP99: number;
  readonly flushes: number;
  /** Written to the log by this process. */
  readonly bytes: number;
  readonly walBytesSinceSnapshot: number;
  readonly segments: number;
  readonly flushNumber: number;
  readonly readOnly: boolean;
}

export class ReplicaStorage {
  readonly recovered: Recovered;
  readonly #parts: StorageParts;
  #walBytesAtOpen: number;
  #replayBytesAtOpen: number;
  #walBytesAtSnapshot = 0;
  /** Segments are cut away and replaced one at a time. */
  readonly #logChanges = new Serial();
  #closing: Promise<void> | null = null;
  #statesBegun = 0;

  readonly #digest: DigestPort;

  private constructor({ recovered, parts, walBytes, replayBytes }: OpenedParts, digest: DigestPort) {
    this.recovered = recovered;
    this.#digest = digest;
    this.#walBytesAtOpen = walBytes;
    this.#replayBytesAtOpen = replayBytes;
    this.#parts = parts;
  }

  /** What lies in the directory, changing nothing. */
  static inspect(disk: Disk): Promise<Inspection> {
    return inspect(disk);
  }

  /** Makes a new generation that is decided as active the present one of this directory; nothing otherwise. */
  static beginGeneration(disk: Disk, digest: DigestPort, nowMs: number): Promise<void> {
    return beginGeneration(disk, digest, nowMs);
  }

  /** First step of formation: durable when it resolves. Replaces an earlier `forming`. */
  static writeForming(disk: Disk, formation: Formation): Promise<void> {
    return writeForming(disk, formation);
  }

  /** Second step: from now on this directory is a member's. Nothing when it was taken before. */
  static markFormed(disk: Disk): Promise<void> {
    return markFormed(disk);
  }

  /** Both steps at once, for a cell of one and for tests. */
  static async form(disk: Disk, formation: Formation): Promise<void> {
    await writeForming(disk, formation);
    await markFormed(disk);
  }

  /**
   * Opens a formed directory. When it resolves, the new boot number and id and everything recovered are durable.
   * Nothing was changed when it rejects with one of the refusals below.
   * @throws {WrongDirectoryError | UnknownFilesError | ManifestCorruptError | UnsupportedFormatError}
   * @throws {PromiseLostError | WalCorruptError | SnapshotCorruptError}
   * @throws {DiskError} 'full' when there is no room even to start.
   */
  static async open(disk: Disk, options: StorageOptions): Promise<ReplicaStorage> {
    return new ReplicaStorage(await openParts(disk, options), options.digest);
  }

  /** Queued, in order; `onPersisted` tells when it is durable. Nothing more happens after a failure. */
  persist(request: WriteRequest): void {
    invariant(this.#closing === null, 'closed storage is not written to');
    this.#parts.commit.persist(request);
  }

  /** This write and every one with a lower number is durable. */
  onPersisted(callback: (write: WriteId) => void): void {
    this.#parts.commit.onPersisted(callback);
  }

  /** Resolves when everything queued so far, and something of now, is durable. @throws {DiskError} */
  flush(): Promise<void> {
    invariant(this.#closing === null, 'closed storage is not written to');
    return this.#parts.commit.barrier(0);
  }

  /** Called once: nothing will be acknowledged any more, the process must end. */
  onFailed(callback: (error: DiskError) => void): void {
    this.#parts.commit.onFailed(callback);
    const { failure } = this.#parts.commit;
    if (failure !== null) callback(failure);
  }

  /** True while no further log segment can be prepared: take no more clients' writes, or the log will be hurt. */
  get readOnly(): boolean {
    return this.#parts.space.low;
  }

  onSpaceLow(callback: (low: boolean) => void): void {
    this.#parts.space.notify = callback;
  }

  /** Looks again for room after `readOnly`; to be called now and then. */
  checkSpace(): Promise<void> {
    return this.#parts.wal.checkSpace();
  }

  /** @throws whatever went wrong; the snapshots are then as they were, and the log goes on. */
  async takeSnapshot(handle: SnapshotHandle, view: SnapshotView, options: TakeOptions): Promise<TakenSnapshot> {
    const { commit, snapshots } = this.#parts;
    // The log must know as chosen what the snapshot holds, or it could not stand in for the snapshot.
    // What is written while this one is being made is not in it.
    const before = this.#written;
    const taken = await snapshots.take(handle, view, options, () => commit.barrier(handle.instance));
    if (taken.outcome === 'taken') {
      this.#walBytesAtOpen = 0;
      this.#replayBytesAtOpen = 0;
      this.#walBytesAtSnapshot = before;
    }
    return taken;
  }

  /** Newest first, with what the files say of themselves; also those found bad. */
  snapshotDetails(): Promise<readonly SnapshotDetails[]> {
    return this.#parts.snapshots.details();
  }

  /** The good snapshot of `instance`, the newest for null, to be read and closed; null when there is none. */
  openKeptSnapshot(instance: number | null): Promise<OpenSnapshot | null> {
    return this.#parts.snapshots.openKept(instance);
  }

  /** A snapshot of `view` that nobody keeps: it is gone when it is closed. @throws whatever went wrong, with nothing left behind. */
  exportSnapshot(handle: SnapshotHandle, view: SnapshotView, options: TakeOptions): Promise<OpenSnapshot> {
    return this.#parts.snapshots.export(handle, view, options);
  }

  /** A snapshot of a view on another disk: a backup. See {@link SnapshotStore.writeElsewhere}. */
  writeElsewhere(disk: Disk, path: string, source: ElsewhereSource): Promise<VerifiedSnapshot> {
    return this.#parts.snapshots.writeElsewhere(disk, path, source);
  }

  /** What is received of an announced one is gone on with by the next process too. @throws {StorageClosedError} */
  receiveSnapshot(announced: AnnouncedSnapshot | null = null): Promise<SnapshotReceiver> {
    return this.#parts.snapshots.receive(announced);
  }

  /** The part of a snapshot that {@link Manifest.receiving} names; null when there is none. To be called by one at a time. */
  resumeSnapshot(): Promise<SnapshotReceiver | null> {
    return this.#parts.snapshots.resume();
  }

  /** Above `above` it does not matter any more what was bad: the log may be cut as if nothing had been. */
  settleBad(above: number): void {
    this.#parts.wal.settleBad(above);
  }

  /** For peers: the verified snapshot file with `digest`, or else the newest, if it is above instance `above`. */
  serveNewest(above: number, digest: string | null = null): Promise<SnapshotStream | null> {
    const { attempt } = this.manifest;
    // Nobody but who takes part in making the generation asks for exactly this.
    if (attempt?.state != null && above === attempt.state.instance - 1 && isFenced(this.manifest)) {
      return openState(this.#parts.directory.disk, attempt);
    }
    return this.#parts.snapshots.serveNewest(above, digest);
  }

  /** Newest first, at most two. */
  snapshots(): readonly SnapshotEntry[] {
    return this.#parts.snapshots.list();
  }

  /** Reads the newest snapshot whole and returns it for loading; null without one. @throws {SnapshotCorruptError} */
  async openSnapshot(): Promise<LoadedSnapshot | null> {
    const newest = this.snapshots().find(({ verified }) => verified);
    return newest === undefined ? null : this.#parts.snapshots.verify(newest);
  }

  /** Removes log segments that two verified snapshots have made unnecessary. Call after a snapshot. */
  async cut(): Promise<void> {
    await this.#logChanges.run(() => this.#parts.wal.cut(this.#parts.snapshots.cutLimit()));
  }

  /** The manifest in force. */
  get manifest(): Manifest {
    return this.#parts.directory.manifest;
  }

  /** Durable when it resolves. */
  setFlags(flags: Partial<LocalFlags>): Promise<void> {
    return this.#parts.directory.update((before) => ({ ...before, flags: { ...before.flags, ...flags } }));
  }

  /** Durable when it resolves: the member is frozen until a new generation begins. The first evidence stays. */
  freeze(evidence: FreezeEvidence): Promise<void> {
    return this.#parts.directory.update((before) =>
      before.flags.frozen ? before : { ...before, flags: { ...before.flags, frozen: true }, freeze: evidence },
    );
  }

  /**
   * Durable when it resolves, with the log holding everything up to it as chosen: what another version must arrive at again
   * before it runs on this data (design §6, rehearsal).
   */
  async record(point: RecordedPoint): Promise<void> {
    await this.#parts.commit.barrier(point.instance);
    await this.#parts.directory.update((before) =>
      (before.recorded?.instance ?? -1) >= point.instance ? before : { ...before, recorded: point },
    );
  }

  /** The level that the log has raised the cell to: a program that does not speak it must not start here any more. It never falls. */
  setLevel(level: number): Promise<void> {
    return this.#parts.directory.update((before) => (before.level >= level ? before : { ...before, level }));
  }

  /** Reads again every file that the manifest names, beside everything else; `pause` is awaited now and then. */
  checkFiles(pause?: () => Promise<void>): Promise<readonly BadFile[]> {
    const durable = { flush: this.flushNumber, promiseFlush: this.promiseFlush };
    return checkFiles(this.#parts.directory, this.#parts.snapshots, durable, pause);
  }

  /** These snapshots are bad: they stand for nothing any more, and go with the next one that is taken. Durable when it resolves. */
  async condemnSnapshots(files: ReadonlySet<string>): Promise<void> {
    const named = this.snapshots().some(({ file, verified }) => verified && files.has(file));
    if (!named) return;
    await this.#parts.directory.update((before) => withBad(before, files));
  }

  /**
   * Makes manifest, promise copies and log whole again from what this process has in memory, where {@link checkFiles} found them
   * bad. Writes go on meanwhile, and wait for a promise copy alone; `pause` is awaited between two pieces of the log. What memory does
   * not have stays as it is, and so does everything while the disk is nearly full.
   * @throws {StorageClosedError} when the storage is closed meanwhile; {DiskError} with nothing changed, or with {@link onFailed} told
   * where that is not certain.
   */
  repairFiles(
    files: ReadonlySet<string>,
    memory: () => LogMemory | null,
    pause: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    return this.#logChanges.run(async () => {
      if (this.#closing !== null || this.readOnly) return;
      const { commit, directory, promises } = this.#parts;
      if (files.has(manifestName)) await directory.update((before) => ({ ...before }));
      if (promiseNames.some((name) => files.has(name))) await commit.exclusively(() => promises.repair());
      if (![...files].some((file) => isSegmentName(file))) return;
      const goesOn = (): boolean => this.#closing === null && !this.readOnly;
      const boot = this.recovered.boot.number;
      await repairLog(this.#parts, { memory, pause, goesOn, boot, digest: this.#digest });
    });
  }

  /** Keeps `bytes` in quarantine/ for people; nothing ever reads it. A second one of the same name stands beside the first. */
  keepEvidence(name: string, bytes: Uint8Array): Promise<void> {
    return keepEvidence(this.#parts.directory.disk, name, bytes);
  }

  // --- a new generation -----------------------------------------------------------------------------------------------

  /**
   * Durable when it resolves. `instead`: the one that the caller has seen.
   * @throws {Error} with nothing changed, when it is another one by now.
   */
  setAttempt(attempt: GenerationAttempt | null, instead = this.manifest.attempt): Promise<void> {
    return this.#parts.directory.update((before) => {
      if (before.attempt !== instead) throw new Error('another generation was begun or given up here meanwhile');
      return withAttempt(before, attempt);
    });
  }

  /**
   * The first state of the generation being made, in its attempt directory, read back. It counts with `setAttempt`.
   * @throws {Error} when `attempt` is not the one in the manifest any more; nothing lies in its directory then.
   */
  writeState(attempt: GenerationAttempt, source: SnapshotSource): Promise<VerifiedSnapshot> {
    return writeState(this.#placeFor(attempt), source);
  }

  #placeFor(attempt: GenerationAttempt): StatePlace {
    const { disk } = this.#parts.directory;
    const scratchName = `generation-state-${this.recovered.boot.number}-${++this.#statesBegun}`;
    return { disk, digest: this.#digest, attempt, scratchName, isPresent: () => this.manifest.attempt === attempt };
  }

  /** A file that the state is to be made of, for pieces to be added to. */
  beginOffer(expected: OfferExpected): Promise<OfferedState> {
    return OfferedState.begin(this.#parts.directory.disk, expected);
  }

  receiveState(
    attempt: GenerationAttempt,
    cellId: string,
    receive: (append: (chunk: Uint8Array) => Promise<void>) => Promise<unknown>,
  ): Promise<VerifiedSnapshot> {
    return receiveState(this.#placeFor(attempt), cellId, receive);
  }

  /** The members of the generation whose state is ready here. */
  async stateMembers(attempt: GenerationAttempt): Promise<readonly Member[]> {
    const { header } = await verifyState(this.#parts.directory.disk, attempt, this.#digest);
    return header.handle.configurations[0]?.configuration.members ?? [];
  }

  /** A state that is ready here, as a file. @throws {SnapshotCorruptError} when it is not what was verified. */
  readyFile(step: GenerationStep): Promise<ReadyFile> {
    return readyFile(this.#parts.directory.disk, step, this.#digest);
  }

  /** For operators: its bytes. */
  openReady(step: GenerationStep) {
    return openState(this.#parts.directory.disk, step);
  }

  stateRecords(generationId: string): AsyncIterable<Uint8Array> {
    return stateRecords(this.#parts.directory.disk, generationId);
  }

  /** Files that do not belong, for status and doctor. */
  unknownFiles(): Promise<readonly UnknownFile[]> {
    return unknownFiles(this.#parts.directory.disk, this.manifest);
  }

  /** Unknown files, and what was set aside; see {@link leftovers}. */
  leftovers(): Promise<readonly string[]> {
    return leftovers(this.#parts.directory.disk, this.manifest);
  }

  /** What is known of the disks of others; what it learns becomes durable with the next flush. */
  get memory(): WitnessMemory {
    return this.#parts.memory;
  }

  /** The past of this disk, as it stands now. */
  get history(): BootHistory {
    return { boots: this.manifest.boots, flush: this.flushNumber, promiseFlush: this.promiseFlush };
  }

  /** An operator, or all others, say that these copied files are where they belong. Durable when it resolves. */
  adopt(): Promise<void> {
    return this.#parts.directory.adopt();
  }

  /** This directory never votes or serves again. Durable when it resolves. */
  setRolledBack(evidence: string): Promise<void> {
    return this.#parts.directory.update((before) => ({ ...before, rolledBack: evidence }));
  }

  /** Number of the last durable flush; read for every frame to a peer. */
  get flushNumber(): number {
    return this.#parts.commit.flushed;
  }

  /** Number of the flush of the newest durable promise. */
  get promiseFlush(): number {
    return this.#parts.commit.promiseFlushed;
  }

  /** Log that a restart would read although the newest snapshot does not need it: time for the next one when it is much. */
  get walBytesSinceSnapshot(): number {
    return this.#walBytesAtOpen + this.#written - this.#walBytesAtSnapshot;
  }

  /** As much of it as the next start would have to apply. */
  get replayBytes(): number {
    return this.#replayBytesAtOpen + this.#written - this.#walBytesAtSnapshot;
  }

  /** Bytes of groups that this process wrote. */
  get #written(): number {
    return this.#parts.wal.written;
  }

  /** Cheap to ask for; the percentiles are computed when they are read. */
  stats(): StorageStats {
    const { commit } = this.#parts;
    return {
      get flushMsP50() {
        return commit.flushMs(0.5);
      },
      get flushMsP99() {
        return commit.flushMs(0.99);
      },
      flushes: commit.flushes,
      bytes: this.#written,
      walBytesSinceSnapshot: this.walBytesSinceSnapshot,
      segments: this.manifest.segments.length,
      flushNumber: commit.flushed,
      readOnly: this.readOnly,
    };
  }

  /**
   * Ends after everything queued is durable, or has failed. Snapshots on their way are given up. When it resolves, nothing of
   * this touches the directory any more.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { commit, directory, promises, snapshots } = this.#parts;
    // Each may still need those after it: a snapshot waits for the log, the log for the manifest.
    await snapshots.close();
    await this.#logChanges.idle();
    await commit.idle();
    await this.#parts.wal.close();
    if (commit.failure === null) await this.#stampEnd();
    await directory.close();
    await promises.close();
  }

  /**
   * The manifest says how far the log went, so that whatever becomes of its last group while nobody runs here is known to be
   * damage. Without room for it the log is as after a crash, which is no reason not to stop.
   */
  async #stampEnd(): Promise<void> {
    const { commit, directory } = this.#parts;
    if (directory.manifest.flush >= commit.flushed) return;
    await directory.update((before) => ({ ...before, flush: commit.flushed })).catch(() => undefined);
  }
}

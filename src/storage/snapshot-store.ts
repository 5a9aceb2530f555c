/**
 * The snapshots of one member: the two newest verified ones, and how they come and go.
 *
 * Source: PML §5.5; design §4 "Snapshots are canonical". Keeps: a snapshot counts only after the finished file was read
 * back; a failure at any step leaves the snapshots as they were and nothing behind (pitfalls P24, P25); a newer
 * snapshot is never replaced by an older one.
 */
import type { SnapshotHandle } from '../core/consensus/input.ts';
import { invariant } from '../core/invariant.ts';
import type { Manifest, SnapshotEntry } from '../formats/manifest.ts';
import type { SnapshotHeader } from '../formats/snapshot.ts';
import type { DigestPort } from '../ports/digest.ts';
import type { Disk } from '../ports/disk.ts';
import type { SnapshotStream } from '../ports/network.ts';
import type { DataDirectory } from './data-directory.ts';
import { SnapshotCorruptError, StorageClosedError } from './errors.ts';
import { inScratch, isNotFound, scratch, snapshotName, writeScratch } from './files.ts';
import { Serial } from './serial.ts';
import { checkSnapshotFile } from './snapshot-check.ts';
import {
  describeExport,
  describeSnapshots,
  type OpenSnapshot,
  openExport,
  type SnapshotDetails,
} from './snapshot-details.ts';
import { snapshotRecords, type VerifiedSnapshot, verifySnapshot } from './snapshot-reader.ts';
import { SnapshotBeingReceived } from './snapshot-receiver.ts';
import { ReceivedFile, type SnapshotView, writeSnapshot, writeSnapshotAt } from './snapshot-writer.ts';

/** Kept: the newest and one to fall back on, together with the log after it. */
const snapshotsKept = 2;

/** A verified snapshot, ready to be loaded. */
export interface LoadedSnapshot {
  readonly handle: SnapshotHandle;
  /** 32 bytes: chain over all values chosen up to the handle's instance. */
  readonly logChain: Uint8Array;
  /** Of the database, 32 hex digits: what a load must arrive at. */
  readonly checksum: string;
  readonly count: number;
  readonly bytes: number;
  readonly createdAt: string;
  /** In canonical order; each call reads from the beginning. @throws {SnapshotCorruptError} while reading. */
  records(): AsyncIterable<Uint8Array>;
}

export interface TakeOptions {
  readonly logChain: Uint8Array;
  /** Between two chunks: let others have the disk and the event loop. */
  readonly pause: () => Promise<void>;
}

/** What a copy on another disk is made of; `pause` is called between its parts with the bytes so far. */
export interface ElsewhereSource {
  readonly handle: SnapshotHandle;
  readonly view: SnapshotView;
  readonly logChain: Uint8Array;
  readonly pause: (bytes: number) => Promise<void>;
}

/** `superseded`: a snapshot of the same or a later instance is there already, nothing was written. */
export interface TakenSnapshot {
  readonly outcome: 'taken' | 'superseded';
  readonly instance: number;
  readonly bytes: number;
}

/** Which file a peer is about to send: so it can be gone on with by another process, and from another peer. */
export interface AnnouncedSnapshot {
  readonly instance: number;
  /** Of the whole file, hex. */
  readonly digest: string;
}

/** A snapshot on its way from a peer. It ends with the first of `finish`, `abort` and the closing of the storage. */
export interface SnapshotReceiver {
  /** @throws {StorageClosedError} after the end. */
  append(chunk: Uint8Array): Promise<void>;
  /** After a stream broke off: how many bytes are whole and checked. What is appended next goes on from there. */
  rewind(): Promise<number>;
  /**
   * Verifies everything, that it is the file with `digest` too where that was announced, and installs it durably.
   * @throws {SnapshotCorruptError} when it is damaged, of another cell or generation, or not newer than what is here.
   * @throws {StorageClosedError} after the end, or when the storage was closed meanwhile.
   */
  finish(digest?: string | null): Promise<LoadedSnapshot>;
  /** Leaves nothing behind. After an end it only waits for it. */
  abort(): Promise<void>;
}

export class SnapshotStore {
  readonly #directory: DataDirectory;
  readonly #digest: DigestPort;
  readonly #wallMs: () => number;
  /** Installs follow each other, so that "newer than what is here" stays true until it is there. */
  readonly #installs = new Serial();
  readonly #receivers = new Set<SnapshotBeingReceived<LoadedSnapshot>>();
  /** One of the receivers has the file that the manifest names. */
  #isNamed = false;
  /** What {@link close} waits for. */
  readonly #running = new Set<Promise<unknown>>();
  /** Being read by an operator. */
  readonly #open = new Set<OpenSnapshot>();
  #reserved = 0;
  #exported = 0;
  #closed = false;

  constructor(directory: DataDirectory, digest: DigestPort, wallMs: () => number) {
    this.#directory = directory;
    this.#digest = digest;
    this.#wallMs = wallMs;
  }

  /** Newest first; also those found bad, which say so. */
  list(): readonly SnapshotEntry[] {
    return this.#directory.manifest.snapshots;
  }

  /** Instance of the newest good snapshot, 0 without one. */
  newestInstance(): number {
    return this.#verified()[0]?.instance ?? 0;
  }

  /** The log may be cut up to here: the older of the two good snapshots; 0 while there are not two. */
  cutLimit(): number {
    return this.#verified()[snapshotsKept - 1]?.instance ?? 0;
  }

  /** Reads the file of `entry` whole. @throws {SnapshotCorruptError} */
  async verify(entry: SnapshotEntry): Promise<LoadedSnapshot> {
    const found = await verifySnapshot(this.#directory.disk, entry.file, this.#origin(), this.#digest);
    if (
      found.sha256 !== entry.sha256 ||
      found.bytes !== entry.bytes ||
      found.header.handle.instance !== entry.instance
    ) {
      const problem = `it is not the file that the manifest means (it holds instance ${found.header.handle.instance})`;
      throw new SnapshotCorruptError({ file: entry.file, problem, instance: entry.instance });
    }
    return this.#loaded(entry, found);
  }

  /**
   * Writes, reads back and installs a snapshot of `view`. `beforeInstall` ends before the snapshot counts.
   * @throws whatever went wrong, with the snapshots as they were before.
   */
  take(
    handle: SnapshotHandle,
    view: SnapshotView,
    options: TakeOptions,
    beforeInstall: () => Promise<void>,
  ): Promise<TakenSnapshot> {
    return this.#run(() => this.#take(handle, view, options, beforeInstall));
  }

  /**
   * What is received of an announced one outlives this process, in place of an earlier part: the manifest names its file before anything is in it.
   * @throws {StorageClosedError}
   */
  receive(announced: AnnouncedSnapshot | null = null): Promise<SnapshotReceiver> {
    return this.#run(() => this.#receive(announced));
  }

  /** The one that an earlier process has left half-way, as {@link Manifest.receiving} has it; null when there is none, or its file is gone. */
  resume(): Promise<SnapshotReceiver | null> {
    return this.#run(() => this.#resume());
  }

  /** Ends what is being received and taken, without installing it, and waits until nothing of it goes on any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#running);
    await Promise.all([...this.#receivers].map((receiver) => receiver.close()));
    await Promise.allSettled([...this.#open].map((opened) => opened.close()));
  }

  #run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#closed) return Promise.reject(closed());
    const result = work();
    const ended = result.then(
      () => undefined,
      () => undefined,
    );
    this.#running.add(ended);
    void ended.then(() => this.#running.delete(ended));
    return result;
  }

  async #take(
    handle: SnapshotHandle,
    view: SnapshotView,
    options: TakeOptions,
    beforeInstall: () => Promise<void>,
  ): Promise<TakenSnapshot> {
    invariant(options.logChain.length === 32, 'a log chain has 32 bytes', { bytes: options.logChain.length });
    if (handle.instance <= this.newestInstance()) return { outcome: 'superseded', instance: handle.instance, bytes: 0 };
    const name = this.#reserve();
    try {
      const verified = await this.#write(name, handle, view, options);
      await beforeInstall();
      const entry = await this.#install(name, verified, 'taken');
      if (entry === null) await this.#discard(name);
      return { outcome: entry === null ? 'superseded' : 'taken', instance: handle.instance, bytes: verified.bytes };
    } catch (error) {
      await this.#discard(name);
      throw error;
    }
  }

  /** Into scratch/, and read back. @throws whatever went wrong, with what there is of it left in scratch/. */
  async #write(
    name: string,
    handle: SnapshotHandle,
    view: SnapshotView,
    options: TakeOptions,
  ): Promise<VerifiedSnapshot> {
    const header = this.#header(handle, view, options.logChain);
    const pause = async (): Promise<void> => {
      this.#refuseClosed();
      await options.pause();
      this.#refuseClosed();
    };
    await writeSnapshot(this.#directory.disk, name, { header, records: view.records(), pause }, this.#digest);
    return this.#verify(inScratch(name));
  }

  #header(handle: SnapshotHandle, view: SnapshotView, logChain: Uint8Array): SnapshotHeader {
    const { cell, level: formed } = this.#directory.manifest;
    return {
      cellId: cell.id,
      generation: cell.generation,
      handle,
      level: view.level ?? formed,
      logChain,
      checksum: view.checksum,
      records: view.count,
      entries: view.entryCount ?? view.count,
    };
  }

  /**
   * A snapshot of `view` on another disk, flushed and read back record by record. Nothing of this directory takes part, and its closing
   * waits for nothing: that disk may hang. @throws {DiskError | SnapshotCorruptError} with what there is of it left there.
   */
  async writeElsewhere(
    disk: Disk,
    path: string,
    { handle, view, logChain, pause }: ElsewhereSource,
  ): Promise<VerifiedSnapshot> {
    const header = this.#header(handle, view, logChain);
    const between = async (bytes: number): Promise<void> => {
      this.#refuseClosed();
      await pause(bytes);
    };
    await writeSnapshotAt(disk, path, { header, records: view.records(), pause: between }, this.#digest);
    const origin = this.#origin();
    return checkSnapshotFile(disk, path, { digest: this.#digest, origin });
  }

  /** Newest first, with what the files say of themselves; also those found bad. */
  details(): Promise<readonly SnapshotDetails[]> {
    return describeSnapshots(this.#directory.disk, this.list());
  }

  /** The good snapshot of `instance`, the newest without one; null when there is none. */
  async openKept(instance: number | null): Promise<OpenSnapshot | null> {
    const entry = this.#verified().find((it) => instance === null || it.instance === instance);
    if (entry === undefined) return null;
    const [details] = await describeSnapshots(this.#directory.disk, [entry]);
    if (details === undefined || !details.verified) return null;
    return this.#openFor(entry.file, details, () => Promise.resolve());
  }

  /**
   * A snapshot of `view` that is kept by nobody: written in scratch/, read back, streamed, and gone when it is closed. The
   * snapshots and the log stay as they are, so that saving a copy is never what cuts away evidence.
   */
  export(handle: SnapshotHandle, view: SnapshotView, options: TakeOptions): Promise<OpenSnapshot> {
    return this.#run(async () => {
      this.#exported++;
      const name = `export-${this.#exported}`;
      try {
        const verified = await this.#write(name, handle, view, options);
        const details = describeExport(verified, new Date(this.#wallMs()).toISOString());
        return await this.#openFor(inScratch(name), details, () => this.#discard(name));
      } catch (error) {
        await this.#discard(name);
        throw error;
      }
    });
  }

  async #openFor(path: string, details: SnapshotDetails, closed: () => Promise<void>): Promise<OpenSnapshot> {
    const opened = await openExport(this.#directory.disk, path, details, async () => {
      this.#open.delete(opened);
      await closed();
    });
    this.#open.add(opened);
    return opened;
  }

  async #receive(announced: AnnouncedSnapshot | null): Promise<SnapshotReceiver> {
    const { disk } = this.#directory;
    const name = this.#reserve();
    // The manifest names one: another that comes beside it must not take its file away.
    if (announced === null || this.#isNamed) return this.#receiver(name, await ReceivedFile.open(disk, name), false);
    return this.#named(async () => {
      await this.#place(name, announced);
      return this.#receiver(name, await ReceivedFile.at(disk, name), true);
    });
  }

  async #named<Begun>(begin: () => Promise<Begun>): Promise<Begun> {
    this.#isNamed = true;
    try {
      return await begin();
    } catch (error) {
      this.#isNamed = false;
      throw error;
    }
  }

  async #resume(): Promise<SnapshotReceiver | null> {
    const name = this.#directory.manifest.receiving?.file;
    if (name === undefined || this.#isNamed) return null;
    try {
      return await this.#named(async () =>
        this.#receiver(name, await ReceivedFile.at(this.#directory.disk, name), true),
      );
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await this.#forget(name);
      return null;
    }
  }

  /** An empty file, named by the manifest. */
  async #place(name: string, { instance, digest }: AnnouncedSnapshot): Promise<void> {
    try {
      await writeScratch(this.#directory.disk, name, new Uint8Array(0));
      const receiving = { file: name, instance, digest };
      const nextSnapshot = this.#reserved + 1;
      await this.#directory.update(
        (before) => ({ ...before, receiving, nextSnapshot: Math.max(before.nextSnapshot, nextSnapshot) }),
        [name],
      );
    } catch (error) {
      await this.#discard(name);
      throw error;
    }
  }

  /** `lasting`: its file is in its place, and not in scratch/. */
  #receiver(name: string, file: ReceivedFile, lasting: boolean): SnapshotReceiver {
    const receiver: SnapshotBeingReceived<LoadedSnapshot> = new SnapshotBeingReceived(file, {
      lasting,
      install: async (digest) => {
        const loaded = await this.#installReceived(name, digest, lasting);
        if (lasting) this.#isNamed = false;
        this.#receivers.delete(receiver);
        return loaded;
      },
      discard: async () => {
        await (lasting ? this.#forget(name) : this.#discard(name));
        if (lasting) this.#isNamed = false;
        this.#receivers.delete(receiver);
      },
    });
    this.#receivers.add(receiver);
    return receiver;
  }

  /** The part of a snapshot in `name` is not wanted. Best effort: what stays is named, and goes with the next one received. */
  async #forget(name: string): Promise<void> {
    if (this.#directory.failure !== null) return;
    try {
      await this.#directory.update((before) =>
        before.receiving?.file === name ? { ...before, receiving: null } : before,
      );
    } catch {
      // The disk has said why already, to whoever was writing.
    }
  }

  async #installReceived(name: string, digest: string | null, lasting: boolean): Promise<LoadedSnapshot> {
    const verified = await this.#verify(lasting ? name : inScratch(name));
    if (digest !== null && digest !== verified.sha256) {
      const problem = `its digest is ${verified.sha256}, announced was ${digest}`;
      throw new SnapshotCorruptError({ file: name, problem, instance: verified.header.handle.instance });
    }
    const entry = await this.#install(name, verified, 'received');
    if (entry !== null) return this.#loaded(entry, verified);
    const { instance } = verified.header.handle;
    throw new SnapshotCorruptError({ file: name, problem: 'a newer one is here already', instance });
  }

  /**
   * The good snapshot with `digest`, or else the newest, as a stream of bytes, if it is above instance `above`; good until
   * closed.
   */
  async serveNewest(above: number, digest: string | null = null): Promise<SnapshotStream | null> {
    const good = this.#verified().filter(({ instance }) => instance > above);
    const entry = good.find(({ sha256 }) => sha256 === digest) ?? good[0];
    if (entry === undefined) return null;
    const file = await this.#directory.disk.open(entry.file, { create: false });
    return {
      bytes: entry.bytes,
      identity: { instance: entry.instance, digest: entry.sha256 },
      read: (offset, length) => file.read(offset, length),
      close: () => file.close(),
    };
  }

  #verified(): readonly SnapshotEntry[] {
    return this.#directory.manifest.snapshots.filter(({ verified }) => verified);
  }

  #origin(): { cellId: string; generation: number } {
    const { cell } = this.#directory.manifest;
    return { cellId: cell.id, generation: cell.generation };
  }

  /** A file name that no manifest has ever used. */
  #reserve(): string {
    this.#reserved = Math.max(this.#reserved + 1, this.#directory.manifest.nextSnapshot);
    return snapshotName(this.#reserved);
  }

  #verify(path: string): Promise<VerifiedSnapshot> {
    return verifySnapshot(this.#directory.disk, path, this.#origin(), this.#digest);
  }

  /** Null when a snapshot of the same or a later instance came first. */
  #install(
    name: string,
    { header, bytes, sha256 }: VerifiedSnapshot,
    from: 'taken' | 'received',
  ): Promise<SnapshotEntry | null> {
    return this.#installs.run(async () => {
      this.#refuseClosed();
      const { instance } = header.handle;
      if (instance <= this.newestInstance()) return null;
      const createdAt = new Date(this.#wallMs()).toISOString();
      const entry = { file: name, instance, bytes, sha256, createdAt, verified: true };
      // A bad one that stood for more than this: nothing else may tell the next start that all that is missing.
      const ahead = this.list()
        .filter((it) => !it.verified && it.instance > instance)
        .slice(0, 1);
      const change = (manifest: Manifest): Manifest => ({
        ...manifest,
        snapshots: [
          ...[entry, ...manifest.snapshots.filter(({ verified }) => verified)].slice(0, snapshotsKept),
          ...ahead,
        ],
        // Of the latest instance, whatever became of its file: below it the own log may hold values that were never chosen.
        received:
          from === 'received' && instance > (manifest.received?.instance ?? 0)
            ? { file: name, instance }
            : manifest.received,
        receiving: manifest.receiving?.file === name ? null : manifest.receiving,
        nextSnapshot: Math.max(manifest.nextSnapshot, this.#reserved + 1),
      });
      const inPlace = this.#directory.manifest.receiving?.file === name;
      await this.#directory.update(change, inPlace ? [] : [name]);
      return entry;
    });
  }

  /** Best effort: what stays in scratch/ is removed at the next start. */
  async #discard(name: string): Promise<void> {
    // The manifest in force may name the file, which then waits in scratch/ to be moved by the next process.
    if (this.#directory.failure !== null) return;
    try {
      await this.#directory.disk.remove(inScratch(name));
      await this.#directory.disk.flushDirectory(scratch);
    } catch {
      // The disk has said why already, to whoever was writing.
    }
  }

  #refuseClosed(): void {
    if (this.#closed) throw closed();
  }

  #loaded(entry: SnapshotEntry, { header }: VerifiedSnapshot): LoadedSnapshot {
    return {
      handle: header.handle,
      logChain: header.logChain,
      checksum: header.checksum,
      count: header.records,
      bytes: entry.bytes,
      createdAt: entry.createdAt,
      records: () => snapshotRecords(this.#directory.disk, entry.file),
    };
  }
}

const closed = (): StorageClosedError => new StorageClosedError('The storage');

/**
 * The data directory of one member: which files belong to it, and how files come and go.
 *
 * A file is made in scratch/, named by the manifest, and only then moved to its place; it leaves by the manifest first, which
 * lists it as retired until it is gone. So at any byte of any of these steps every file in place is explained by the
 * manifest in force, and every file that the manifest names exists, in place or still in scratch/.
 *
 * Source: design §4; pitfalls P27 (every name is flushed), U3 (leftovers are never picked up).
 */

import type { Owner } from '../formats/checksum.ts';
import { type Manifest, manifestOwner, type SnapshotEntry } from '../formats/manifest.ts';
import type { Disk } from '../ports/disk.ts';
import { ManifestCorruptError, StorageClosedError, type UnknownFile, UnknownFilesError } from './errors.ts';
import {
  identityName,
  identityText,
  ignoredFolders,
  inScratch,
  isNotFound,
  looksOurs,
  manifestName,
  promiseNames,
  root,
  scratch,
  segmentName,
  withFile,
  writeScratch,
} from './files.ts';
import { describeUnknown } from './leftovers.ts';
import { commitManifest, readManifest, stageManifest } from './manifest.ts';
import { Serial } from './serial.ts';

export class DataDirectory {
  readonly disk: Disk;
  /** Whether the files were copied here from elsewhere since formation. */
  readonly copied: boolean;
  #manifest: Manifest;
  readonly #serial = new Serial();
  #failed: Error | null = null;
  #adopting: Promise<void> | null = null;
  #closed = false;
  #onFailure: (error: Error) => void = () => undefined;
  #stamp: (manifest: Manifest) => Manifest = (manifest) => manifest;

  private constructor(disk: Disk, manifest: Manifest, copied: boolean) {
    this.disk = disk;
    this.copied = copied;
    this.#manifest = manifest;
  }

  /**
   * What lies in the directory, changing nothing. Null: nothing that anybody could miss.
   * @throws {ManifestCorruptError} also when a data directory has lost its manifest; {UnknownFilesError} when the files
   * in it are no data directory at all.
   */
  static async read(disk: Disk): Promise<Manifest | null> {
    const manifest = await readManifest(disk);
    if (manifest !== null) return manifest;
    const unknown = await unknownFiles(disk, null);
    if (unknown.length === 0) return null;
    if (unknown.some(({ name }) => looksOurs(name))) throw new ManifestCorruptError({ problem: 'it is missing' });
    throw new UnknownFilesError(await describeUnknown(disk, null, unknown));
  }

  /** Completes what an earlier process left between two steps, and empties scratch/. Call after all refusals. */
  static async open(disk: Disk, manifest: Manifest): Promise<DataDirectory> {
    await disk.makeDirectory(scratch);
    const placed = new Set((await disk.list(root)).map(({ name }) => name));
    const waiting = new Set((await disk.list(scratch)).map(({ name }) => name));
    const moved = ownNames(manifest).filter((name) => !placed.has(name) && waiting.has(name));
    // The names seen, the manifest's too, may be those of a process that was killed before its flush. Were a file moved before
    // they are durable, a power loss could leave it in place under the manifest from before, which does not know it.
    await disk.flushDirectory(root);
    for (const name of moved) await disk.rename(inScratch(name), name);
    if (moved.length > 0) await disk.flushDirectory(root);
    const directory = new DataDirectory(disk, manifest, await isCopied(disk, manifest));
    await directory.#sweep();
    for (const { name, kind } of await disk.list(scratch)) {
      if (kind !== 'directory') await disk.remove(inScratch(name));
    }
    await disk.flushDirectory(scratch);
    return directory;
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  get owner(): Owner {
    return manifestOwner(this.#manifest);
  }

  /**
   * Replaces the manifest durably and moves `arriving` files, flushed in scratch/, to their places. Files that the new
   * manifest does not name any more are removed. Changes follow each other; each sees what the one before has left.
   * @throws {StorageClosedError} with nothing changed; {DiskError} with the old manifest in force, or with {@link failure} set when that is not certain.
   */
  update(change: (manifest: Manifest) => Manifest, arriving: readonly string[] = []): Promise<void> {
    if (this.#closed) return Promise.reject(new StorageClosedError('The storage'));
    return this.#serial.run(async () => {
      if (this.#failed !== null) throw this.#failed;
      const before = this.#manifest;
      const after = change(before);
      if (after === before) return;
      const named = new Set(ownNames(after));
      const leaving = ownNames(before).filter((name) => !named.has(name));
      const next = { ...this.#stamp(after), retired: [...after.retired, ...leaving] };
      if (arriving.length > 0) await this.disk.flushDirectory(scratch);
      await stageManifest(this.disk, next);
      try {
        await commitManifest(this.disk);
        this.#manifest = next;
        for (const name of arriving) await this.disk.rename(inScratch(name), name);
        if (arriving.length > 0) {
          await this.disk.flushDirectory(root);
          await this.disk.flushDirectory(scratch);
        }
        await this.#sweep();
      } catch (error) {
        this.#failed = error instanceof Error ? error : new Error(String(error));
        this.#onFailure(this.#failed);
        throw error;
      }
    });
  }

  /** These files are where they belong: what tells them from a copy is taken anew. Durable when it resolves. */
  adopt(): Promise<void> {
    // Each member that confirms a copied directory asks for it.
    this.#adopting ??= this.#adopt().finally(() => {
      this.#adopting = null;
    });
    return this.#adopting;
  }

  async #adopt(): Promise<void> {
    const print = (path: string): Promise<string> => withFile(this.disk, path, false, (file) => file.fingerprint());
    let missing = false;
    const fingerprint = await print(identityName).catch(async (error: unknown) => {
      if (!isNotFound(error)) throw error;
      missing = true;
      await writeScratch(this.disk, identityName, new TextEncoder().encode(identityText));
      return print(inScratch(identityName));
    });
    await this.update(
      (before) => (before.fingerprint === fingerprint ? before : { ...before, fingerprint }),
      missing ? [identityName] : [],
    );
  }

  /** Set when a step failed after which it is not certain what is on the disk: the process must end. */
  get failure(): Error | null {
    return this.#failed;
  }

  /** What every further manifest says besides the change that it is made for: how far the log is, what is known of others. */
  stampWith(stamp: (manifest: Manifest) => Manifest): void {
    this.#stamp = stamp;
  }

  onFailure(callback: (error: Error) => void): void {
    this.#onFailure = callback;
  }

  /** After it no update changes anything any more: another process may have the directory. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#serial.idle();
  }

  /** Removes what the manifest in force lists as retired. The list itself ends with the next manifest. */
  async #sweep(): Promise<void> {
    const { retired } = this.#manifest;
    if (retired.length === 0) return;
    for (const name of retired) {
      try {
        await this.disk.rename(name, inScratch(name));
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
    await this.disk.flushDirectory(scratch);
    await this.disk.flushDirectory(root);
    for (const name of retired) await this.disk.remove(inScratch(name));
    this.#manifest = { ...this.#manifest, retired: [] };
  }
}

/** Every file that the manifest explains. */
const ownNames = (manifest: Manifest): string[] => [
  identityName,
  ...promiseNames,
  ...manifest.segments.map(segmentName),
  ...manifest.snapshots.map(({ file }: SnapshotEntry) => file),
  ...(manifest.receiving === null ? [] : [manifest.receiving.file]),
];

/** Whether its files were copied since it was formed. */
export async function isCopied(disk: Disk, manifest: Manifest): Promise<boolean> {
  try {
    return (await withFile(disk, identityName, false, (file) => file.fingerprint())) !== manifest.fingerprint;
  } catch (error) {
    // Gone: whoever took the files elsewhere did not take this one.
    if (isNotFound(error)) return true;
    throw error;
  }
}

/** Files in the directory that `manifest` does not name. Reads only the first bytes of them. */
export async function unknownFiles(disk: Disk, manifest: Manifest | null): Promise<UnknownFile[]> {
  const known = new Set(manifest === null ? [] : [manifestName, ...ownNames(manifest), ...manifest.retired]);
  const unknown: UnknownFile[] = [];
  for (const { name, kind, bytes, modifiedMs } of await disk.list(root)) {
    if (known.has(name) && kind === 'file') continue;
    if (kind === 'directory') {
      if (ignoredFolders.includes(name)) continue;
      if (name === 'lost+found' && (await disk.list(name)).length === 0) continue;
    }
    const look = kind === 'directory' ? 'directory' : kind === 'file' ? await lookOf(disk, name) : 'unknown';
    unknown.push({ name, bytes, modifiedMs, look, what: look });
  }
  return unknown;
}

/**
 * What somebody will have to look at: unknown files, and what lies in the folders of things set aside and of upgrades. Sorted;
 * a folder as `quarantine/LABEL`.
 */
export async function leftovers(disk: Disk, manifest: Manifest | null): Promise<readonly string[]> {
  const found = (await unknownFiles(disk, manifest)).map(({ name }) => name);
  for (const folder of ['attempts', 'quarantine']) {
    for (const { name, kind } of await disk.list(folder)) {
      const path = `${folder}/${name}`;
      // What an attempt leaves that went through is its empty folder.
      if (kind !== 'directory' || (await disk.list(path)).length > 0) found.push(path);
    }
  }
  return found.sort();
}

const looks: Readonly<Record<string, UnknownFile['look']>> = {
  PXSN: 'snapshot',
  PXWL: 'log segment',
  PXMF: 'manifest',
  PXPR: 'promise',
};

async function lookOf(disk: Disk, name: string): Promise<UnknownFile['look']> {
  try {
    const first = await withFile(disk, name, false, (file) => file.read(0, 4));
    return first.length === 0 ? 'empty file' : (looks[String.fromCharCode(...first)] ?? 'unknown');
  } catch {
    // Not even readable; it is reported all the same.
    return 'unknown';
  }
}

/** Moves unknown files aside into quarantine/`label`/, durably; never deletes. Returns what was moved. */
export async function quarantine(
  disk: Disk,
  manifest: Manifest | null,
  label: string,
): Promise<readonly UnknownFile[]> {
  const unknown = await unknownFiles(disk, manifest);
  if (unknown.length === 0) return unknown;
  const folder = `quarantine/${label}`;
  // As at every start: a manifest that only the cache has must not decide what is moved.
  await disk.flushDirectory(root);
  await disk.makeDirectory('quarantine');
  await disk.flushDirectory(root);
  await disk.makeDirectory(folder);
  await disk.flushDirectory('quarantine');
  for (const { name } of unknown) await disk.rename(name, `${folder}/${name}`);
  await disk.flushDirectory(folder);
  await disk.flushDirectory(root);
  return unknown;
}

/** Copies of one name that are kept; further ones say nothing new. */
const evidenceCopiesMax = 16;

/** Writes a file into quarantine/, durably, under a name that nothing has there yet. */
export async function keepEvidence(disk: Disk, name: string, bytes: Uint8Array): Promise<void> {
  await disk.makeDirectory('quarantine');
  await disk.flushDirectory(root);
  const taken = new Set((await disk.list('quarantine')).map((entry) => entry.name));
  const names = Array.from({ length: evidenceCopiesMax }, (_, n) => `${name}${n === 0 ? '' : `-${n + 1}`}.json`);
  const free = names.find((candidate) => !taken.has(candidate));
  if (free === undefined) return;
  await withFile(disk, `quarantine/${free}`, 'exclusive', async (file) => {
    await file.write(0, bytes);
    await file.flush();
  });
  await disk.flushDirectory('quarantine');
}

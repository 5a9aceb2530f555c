/**
 * Writing snapshot files in scratch/: from a view of the database, and from a peer's stream.
 *
 * Source: PML §5.5, §7 (a snapshot must not starve the log): small pieces, each flushed before the next, with a pause
 * between them. What is written here counts for nothing until `snapshot-store.ts` has read it back and installed it.
 */
import {
  chunkBytesMin,
  encodeChunk,
  encodeSnapshotHeader,
  encodeTrailer,
  type SnapshotHeader,
  snapshotSeed,
} from '../formats/snapshot.ts';
import type { DigestPort } from '../ports/digest.ts';
import type { Disk, DiskFile } from '../ports/disk.ts';
import { inScratch, withFile } from './files.ts';
import { verifiedPrefix } from './snapshot-reader.ts';

/** Bytes that are written before they are flushed: few enough that a flush of the log never waits long behind them. */
const flushBytes = 256 * 1024;

/** A point-in-time view of a database: what a snapshot takes from `ApplicationView` of the runtime. */
export interface SnapshotView {
  /** Number of records that `records` will yield. */
  readonly count: number;
  /** The user's entries among them; absent where the application does not tell them apart: all. */
  readonly entryCount?: number;
  /** 32 hex digits, equal on two replicas iff their state is. */
  readonly checksum: string;
  /** The level in force at this point; that of the manifest where the application knows none. */
  readonly level?: number;
  /** Canonical records in one order. */
  records(): Iterable<Uint8Array>;
}

export interface SnapshotSource {
  readonly header: SnapshotHeader;
  readonly records: Iterable<Uint8Array>;
  /** Between two chunks, with the bytes so far; a rejection ends the writing. */
  readonly pause: (bytes: number) => Promise<void>;
}

/** The file, part by part: header, chunks, trailer. Returns its digest, hex. */
export function* snapshotParts(
  { header, records: source }: Omit<SnapshotSource, 'pause'>,
  digest: DigestPort,
): Generator<Uint8Array, string> {
  const headerBytes = encodeSnapshotHeader(header);
  const seed = snapshotSeed(headerBytes);
  const digests = [digest.sha256(headerBytes)];
  yield headerBytes;
  let records = 0;
  let chunks = 0;
  for (const chunk of chunksOf(source)) {
    const bytes = encodeChunk(chunk, seed, chunks);
    digests.push(digest.sha256(bytes));
    records += chunk.length;
    chunks++;
    yield bytes;
  }
  const sha256 = digest.sha256(...digests);
  yield encodeTrailer({ chunks, records, sha256 }, seed);
  return Buffer.from(sha256).toString('hex');
}

/** A whole flushed file in scratch/. @throws {DiskError} with what there is of it left in scratch/. */
export async function writeSnapshot(
  disk: Disk,
  name: string,
  source: SnapshotSource,
  digest: DigestPort,
): Promise<void> {
  const path = inScratch(name);
  await disk.remove(path);
  await writeSnapshotAt(disk, path, source, digest);
}

/** The same anywhere on a disk, where nothing is yet. @throws {DiskError} with what there is of it left there. */
export async function writeSnapshotAt(
  disk: Disk,
  path: string,
  source: SnapshotSource,
  digest: DigestPort,
): Promise<void> {
  await withFile(disk, path, 'exclusive', async (file) => {
    let offset = 0;
    let flushed = 0;
    for (const bytes of snapshotParts(source, digest)) {
      // Small pieces, each flushed before the next, and flushes of the log in between; the header goes with the first.
      if (offset > 0) await source.pause(offset);
      await file.write(offset, bytes);
      offset += bytes.length;
      if (offset - flushed < flushBytes) continue;
      await file.flush();
      flushed = offset;
    }
    await file.flush();
  });
}

/** Where a chunk ends follows from the records alone, so every replica cuts in the same places. */
function* chunksOf(records: Iterable<Uint8Array>): Generator<readonly Uint8Array[]> {
  let chunk: Uint8Array[] = [];
  let bytes = 0;
  for (const record of records) {
    chunk.push(record);
    bytes += 4 + record.length;
    if (bytes < chunkBytesMin) continue;
    yield chunk;
    chunk = [];
    bytes = 0;
  }
  if (chunk.length > 0) yield chunk;
}

/** A peer's stream on its way into a file. */
export class ReceivedFile {
  readonly #file: DiskFile;
  #offset = 0;
  #flushed = 0;

  private constructor(file: DiskFile) {
    this.#file = file;
  }

  /** A new one in scratch/. */
  static async open(disk: Disk, name: string): Promise<ReceivedFile> {
    await disk.remove(inScratch(name));
    return new ReceivedFile(await disk.open(inScratch(name), { create: 'exclusive' }));
  }

  /** One that is in its place; what it holds is looked at by {@link ReceivedFile.rewind}. */
  static async at(disk: Disk, name: string): Promise<ReceivedFile> {
    return new ReceivedFile(await disk.open(name, { create: false }));
  }

  async append(chunk: Uint8Array): Promise<void> {
    await this.#file.write(this.#offset, chunk);
    this.#offset += chunk.length;
    if (this.#offset - this.#flushed >= flushBytes) await this.flush();
  }

  /** Back to the end of what is whole and checked, so that it can be gone on from there. The rest is written over. */
  async rewind(): Promise<number> {
    await this.flush();
    this.#offset = await verifiedPrefix(this.#file);
    this.#flushed = this.#offset;
    return this.#offset;
  }

  async flush(): Promise<void> {
    await this.#file.flush();
    this.#flushed = this.#offset;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

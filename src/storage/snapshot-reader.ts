/** Reading snapshot files: whole, to verify them, and record by record, to load them. Nothing unchecked is handed out. */
import { FormatError } from '../formats/bytes.ts';
import {
  chunkPrefixBytes,
  countChunk,
  decodeChunk,
  decodeSnapshotHeader,
  decodeTrailer,
  headerPrefixBytes,
  partBytes,
  type SnapshotHeader,
  snapshotHeaderBytes,
  snapshotSeed,
} from '../formats/snapshot.ts';
import type { DigestPort } from '../ports/digest.ts';
import { type Disk, DiskError, type DiskFile } from '../ports/disk.ts';
import { SnapshotCorruptError } from './errors.ts';
import { isNotFound, readingFile } from './files.ts';

const blockBytes = 512 * 1024;

export interface VerifiedSnapshot {
  readonly header: SnapshotHeader;
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** The records one by one, or as the file holds them: a wait for each of a million costs more than reading it. */
export interface ChunkedRecords extends AsyncIterable<Uint8Array> {
  chunks(): AsyncIterable<readonly Uint8Array[]>;
}

/** Whose snapshots are accepted. */
export interface SnapshotOrigin {
  readonly cellId: string;
  readonly generation: number;
}

interface Part {
  readonly kind: 'chunk' | 'trailer';
  readonly bytes: Uint8Array;
}

/** Reads every byte; whose snapshot it is does not matter without `origin`. @throws {SnapshotCorruptError} for anything bad, and for a snapshot of another cell or generation. */
export function verifySnapshot(
  disk: Disk,
  path: string,
  origin: SnapshotOrigin | null,
  digest: DigestPort,
): Promise<VerifiedSnapshot> {
  return readingFile(
    disk,
    path,
    async (file) => {
      const blocks = new BlockReader(file, keepsNothing());
      const { header, bytes: headerBytes } = await readHeader(blocks);
      if (origin !== null && (header.cellId !== origin.cellId || header.generation !== origin.generation)) {
        throw new FormatError(`it is of cell ${header.cellId}, generation ${header.generation}`);
      }
      const seed = snapshotSeed(headerBytes);
      const digests = [digest.sha256(headerBytes)];
      let records = 0;
      let offset = headerBytes.length;
      for (let chunks = 0; ; chunks++) {
        const part = await readPart(blocks, offset);
        offset += part.bytes.length;
        if (part.kind === 'chunk') {
          records += countChunk(part.bytes, seed, chunks);
          digests.push(digest.sha256(part.bytes));
          continue;
        }
        const trailer = decodeTrailer(part.bytes, seed);
        const sha256 = Buffer.from(digest.sha256(...digests));
        if (trailer.chunks !== chunks) throw new FormatError(`${chunks} chunks instead of ${trailer.chunks}`);
        if (trailer.records !== records || header.records !== records) {
          throw new FormatError(`${records} records instead of ${header.records}`);
        }
        if (!sha256.equals(trailer.sha256)) throw new FormatError('its digest is another one');
        if ((await file.size()) !== offset) throw new FormatError('bytes follow its end');
        return { header, bytes: offset, sha256: sha256.toString('hex') };
      }
    },
    (error) => bad(path, error),
  );
}

/** What the file says it stands for; nothing after the header is looked at. @throws {SnapshotCorruptError} */
export const readSnapshotHeader = (disk: Disk, path: string): Promise<SnapshotHeader> =>
  readingFile(
    disk,
    path,
    async (file) => (await readHeader(file)).header,
    (error) => bad(path, error),
  );

/**
 * How many bytes at the beginning of an unfinished file are whole parts of one snapshot, each checked: as much as may be gone
 * on with. 0 when not even its header is there.
 */
export async function verifiedPrefix(file: DiskFile): Promise<number> {
  try {
    const blocks = new BlockReader(file, keepsNothing());
    const { bytes: headerBytes } = await readHeader(blocks);
    const seed = snapshotSeed(headerBytes);
    let offset = headerBytes.length;
    for (let index = 0; ; index++) {
      const part = await readPart(blocks, offset).catch((error: unknown) =>
        error instanceof FormatError ? null : fail(error),
      );
      if (part === null || part.kind !== 'chunk' || !isGoodChunk(part.bytes, seed, index)) return offset;
      offset += part.bytes.length;
    }
  } catch (error) {
    if (error instanceof FormatError) return 0;
    throw error;
  }
}

function fail(error: unknown): never {
  throw error;
}

function isGoodChunk(bytes: Uint8Array, seed: number, index: number): boolean {
  try {
    countChunk(bytes, seed, index);
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/** The records in their order, chunk by chunk, each checked before it is handed out. */
export const snapshotRecords = (disk: Disk, path: string): ChunkedRecords => ({
  chunks: () => snapshotChunks(disk, path),
  async *[Symbol.asyncIterator]() {
    for await (const chunk of snapshotChunks(disk, path)) yield* chunk;
  },
});

async function* snapshotChunks(disk: Disk, path: string): AsyncGenerator<readonly Uint8Array[]> {
  const file = await disk.open(path, { create: false }).catch((error: unknown) => {
    if (isNotFound(error)) return bad(path, error);
    throw error;
  });
  try {
    const blocks = new BlockReader(file);
    const { bytes: headerBytes } = await reading(path, () => readHeader(blocks));
    const seed = snapshotSeed(headerBytes);
    let offset = headerBytes.length;
    for (let index = 0; ; index++) {
      const records = await reading(path, async () => {
        const part = await readPart(blocks, offset);
        offset += part.bytes.length;
        return part.kind === 'chunk' ? decodeChunk(part.bytes, seed, index) : null;
      });
      if (records === null) return;
      yield records;
    }
  } finally {
    await file.close();
  }
}

type ReadingFile = Pick<DiskFile, 'read'>;

/** A block for who looks at each part and lets it go: hundreds of them would be garbage of many megabytes. */
const keepsNothing = (): Uint8Array => Buffer.allocUnsafeSlow(blockBytes);

/**
 * For who reads a file from its beginning to its end: one job of the disk for a block, not two for each part. What was handed out
 * stays as it is, unless all blocks are read into one.
 */
class BlockReader implements ReadingFile {
  readonly #file: DiskFile;
  readonly #into: Uint8Array | undefined;
  #offset = 0;
  #block: Uint8Array = new Uint8Array(0);

  constructor(file: DiskFile, into?: Uint8Array) {
    this.#file = file;
    this.#into = into;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const from = offset - this.#offset;
    if (from < 0 || from + length > this.#block.length) {
      this.#block = await this.#readBlock(offset, length);
      this.#offset = offset;
      return this.#block.subarray(0, length);
    }
    return this.#block.subarray(from, from + length);
  }

  async #readBlock(offset: number, length: number): Promise<Uint8Array> {
    if (length >= blockBytes) return this.#file.read(offset, length);
    try {
      return await this.#file.read(offset, blockBytes, this.#into);
    } catch (error) {
      if (!(error instanceof DiskError && error.reason === 'io')) throw error;
      // What cannot be read may lie behind what is asked for.
      return this.#file.read(offset, length);
    }
  }
}

async function readHeader(file: ReadingFile): Promise<{ readonly header: SnapshotHeader; readonly bytes: Uint8Array }> {
  const length = snapshotHeaderBytes(await readExactly(file, 0, headerPrefixBytes));
  const bytes = await readExactly(file, 0, length);
  return { header: decodeSnapshotHeader(bytes), bytes };
}

async function readPart(file: ReadingFile, offset: number): Promise<Part> {
  const { kind, bytes } = partBytes(await readExactly(file, offset, chunkPrefixBytes));
  return { kind, bytes: await readExactly(file, offset, bytes) };
}

async function readExactly(file: ReadingFile, offset: number, length: number): Promise<Uint8Array> {
  const bytes = await file.read(offset, length);
  if (bytes.length !== length) throw new FormatError('it ends too early');
  return bytes;
}

async function reading<Result>(path: string, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    return bad(path, error);
  }
}

function bad(path: string, error: unknown): never {
  if (!(error instanceof FormatError || error instanceof DiskError)) throw error;
  throw new SnapshotCorruptError({ file: path, problem: error.message, instance: null }, { cause: error });
}

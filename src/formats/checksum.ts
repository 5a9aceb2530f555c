/**
 * CRC-32 of everything that lies on the disk. It finds damage, never malice; files that travel also carry SHA-256.
 *
 * A checksum is *bound*: its seed is made from who owns the bytes and where they lie, so that good bytes in a wrong place
 * fail like bad ones (pitfalls P26, D5).
 */
import { crc32 as zlibCrc32 } from 'node:zlib';
import { ByteWriter } from './bytes.ts';

/** Up to here a loop is over before a call out of the engine has begun. */
const loopBytesMax = 256;

/** One table for each of four bytes taken together. */
const tables = makeTables();

/** `seed` is the checksum of what comes before. An unsigned 32-bit number. */
export const crc32 = (bytes: Uint8Array, seed = 0): number =>
  bytes.length <= loopBytesMax ? loop(bytes, 0, bytes.length, seed) : zlibCrc32(bytes, seed);

/** As {@link crc32}, of the bytes from `start` to before `end`. */
export const crc32Of = (bytes: Uint8Array, start: number, end: number, seed = 0): number =>
  end - start <= loopBytesMax ? loop(bytes, start, end, seed) : zlibCrc32(bytes.subarray(start, end), seed);

function loop(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let crc = ~seed;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const low = byteAt(bytes, at) | (byteAt(bytes, at + 1) << 8);
    crc = nextFour(crc, low | (byteAt(bytes, at + 2) << 16) | (byteAt(bytes, at + 3) << 24));
  }
  for (; at < end; at++) crc = wordAt(tables[0], (crc ^ byteAt(bytes, at)) & 0xff) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Goes on with four bytes, the first of them lowest. */
function nextFour(before: number, word: number): number {
  const crc = before ^ word;
  return (
    wordAt(tables[3], crc & 0xff) ^
    wordAt(tables[2], (crc >>> 8) & 0xff) ^
    wordAt(tables[1], (crc >>> 16) & 0xff) ^
    wordAt(tables[0], crc >>> 24)
  );
}

const byteAt = (bytes: Uint8Array, at: number): number => bytes[at] as number;

// Declared with `function`: the tables above are made with it before this line is reached.
function wordAt(words: Int32Array, at: number): number {
  return words[at] as number;
}

function makeTables(): readonly [Int32Array, Int32Array, Int32Array, Int32Array] {
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
    first[byte] = crc;
  }
  const next = (before: Int32Array): Int32Array => before.map((word) => wordAt(first, word & 0xff) ^ (word >>> 8));
  const second = next(first);
  const third = next(second);
  return [first, second, third, next(third)];
}

/** Whose files these are. Bytes of one owner are never good for another. */
export interface Owner {
  readonly cellId: string;
  readonly member: string;
  readonly incarnation: number;
}

/** Computed once for a data directory; the root of every other seed. */
export const ownerSeed = (owner: Owner): number =>
  crc32(new ByteWriter(128).text(owner.cellId).text(owner.member).safe(owner.incarnation).finish());

/** The seed for bytes at `offset` of file number `file`, both below 2^32. */
export const placeSeed = (owner: number, file: number, offset: number): number =>
  ~nextFour(nextFour(~owner, reversed(file)), reversed(offset)) >>> 0;

/** The four bytes of a number in the order in which they are written, first one lowest. */
const reversed = (word: number): number =>
  (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);

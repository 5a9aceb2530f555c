/**
 * CRC-32 of everything that lies on the disk. It finds damage, never malice; files that travel also carry SHA-256.
 *
 * A checksum is *bound*: its seed is made from who owns the bytes and where they lie, so that good bytes in a wrong place
 * fail like bad ones (pitfalls P26, D5).
 */
import { crc32 as zlibCrc32 } from 'node:zlib';
import { ByteWriter } from './bytes.ts';

/** `seed` is the checksum of what comes before. An unsigned 32-bit number. */
export const crc32 = (bytes: Uint8Array, seed = 0): number => zlibCrc32(bytes, seed);

/** Whose files these are. Bytes of one owner are never good for another. */
export interface Owner {
  readonly cellId: string;
  readonly member: string;
  readonly incarnation: number;
}

/** Computed once for a data directory; the root of every other seed. */
export const ownerSeed = (owner: Owner): number =>
  crc32(new ByteWriter(128).text(owner.cellId).text(owner.member).safe(owner.incarnation).finish());

const place = Buffer.alloc(8);

/** The seed for bytes at `offset` of file number `file`. */
export function placeSeed(owner: number, file: number, offset: number): number {
  place.writeUInt32BE(file, 0);
  place.writeUInt32BE(offset, 4);
  return crc32(place, owner);
}

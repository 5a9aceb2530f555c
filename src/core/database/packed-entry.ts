/**
 * An entry as bytes in a piece of memory, and how two of them are ordered.
 *
 *     packed = length(4) keyLength(2) digest(16) encoding
 *
 * Numbers with the most significant byte first. The layout is of this memory only: nothing of it is ever written or sent.
 */
import type { StoredEntry } from './entry-store.ts';
import type { Digest, PackedBytes, RecordCodec } from './record.ts';

export const packedHeaderBytes = 22;

export function writePacked(
  piece: Uint8Array,
  at: number,
  encoded: Uint8Array,
  keyLength: number,
  digest: Digest,
): void {
  putU32(piece, at, encoded.length);
  piece[at + 4] = keyLength >>> 8;
  piece[at + 5] = keyLength;
  for (let i = 0; i < 4; i++) putU32(piece, at + 6 + 4 * i, digest[i] as number);
  piece.set(encoded, at + packedHeaderBytes);
}

/** Header and encoding. */
export const packedBytes = (piece: Uint8Array, at: number): number => packedHeaderBytes + u32(piece, at);

export const packedKeyLength = (piece: Uint8Array, at: number): number =>
  ((piece[at + 4] as number) << 8) | (piece[at + 5] as number);

/** A key as bytes somewhere. */
export interface KeyBytes {
  bytes: Uint8Array;
  from: number;
  length: number;
}

/** By unsigned bytes, a prefix first: negative when the key at `from` is below `key`. */
export function comparePacked(bytes: Uint8Array, from: number, length: number, key: KeyBytes): number {
  const other = key.bytes;
  const start = key.from;
  const shared = length < key.length ? length : key.length;
  for (let i = 0; i < shared; i++) {
    const difference = (bytes[from + i] as number) - (other[start + i] as number);
    if (difference !== 0) return difference;
  }
  return length - key.length;
}

export class PackedEntry implements StoredEntry {
  readonly #piece: Uint8Array;
  readonly #at: number;
  readonly #codec: RecordCodec;

  constructor(piece: Uint8Array, at: number, codec: RecordCodec) {
    this.#piece = piece;
    this.#at = at;
    this.#codec = codec;
  }

  get key(): string {
    const from = this.#at + packedHeaderBytes + this.#codec.entryKeyOffset;
    return this.#codec.keyText(this.#piece, from, from + packedKeyLength(this.#piece, this.#at));
  }

  get encoded(): Uint8Array {
    const from = this.#at + packedHeaderBytes;
    return this.#piece.subarray(from, from + u32(this.#piece, this.#at));
  }

  get value(): PackedBytes {
    const { valueFrom, valueBytes } = this.#parts();
    return this.#piece.subarray(valueFrom, valueFrom + valueBytes);
  }

  get valueBytes(): number {
    return this.#parts().valueBytes;
  }

  get createRevision(): number {
    return this.#parts().createRevision;
  }

  get revision(): number {
    return this.#parts().revision;
  }

  get version(): number {
    return this.#parts().version;
  }

  get digest(): Digest {
    const at = this.#at + 6;
    const piece = this.#piece;
    return [u32(piece, at), u32(piece, at + 4), u32(piece, at + 8), u32(piece, at + 12)];
  }

  #parts() {
    const piece = this.#piece;
    const at = this.#at;
    return this.#codec.entryParts(piece, at + packedHeaderBytes, u32(piece, at), packedKeyLength(piece, at));
  }
}

function putU32(bytes: Uint8Array, at: number, n: number): void {
  bytes[at] = n >>> 24;
  bytes[at + 1] = n >>> 16;
  bytes[at + 2] = n >>> 8;
  bytes[at + 3] = n;
}

const u32 = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)) >>>
  0;

/**
 * The user's entries, packed: their bytes in a few large pieces of memory (`slabs.ts`), their order in sorted chunks of handles.
 *
 * Some 190 bytes an entry with a key of 18 and a value of 100, of which the garbage collector sees next to nothing, where an
 * object, two strings and a tree's share took 265 and a walk of each collection (docs/adr/0004). A view shares
 * chunks and pieces; a chunk is copied before its first change after a view, a piece never changes.
 *
 * Keeps: handles in the order of their keys, each key once; no chunk empty; what no handle names was released.
 */
import type { EntryStore, EntryView, StoredEntry } from './entry-store.ts';
import {
  comparePacked,
  type KeyBytes,
  PackedEntry,
  packedBytes,
  packedHeaderBytes,
  packedKeyLength,
  writePacked,
} from './packed-entry.ts';
import type { Digest, RecordCodec } from './record.ts';
import { type Handle, offsetOf, pieceOf, Slabs, slabStride } from './slabs.ts';

/** Handles of one chunk; a change moves half of them on average. */
const chunkHandles = 256;
/** Two neighbours that fit into this become one. */
const mergedHandlesMax = 192;
/** Bytes moved out of half-dead pieces for each byte of a change: twice as many as die, so that moving keeps up. */
const movedPerByte = 2;

class Chunk {
  readonly handles = new Float64Array(chunkHandles);
  count = 0;
  /** Of the store when it was made: an older one may be in a view. */
  readonly stamp: number;

  constructor(stamp: number) {
    this.stamp = stamp;
  }

  copy(stamp: number): Chunk {
    const copy = new Chunk(stamp);
    copy.handles.set(this.handles);
    copy.count = this.count;
    return copy;
  }
}

interface Tables {
  readonly codec: RecordCodec;
  readonly chunks: readonly Chunk[];
  readonly pieces: readonly Uint8Array[];
}

/** Where a key is, or would be. */
class Place {
  chunk = 0;
  slot = 0;
  found = false;
}

/** Negative when what lies at `handle` is below `key`. */
function compareAt({ codec, pieces }: Tables, handle: Handle, key: KeyBytes): number {
  const piece = pieces[pieceOf(handle)] as Uint8Array;
  const at = offsetOf(handle);
  return comparePacked(piece, at + packedHeaderBytes + codec.entryKeyOffset, packedKeyLength(piece, at), key);
}

/** Sets `place` to the first key at or above `key`; its slot may be one behind the last of its chunk. */
function locate(tables: Tables, key: KeyBytes, place: Place): void {
  const { chunks } = tables;
  let low = 0;
  let high = chunks.length;
  // The last chunk whose first key is not above it.
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (compareAt(tables, (chunks[middle] as Chunk).handles[0] as Handle, key) <= 0) low = middle;
    else high = middle;
  }
  place.chunk = low;
  place.slot = 0;
  place.found = false;
  const chunk = chunks[low];
  if (chunk === undefined) return;
  low = 0;
  high = chunk.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareAt(tables, chunk.handles[middle] as Handle, key);
    if (order === 0) {
      place.slot = middle;
      place.found = true;
      return;
    }
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  place.slot = low;
}

const entryAt = ({ codec, pieces }: Tables, handle: Handle): StoredEntry =>
  new PackedEntry(pieces[pieceOf(handle)] as Uint8Array, offsetOf(handle), codec);

function keyOf(codec: RecordCodec, key: string): KeyBytes {
  const bytes = codec.keyBytes(key);
  return { bytes, from: 0, length: bytes.length };
}

function find(tables: Tables, key: string): StoredEntry | undefined {
  const place = new Place();
  locate(tables, keyOf(tables.codec, key), place);
  if (!place.found) return undefined;
  return entryAt(tables, (tables.chunks[place.chunk] as Chunk).handles[place.slot] as Handle);
}

function* entriesFrom(tables: Tables, from: string): IterableIterator<StoredEntry> {
  const place = new Place();
  locate(tables, keyOf(tables.codec, from), place);
  let { slot } = place;
  for (let i = place.chunk; i < tables.chunks.length; i++) {
    const chunk = tables.chunks[i] as Chunk;
    for (; slot < chunk.count; slot++) yield entryAt(tables, chunk.handles[slot] as Handle);
    slot = 0;
  }
}

export class PackedEntryStore implements EntryStore {
  readonly #codec: RecordCodec;
  readonly #slabs: Slabs;
  #chunks: Chunk[] = [];
  /** The list of chunks is that of a view too. */
  #shared = false;
  /** Chunks of an earlier one are copied before they change. */
  #stamp = 0;
  #size = 0;
  readonly #place = new Place();
  /** The key that {@link #place} is of; null since the order has changed. A write reads its key first. */
  #placed: string | null = null;
  /** How far the piece that is being emptied was looked through. */
  #emptying: { readonly piece: Uint8Array; at: number } | null = null;

  constructor(codec: RecordCodec) {
    this.#codec = codec;
    this.#slabs = new Slabs((bytes) => codec.allocate(bytes));
  }

  get size(): number {
    return this.#size;
  }

  /** Memory taken for entries, dead ones included, in bytes. */
  get bytes(): number {
    return this.#slabs.bytes + this.#chunks.length * chunkHandles * 8;
  }

  get(key: string): StoredEntry | undefined {
    const place = this.#placeFor(key);
    if (!place.found) return undefined;
    return entryAt(this.#tables(), (this.#chunks[place.chunk] as Chunk).handles[place.slot] as Handle);
  }

  from(from: string): IterableIterator<StoredEntry> {
    return entriesFrom(this.#tables(), from);
  }

  view(): EntryView {
    this.#stamp++;
    this.#shared = true;
    const tables = { codec: this.#codec, chunks: this.#chunks, pieces: this.#slabs.share() };
    const size = this.#size;
    return { size, get: (key) => find(tables, key), from: (from) => entriesFrom(tables, from) };
  }

  put(key: string, encoded: Uint8Array, digest: Digest): StoredEntry {
    const place = this.#placeFor(key);
    this.#placed = null;
    const handle = this.#write(encoded, this.#codec.entryKeyBytes(encoded), digest);
    if (place.found) this.#release(this.#replace(place, handle));
    else this.#insert(place, handle);
    this.#empty(movedPerByte * (packedHeaderBytes + encoded.length));
    return entryAt(this.#tables(), handle);
  }

  append(encoded: Uint8Array, digest: Digest): boolean {
    const key = { bytes: encoded, from: this.#codec.entryKeyOffset, length: this.#codec.entryKeyBytes(encoded) };
    this.#placed = null;
    const last = this.#chunks.at(-1);
    if (last !== undefined) {
      if (compareAt(this.#tables(), last.handles[last.count - 1] as Handle, key) >= 0) return false;
      this.#place.slot = last.count;
    } else this.#place.slot = 0;
    this.#place.chunk = Math.max(0, this.#chunks.length - 1);
    this.#insert(this.#place, this.#write(encoded, key.length, digest));
    return true;
  }

  delete(key: string): boolean {
    const place = this.#placeFor(key);
    if (!place.found) return false;
    this.#placed = null;
    const bytes = this.#release(this.#remove(place));
    this.#empty(movedPerByte * bytes);
    return true;
  }

  #tables(): Tables {
    return { codec: this.#codec, chunks: this.#chunks, pieces: this.#slabs.pieces };
  }

  #placeFor(key: string): Place {
    if (this.#placed !== key) locate(this.#tables(), keyOf(this.#codec, key), this.#place);
    this.#placed = key;
    return this.#place;
  }

  #write(encoded: Uint8Array, keyLength: number, digest: Digest): Handle {
    const handle = this.#slabs.reserve(packedHeaderBytes + encoded.length);
    writePacked(this.#pieceOf(handle), offsetOf(handle), encoded, keyLength, digest);
    return handle;
  }

  #pieceOf(handle: Handle): Uint8Array {
    return this.#slabs.pieces[pieceOf(handle)] as Uint8Array;
  }

  /** The bytes that it took. */
  #release(handle: Handle): number {
    const bytes = packedBytes(this.#pieceOf(handle), offsetOf(handle));
    this.#slabs.release(handle, bytes);
    return bytes;
  }

  // ---- the order ----

  #replace({ chunk, slot }: Place, handle: Handle): Handle {
    const { handles } = this.#ownChunk(chunk);
    const before = handles[slot] as Handle;
    handles[slot] = handle;
    return before;
  }

  #insert({ chunk: index, slot }: Place, handle: Handle): void {
    this.#size++;
    if (this.#chunks.length === 0) this.#ownChunks().push(new Chunk(this.#stamp));
    const chunk = this.#ownChunk(index);
    if (chunk.count < chunkHandles) return insertInto(chunk, slot, handle);
    const next = new Chunk(this.#stamp);
    this.#ownChunks().splice(index + 1, 0, next);
    // Keys that come in their order fill chunk after chunk; any other split leaves two halves.
    if (slot < chunkHandles || index + 2 < this.#chunks.length) {
      const half = chunkHandles / 2;
      next.handles.set(chunk.handles.subarray(half));
      next.count = chunkHandles - half;
      chunk.count = half;
      if (slot <= half) return insertInto(chunk, slot, handle);
      return insertInto(next, slot - half, handle);
    }
    insertInto(next, 0, handle);
  }

  #remove({ chunk: index, slot }: Place): Handle {
    this.#size--;
    const chunk = this.#ownChunk(index);
    const handle = chunk.handles[slot] as Handle;
    chunk.handles.copyWithin(slot, slot + 1, chunk.count);
    chunk.count--;
    this.#join(index);
    return handle;
  }

  /** With a neighbour, where both together are small; an empty one goes. */
  #join(index: number): void {
    const chunk = this.#chunks[index] as Chunk;
    if (chunk.count === 0) {
      this.#ownChunks().splice(index, 1);
      return;
    }
    if (chunk.count * 4 > chunkHandles) return;
    const first = index > 0 ? index - 1 : index;
    const into = this.#chunks[first] as Chunk;
    const gone = this.#chunks[first + 1];
    if (gone === undefined || into.count + gone.count > mergedHandlesMax) return;
    const owned = this.#ownChunk(first);
    owned.handles.set(gone.handles.subarray(0, gone.count), owned.count);
    owned.count += gone.count;
    this.#ownChunks().splice(first + 1, 1);
  }

  #ownChunks(): Chunk[] {
    if (this.#shared) {
      this.#chunks = this.#chunks.slice();
      this.#shared = false;
    }
    return this.#chunks;
  }

  #ownChunk(index: number): Chunk {
    const chunk = this.#chunks[index] as Chunk;
    if (chunk.stamp === this.#stamp) return chunk;
    const copy = chunk.copy(this.#stamp);
    this.#ownChunks()[index] = copy;
    return copy;
  }

  // ---- the memory ----

  /** Moves what lives in half-dead pieces, as many bytes and the rest of the entry that the count ends in. */
  #empty(bytes: number): void {
    for (let left = bytes; left > 0; ) {
      const victim = this.#slabs.victim();
      if (victim === null) {
        this.#emptying = null;
        return;
      }
      const piece = this.#slabs.pieces[victim.piece] as Uint8Array;
      if (this.#emptying?.piece !== piece) this.#emptying = { piece, at: 0 };
      const { at } = this.#emptying;
      if (at >= victim.used) {
        this.#slabs.spare(victim.piece);
        continue;
      }
      const length = packedBytes(piece, at);
      this.#emptying.at = at + length;
      // What is dead costs a look at the order too.
      left -= this.#move(victim.piece * slabStride + at, piece, at, length) ? length : length / 4;
    }
  }

  /** False when it is dead. */
  #move(handle: Handle, piece: Uint8Array, at: number, length: number): boolean {
    const from = at + packedHeaderBytes + this.#codec.entryKeyOffset;
    const place = this.#place;
    locate(this.#tables(), { bytes: piece, from, length: packedKeyLength(piece, at) }, place);
    if (!place.found || (this.#chunks[place.chunk] as Chunk).handles[place.slot] !== handle) return false;
    const moved = this.#slabs.reserve(length);
    // As they are, digest included: what rotted stays rotten, and is found.
    this.#pieceOf(moved).set(piece.subarray(at, at + length), offsetOf(moved));
    this.#replace(place, moved);
    this.#slabs.release(handle, length);
    return true;
  }
}

function insertInto(chunk: Chunk, slot: number, handle: Handle): void {
  chunk.handles.copyWithin(slot + 1, slot, chunk.count);
  chunk.handles[slot] = handle;
  chunk.count++;
}

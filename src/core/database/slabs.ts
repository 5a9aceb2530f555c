/**
 * Memory for a million small things: large pieces that are only ever appended to.
 *
 * The garbage collector sees one object for a piece instead of several for each thing in it. What was written never changes,
 * so a point-in-time view is a copy of the list of pieces; a piece that nothing lives in any more is forgotten here, and goes when
 * the last view that knows it does. A piece of which half has died is emptied by moving the rest, a little with each change
 * (`victim`), so that what is dead stays below what lives.
 */

/** Where something lies: piece × {@link slabStride} + offset. A safe integer up to petabytes. */
export type Handle = number;

/** Above every offset at which something may begin. */
export const slabStride = 2 ** 21;
/** Pieces grow to this: a small database has no use for a large one. */
const slabBytesMax = 2 ** 20;
const slabBytesMin = 4096;

interface Slab {
  used: number;
  live: number;
  /** Waits to be emptied, or is being. */
  doomed: boolean;
}

export class Slabs {
  readonly #allocate: (bytes: number) => Uint8Array;
  /** By number; shared with views once {@link Slabs.share} was called, and then copied before the next change. */
  #bytes: Uint8Array[] = [];
  #shared = false;
  #slabs: (Slab | null)[] = [];
  /** Numbers without a piece. */
  readonly #vacant: number[] = [];
  /** The one that is appended to; -1 before the first. */
  #head = -1;
  #total = 0;
  #doomed: number[] = [];

  constructor(allocate: (bytes: number) => Uint8Array) {
    this.#allocate = allocate;
  }

  /** Taken from the system, in bytes. */
  get bytes(): number {
    return this.#total;
  }

  /** By number: `pieces[pieceOf(handle)]`. */
  get pieces(): readonly Uint8Array[] {
    return this.#bytes;
  }

  /** The pieces as they are now; what is appended later lies behind what their holder knows. */
  share(): readonly Uint8Array[] {
    this.#shared = true;
    return this.#bytes;
  }

  /** Room for so many bytes, to be written once, now. */
  reserve(bytes: number): Handle {
    let slab = this.#slabs[this.#head] ?? null;
    if (slab === null || slab.used + bytes > this.#piece(this.#head).length) {
      const full = this.#head;
      slab = this.#open(bytes);
      if (full >= 0) this.#look(full);
    }
    const at = slab.used;
    slab.used += bytes;
    slab.live += bytes;
    return this.#head * slabStride + at;
  }

  /** What was reserved there is needed no more. */
  release(handle: Handle, bytes: number): void {
    const number = pieceOf(handle);
    (this.#slabs[number] as Slab).live -= bytes;
    this.#look(number);
  }

  /** The piece to be emptied next: whoever knows what in it lives moves that. Null when there is none. */
  victim(): { readonly piece: number; readonly used: number } | null {
    for (;;) {
      const piece = this.#doomed[0];
      if (piece === undefined) return null;
      const slab = this.#slabs[piece] ?? null;
      if (slab?.doomed === true) return { piece, used: slab.used };
      this.#doomed.shift();
    }
  }

  /** The present victim was looked through, and something in it that should live was not found: memory rotted. It stays as it is. */
  spare(piece: number): void {
    this.#doomed = this.#doomed.filter((it) => it !== piece);
  }

  #look(number: number): void {
    const slab = this.#slabs[number] as Slab;
    if (number === this.#head) return;
    if (slab.live === 0) return this.#drop(number);
    if (slab.doomed || slab.live * 2 > this.#piece(number).length) return;
    slab.doomed = true;
    this.#doomed.push(number);
  }

  #open(bytes: number): Slab {
    const length = Math.max(bytes, Math.min(slabBytesMax, Math.max(slabBytesMin, this.#total)));
    const piece = this.#allocate(length);
    const slab = { used: 0, live: 0, doomed: false };
    const number = this.#vacant.pop() ?? this.#slabs.length;
    this.#own();
    this.#bytes[number] = piece;
    this.#slabs[number] = slab;
    this.#head = number;
    this.#total += length;
    return slab;
  }

  #drop(number: number): void {
    this.#total -= this.#piece(number).length;
    this.#own();
    this.#bytes[number] = nothing;
    this.#slabs[number] = null;
    this.#vacant.push(number);
  }

  #piece(number: number): Uint8Array {
    return this.#bytes[number] as Uint8Array;
  }

  #own(): void {
    if (!this.#shared) return;
    this.#bytes = this.#bytes.slice();
    this.#shared = false;
  }
}

const nothing = new Uint8Array(0);

export const pieceOf = (handle: Handle): number => Math.floor(handle / slabStride);
/** Not the remainder operator, which is slow for what is no small integer. */
export const offsetOf = (handle: Handle): number => handle - Math.floor(handle / slabStride) * slabStride;

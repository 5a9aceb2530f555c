/**
 * Tuples of whole numbers with how each was first reached, less those that another one covers.
 *
 * The first numbers of a tuple are its key; tuples of one key stand in a list. One that is covered by a tuple of its list is not
 * kept; those that a new one covers leave the list, and need not be looked at any more. Exact: two keys are never taken for one.
 *
 * Grows by doubling; about 50 bytes a tuple of seven.
 */

/** Behind the last of a list. */
const end = -1;
/** Instead of the next of its list: covered by another tuple. */
const covered = -2;

export class StateTable {
  readonly #width: number;
  readonly #keyWidth: number;
  readonly #covers: (one: Int32Array, other: Int32Array) => boolean;
  readonly #met: Int32Array;
  #tuples: Int32Array;
  #parents: Int32Array;
  /** Which member moved, and by which step. */
  #movers: Int8Array;
  #steps: Int32Array;
  /** The one before it in the list of its key, {@link end} or {@link covered}. */
  #next: Int32Array;
  /** Open addressing by key: number of the newest tuple plus one, 0 for an empty place. */
  #places: Int32Array;
  #keys = 0;
  size = 0;
  /** Tuples that were kept and covered later. */
  superseded = 0;

  /** `covers`: whether the rest of `one` makes the rest of `other`, of the same key, superfluous; so does an equal one. */
  constructor(
    options: {
      readonly width: number;
      readonly keyWidth: number;
      readonly covers: (one: Int32Array, other: Int32Array) => boolean;
    },
    capacity = 1 << 16,
  ) {
    const { width, keyWidth, covers } = options;
    this.#width = width;
    this.#keyWidth = keyWidth;
    this.#covers = covers;
    this.#met = new Int32Array(width);
    this.#tuples = new Int32Array(width * capacity);
    this.#parents = new Int32Array(capacity);
    this.#movers = new Int8Array(capacity);
    this.#steps = new Int32Array(capacity);
    this.#next = new Int32Array(capacity);
    this.#places = new Int32Array(capacity * 2);
  }

  /** Different keys. */
  get keys(): number {
    return this.#keys;
  }

  /** Copies tuple `number` into `into`. */
  read(number: number, into: Int32Array): void {
    const at = number * this.#width;
    for (let i = 0; i < this.#width; i++) into[i] = this.#tuples[at + i] as number;
  }

  /** Another tuple makes this one superfluous. */
  isCovered(number: number): boolean {
    return this.#next[number] === covered;
  }

  parent(number: number): number {
    return this.#parents[number] as number;
  }

  mover(number: number): number {
    return this.#movers[number] as number;
  }

  step(number: number): number {
    return this.#steps[number] as number;
  }

  /** Returns whether `tuple` is new and covered by none; then `mover` reached it by `step` from state `parent`. */
  add(tuple: Int32Array, parent: number, mover: number, step: number): boolean {
    if (this.size === this.#parents.length) this.#grow();
    const place = this.#placeOf(tuple);
    const head = (this.#places[place] as number) - 1;
    if (head >= 0 && this.#isCovered(head, tuple)) return false;
    const number = this.size++;
    this.#tuples.set(tuple, number * this.#width);
    this.#parents[number] = parent;
    this.#movers[number] = mover;
    this.#steps[number] = step;
    if (head < 0) this.#keys++;
    this.#next[number] = head < 0 ? end : this.#less(head, tuple);
    this.#places[place] = number + 1;
    return true;
  }

  #isCovered(head: number, tuple: Int32Array): boolean {
    for (let at = head; at !== end; at = this.#next[at] as number) {
      this.read(at, this.#met);
      if (this.#covers(this.#met, tuple)) return true;
    }
    return false;
  }

  /** The list from `head` on without those that `tuple` covers. Returns its new head. */
  #less(head: number, tuple: Int32Array): number {
    let first = end;
    let last = end;
    for (let at = head; at !== end; ) {
      const next = this.#next[at] as number;
      this.read(at, this.#met);
      if (this.#covers(tuple, this.#met)) {
        this.#next[at] = covered;
        this.superseded++;
      } else {
        if (last === end) first = at;
        else this.#next[last] = at;
        last = at;
      }
      at = next;
    }
    if (last !== end) this.#next[last] = end;
    return first;
  }

  #placeOf(tuple: Int32Array): number {
    const mask = this.#places.length - 1;
    let place = this.#hash(tuple) & mask;
    for (;;) {
      const found = this.#places[place] as number;
      if (found === 0 || this.#hasKey(found - 1, tuple)) return place;
      place = (place + 1) & mask;
    }
  }

  #hash(tuple: Int32Array): number {
    let h = 0x9e3779b9;
    for (let i = 0; i < this.#keyWidth; i++) {
      h = Math.imul(h ^ (tuple[i] as number), 0x85ebca6b);
      h ^= h >>> 15;
    }
    h = Math.imul(h, 0xc2b2ae35);
    return (h ^ (h >>> 13)) >>> 0;
  }

  #hasKey(number: number, tuple: Int32Array): boolean {
    const at = number * this.#width;
    for (let i = 0; i < this.#keyWidth; i++) if (this.#tuples[at + i] !== tuple[i]) return false;
    return true;
  }

  #grow(): void {
    const capacity = this.#parents.length * 2;
    const larger = <Numbers extends Int32Array | Int8Array>(into: Numbers, from: Numbers): Numbers => {
      into.set(from);
      return into;
    };
    this.#tuples = larger(new Int32Array(capacity * this.#width), this.#tuples);
    this.#parents = larger(new Int32Array(capacity), this.#parents);
    this.#movers = larger(new Int8Array(capacity), this.#movers);
    this.#steps = larger(new Int32Array(capacity), this.#steps);
    this.#next = larger(new Int32Array(capacity), this.#next);
    if (this.#places.length >= 4 * this.#keys) return;
    const heads = this.#places;
    this.#places = new Int32Array(heads.length * 2);
    const tuple = new Int32Array(this.#width);
    for (const head of heads) {
      if (head === 0) continue;
      this.read(head - 1, tuple);
      this.#places[this.#placeOf(tuple)] = head;
    }
  }
}

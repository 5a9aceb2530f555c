/**
 * Tuples of whole numbers, each kept once, with how it was first reached. Exact: two tuples are never taken for one.
 *
 * Grows by doubling; about 40 bytes a tuple of three.
 */
export class StateTable {
  readonly #width: number;
  #tuples: Int32Array;
  #parents: Int32Array;
  /** Which member moved, and by which step. */
  #movers: Int8Array;
  #steps: Int32Array;
  /** Open addressing: number of the tuple plus one, 0 for an empty place. */
  #places: Int32Array;
  size = 0;

  constructor(width: number, capacity = 1 << 16) {
    this.#width = width;
    this.#tuples = new Int32Array(width * capacity);
    this.#parents = new Int32Array(capacity);
    this.#movers = new Int8Array(capacity);
    this.#steps = new Int32Array(capacity);
    this.#places = new Int32Array(capacity * 2);
  }

  /** Copies tuple `number` into `into`. */
  read(number: number, into: Int32Array): void {
    const at = number * this.#width;
    for (let i = 0; i < this.#width; i++) into[i] = this.#tuples[at + i] as number;
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

  /** Returns whether `tuple` is new; then `mover` reached it by `step` from state `parent`. */
  add(tuple: Int32Array, parent: number, mover: number, step: number): boolean {
    const mask = this.#places.length - 1;
    let place = this.#hash(tuple) & mask;
    for (;;) {
      const found = this.#places[place] as number;
      if (found === 0) break;
      if (this.#equals(found - 1, tuple)) return false;
      place = (place + 1) & mask;
    }
    if (this.size === this.#parents.length) {
      this.#grow();
      return this.add(tuple, parent, mover, step);
    }
    const number = this.size++;
    this.#tuples.set(tuple, number * this.#width);
    this.#parents[number] = parent;
    this.#movers[number] = mover;
    this.#steps[number] = step;
    this.#places[place] = number + 1;
    return true;
  }

  #hash(tuple: Int32Array): number {
    let h = 0x9e3779b9;
    for (let i = 0; i < tuple.length; i++) {
      h = Math.imul(h ^ (tuple[i] as number), 0x85ebca6b);
      h ^= h >>> 15;
    }
    h = Math.imul(h, 0xc2b2ae35);
    return (h ^ (h >>> 13)) >>> 0;
  }

  #equals(number: number, tuple: Int32Array): boolean {
    const at = number * this.#width;
    for (let i = 0; i < tuple.length; i++) if (this.#tuples[at + i] !== tuple[i]) return false;
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
    this.#places = new Int32Array(capacity * 2);
    const mask = this.#places.length - 1;
    const tuple = new Int32Array(this.#width);
    for (let number = 0; number < this.size; number++) {
      this.read(number, tuple);
      let place = this.#hash(tuple) & mask;
      while (this.#places[place] !== 0) place = (place + 1) & mask;
      this.#places[place] = number + 1;
    }
  }
}

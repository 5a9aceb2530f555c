/**
 * Chance as data: a seeded generator, the same numbers from the same seed on every machine.
 *
 * Source: house style §2 ("chance is data"). The generator is the "small fast counter" construction on 32-bit words
 * (128 bits of state, period at least 2^32); fit for jitter and simulation, not for secrets.
 */
import { invariant } from './invariant.ts';

export class Random {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter: number;

  /** A number and its decimal text are the same seed. */
  constructor(seed: number | string) {
    this.#seed = String(seed);
    this.#a = hash(this.#seed, 0x9e3779b9);
    this.#b = hash(this.#seed, 0x85ebca6b);
    this.#c = hash(this.#seed, 0xc2b2ae35);
    this.#counter = 1;
    // Similar seeds leave similar words; a dozen rounds spread the difference over all bits.
    for (let i = 0; i < 12; i++) this.word();
  }

  /** A whole number from 0 to 2^32 - 1. */
  word(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** From 0 (included) to 1 (excluded), 53 bits. */
  next(): number {
    const high = this.word() >>> 5;
    return (high * 0x400_0000 + (this.word() >>> 6)) / 0x20_0000_0000_0000;
  }

  /** A whole number from 0 to `n - 1`. `n` is a safe integer from 1. */
  below(n: number): number {
    invariant(Number.isSafeInteger(n) && n >= 1, 'the limit of a draw is a safe integer from 1', { n });
    return Math.floor(this.next() * n);
  }

  /** True with probability `p`. Draws once whatever `p` is, so that a changed intensity shifts nothing else. */
  chance(p: number): boolean {
    return this.next() < p;
  }

  /** From `low` (included) to `high` (excluded). */
  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /**
   * From `low` to `high` so that each doubling is equally likely: for times and sizes that span decades. Only exact
   * arithmetic, no `Math.pow`, whose last bit may differ between engines.
   */
  betweenLogarithmic(low: number, high: number): number {
    invariant(low > 0 && high >= low, 'a logarithmic range is positive and rising', { low, high });
    let doublings = 1;
    for (let edge = low * 2; edge < high; edge *= 2) doublings++;
    let from = low;
    for (let i = this.below(doublings); i > 0; i--) from *= 2;
    return this.between(from, Math.min(from * 2, high));
  }

  /** One of `items`, which is not empty. */
  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }

  /** A new array with the same items in another order. */
  shuffle<Item>(items: readonly Item[]): Item[] {
    const shuffled = [...items];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const item = shuffled[i] as Item;
      shuffled[i] = shuffled[j] as Item;
      shuffled[j] = item;
    }
    return shuffled;
  }

  /**
   * An independent generator named by this one's *seed* and `label`, however much was drawn here: one more draw in
   * one part of a program leaves all other parts as they were. The same label gives the same generator again.
   */
  fork(label: string): Random {
    return new Random(`${this.#seed}/${label}`);
  }
}

/** 32 bits of a text, different for each `salt`: multiply and rotate over its code units, then a final avalanche. */
function hash(text: string, salt: number): number {
  let h = salt ^ text.length;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 0x5bd1e995);
    h = (h << 13) | (h >>> 19);
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

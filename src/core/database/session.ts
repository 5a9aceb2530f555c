/**
 * One client session: the answers of its latest numbers, so that a write sent twice is applied once (design §3,
 * "Exactly once"; invariant I9).
 *
 * Keeps: numbers rise and all lie above `floor`; a number at or below `floor` was applied and forgotten, or can no longer
 * be told from one that was; any other number that has no answer was never applied. So numbers may arrive in any order
 * (pitfall P11): having seen 2 says nothing about 1.
 */
import type { Digest, PackedBytes } from './record.ts';

/** Numbers whose answers a session keeps. */
export const sessionNumbersMax = 1024;
/** Bytes of the answers of one session; beyond them the longest answers are shortened. */
export const sessionAnswerBytesMax = 64 * 1024;

export interface Answer {
  readonly sequence: number;
  readonly answer: PackedBytes;
}

export class Session {
  readonly ttlMs: number;
  expiresCellTimeMs: number;
  /** Of the session's own record, as the checksum has it. */
  digest: Digest = [0, 0, 0, 0];
  #floor: number;
  #sequences: number[] = [];
  /** One for each of `#sequences`. */
  #answers: PackedBytes[] = [];
  #bytes = 0;
  /** Of the view before which this object was last copied; older ones belong to that view and must not change. */
  readonly stamp: number;

  constructor(state: { ttlMs: number; expiresCellTimeMs: number; floor: number; stamp: number }) {
    this.ttlMs = state.ttlMs;
    this.expiresCellTimeMs = state.expiresCellTimeMs;
    this.#floor = state.floor;
    this.stamp = state.stamp;
  }

  get floor(): number {
    return this.#floor;
  }

  get answerCount(): number {
    return this.#sequences.length;
  }

  get answerBytes(): number {
    return this.#bytes;
  }

  copy(stamp: number): Session {
    const { ttlMs, expiresCellTimeMs } = this;
    const copy = new Session({ ttlMs, expiresCellTimeMs, floor: this.#floor, stamp });
    copy.#sequences = this.#sequences.slice();
    copy.#answers = this.#answers.slice();
    copy.#bytes = this.#bytes;
    copy.digest = this.digest;
    return copy;
  }

  answer(sequence: number): PackedBytes | undefined {
    const at = this.#indexFrom(sequence);
    return this.#sequences[at] === sequence ? this.#answers[at] : undefined;
  }

  /** In the order of their numbers. */
  *answers(): IterableIterator<Answer> {
    for (let i = 0; i < this.#sequences.length; i++) {
      yield { sequence: this.#sequences[i] as number, answer: this.#answers[i] as PackedBytes };
    }
  }

  /** Keeps the answer of a number that has none and lies above the floor. */
  keep(sequence: number, answer: PackedBytes): void {
    if (sequence > (this.#sequences.at(-1) ?? 0)) {
      this.#sequences.push(sequence);
      this.#answers.push(answer);
    } else {
      const at = this.#indexFrom(sequence);
      this.#sequences.splice(at, 0, sequence);
      this.#answers.splice(at, 0, answer);
    }
    this.#bytes += answer.length;
  }

  /** Forgets the lowest number when too many are kept, and returns what it was; the floor rises to it. */
  forgetLowest(): Answer | null {
    if (this.#sequences.length <= sessionNumbersMax) return null;
    const sequence = this.#sequences.shift() as number;
    const answer = this.#answers.shift() as PackedBytes;
    this.#bytes -= answer.length;
    this.#floor = sequence;
    return { sequence, answer };
  }

  /**
   * The longest answer, when answers take more than they may; of equally long ones that of the lowest number. So the
   * answers of single writes, which all fit together, are kept as they are however large the others were.
   */
  nextToShorten(): Answer | null {
    if (this.#bytes <= sessionAnswerBytesMax) return null;
    let at = 0;
    for (let i = 1; i < this.#answers.length; i++) {
      if ((this.#answers[i] as PackedBytes).length > (this.#answers[at] as PackedBytes).length) at = i;
    }
    return { sequence: this.#sequences[at] as number, answer: this.#answers[at] as PackedBytes };
  }

  replace(sequence: number, answer: PackedBytes): void {
    const at = this.#indexFrom(sequence);
    this.#bytes += answer.length - (this.#answers[at] as PackedBytes).length;
    this.#answers[at] = answer;
  }

  #indexFrom(sequence: number): number {
    let low = 0;
    let high = this.#sequences.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sequences[middle] as number) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

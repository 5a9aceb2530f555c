/**
 * What happened in a run, in order: a running hash over all of it, and the last lines for people.
 *
 * Source: pitfalls R21 (the same seed twice gives the same trace). Lines are kept as their parts and put into words only
 * when somebody asks, since nearly every run ends without being read.
 */
import { formatTraceLine, type TraceLine } from './trace-text.ts';

type Part = string | number;

const numberBytes = new DataView(new ArrayBuffer(8));

export class Trace {
  readonly #kept: (TraceLine | undefined)[];
  #count = 0;
  // Two independent 32-bit lanes make a 64-bit hash.
  #low = 0x811c9dc5 | 0;
  #high = 0x9747b28c | 0;

  /** Keeps the last `keep` lines. */
  constructor(keep = 400) {
    this.#kept = new Array<TraceLine | undefined>(keep);
  }

  /** One event: when, at whom, what, and what tells it from others of its kind. */
  note(timeMs: number, who: string, what: string, ...parts: readonly Part[]): void {
    this.#mixNumber(timeMs);
    this.#mixText(who);
    this.#mixText(what);
    for (const part of parts) {
      if (typeof part === 'number') this.#mixNumber(part);
      else this.#mixText(part);
    }
    this.#kept[this.#count++ % this.#kept.length] = { timeMs, who, what, parts };
  }

  get count(): number {
    return this.#count;
  }

  /** 16 hex digits over everything noted so far, in order. */
  hash(): string {
    return hex(this.#high) + hex(this.#low);
  }

  /** The last `count` lines, oldest first. */
  tail(count: number): string[] {
    const length = Math.min(count, this.#count, this.#kept.length);
    return Array.from({ length }, (_, i) => {
      const line = this.#kept[(this.#count - length + i) % this.#kept.length] as TraceLine;
      return formatTraceLine(line);
    });
  }

  #mix(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193);
    this.#low ^= this.#low >>> 15;
    const turned = Math.imul(this.#high ^ word, 0x5bd1e995);
    this.#high = ((turned << 13) | (turned >>> 19)) + 0x52dce729;
  }

  #mixNumber(n: number): void {
    numberBytes.setFloat64(0, n);
    this.#mix(numberBytes.getInt32(0));
    this.#mix(numberBytes.getInt32(4));
  }

  #mixText(text: string): void {
    for (let i = 0; i < text.length; i++) this.#mix(text.charCodeAt(i));
    this.#mix(-1 - text.length);
  }
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');

/** Joins the trace hashes of several runs, in their order, into one. */
export function joinHashes(hashes: readonly string[]): string {
  if (hashes.length === 1) return hashes[0] as string;
  const joined = new Trace(1);
  for (const hash of hashes) joined.note(0, '', hash);
  return joined.hash();
}

/** How long recent flushes took, for status and metrics. */
const samplesMax = 1024;

export class FlushTimes {
  readonly #samples: number[] = [];
  #at = 0;

  add(ms: number): void {
    this.#samples[this.#at] = ms;
    this.#at = (this.#at + 1) % samplesMax;
  }

  /** The value that `share` (0-1) of the last flushes did not exceed, in ms; 0 before the first. */
  percentile(share: number): number {
    const sorted = Float64Array.from(this.#samples).sort();
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  }
}

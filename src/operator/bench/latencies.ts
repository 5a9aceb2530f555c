/** Latencies of many operations in little memory: Node's own histogram, which is HdrHistogram with three significant digits. */
import { createHistogram } from 'node:perf_hooks';

/** Milliseconds. Zero of no operations at all. */
export interface LatencySummary {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** A point of the curve: this share of the operations took no longer than `ms`. */
export interface LatencyPoint {
  readonly percentile: number;
  readonly ms: number;
}

const unitsInMs = 1000;
const longestMs = 3_600_000;
/** Percentiles of the curve in each factor of ten: 90 to 99, 99 to 99.9. */
const pointsInDecade = 12;
const decadesMax = 4;

export class Latencies {
  /** In microseconds. */
  readonly #histogram = createHistogram({ lowest: 1, highest: longestMs * unitsInMs, figures: 3 });
  #longestMs = 0;
  #sumMs = 0;

  /** What is longer than an hour counts as an hour. */
  record(ms: number): void {
    this.#longestMs = Math.max(this.#longestMs, ms);
    this.#sumMs += ms;
    this.#histogram.record(Math.max(1, Math.round(Math.min(ms, longestMs) * unitsInMs)));
  }

  get count(): number {
    return this.#histogram.count;
  }

  summary(): LatencySummary {
    return {
      mean: rounded(this.count === 0 ? 0 : this.#sumMs / this.count),
      p50: this.#at(50),
      p90: this.#at(90),
      p99: this.#at(99),
      p999: this.#at(99.9),
      max: rounded(this.#longestMs),
    };
  }

  /** From the median on, ever closer to the end: 90, 99, 99.9 are equally far apart. No further than there are operations. */
  curve(): readonly LatencyPoint[] {
    if (this.count === 0) return [];
    const decades = Math.min(decadesMax, Math.log10(this.count));
    const points = Math.floor(decades * pointsInDecade);
    return Array.from({ length: points + 1 }, (_, at) => {
      const percentile = 100 * (1 - 10 ** (-at / pointsInDecade));
      return { percentile: rounded(percentile), ms: this.#at(percentile) };
    });
  }

  #at(percentile: number): number {
    if (this.count === 0) return 0;
    // The histogram takes percentiles above 0 only; the least one it can tell is the smallest value.
    const units = percentile <= 0 ? this.#histogram.min : this.#histogram.percentile(percentile);
    return rounded(Math.min(units / unitsInMs, this.#longestMs));
  }
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000;

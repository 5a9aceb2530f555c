/** What was measured so far: samples and failures, by system and metric. */
import { summary } from './measure/statistics.mjs';

export class Results {
  /** system → metric → samples, one a round. */
  #samples = new Map();
  /** system → row → what went wrong, one line each. */
  #failures = new Map();

  add(system, metric, value) {
    if (value === null || !Number.isFinite(value)) return;
    entry(
      entry(this.#samples, system, () => new Map()),
      metric,
      () => [],
    ).push(value);
  }

  fail(system, row, message) {
    entry(
      entry(this.#failures, system, () => new Map()),
      row,
      () => [],
    ).push(message);
  }

  /** `{median, min, max}` or null. */
  summary(system, metric) {
    return summary(this.#samples.get(system)?.get(metric) ?? []);
  }

  /** Median of `system` through median of `peer`, or null. */
  ratio(system, peer, metric) {
    const own = this.summary(system, metric);
    const other = this.summary(peer, metric);
    return own === null || other === null || other.median === 0 ? null : own.median / other.median;
  }

  /** `{system, row, message}`, in the order in which they came. */
  get failures() {
    return [...this.#failures].flatMap(([system, rows]) =>
      [...rows].flatMap(([row, messages]) => messages.map((message) => ({ system, row, message }))),
    );
  }

  toJSON() {
    const samples = {};
    for (const [system, metrics] of this.#samples) samples[system] = Object.fromEntries(metrics);
    return { samples, failures: this.failures };
  }
}

function entry(map, key, make) {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

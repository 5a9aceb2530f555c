/**
 * Connections between clients and replicas: requests and answers may be lost or late, never copied or changed.
 *
 * Source: pitfalls §2 N10 (processed, then the answer is lost), N14, N15 (only the client is cut off).
 */
import type { Random } from '../core/random.ts';
import { drawDelay, type NetworkFaultCounts, type NetworkFaults } from './network-faults.ts';
import type { Scheduler } from './virtual-clock.ts';

export class ClientNetwork {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #counts: NetworkFaultCounts;
  #faults: NetworkFaults;
  readonly #cut = new Set<string>();
  readonly #deaf = new Set<string>();

  constructor(options: {
    readonly scheduler: Scheduler;
    readonly random: Random;
    readonly faults: NetworkFaults;
    readonly counts: NetworkFaultCounts;
  }) {
    this.#scheduler = options.scheduler;
    this.#random = options.random;
    this.#faults = options.faults;
    this.#counts = options.counts;
  }

  setFaults(faults: NetworkFaults): void {
    this.#faults = faults;
  }

  /** No client reaches `replica`, or is answered by it. */
  cut(replica: string): void {
    this.#cut.add(replica);
  }

  mend(replica: string): void {
    this.#cut.delete(replica);
  }

  /** Connections to `replica` are accepted, and nothing is read from them (N14). */
  deafen(replica: string): void {
    this.#deaf.add(replica);
  }

  hear(replica: string): void {
    this.#deaf.delete(replica);
  }

  /** One message: `arrive` is called once, later, or never. */
  send(direction: 'request' | 'reply', replica: string, arrive: () => void): void {
    const { delayMs } = drawDelay(this.#random, this.#faults, this.#counts);
    if (this.#random.chance(this.#faults.loss)) {
      this.#counts[direction === 'reply' ? 'reply-lost' : 'loss']++;
      return;
    }
    if (this.#cut.has(replica)) {
      this.#counts.cut++;
      return;
    }
    if (direction === 'request' && this.#deaf.has(replica)) {
      this.#counts['half-open']++;
      return;
    }
    this.#scheduler.after(delayMs, arrive);
  }
}

/** What clients, operators and checkers ask the replica on one machine, through the gate of its process. */
import type { DatabaseService } from '../runtime/replica-service.ts';
import type { WaitingService } from '../runtime/waiting-service.ts';
import type { Believer } from './checkers/lease-exclusion.ts';
import { answer, type ClientReply, type ClientRequest } from './front.ts';
import type { Machine } from './machine.ts';
import type { MachineOptions } from './machine-options.ts';

export class MachineFront {
  readonly #machine: Machine;
  readonly #options: MachineOptions;
  /** Answers while the directory is being opened; null where nothing does. */
  readonly #waiting: () => WaitingService | null;
  /** Operators whose requests were not answered yet: how they learn that the process is gone. */
  readonly #operating = new Set<() => void>();
  /** Requests of operators that have arrived so far. */
  operatorRequests = 0;

  constructor(machine: Machine, options: MachineOptions, waiting: () => WaitingService | null) {
    this.#machine = machine;
    this.#options = options;
    this.#waiting = waiting;
  }

  /** A request has arrived. A machine without a listening process refuses the connection. */
  serve(request: ClientRequest, reply: (reply: ClientReply) => void): void {
    const { process } = this.#machine;
    if (process === null) return reply({ kind: 'none', retryAfterMs: 20 });
    process.enter('io', () => {
      const { life } = this.#machine;
      if (life === null) return reply({ kind: 'none', retryAfterMs: 20 });
      const { service, log, pending } = life;
      const answeredNow = pending.begin(this.#options.scheduler.nowMs);
      const { observer, profile } = this.#options;
      answer(
        {
          service,
          appliedUpTo: () => log.appliedUpTo,
          observed: (epoch) => {
            const { generation } = life;
            const believer = { name: this.#machine.name, generation, serving: { ballot: log.core.ballot } };
            observer.looked(this.#machine.observed(process), epoch === null ? null : { epoch, believer });
          },
          waitMs: profile.leaseMs,
        },
        request,
        (answered) => {
          if (!process.alive) return;
          answeredNow();
          if (answered.kind === 'written' && answered.result.kind === 'multiop') {
            observer.acknowledges(this.#machine.observed(process), answered.result.instance);
          }
          reply(answered);
        },
      );
    });
  }

  /**
   * An operator's request has arrived; answered with null where no replica serves. `broken`: the process ended before it had answered.
   * `opening`: what is answered while the directory is being opened.
   */
  operate<Result>(
    ask: (service: DatabaseService) => Promise<Result>,
    reply: (result: Result | null) => void,
    broken: () => void,
    opening: (waiting: WaitingService) => Result | null = () => null,
  ): void {
    const { process } = this.#machine;
    if (process === null) return reply(null);
    process.enter('io', () => {
      const { service } = this.#machine;
      if (service === null) {
        const waiting = this.#waiting();
        return reply(waiting === null ? null : opening(waiting));
      }
      this.operatorRequests++;
      this.#operating.add(broken);
      const answered = (result: Result | null): void => {
        if (this.#operating.delete(broken) && process.alive) reply(result);
      };
      ask(service).then(answered, () => answered(null));
      this.#options.scheduler.settle();
    });
  }

  /** A request of an operator is being carried out. */
  get isOperating(): boolean {
    return this.#operating.size > 0;
  }

  /** The process is gone. */
  died(): void {
    const waiting = [...this.#operating];
    this.#operating.clear();
    for (const broken of waiting) broken();
  }

  /** True time until the lease of this master ends, unless it is renewed; null for anybody else. */
  leaseRemainingMs(): number | null {
    const { clock, log, process } = this.#machine;
    if (log === null || process === null || !log.isServing()) return null;
    const now = process.now();
    const at = (now.monotonicMs + log.core.leaseRemainingMs(now)) as typeof now.monotonicMs;
    return clock.trueMsUntil(at);
  }

  /** @throws {Violation} when a request waits for its answer for longer than `mostMs`. */
  checkPending(mostMs: number): void {
    const { life, name, process } = this.#machine;
    if (process?.paused === true) return;
    life?.pending.check(name, this.#options.scheduler.nowMs, mostMs);
  }

  /** Would this process serve if a request came to it now? */
  believer(): (Believer & { readonly process: string }) | null {
    const { generation, log, name, process } = this.#machine;
    if (process === null || log === null) return null;
    const serving = log.isServing() ? { ballot: log.core.ballot } : null;
    return { name, process: process.name, generation: generation ?? 1, serving };
  }
}

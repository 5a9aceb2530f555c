/** The hooks of one replica that runs `tuned-replica.ts`, from the test's side. */
import type { Exit, ReplicaChild } from '../replica-child.ts';
import type { Tuning } from '../tuned-replica.ts';
import type { HookReport, Order } from './hooked-world.ts';
import type { Act, Moment, Trap } from './points.ts';

/** Longer than any test: until `heal`. */
export const untilHealed = 600_000;

export class Hooks {
  readonly #member: ReplicaChild;

  constructor(member: ReplicaChild) {
    this.#member = member;
  }

  /** Resolves when the order is in force; null when the replica ended before it said so. */
  order(order: Order): Promise<HookReport | null> {
    return this.#member.ask(order) as Promise<HookReport | null>;
  }

  trap(moment: Moment, point: string, act: Act, nth = 1): Promise<HookReport | null> {
    return this.order({ do: 'trap', trap: { moment, point, act, nth } });
  }

  /** Resolves with the end that the trap brings about. The order is sent before anything that the caller does next. */
  end(moment: Moment, point: string, act: Act, options: { nth?: number; timeoutMs?: number } = {}): Promise<Exit> {
    const end = this.#member.end(options.timeoutMs);
    void this.trap(moment, point, act, options.nth);
    return end;
  }

  crash(moment: Moment, point: string, options: { nth?: number; timeoutMs?: number } = {}): Promise<Exit> {
    return this.end(moment, point, { kind: 'crash' }, options);
  }

  cut(peers: readonly ReplicaChild[], direction: 'to' | 'from' | 'both' = 'both'): Promise<HookReport | null> {
    const names = peers.map(({ name }) => name);
    return this.order({
      do: 'cut',
      to: direction === 'from' ? [] : names,
      from: direction === 'to' ? [] : names,
    });
  }

  heal(): Promise<HookReport | null> {
    return this.order({ do: 'heal' });
  }

  /** Gives up the lease without a hand-over: its clocks disagree, so it cannot believe in it any more. */
  resign(): Promise<HookReport | null> {
    return this.order({ do: 'set-wall-clock', byMs: 60_000 });
  }

  stall(ms: number): Promise<HookReport | null> {
    return this.order({ do: 'stall', ms });
  }

  async report(): Promise<HookReport> {
    const report = await this.order({ do: 'report' });
    if (report === null) throw new Error(`${this.#member.name} has ended.`);
    return report;
  }
}

/** A trap for the settings of a replica that is yet to start. */
export const ordersOf = (...traps: readonly Trap[]): readonly Order[] => traps.map((trap) => ({ do: 'trap', trap }));

/** Starts `member` with orders that it carries out before anything else. */
export function startWith(member: ReplicaChild, orders: readonly Order[]): void {
  const tuning = JSON.parse(member.options.env?.PAXOSCTL_TUNED ?? '{}') as Tuning;
  member.start({}, { PAXOSCTL_TUNED: JSON.stringify({ ...tuning, orders }) });
}

/**
 * Feeds inputs to the core, one at a time, and each step's effects to who carries them out before the next.
 *
 * Source: PML §6.4 (one thread, repeatable). Keeps: what effects cause meanwhile waits its turn; after the stop nothing is fed.
 */
import type { Effect } from '../core/consensus/effect.ts';
import type { MonotonicMs } from '../core/consensus/identity.ts';
import type { Clocks, Input } from '../core/consensus/input.ts';
import type { Replica } from '../core/consensus/replica.ts';
import type { Timer } from '../ports/clocks.ts';
import type { LogReplicaOptions } from './log-replica-options.ts';

export interface StepLoopHost {
  /** While the application is at no point of the log nothing is fed. */
  restoring(): boolean;
  carryOut(effects: readonly Effect[]): void;
  fatal(error: Error): void;
}

type Options = Pick<LogReplicaOptions<unknown>, 'clocks' | 'onStep'>;

export class StepLoop {
  readonly #options: Options;
  readonly #core: Replica;
  readonly #host: StepLoopHost;
  #inputs: Input[] = [];
  #feeding = false;
  #timer: Timer | null = null;
  #started = false;
  #stopped = false;

  constructor(options: Options, core: Replica, host: StepLoopHost) {
    this.#options = options;
    this.#core = core;
    this.#host = host;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  get running(): boolean {
    return this.#started && !this.#stopped;
  }

  now(): Clocks {
    return this.#options.clocks.now();
  }

  /** From now on inputs are fed; the next one takes those along that wait already. */
  start(): void {
    this.#started = true;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** One input at a time: what effects cause meanwhile waits its turn. */
  feed(input: Input): void {
    this.#inputs.push(input);
    this.#run();
  }

  /** Ahead of what waits its turn. */
  feedFirst(input: Input): void {
    this.#inputs.unshift(input);
    this.#run();
  }

  /** The state is another one: `input` says so ahead of what waits, and that is of this moment. */
  goOnWith(input: Input): void {
    this.#inputs = this.#inputs.map((waiting) => ({ ...waiting, at: this.now() }));
    this.#inputs.unshift(input);
  }

  /** Feeds 'woken' at that time, and not at an earlier one that was asked for. */
  wakeAt(at: MonotonicMs): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clocks.schedule(at, () => {
      this.#timer = null;
      if (!this.#stopped) this.feed({ kind: 'woken', at: this.now() });
    });
  }

  #run(): void {
    if (!this.#started || this.#feeding || this.#host.restoring()) return;
    this.#feeding = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined && !this.#stopped; next = this.#inputs.shift()) {
        const effects = this.#core.step(next);
        this.#options.onStep?.(next, effects, this.#core);
        this.#host.carryOut(effects);
        if (this.#host.restoring()) break;
      }
    } catch (error) {
      this.#host.fatal(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#feeding = false;
    }
  }
}

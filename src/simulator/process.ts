/**
 * One life of one replica process, as the simulator sees it: everything that the world calls back in goes through
 * `enter`, so that a process can be paused, slowed, killed between any two of its effects, and never runs after its death.
 * It is also the twin of `adapters/clocks-node`.
 *
 * Source: pitfalls §2 P-1, P-4, P-5, C5-C8. Keeps: no callback of a dead process ever runs; timers are never early.
 */
import type { MonotonicMs } from '../core/consensus/identity.ts';
import type { Clocks } from '../core/consensus/input.ts';
import type { ClockPort, Timer } from '../ports/clocks.ts';
import type { HostClock } from './host-clock.ts';
import type { Scheduled, Scheduler } from './virtual-clock.ts';

/** What a held-back callback came from; a resumed process may see either kind first (P-4). */
export type Arrival = 'io' | 'timer';

interface Held {
  readonly arrival: Arrival;
  readonly callback: () => void;
}

export class SimulatedProcess implements ClockPort {
  readonly name: string;
  readonly #scheduler: Scheduler;
  readonly #clock: HostClock;
  #dead = false;
  #paused = false;
  #held: Held[] = [];
  /** Each callback takes this long and keeps the next waiting (P-5); 0 for a process that is as fast as needed. */
  #serviceMs = 0;
  #backlog: Held[] = [];
  #work: Scheduled | null = null;
  /** Effects until an armed crash; infinite when none is armed. */
  #effectsLeft = Number.POSITIVE_INFINITY;
  #onLastEffect: () => void = () => undefined;
  #timerLatenessMs: () => number = () => 0;

  constructor(options: {
    readonly name: string;
    readonly scheduler: Scheduler;
    readonly clock: HostClock;
  }) {
    this.name = options.name;
    this.#scheduler = options.scheduler;
    this.#clock = options.clock;
  }

  get alive(): boolean {
    return !this.#dead;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Runs `callback` now, or when the process goes on, or never. */
  enter(arrival: Arrival, callback: () => void): void {
    if (this.#dead) return;
    if (this.#paused) {
      this.#held.push({ arrival, callback });
      return;
    }
    if (this.#serviceMs === 0 && this.#backlog.length === 0) {
      callback();
      return;
    }
    this.#backlog.push({ arrival, callback });
    if (this.#backlog.length === 1) this.#workLater();
  }

  /** A slow process comes round to what waits one by one, in order. */
  #workLater(): void {
    this.#work = this.#scheduler.after(
      this.#serviceMs,
      () => {
        const next = this.#backlog.shift();
        if (next === undefined) return;
        if (this.#backlog.length > 0) this.#workLater();
        if (this.#paused) this.#held.push(next);
        else next.callback();
      },
      true,
    );
  }

  /** A promise for this process: resolves or rejects after `delayMs` of true time, later when paused, never when dead. */
  promise<Result>(delayMs: number, action: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#scheduler.after(delayMs, () => {
        this.enter('io', () => {
          this.#scheduler.settle();
          try {
            resolve(action());
          } catch (error) {
            reject(error);
          }
        });
      });
    });
  }

  /** To be called before each effect on the world (send, write). False: the process died just before it. */
  effect(): boolean {
    if (this.#dead) return false;
    if (this.#effectsLeft-- > 0) return true;
    this.#effectsLeft = Number.POSITIVE_INFINITY;
    this.#onLastEffect();
    return !this.#dead;
  }

  /** `strike` is called just before effect number `count` from now on (0: the very next), to end the process there. */
  armCrash(count: number, strike: () => void): void {
    this.#effectsLeft = count;
    this.#onLastEffect = strike;
  }

  disarmCrash(): void {
    this.#effectsLeft = Number.POSITIVE_INFINITY;
  }

  kill(): void {
    this.#dead = true;
    this.#held = [];
    this.#backlog = [];
  }

  /** Like SIGSTOP: clocks, disks and networks go on, the process does not. */
  pause(): void {
    this.#paused = true;
  }

  /** Like SIGCONT. What was held back arrives at once, the named kind first, in its order. */
  resume(first: Arrival): void {
    if (!this.#paused) return;
    this.#paused = false;
    const held = this.#held;
    this.#held = [];
    for (const wanted of [true, false]) {
      for (const { arrival, callback } of held) {
        if ((arrival === first) !== wanted) continue;
        this.#scheduler.after(0, () => this.enter(arrival, callback), true);
      }
    }
  }

  /** From now on, also for what it is at. */
  slowDown(serviceMs: number): void {
    this.#serviceMs = serviceMs;
    if (this.#backlog.length === 0) return;
    this.#work?.cancel();
    this.#workLater();
  }

  /** Timers fire up to this much late (C8). */
  delayTimers(latenessMs: () => number): void {
    this.#timerLatenessMs = latenessMs;
  }

  now(): Clocks {
    return this.#clock.read();
  }

  schedule(at: MonotonicMs, callback: () => void): Timer {
    let cancelled = false;
    let scheduled: Scheduled | null = null;
    const fire = (): void => {
      if (cancelled) return;
      this.enter('timer', () => {
        if (cancelled) return;
        // The clock may have slowed down or stood still since the timer was set.
        if (this.#clock.read().monotonicMs < at) arm();
        else callback();
      });
    };
    const arm = (): void => {
      const waitMs = this.#clock.trueMsUntil(at);
      // At least a little time passes, so that a rounding error cannot make a timer fire for ever at one instant; a
      // suspended machine looks again when some time has passed.
      scheduled = this.#scheduler.after(
        Math.max(this.#clock.suspended ? 10 : 0.001, waitMs + this.#timerLatenessMs()),
        fire,
        true,
      );
    };
    arm();
    return {
      cancel() {
        cancelled = true;
        scheduled?.cancel();
      },
    };
  }

  nextTurn(callback: () => void): void {
    this.#scheduler.after(0, () => this.enter('io', callback), true);
  }
}

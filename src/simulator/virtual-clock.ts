/**
 * Virtual time: one queue of events for a whole simulated cell. Time stands still while an event runs and then jumps to
 * the next one, so an hour of waiting costs nothing.
 *
 * Source: PML §6.3 (whole test in one thread, same seed, same run); pitfalls §2 rule 1.
 * Keeps: events run in the order of (time, order of scheduling), whatever the machine does; true time never goes back.
 *
 * Storage uses promises in recovery and snapshots. Their continuations are microtasks, which run only when the loop lets
 * go of the thread. An event that may have resolved a promise therefore *settles*: after it the loop goes on in the next
 * tick of the process, before which the engine runs every microtask to the end. As microtasks start at such points only,
 * and their order is fixed by the language, a run stays a function of its seed. Ticks leave the event loop alone, which
 * would ask the system for news each time; now and then it gets its turn, so that signals and timers of the real process
 * are heard. Callbacks of the hot path do not settle and cost nothing.
 */
import { invariant } from '../core/invariant.ts';

export interface Scheduled {
  cancel(): void;
}

class QueuedEvent implements Scheduled {
  readonly timeMs: number;
  readonly order: number;
  readonly settles: boolean;
  action: (() => void) | null;

  constructor(timeMs: number, order: number, action: () => void, settles: boolean) {
    this.timeMs = timeMs;
    this.order = order;
    this.settles = settles;
    this.action = action;
  }

  cancel(): void {
    this.action = null;
  }
}

/** A run also settles every so many events, for promises that were resolved where nobody expected it. */
const settleEveryEvents = 256;
/** The event loop of the real process gets a turn every so many events; rejections that nobody handles are found then. */
const turnEveryEvents = 2_048;

export class Scheduler {
  readonly #heap: QueuedEvent[] = [];
  #nowMs = 0;
  #order = 0;
  #events = 0;
  #settleAsked = false;

  /** True simulated time since the run began. No replica can see it; only faults, checkers and physics can. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events run so far. */
  get events(): number {
    return this.#events;
  }

  /** Runs `action` at `timeMs`, now at the earliest, after everything already scheduled for the same time. */
  at(timeMs: number, action: () => void, settles = false): Scheduled {
    if (!Number.isFinite(timeMs)) invariant(false, 'an event has a finite time', { timeMs });
    const event = new QueuedEvent(Math.max(timeMs, this.#nowMs), this.#order++, action, settles);
    this.#push(event);
    return event;
  }

  after(delayMs: number, action: () => void, settles = false): Scheduled {
    return this.at(this.#nowMs + delayMs, action, settles);
  }

  /** A promise that keeps virtual time: resolves with what `action` returns after `delayMs`, rejects with what it throws. */
  promise<Result>(delayMs: number, action: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.after(
        delayMs,
        () => {
          try {
            resolve(action());
          } catch (error) {
            reject(error);
          }
        },
        true,
      );
    });
  }

  /** Says that a promise was or may have been resolved: microtasks run to the end before the next event. */
  settle(): void {
    this.#settleAsked = true;
  }

  /**
   * Runs events until `done` says so (asked before each) or none is left, at most up to `untilMs`, where time then stands.
   * Whatever an event throws ends the run and is passed on.
   */
  async run(untilMs: number, done: () => boolean = () => false): Promise<void> {
    await macrotask();
    await new Promise<void>((resolve, reject) => {
      const proceed = (): void => {
        try {
          const next = this.#burst(untilMs, done);
          if (next === 'over') resolve();
          else if (next === 'settle') void settled.then(tick);
          else setImmediate(proceed);
        } catch (error) {
          reject(error);
        }
      };
      // A tick asked for by a tick would come before the microtasks; asked for by one of them, it comes after the last.
      const tick = (): void => process.nextTick(proceed);
      proceed();
    });
    await macrotask();
  }

  /** Runs events up to one that settles, or to the end. */
  #burst(untilMs: number, done: () => boolean): 'over' | 'settle' | 'turn' {
    while (!done()) {
      const event = this.#heap[0];
      if (event === undefined || event.timeMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, Number.isFinite(untilMs) ? untilMs : this.#nowMs);
        return 'over';
      }
      this.#pop();
      const { action } = event;
      if (action === null) continue;
      this.#nowMs = event.timeMs;
      this.#events++;
      action();
      if (this.#events % turnEveryEvents === 0) return 'turn';
      if (event.settles || this.#settleAsked || this.#events % settleEveryEvents === 0) {
        this.#settleAsked = false;
        return 'settle';
      }
    }
    return 'over';
  }

  #push(event: QueuedEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as QueuedEvent;
      if (!isBefore(event, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as QueuedEvent;
    const length = heap.length;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= length) break;
      if (below + 1 < length && isBefore(heap[below + 1] as QueuedEvent, heap[below] as QueuedEvent)) below++;
      const child = heap[below] as QueuedEvent;
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
  }
}

const isBefore = (a: QueuedEvent, b: QueuedEvent): boolean =>
  a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.order < b.order);

const settled = Promise.resolve();

const macrotask = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

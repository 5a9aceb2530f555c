/**
 * Named points of a running replica, at which a test can end it, make an operation fail, or hold it up.
 *
 * Source: PML §6.3 (hooks into the running system). A point is a port's operation and what it works on, `wal.write-flush` or
 * `send.accept`, each with a moment before and a moment after it; so production code knows nothing of points.
 */

export type Moment = 'before' | 'after';

export type Act =
  /** `kill -9` of itself: nothing runs any more, also no other thread. */
  | { readonly kind: 'crash' }
  /** The operation fails. After it: what it did stays, but it is told as failed (pitfalls D7, three variants of a bad fsync). */
  | { readonly kind: 'fail'; readonly reason: 'io' | 'full' }
  /** It takes this many ms longer, or until {@link HookPoints.release}. */
  | { readonly kind: 'hold'; readonly ms: number };

/** What happens at the `nth` time, counted from 1 and from when it was set, that the point is passed; once. */
export interface Trap {
  readonly point: string;
  readonly moment: Moment;
  readonly nth: number;
  readonly act: Act;
}

interface Armed extends Trap {
  left: number;
}

export class HookPoints {
  readonly #crash: () => void;
  #armed: Armed[] = [];
  #held: { readonly timer: NodeJS.Timeout; readonly go: () => void }[] = [];
  readonly #passed = new Map<string, number>();

  constructor(crash: () => void = () => process.kill(process.pid, 'SIGKILL')) {
    this.#crash = crash;
  }

  arm(trap: Trap): void {
    this.#armed.push({ ...trap, left: trap.nth });
  }

  /** Traps that have not been sprung. */
  disarm(): void {
    this.#armed = [];
  }

  get armed(): number {
    return this.#armed.length;
  }

  /** How often each point was reached, by name. */
  get passed(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#passed].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Operations that are held up now. */
  get held(): number {
    return this.#held.length;
  }

  /** Everything held up goes on. */
  release(): void {
    const held = this.#held;
    this.#held = [];
    for (const { timer, go } of held) {
      clearTimeout(timer);
      go();
    }
  }

  /**
   * To be called at every point. `go` is called at once when there is nothing to do, later when the point is held up, and with
   * the reason when the operation shall fail.
   */
  pass(point: string, moment: Moment, go: (failure: 'io' | 'full' | null) => void): void {
    if (moment === 'before') this.#passed.set(point, (this.#passed.get(point) ?? 0) + 1);
    const act = this.#sprung(point, moment);
    switch (act?.kind) {
      case undefined:
        return go(null);
      case 'crash':
        return this.#crash();
      case 'fail':
        return go(act.reason);
      case 'hold': {
        const held = { timer: setTimeout(() => this.#end(held), act.ms), go: () => go(null) };
        this.#held.push(held);
      }
    }
  }

  #end(held: { readonly go: () => void }): void {
    this.#held = this.#held.filter((other) => other !== held);
    held.go();
  }

  #sprung(point: string, moment: Moment): Act | null {
    let act: Act | null = null;
    for (const armed of this.#armed) {
      if (armed.point === point && armed.moment === moment) armed.left--;
      if (armed.left === 0) act = armed.act;
    }
    if (act !== null) this.#armed = this.#armed.filter(({ left }) => left > 0);
    return act;
  }
}

/**
 * The clocks of this machine.
 *
 * Source: design §3 "Clocks". `performance.now` does not go on while the machine is suspended, `Date.now` may be set,
 * the time since boot is coarse but goes on; the core compares the three.
 * Keeps: a timer never fires before its time; the boot-time clock, a file read on Linux, is read at most once a turn.
 */
import { openSync, readSync } from 'node:fs';
import { uptime } from 'node:os';
import type { MonotonicMs } from '../../core/consensus/identity.ts';
import type { Clocks } from '../../core/consensus/input.ts';
import type { ClockPort, Timer } from '../../ports/clocks.ts';

/** `setTimeout` takes 31 bits; longer waits are cut into pieces. */
const timeoutMsMax = 2 ** 31 - 1;

/** Where the three readings come from; tests put their own here. */
export interface ClockSources {
  readonly monotonicMs: () => number;
  readonly wallMs: () => number;
  readonly bootMs: () => number;
}

/** `os.uptime` opens, reads and closes /proc/uptime; kept open, the same reading costs a seventh (2 instead of 15 µs). */
function bootClock(): () => number {
  let file: number;
  try {
    file = openSync('/proc/uptime', 'r');
  } catch {
    return () => uptime() * 1000;
  }
  const text = Buffer.alloc(64);
  return () => {
    const length = readSync(file, text, 0, text.length, 0);
    return Number.parseFloat(text.toString('latin1', 0, length)) * 1000;
  };
}

const machine: ClockSources = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  bootMs: bootClock(),
};

export class NodeClocks implements ClockPort {
  readonly #sources: ClockSources;
  #bootMs: number | null = null;
  readonly #forgetBoot = (): void => {
    this.#bootMs = null;
  };

  constructor(sources: ClockSources = machine) {
    this.#sources = sources;
  }

  now(): Clocks {
    if (this.#bootMs === null) {
      this.#bootMs = this.#sources.bootMs();
      // Not kept over the end of the turn: whoever was suspended in between would not see it. Not unref'd: the loop would
      // then wait for I/O with the reading still kept, which is just where a machine is suspended (pitfall P33).
      setImmediate(this.#forgetBoot);
    }
    return {
      monotonicMs: this.#sources.monotonicMs() as MonotonicMs,
      wallMs: this.#sources.wallMs(),
      bootMs: this.#bootMs,
    };
  }

  schedule(at: MonotonicMs, callback: () => void): Timer {
    let handle: NodeJS.Timeout;
    const arm = (): void => {
      const waitMs = Math.ceil(at - this.#sources.monotonicMs());
      handle = setTimeout(fire, Math.min(Math.max(waitMs, 0), timeoutMsMax));
    };
    const fire = (): void => {
      // Node counts whole milliseconds from the start of the turn, so its timers may be up to one early.
      if (this.#sources.monotonicMs() < at) arm();
      else callback();
    };
    arm();
    return { cancel: () => clearTimeout(handle) };
  }

  nextTurn(callback: () => void): void {
    setImmediate(callback);
  }
}

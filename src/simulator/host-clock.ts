/**
 * The clocks of one simulated machine: an oscillator that drifts, a wall clock that somebody may set, and a machine
 * that may be suspended, during which its monotonic clock stands while the other two go on.
 *
 * Source: design §3 "Clocks"; pitfalls C1, C3-C6, P33. Keeps: the monotonic and the boot-time clock never go back; the
 * drift against true time stays within what the fault schedule sets.
 */
import type { MonotonicMs } from '../core/consensus/identity.ts';
import type { Clocks } from '../core/consensus/input.ts';

export class HostClock {
  readonly #trueNow: () => number;
  /** True time at which the readings below were taken. */
  #sinceMs: number;
  #monotonicMs: number;
  #bootMs: number;
  #wallMs: number;
  #rate = 1;
  #suspended = false;
  /** Clocks advance in steps of this many ms; 0 for a fine clock (C6). */
  #stepMs = 0;

  constructor(trueNow: () => number, origin: { readonly upMs: number; readonly wallMs: number }) {
    this.#trueNow = trueNow;
    this.#sinceMs = trueNow();
    this.#monotonicMs = origin.upMs;
    this.#bootMs = origin.upMs;
    this.#wallMs = origin.wallMs;
  }

  get suspended(): boolean {
    return this.#suspended;
  }

  /** Time shown to have passed since the readings were taken. */
  #elapsed(): number {
    return (this.#trueNow() - this.#sinceMs) * this.#rate;
  }

  /** Before anything about the clocks changes. Looking at them changes nothing, not even a rounding. */
  #advance(): void {
    const elapsed = this.#elapsed();
    this.#sinceMs = this.#trueNow();
    if (!this.#suspended) this.#monotonicMs += elapsed;
    this.#bootMs += elapsed;
    this.#wallMs += elapsed;
  }

  /** All three, read together. */
  read(): Clocks {
    const elapsed = this.#elapsed();
    return {
      monotonicMs: this.#coarse(this.#monotonicMs + (this.#suspended ? 0 : elapsed)) as MonotonicMs,
      wallMs: this.#coarse(this.#wallMs + elapsed),
      // os.uptime() has 10 ms steps on Linux.
      bootMs: Math.floor((this.#bootMs + elapsed) / 10) * 10,
    };
  }

  #coarse(ms: number): number {
    return this.#stepMs === 0 ? ms : Math.floor(ms / this.#stepMs) * this.#stepMs;
  }

  /** True time to wait until the monotonic clock shows `at`, if nothing changes meanwhile; 0 when it already does. */
  trueMsUntil(at: MonotonicMs): number {
    const due = this.#stepMs === 0 ? at : Math.ceil(at / this.#stepMs) * this.#stepMs;
    const shown = this.#monotonicMs + (this.#suspended ? 0 : this.#elapsed());
    return Math.max(0, (due - shown) / this.#rate);
  }

  /** `ppm` parts per million fast (positive) or slow (negative) from now on. */
  setDrift(ppm: number): void {
    this.#advance();
    this.#rate = 1 + ppm / 1_000_000;
  }

  setStep(stepMs: number): void {
    this.#stepMs = stepMs;
  }

  jumpWall(byMs: number): void {
    this.#advance();
    this.#wallMs += byMs;
  }

  suspend(): void {
    this.#advance();
    this.#suspended = true;
  }

  wake(): void {
    this.#advance();
    this.#suspended = false;
  }

  /** The machine restarts: monotonic and boot-time clocks begin anew (C5). */
  reboot(upMs: number): void {
    this.#advance();
    this.#monotonicMs = upMs;
    this.#bootMs = upMs;
    this.#suspended = false;
  }
}

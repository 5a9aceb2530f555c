/** How late this process's event loop runs: measured and shown, since a late loop is a late lease (PML §7 no. 1). */
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Each is a wake-up of an idle process. */
const resolutionMs = 20;
/** Figures are of the last one to two windows. */
const windowMs = 30_000;

export class EventLoopLag {
  readonly #histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  readonly #timer: NodeJS.Timeout;
  #previousMsP99 = 0;

  constructor() {
    this.#histogram.enable();
    this.#timer = setInterval(() => {
      this.#previousMsP99 = this.#present();
      this.#histogram.reset();
    }, windowMs);
    this.#timer.unref();
  }

  #present(): number {
    if (this.#histogram.count === 0) return 0;
    return Math.max(0, this.#histogram.percentile(99) / 1e6 - resolutionMs);
  }

  /** 99th percentile in milliseconds. */
  msP99(): number {
    return Math.round(Math.max(this.#previousMsP99, this.#present()) * 10) / 10;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }
}

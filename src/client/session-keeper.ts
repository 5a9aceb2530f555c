/**
 * Keeps a session alive, and says when it may no longer be: told so by the cell, or unheard for as long as the session lives (CHB §2.8).
 *
 * The term counts from before the request was sent that proved the client alive, so that it is over here before it is in the cell, as far as the
 * clocks of both go alike.
 */
import { performance } from 'node:perf_hooks';

/** Three chances before the session ends. */
const chances = 3;

export interface SessionKeeperOptions {
  readonly ttlMs: number;
  /** When the request was sent that opened it, or proved last that its client lives; of `performance.now()`. */
  readonly aliveMs: number;
  /** Proves that the client lives. Rejects with `PAXOS_SESSION_EXPIRED` when the cell knows the session no more. */
  readonly keep: (timeoutMs: number) => Promise<void>;
}

export class SessionKeeper {
  readonly #options: SessionKeeperOptions;
  readonly #timer: NodeJS.Timeout;
  #end: NodeJS.Timeout | null = null;
  #aliveMs: number;
  #isLost = false;
  #tell: (() => void) | null = null;
  /** Resolves when what rests on the session may be given to others; never, if that does not happen before {@link SessionKeeper.stop}. */
  readonly lost: Promise<void>;

  constructor(options: SessionKeeperOptions) {
    this.#options = options;
    this.#aliveMs = options.aliveMs;
    this.lost = new Promise((resolve) => {
      this.#tell = resolve;
    });
    this.#timer = setInterval(() => this.#prove(), options.ttlMs / chances);
    this.#timer.unref();
    this.#watch();
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#end !== null) clearTimeout(this.#end);
  }

  #prove(): void {
    const sentMs = performance.now();
    this.#options.keep(this.#options.ttlMs).then(
      () => {
        this.#aliveMs = Math.max(this.#aliveMs, sentMs);
      },
      (error: { readonly code?: unknown }) => {
        // Any other failure is told by the next write, or by the end of the term.
        if (error.code !== 'PAXOS_SESSION_EXPIRED') return;
        this.stop();
        this.#lose();
      },
    );
  }

  #watch(): void {
    const leftMs = this.#aliveMs + this.#options.ttlMs - performance.now();
    if (leftMs <= 0) return this.#lose();
    this.#end = setTimeout(() => this.#watch(), leftMs);
    this.#end.unref();
  }

  /** Keeps on asking: the cell may have the session still, whose numbers make writes safe and whose locks nobody else may get meanwhile. */
  #lose(): void {
    this.#isLost = true;
    this.#tell?.();
  }
}

/** A session as the client knows it that has opened it. */
import type { SessionNumber } from '../core/database/command.ts';

export class ClientSession {
  readonly id: string;
  readonly ttlMs: number;
  #sequence = 0;
  #aliveMs: number;
  #aliveAt: number;
  #closingMs: number | null = null;

  constructor(id: string, ttlMs: number, askedMs: number) {
    this.id = id;
    this.ttlMs = ttlMs;
    this.#aliveMs = askedMs;
    this.#aliveAt = this.bornAt;
  }

  /** Instance of its birth. */
  get bornAt(): number {
    return Number(/^s(\d+)-/.exec(this.id)?.[1] ?? 0);
  }

  /** When the last request in it was first sent that is known to have been applied: it was alive then, and has its full time from there. */
  get aliveMs(): number {
    return this.#aliveMs;
  }

  /** Instance at which that was. */
  get aliveAt(): number {
    return this.#aliveAt;
  }

  /** When the client has asked for its end; null while it has not. */
  get closingMs(): number | null {
    return this.#closingMs;
  }

  number(): SessionNumber {
    return { session: this.id, sequence: ++this.#sequence };
  }

  /** A request in it was answered that was first sent at `sentMs`. */
  renewed(sentMs: number, instance: number): void {
    this.#aliveMs = sentMs;
    this.#aliveAt = instance;
  }

  closing(nowMs: number): void {
    this.#closingMs = nowMs;
  }
}

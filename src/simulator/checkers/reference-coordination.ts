/**
 * Sessions and locks as their contract reads, written a second time and as plainly as possible: a list of who holds what, and a list of what
 * lock-delays keep.
 *
 * Source: CHB §2.4, §2.8; pitfall P54. No bounds, no sweeping: what is over is only never asked for.
 */
import type { LockMode, Sequencer } from '../../core/database/lock.ts';
import type { LockOutcome } from '../../core/database/lock-table.ts';

interface Held extends Sequencer {
  readonly session: string;
  readonly lockDelayMs: number;
}

/** Nobody takes the lock before that cell time, unless both share it. */
interface Delay {
  readonly lock: string;
  readonly mode: LockMode;
  readonly untilMs: number;
}

/** A session that was ended because its client was silent. */
export interface ExpiredSession {
  readonly session: string;
  readonly ttlMs: number;
}

const nobody = (outcome: LockOutcome['outcome']): LockOutcome => ({ outcome, generation: 0 });
const excludeEachOther = (one: LockMode, other: LockMode): boolean => one === 'exclusive' || other === 'exclusive';

export class ReferenceCoordination {
  readonly #sessions = new Map<string, { readonly ttlMs: number; readonly expiresMs: number }>();
  #held: readonly Held[] = [];
  #delays: readonly Delay[] = [];
  #generation = 0;
  #nowMs = 0;

  /** Cell time never goes back. */
  advance(cellTimeMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, cellTimeMs);
  }

  open(session: string, ttlMs: number): number {
    const expiresMs = this.#nowMs + ttlMs;
    this.#sessions.set(session, { ttlMs, expiresMs });
    return expiresMs;
  }

  /** A request of that session: it lives on until what is returned; null when it is over. */
  renew(session: string): number | null {
    const known = this.#sessions.get(session);
    return known === undefined ? null : this.open(session, known.ttlMs);
  }

  /** False when there is no such session. Its locks are free at once. */
  close(session: string): boolean {
    this.#held = this.#held.filter((held) => held.session !== session);
    return this.#sessions.delete(session);
  }

  /** Ends those whose time is over; what they hold is kept for its lock-delay. Returns which. */
  expire(sessions: readonly string[]): readonly ExpiredSession[] {
    return sessions.flatMap((session) => {
      const known = this.#sessions.get(session);
      if (known === undefined || known.expiresMs > this.#nowMs) return [];
      const lost = this.#held.filter((held) => held.session === session);
      const delays = lost.map(({ lock, mode, lockDelayMs }) => ({ lock, mode, untilMs: this.#nowMs + lockDelayMs }));
      this.#delays = [...this.#delays, ...delays];
      this.close(session);
      return [{ session, ttlMs: known.ttlMs }];
    });
  }

  acquire(
    wanted: {
      readonly lock: string;
      readonly mode: LockMode;
      readonly lockDelayMs: number;
      readonly session: string;
    },
    instance: number,
  ): LockOutcome {
    const { lock, mode, lockDelayMs, session } = wanted;
    const holders = this.#held.filter((held) => held.lock === lock);
    const own = holders.find((held) => held.session === session);
    if (own !== undefined) {
      return own.mode === mode ? { outcome: 'acquired', generation: own.generation } : nobody('held');
    }
    if (holders.some((held) => excludeEachOther(held.mode, mode))) return nobody('held');
    const kept = this.#delays.some(
      (delay) => delay.lock === lock && delay.untilMs > this.#nowMs && excludeEachOther(delay.mode, mode),
    );
    if (kept) return nobody('delayed');
    this.#generation = Math.max(this.#generation + 1, instance);
    this.#held = [...this.#held, { lock, mode, lockDelayMs, session, generation: this.#generation }];
    return { outcome: 'acquired', generation: this.#generation };
  }

  /** `generation` 0 stands for whichever acquisition the session has. */
  release(lock: string, session: string, generation: number): LockOutcome {
    const own = this.#held.find((held) => held.lock === lock && held.session === session);
    if (own === undefined || (generation !== 0 && generation !== own.generation)) return nobody('not-held');
    this.#held = this.#held.filter((held) => held !== own);
    return { outcome: 'released', generation: own.generation };
  }

  stands({ lock, mode, generation }: Sequencer): boolean {
    return this.#held.some((held) => held.lock === lock && held.mode === mode && held.generation === generation);
  }
}

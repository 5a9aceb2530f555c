/** A real cell behind a command that is killed at one of its calls, before anything was sent or after it was done (pitfall O11). */
import type { MembersPort } from '../../src/operator/members/port.ts';

export interface KillPlace {
  readonly call: number;
  readonly after: boolean;
}

export type Step = 'change' | 'remove' | 'master' | 'status';

export class KilledHere extends Error {}

/** `place` null: counts the calls and kills nothing. Time and pauses are no calls. */
export class KilledDesk implements MembersPort {
  readonly #port: MembersPort;
  readonly #place: KillPlace | null;
  calls = 0;
  /** Which call was never answered; null while none was. */
  killedAt: Step | null = null;

  constructor(port: MembersPort, place: KillPlace | null) {
    this.#port = port;
    this.#place = place;
  }

  async #call<Result>(step: Step, work: () => Promise<Result>): Promise<Result> {
    const here = this.calls++ === this.#place?.call;
    if (here) this.killedAt = step;
    if (here && this.#place?.after === false) throw new KilledHere();
    if (!here) return work();
    // Whether it was done or refused, the command never learns it.
    await work().catch(() => undefined);
    throw new KilledHere();
  }

  change(...body: Parameters<MembersPort['change']>): ReturnType<MembersPort['change']> {
    return this.#call('change', () => this.#port.change(...body));
  }

  remove(...request: Parameters<MembersPort['remove']>): ReturnType<MembersPort['remove']> {
    return this.#call('remove', () => this.#port.remove(...request));
  }

  master(): ReturnType<MembersPort['master']> {
    return this.#call('master', () => this.#port.master());
  }

  status(url: string): ReturnType<MembersPort['status']> {
    return this.#call('status', () => this.#port.status(url));
  }

  nowMs(): number {
    return this.#port.nowMs();
  }

  pause(ms: number): Promise<void> {
    return this.#port.pause(ms);
  }
}

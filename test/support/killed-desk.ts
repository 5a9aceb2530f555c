/** A real cell behind a command that is killed at one of its calls, before anything was sent or after it was done (pitfall O11). */
import type { MembersPort } from '../../src/operator/members/port.ts';

/** The nth call, or the nth change that the cell takes, however often it was asked before. */
export type KillPlace =
  | { readonly call: number; readonly after: boolean }
  | { readonly change: number; readonly after: true }
  | { readonly first: Step; readonly after: false };

export type Step = 'change' | 'remove' | 'master' | 'status';

export class KilledHere extends Error {}

/** `place` null: counts the calls and kills nothing. Time and pauses are no calls. */
export class KilledDesk implements MembersPort {
  readonly #port: MembersPort;
  readonly #place: KillPlace | null;
  calls = 0;
  #taken = 0;
  /** Which call was never answered; null while none was. */
  killedAt: Step | null = null;

  constructor(port: MembersPort, place: KillPlace | null) {
    this.#port = port;
    this.#place = place;
  }

  async #call<Result>(step: Step, work: () => Promise<Result>): Promise<Result> {
    const place = this.#place;
    const call = this.calls++;
    const isChange = step === 'change' || step === 'remove';
    if (place === null || this.killedAt !== null) return work();
    if ('change' in place) {
      const result = await work();
      if (isChange && this.#taken++ === place.change) this.#die(step);
      return result;
    }
    const here = 'call' in place ? place.call === call : place.first === step;
    if (!here) return work();
    // Whether it was done or refused, the command never learns it.
    if (place.after) await work().catch(() => undefined);
    return this.#die(step);
  }

  #die(step: Step): never {
    this.killedAt = step;
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

/**
 * The two ends of a master lease: held by the master, granted by whoever accepts from it.
 *
 * Source: PML §5.2; CHB §2.2. Keeps (design §3): the holder's lease ends before any grantor's, whatever the clocks do
 * within the promised drift. The holder counts from before the accept was first *sent* (pitfall P31) and believes the
 * clock that says most time has passed (P33); the grantor counts from receipt on its monotonic clock alone (P43).
 */
import type { Ballot } from './ballot.ts';
import { ballotOwner, compareBallots } from './ballot.ts';
import type { Configuration } from './configuration.ts';
import type { MonotonicMs, ReplicaId } from './identity.ts';
import type { Clocks } from './input.ts';
import type { Release } from './message.ts';

/** The boot-time clock is coarse: 10 ms steps on Linux, read once a turn. */
const bootClockStepMs = 20;

/** How long the holder may believe in its lease, and how far its clocks may disagree meanwhile. */
export function holderLease(configuration: Configuration): { readonly lengthMs: number; readonly marginMs: number } {
  const drift = configuration.driftPpm / 1e6;
  const marginMs = configuration.leaseMs / 20;
  return { lengthMs: (configuration.leaseMs * (1 - drift)) / (1 + drift) - marginMs, marginMs };
}

/** The master's end. */
export class HeldLease {
  #from: Clocks | null = null;
  #lengthMs = 0;
  #marginMs = 0;

  get held(): boolean {
    return this.#from !== null;
  }

  /** A value whose accept was first sent at `sentAt` is chosen, with this replica's own durable vote. */
  renew(sentAt: Clocks, configuration: Configuration): void {
    if (this.#from !== null && sentAt.monotonicMs < this.#from.monotonicMs) return;
    const { lengthMs, marginMs } = holderLease(configuration);
    this.#from = sentAt;
    this.#lengthMs = lengthMs;
    this.#marginMs = marginMs;
  }

  /** Gives the lease up for good, in one step. */
  drop(): void {
    this.#from = null;
  }

  /** Milliseconds left at `now`; 0 or less when it has lapsed, was dropped, or the clocks disagree. */
  remainingMs(now: Clocks): number {
    if (this.#from === null) return 0;
    const monotonic = now.monotonicMs - this.#from.monotonicMs;
    const wall = now.wallMs - this.#from.wallMs;
    const boot = now.bootMs - this.#from.bootMs;
    if (Math.abs(wall - monotonic) > this.#marginMs) return 0;
    if (boot - monotonic > this.#marginMs + bootClockStepMs) return 0;
    return this.#lengthMs - Math.max(monotonic, wall, boot);
  }
}

/** The grantor's end: to whom this replica has promised not to listen to anybody else. */
export class GrantedLease {
  #owner: ReplicaId | null = null;
  #ballot: Ballot | null = null;
  #untilMs = 0;

  /** `owner`, while the grant stands at `now`. */
  holder(now: MonotonicMs): ReplicaId | null {
    return this.#owner !== null && now < this.#untilMs ? this.#owner : null;
  }

  /** When the present grant ends; in the past when there is none. */
  get untilMs(): number {
    return this.#untilMs;
  }

  get ballot(): Ballot | null {
    return this.#ballot;
  }

  /** A live accept of `ballot` came in at `now`. A grant is never shortened. */
  grant(ballot: Ballot, now: MonotonicMs, leaseMs: number): void {
    const owner = ballotOwner(ballot);
    if (this.#owner !== owner) this.#untilMs = 0;
    this.#owner = owner;
    this.#ballot = ballot;
    this.#untilMs = Math.max(this.#untilMs, now + leaseMs);
  }

  /**
   * Does a grant forbid listening to `candidate`? A release by the holder, at the granted ballot or above, ends it early
   * for the successor that it names.
   */
  forbids(candidate: ReplicaId, now: MonotonicMs, release: Release | null): boolean {
    const holder = this.holder(now);
    if (holder === null || holder === candidate) return false;
    return !(release !== null && this.#released(candidate, release));
  }

  #released(candidate: ReplicaId, release: Release): boolean {
    if (release.successor !== candidate || ballotOwner(release.ballot) !== this.#owner) return false;
    return this.#ballot !== null && compareBallots(this.#ballot, release.ballot) <= 0;
  }

  /** The holder itself gave it up (on its own replica, or by a release that was honoured). */
  end(): void {
    this.#untilMs = 0;
  }
}

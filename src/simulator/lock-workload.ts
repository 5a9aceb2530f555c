/**
 * What clients with sessions do with locks: take them alone or with others, with and without lock-delay, let go by the right number or a wrong
 * one, keep their session or fall silent until it is over, and write under whatever lock is or was anybody's.
 *
 * Source: CHB §2.4; pitfalls P54, I20. Draws of its own, so that clients without locks do what they did.
 */
import type { Command, CommandResult } from '../core/database/command.ts';
import type { LockMode, Sequencer } from '../core/database/lock.ts';
import type { Random } from '../core/random.ts';
import type { BranchedReplay } from './checkers/branched-replay.ts';
import type { LockChecker } from './checkers/locks.ts';
import type { Violation } from './checkers/violation.ts';
import type { ClientSession } from './client-session.ts';
import type { ClientReply, ClientRequest } from './front.ts';
import type { LockEffect } from './lock-effects.ts';

const locks = ['l/1', 'l/2', 'l/\u{1f512}'] as const;

type LockCommand = Extract<Command, { kind: 'acquire-lock' | 'release-lock' }>;
type Written = Extract<ClientReply, { kind: 'written' }>;
type LockResult = Extract<CommandResult, { kind: 'lock' }>;

/** What all clients of a cell share. */
export interface Locking {
  readonly checker: LockChecker;
  readonly count: (effect: LockEffect) => void;
}

export interface LockClientOptions extends Locking {
  readonly random: Random;
  readonly replay: BranchedReplay;
  readonly now: () => number;
  readonly note: (what: string, ...parts: readonly (string | number)[]) => void;
  readonly fail: (violation: Violation) => void;
  /** Sends it again until it is answered. `end` gets null when surely nothing happened. */
  readonly attempt: (request: ClientRequest, end: (reply: ClientReply | null) => void) => void;
  /** The cell says that its session is over. */
  readonly sessionEnded: () => void;
  /** Its user has closed it. */
  readonly sessionClosed: () => void;
  /** Nothing is asked for so long. */
  readonly pause: (ms: number) => void;
}

export class LockClient {
  readonly #options: LockClientOptions;
  readonly #random: Random;
  /** What it believes to hold, by lock. */
  readonly #held = new Map<string, Sequencer>();

  constructor(options: LockClientOptions) {
    this.#options = options;
    this.#random = options.random;
  }

  /** This turn is for locks, not for keys. */
  get takesTurn(): boolean {
    return this.#random.chance(0.3);
  }

  /** What a write is to rest on, now and then; null: on nothing. */
  drawSequencer(): Sequencer | null {
    if (!this.#random.chance(0.2)) return null;
    const own = [...this.#held.values()];
    if (own.length > 0 && this.#random.chance(0.6)) return this.#random.pick(own);
    const { known } = this.#options.checker;
    if (known.length > 0 && this.#random.chance(0.9)) {
      const { lock, mode, generation } = this.#random.pick(known);
      return { lock, mode, generation };
    }
    return { lock: this.#random.pick(locks), mode: 'exclusive', generation: 1 + this.#random.below(1_000) };
  }

  act(session: ClientSession): void {
    const dice = this.#random.below(100);
    if (dice < 50) return this.#acquire(session);
    if (dice < 68) return this.#release(session);
    if (dice < 72) return this.#close(session);
    if (dice < 84 || this.#held.size === 0) return this.#keep(session);
    // With a lock, and mostly longer than the session lives.
    this.#options.pause(Math.min(20_000, session.ttlMs * this.#random.between(0.5, 2) + 1_500));
  }

  #acquire(session: ClientSession): void {
    const { checker, count, now } = this.#options;
    const lock = this.#random.pick(locks);
    const mode: LockMode = this.#random.chance(0.6) ? 'exclusive' : 'shared';
    const lockDelayMs = this.#random.chance(0.4) ? 0 : Math.round(this.#random.betweenLogarithmic(500, 20_000));
    const sentMs = now();
    const above = checker.asks(session, lock);
    const command = { kind: 'acquire-lock', lock, mode, lockDelayMs, session: session.number() } as const;
    this.#ask(session, command, (reply) => {
      if (reply === null) return checker.asksInVain(session, lock, { above, lockDelayMs });
      const { outcome, generation, instance } = reply.result;
      if (outcome === 'acquired') {
        count(mode === 'exclusive' ? 'lock-taken' : 'lock-shared');
        checker.acquired({ session, lock, mode, lockDelayMs, generation, instance, above, sentMs });
        this.#held.set(lock, { lock, mode, generation });
      } else if (outcome === 'held') count('lock-held');
      else if (outcome === 'delayed') count('lock-delayed');
    });
  }

  #release(session: ClientSession): void {
    const { checker, count } = this.#options;
    const own = [...this.#held.keys()];
    const lock = own.length > 0 && this.#random.chance(0.9) ? this.#random.pick(own) : this.#random.pick(locks);
    const generation = this.#drawGeneration(lock);
    checker.releases(session, lock, generation);
    const command = { kind: 'release-lock', lock, generation, session: session.number() } as const;
    this.#ask(session, command, (reply) => {
      if (reply === null) return checker.releasesInVain(session, lock, generation);
      if (reply.result.outcome !== 'released') return count('lock-not-held');
      count('lock-released');
      this.#held.delete(lock);
      checker.released(lock, generation, reply.result);
    });
  }

  /** By which acquisition a lock is to be released: whichever, the right one, or one of others or of before. */
  #drawGeneration(lock: string): number {
    const dice = this.#random.below(10);
    if (dice < 3) return 0;
    if (dice < 7) return this.#held.get(lock)?.generation ?? 0;
    const { known } = this.#options.checker;
    return known.length === 0 ? 1 : this.#random.pick(known).generation;
  }

  #keep(session: ClientSession): void {
    this.#send(session, { kind: 'keep-session', session: session.id }, () => undefined);
  }

  #close(session: ClientSession): void {
    const { checker, count, sessionClosed, now } = this.#options;
    session.closing(now());
    const held = this.#held.size;
    this.#held.clear();
    sessionClosed();
    this.#options.attempt({ kind: 'write', command: { kind: 'close-session', session: session.id } }, (reply) => {
      if (reply?.kind !== 'written' || reply.result.kind !== 'done') return;
      if (held > 0) count('lock-closed');
      checker.sessionOver(session, reply.instance);
    });
  }

  #ask(
    session: ClientSession,
    command: LockCommand,
    end: (reply: (Written & { readonly result: LockResult }) | null) => void,
  ): void {
    const { replay, note, now } = this.#options;
    note('asks for a lock', command.kind, command.lock);
    this.#send(session, command, (reply, isUnsure) => {
      if (reply?.result.kind !== 'lock') {
        if (isUnsure) end(null);
        return;
      }
      const { result, instance } = reply;
      note('is told of a lock', result.outcome, result.generation, now());
      replay.lockAnswered(command, result, instance);
      end({ ...reply, result });
    });
  }

  /** Every answer of a session that lives says that it does. `end` gets null where it was not told what it asked for. */
  #send(session: ClientSession, command: Command, end: (reply: Written | null, isUnsure: boolean) => void): void {
    const { count, fail, now } = this.#options;
    const sentMs = now();
    this.#options.attempt({ kind: 'write', command }, (reply) => {
      try {
        if (reply?.kind === 'level-refused') count('lock-level');
        if (reply?.kind !== 'written') return end(null, reply?.kind === 'unknown');
        const { kind } = reply.result;
        if (kind === 'session-expired') return this.sessionExpired(session, reply.instance);
        if (kind === 'skipped') return end(null, true);
        this.renewed(session, sentMs, reply.instance);
        end(reply, false);
      } catch (violation) {
        fail(violation as Violation);
      }
    });
  }

  /** A request in it, first sent at `sentMs`, was answered. @throws {Violation} */
  renewed(session: ClientSession, sentMs: number, instance: number): void {
    session.renewed(sentMs, instance);
    this.#options.checker.renewed(session);
  }

  /** Some request was answered so, of a copy applied at `instance`. */
  sessionExpired(session: ClientSession, instance: number): void {
    if (this.#held.size > 0) this.#options.count('lock-lost');
    this.#held.clear();
    this.#options.checker.sessionOver(session, instance);
    this.#options.sessionEnded();
  }

  /** A write that rests on a lock was answered. @throws {Violation} */
  wrote(sequencer: Sequencer, sentMs: number, result: CommandResult): void {
    const { checker, count } = this.#options;
    if (result.kind === 'sequencer-invalid') {
      count('lock-fenced');
      checker.fenced(sequencer, sentMs);
    } else if (result.kind === 'multiop') {
      count('lock-written');
      checker.written(sequencer, sentMs);
    }
  }
}

/**
 * Learning chosen values that this replica missed, from whoever has them.
 *
 * Source: PML §4 (catch-up), §5.5. Keeps: only values that the giver knows as chosen are taken (pitfall P29); they are
 * durable here with the write that counts them as chosen; nothing here grants a lease (P40) or raises a promise.
 */
import { ballotsEqual } from './ballot.ts';
import { valueBytes } from './chosen-log.ts';
import type { ReplicaContext } from './context.ts';
import type { Instance, ReplicaId } from './identity.ts';
import type { AcceptedEntry, Message } from './message.ts';

type Of<Kind extends Message['kind']> = Extract<Message, { kind: Kind }>;

/** Instances asked for at once; the reply is bounded by bytes too. */
const instancesPerRequestMax = 4096;

export interface CatchUpHooks {
  /** Entries became known as chosen. */
  onChosen(entry: AcceptedEntry): void;
}

export class CatchUp {
  readonly #context: ReplicaContext;
  readonly #hooks: CatchUpHooks;
  /** Somebody knows everything up to here as chosen. */
  #target = 0 as Instance;
  /** Who said so last: asked first, and again after each member that could not help. */
  #knower: ReplicaId | null = null;
  /** Whom the last request went to. */
  #asked: ReplicaId | null = null;
  #nonce = 0;
  #askedMs: number | null = null;
  #fetching = false;

  constructor(context: ReplicaContext, hooks: CatchUpHooks) {
    this.#context = context;
    this.#hooks = hooks;
  }

  /** How far behind this replica knows itself to be, in instances. */
  get behind(): number {
    return Math.max(0, this.#target - this.#context.log.chosenUpTo);
  }

  get #retryMs(): number {
    return Math.max(50, this.#context.configurations.latest.configuration.leaseMs / 2);
  }

  /** When to look again, or null. */
  get dueMs(): number | null {
    if (this.behind === 0 || this.#fetching) return null;
    return this.#askedMs === null ? this.#context.now.monotonicMs : this.#askedMs + this.#retryMs;
  }

  /** `from` knows everything up to `chosenUpTo` as chosen. */
  learn(from: ReplicaId, chosenUpTo: Instance): void {
    if (chosenUpTo <= this.#context.log.chosenUpTo) return;
    if (chosenUpTo >= this.#target || this.#knower === null) {
      this.#target = Math.max(this.#target, chosenUpTo) as Instance;
      this.#knower = from;
    }
    this.tick();
  }

  /** Asks, or asks again when the last request was not answered: of another member then, and of the knower again next. */
  tick(): void {
    const { log, outbox, now } = this.#context;
    if (this.behind === 0) {
      this.#askedMs = null;
      this.#asked = null;
      return;
    }
    if (this.#fetching || this.#knower === null) return;
    if (this.#askedMs !== null && now.monotonicMs < this.#askedMs + this.#retryMs) return;
    this.#asked = this.#asked === this.#knower ? this.#another(this.#knower) : this.#knower;
    this.#askedMs = now.monotonicMs;
    this.#nonce++;
    const from = (log.chosenUpTo + 1) as Instance;
    const to = Math.min(this.#target, from + instancesPerRequestMax - 1) as Instance;
    outbox.send(this.#asked, { kind: 'catch-up', nonce: this.#nonce, from, to });
  }

  #another(than: ReplicaId): ReplicaId {
    const { configurations, log, self, random } = this.#context;
    const others = configurations.othersFrom(log.chosenUpTo + 1, self).filter((id) => id !== than);
    return others.length === 0 ? than : (others[random.below(others.length)] as ReplicaId);
  }

  /** Gives what is chosen and still here. */
  onRequest(from: ReplicaId, message: Of<'catch-up'>): void {
    const { log, outbox, limits } = this.#context;
    const entries: AcceptedEntry[] = [];
    let bytes = 0;
    const last = Math.min(message.to, log.chosenUpTo, message.from + instancesPerRequestMax - 1);
    for (let i = message.from; i <= last; i++) {
      const entry = log.get(i);
      if (entry === undefined) break;
      bytes += valueBytes(entry.value);
      if (entries.length > 0 && bytes > limits.pageBytesMax) break;
      entries.push({ instance: i as Instance, ballot: entry.ballot, value: entry.value });
    }
    const { nonce } = message;
    const { chosenUpTo, firstRetained } = log;
    outbox.send(from, { kind: 'catch-up-reply', nonce, entries, chosenUpTo, firstRetained });
  }

  onReply(from: ReplicaId, message: Of<'catch-up-reply'>): void {
    const { log } = this.#context;
    if (message.nonce !== this.#nonce || from !== this.#asked) return;
    const before = log.chosenUpTo;
    for (const entry of message.entries) {
      if (entry.instance > log.chosenUpTo + 1) break;
      if (entry.instance === log.chosenUpTo + 1) this.#adopt(entry);
    }
    if (message.chosenUpTo > this.#target) this.#target = message.chosenUpTo;
    if (log.chosenUpTo > before) {
      // Whoever helped is asked on: it has the rest, or says what it has.
      if (message.chosenUpTo > log.chosenUpTo) this.#knower = from;
      this.#asked = null;
      this.#askedMs = null;
      this.tick();
    } else if (message.firstRetained > log.chosenUpTo + 1 && message.chosenUpTo > log.chosenUpTo) {
      this.#fetching = true;
      this.#context.outbox.push({ kind: 'fetch-snapshot', provider: this.#provider(from), above: log.chosenUpTo });
    } else if (from !== this.#knower) {
      this.#askedMs = null;
      this.tick();
    }
  }

  /**
   * Anybody, so that the master does not serve all; but when `from`, who has answered, is in no configuration that is known
   * here, all those who are may have been replaced meanwhile.
   */
  #provider(from: ReplicaId): ReplicaId {
    const { configurations, log, random, self } = this.#context;
    const others = configurations.othersFrom(log.chosenUpTo + 1, self);
    return others.includes(from) ? (others[random.below(others.length)] as ReplicaId) : from;
  }

  #adopt(entry: AcceptedEntry): void {
    const { log, outbox } = this.#context;
    const known = log.get(entry.instance);
    if (known === undefined || !ballotsEqual(known.ballot, entry.ballot)) {
      const write = outbox.persistEntry(entry);
      log.accept(entry.instance, { ballot: entry.ballot, value: entry.value, write });
    }
    log.advance();
    this.#hooks.onChosen(entry);
  }

  /** A snapshot fetch ended, with or without one. */
  fetched(): void {
    this.#fetching = false;
    this.#askedMs = this.behind === 0 ? null : this.#context.now.monotonicMs;
  }
}

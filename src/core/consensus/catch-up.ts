/**
 * Learning chosen values that this replica missed, from whoever has them.
 *
 * Source: PML §4 (catch-up), §5.5. Keeps: only values that the giver knows as chosen are taken (pitfall P29); they are
 * durable here with the write that counts them as chosen; nothing here grants a lease (P40) or raises a promise. What is
 * chosen and bad in the own log is repaired in the same way (design §4): it is missing, as if it had never arrived.
 */
import { isCopy } from './bad-item.ts';
import { ballotsEqual } from './ballot.ts';
import { valueBytes } from './chosen-log.ts';
import type { ReplicaContext } from './context.ts';
import type { Instance, ReplicaId } from './identity.ts';
import type { AcceptedEntry, Message } from './message.ts';
import { partingNonce } from './parting.ts';

type Of<Kind extends Message['kind']> = Extract<Message, { kind: Kind }>;

/** Instances asked for at once; the reply is bounded by bytes too. */
const instancesPerRequestMax = 4096;

/** Leases in which a replica without a vote hears nothing before it asks by itself. */
const silentLeasesMax = 2;

export interface CatchUpHooks {
  /** Whom this replica takes for master now. */
  master(): ReplicaId | null;
  /** Nobody need speak to this replica, and it will not speak up to be elected: without a vote, and not known to be out. */
  mustInquire(): boolean;
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
  #asked: ReplicaId | 'all' | null = null;
  #nonce = 0;
  #askedMs: number | null = null;
  #fetching = false;
  /** So many fetches in a row brought nothing. */
  #fetchesFailed = 0;
  /** When to ask whether there is more, unless a master speaks before. */
  #inquireMs: number;

  constructor(context: ReplicaContext, hooks: CatchUpHooks) {
    this.#context = context;
    this.#hooks = hooks;
    this.#inquireMs = context.now.monotonicMs + this.#silentMs;
  }

  /** How far behind this replica knows itself to be, in instances. */
  get behind(): number {
    const { log } = this.#context;
    return Math.max(0, Math.max(this.#target, log.knownChosenUpTo) - log.chosenUpTo);
  }

  get #retryMs(): number {
    return Math.max(50, this.#context.configurations.latest.configuration.leaseMs / 2);
  }

  get #silentMs(): number {
    return silentLeasesMax * this.#context.configurations.latest.configuration.leaseMs;
  }

  /** A master spoke to this replica. */
  heard(): void {
    this.#inquireMs = this.#context.now.monotonicMs + this.#silentMs;
  }

  /**
   * A voter that hears nothing asks for votes, and is told what it missed, that it is out perhaps (pitfall P47). A learner, or a voter that
   * compares itself with others who may be gone, would wait for ever: it asks all that it knows whether there is more, again and again,
   * for the one who knows may be a learner too.
   */
  #inquire(): void {
    const { configurations, log, now, outbox, self } = this.#context;
    if (!this.#hooks.mustInquire() || now.monotonicMs < this.#inquireMs) return;
    this.#inquireMs = now.monotonicMs + this.#retryMs;
    this.#asked = 'all';
    this.#nonce++;
    const next = (log.chosenUpTo + 1) as Instance;
    for (const id of configurations.othersFrom(next, self)) {
      outbox.send(id, { kind: 'catch-up', nonce: this.#nonce, from: next, to: next });
    }
  }

  /** When to look again, or null. */
  get dueMs(): number | null {
    if (this.#fetching) return null;
    if (this.behind === 0) return this.#hooks.mustInquire() ? this.#inquireMs : null;
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
    const { log, outbox, now, self } = this.#context;
    if (this.behind === 0) {
      // What was asked without being behind may still be answered.
      if (this.#askedMs !== null) this.#asked = null;
      this.#askedMs = null;
      return this.#inquire();
    }
    if (this.#fetching) return;
    if (this.#askedMs !== null && now.monotonicMs < this.#askedMs + this.#retryMs) return;
    // What is bad in the own log is asked for before anybody says that he has it.
    const knower = this.#knower ?? this.#another(self);
    this.#askedMs = now.monotonicMs;
    if (knower === self) return;
    const asked = this.#asked === this.#knower && this.#knower !== null ? this.#another(knower) : knower;
    this.#asked = asked;
    this.#nonce++;
    const from = (log.chosenUpTo + 1) as Instance;
    outbox.send(asked, { kind: 'catch-up', nonce: this.#nonce, from, to: this.#lastWanted(from) });
  }

  /**
   * Where only some places are bad, no more is asked for than the first of them: a repair moves little. Never more than fit into a request:
   * whose whole state is gone may miss more than can be counted one by one, since a generation begins at a multiple of 2^40.
   */
  #lastWanted(from: Instance): Instance {
    const { log } = this.#context;
    const target = Math.min(Math.max(this.#target, log.knownChosenUpTo), from + instancesPerRequestMax - 1);
    let last: number = from;
    while (last < target && !log.isChosen(last + 1)) {
      if (last >= log.knownChosenUpTo) return target as Instance;
      last++;
    }
    return last as Instance;
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
    const last = Math.min(message.to, log.knownChosenUpTo, message.from + instancesPerRequestMax - 1);
    for (let i = message.from; i <= last; i++) {
      const entry = log.isChosen(i) ? log.get(i) : undefined;
      if (entry === undefined) break;
      bytes += valueBytes(entry.value);
      if (entries.length > 0 && bytes > limits.pageBytesMax) break;
      entries.push({ instance: i as Instance, ballot: entry.ballot, value: entry.value });
    }
    const { nonce } = message;
    const { firstRetained } = log;
    const chosenUpTo = nonce === partingNonce ? outbox.durablyChosenUpTo : log.chosenUpTo;
    outbox.send(from, { kind: 'catch-up-reply', nonce, entries, chosenUpTo, firstRetained });
  }

  /** Gives the chosen value of one instance, or the very entry that `identity` names (pitfall P29); null for neither. */
  onItemRequest(from: ReplicaId, message: Of<'item-request'>): void {
    const { log, outbox, digestOf } = this.#context;
    const { nonce, instance, identity } = message;
    const known = log.get(instance);
    const chosen = log.isChosen(instance);
    const entry = known === undefined ? null : { instance, ballot: known.ballot, value: known.value };
    const given = entry !== null && (chosen || (identity !== null && isCopy(identity, entry, digestOf))) ? entry : null;
    const after = known === undefined || given === null ? null : known.write;
    outbox.send(
      from,
      { kind: 'item', nonce, instance, entry: given, chosen: chosen && given !== null, chosenUpTo: log.chosenUpTo },
      after,
    );
  }

  onReply(from: ReplicaId, message: Of<'catch-up-reply'>): void {
    const { log } = this.#context;
    if (message.nonce !== this.#nonce || (this.#asked !== 'all' && from !== this.#asked)) return;
    const before = log.chosenUpTo;
    for (const entry of message.entries) {
      if (entry.instance > log.chosenUpTo + 1) break;
      if (entry.instance === log.chosenUpTo + 1) this.#adopt(entry);
    }
    if (message.chosenUpTo > this.#target) {
      this.#target = message.chosenUpTo;
      this.#knower ??= from;
    }
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
   * Anybody but the master, who has enough to do. When that has failed: every second time whoever has just answered, and so is there, and
   * else anybody, the master too. But when `from`, who has answered, is in no
   * configuration that is known here, all those who are may have been replaced meanwhile.
   */
  #provider(from: ReplicaId): ReplicaId {
    const { configurations, log, random, self } = this.#context;
    const others = configurations.othersFrom(log.chosenUpTo + 1, self);
    if (!others.includes(from) || this.#fetchesFailed % 2 === 1) return from;
    const master = this.#fetchesFailed > 0 ? null : this.#hooks.master();
    const free = others.filter((id) => id !== master);
    const choice = free.length === 0 ? others : free;
    return choice[random.below(choice.length)] as ReplicaId;
  }

  #adopt(entry: AcceptedEntry): void {
    const { log, outbox } = this.#context;
    const known = log.get(entry.instance);
    if (known === undefined || !ballotsEqual(known.ballot, entry.ballot)) {
      const write = outbox.persistEntry(entry);
      log.adopt(entry.instance, { ballot: entry.ballot, value: entry.value, write });
    }
    log.advance();
    log.advanceOverKnown();
    this.#hooks.onChosen(entry);
  }

  /** A snapshot fetch ended, with one or without. */
  fetched(installed: boolean): void {
    this.#fetching = false;
    this.#fetchesFailed = installed ? 0 : this.#fetchesFailed + 1;
    this.#askedMs = this.behind === 0 ? null : this.#context.now.monotonicMs;
  }
}

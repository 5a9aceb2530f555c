/**
 * The acceptor's half of one replica: what it has promised, accepted and granted.
 *
 * Source: PMS §2.2 (P1a); PML §4.1, §5.2; design §4 "Repair by item". Difference: ballots are (round, name, incarnation);
 * a prepare from a candidate that knows less than this replica is answered with how far it is behind. See
 * docs/DIVERGENCE.md. A promise says what of this replica's log is bad; at a bad instance it accepts as anywhere else,
 * since what stood there was of a ballot that it had promised.
 * Keeps: `promised` never decreases, across restarts too; every accepted ballot is at or below it.
 */
import { type Ballot, ballotOwner, ballotsEqual, compareBallots, roundMax } from './ballot.ts';
import { valueBytes, valuesEqual } from './chosen-log.ts';
import type { ReplicaContext } from './context.ts';
import type { PromiseRecord } from './effect.ts';
import type { Instance, ReplicaId, WriteId } from './identity.ts';
import { GrantedLease } from './master-lease.ts';
import type { AcceptedEntry, Message, Release } from './message.ts';

/** A longer lease is refused with its accept: nobody may bind this replica for good. */
const leaseMsLimit = 3_600_000;

type Of<Kind extends Message['kind']> = Extract<Message, { kind: Kind }>;

export class Acceptor {
  readonly #context: ReplicaContext;
  readonly granted = new GrantedLease();
  /** Highest ballot promised. Durable before any message that rests on it; a pre-vote's answer only hints at it. */
  #promised: Ballot;
  /** The write that makes `#promised` durable. */
  #promisedWrite: WriteId;
  #leaseMsMax: number;

  /**
   * After a restart the owner of the highest promise is taken as the holder of the longest lease ever granted, from
   * process start on (pitfall P34): this replica may have granted it just before it stopped.
   */
  constructor(context: ReplicaContext, promise: PromiseRecord) {
    this.#context = context;
    this.#promised = promise.ballot;
    this.#promisedWrite = 0 as WriteId;
    this.#leaseMsMax = promise.leaseMsMax;
    if (promise.ballot.round > 0) {
      this.granted.grant(promise.ballot, context.now.monotonicMs, promise.leaseMsMax);
    }
  }

  get promised(): Ballot {
    return this.#promised;
  }

  /** Would this replica vote for `from` at `ballot`? Changes nothing (design §3: pre-vote raises nobody's ballot). */
  onPreVote(from: ReplicaId, message: Of<'pre-vote'>): Of<'pre-vote-reply'> {
    const { log, now } = this.#context;
    const granted =
      this.#context.mayVote &&
      ballotOwner(message.ballot) === from &&
      compareBallots(message.ballot, this.#promised) > 0 &&
      this.#withinStep(message.ballot) &&
      !this.granted.forbids(from, now.monotonicMs, null);
    return {
      kind: 'pre-vote-reply',
      ballot: message.ballot,
      nonce: message.nonce,
      granted,
      promised: this.#promised,
      chosenUpTo: log.chosenUpTo,
    };
  }

  onPrepare(from: ReplicaId, message: Of<'prepare'>): void {
    const { log, outbox, now, configurations } = this.#context;
    if (ballotOwner(message.ballot) !== from || !this.#withinStep(message.ballot)) return;
    if (!this.#context.mayVote || !configurations.isVoterFrom(message.from, this.#context.self)) return;
    const refuse = (reason: Of<'reject'>['reason']): void => {
      outbox.send(from, this.#reject(message.ballot, message.nonce, reason), this.#promisedWrite);
    };
    if (compareBallots(message.ballot, this.#promised) < 0) return refuse('promised');
    if (this.granted.forbids(from, now.monotonicMs, message.release)) return refuse('lease');
    // What is chosen here would be missing from the promise, or cut: the candidate catches up first (pitfall P07).
    if (message.from <= log.chosenUpTo) return refuse('behind');
    if (message.release !== null && this.granted.holder(now.monotonicMs) !== from) this.granted.end();
    this.promise(message.ballot);
    this.#sendPromise(from, message);
  }

  /** Raises the promise; durable with this step's write. */
  promise(ballot: Ballot): WriteId {
    if (!ballotsEqual(ballot, this.#promised)) {
      this.#promised = ballot;
      this.#promisedWrite = this.#persistPromise();
      this.#context.onPromised(ballot);
    }
    return this.#promisedWrite;
  }

  #persistPromise(): WriteId {
    return this.#context.outbox.persistPromise({ ballot: this.#promised, leaseMsMax: this.#leaseMsMax });
  }

  /** In pages: no size limit of the transport may cut a promise short (pitfall P10). */
  #sendPromise(to: ReplicaId, message: Of<'prepare'>): void {
    const { log, outbox, limits } = this.#context;
    const pages = paginate(log.acceptedFrom(message.from), limits.pageBytesMax);
    pages.forEach((entries, page) => {
      const last = page === pages.length - 1;
      const { ballot, nonce, from } = message;
      const chosenUpTo = log.sureUpTo;
      const bad = last ? log.badFrom(from) : [];
      // Entries reported must be durable too, or a crash here could take back what the promise said.
      outbox.send(
        to,
        { kind: 'promise', ballot, nonce, from, page, last, chosenUpTo, entries, bad },
        this.#writeOf(entries),
      );
    });
  }

  #writeOf(entries: readonly AcceptedEntry[]): WriteId {
    let write = this.#promisedWrite;
    for (const { instance } of entries) {
      const entry = this.#context.log.get(instance);
      if (entry !== undefined && entry.write > write) write = entry.write;
    }
    return write;
  }

  /** Phase 2 from a live master. Returns whether the sender is now this replica's master. */
  onAccept(from: ReplicaId, message: Of<'accept'>): boolean {
    const { log, outbox, now, limits, configurations } = this.#context;
    const { ballot, instance, value } = message;
    if (ballotOwner(ballot) !== from || !this.#withinStep(ballot)) return false;
    if (!(message.leaseMs > 0 && message.leaseMs <= leaseMsLimit)) return false;
    if (compareBallots(ballot, this.#promised) < 0) {
      outbox.send(from, this.#reject(ballot, 0, 'promised'), this.#promisedWrite);
      return false;
    }
    const voter = this.#context.mayVote && configurations.isVoterFrom(instance, this.#context.self);
    if (instance <= log.chosenUpTo) {
      if (this.#context.mayVote) this.#answerChosen(from, message);
      return true;
    }
    if (instance > log.chosenUpTo + limits.acceptAheadInstancesMax || log.isMissing(instance)) return true;
    const known = log.get(instance);
    if (known !== undefined && ballotsEqual(known.ballot, ballot)) {
      // A copy: answered again, but a late copy renews no lease (pitfall P40). Another value in the same ballot can only
      // come from a broken sender: this replica keeps the one it has and stays silent.
      if (voter && valuesEqual(known.value, value)) this.#sendAccepted(from, ballot, instance, known.write);
      return true;
    }
    const write = this.accept({ instance, ballot, value }, message.leaseMs);
    // Granted also by who does not know yet that it votes here: its later answer to a copy grants nothing more.
    this.granted.grant(ballot, now.monotonicMs, message.leaseMs);
    if (voter) this.#sendAccepted(from, ballot, instance, write);
    return true;
  }

  /** Accepts at `entry.ballot`, which raises the promise to it (pitfall P02). Returns the write. */
  accept(entry: AcceptedEntry, leaseMs: number): WriteId {
    const { log, outbox } = this.#context;
    const longer = leaseMs > this.#leaseMsMax;
    if (longer) this.#leaseMsMax = leaseMs;
    if (!ballotsEqual(entry.ballot, this.#promised)) this.promise(entry.ballot);
    else if (longer) this.#promisedWrite = this.#persistPromise();
    const write = outbox.persistEntry(entry);
    log.accept(entry.instance, { ballot: entry.ballot, value: entry.value, write });
    return write;
  }

  /** An accept for something known as chosen: a vote only if this replica accepted in that very ballot. */
  #answerChosen(from: ReplicaId, message: Of<'accept'>): void {
    const known = this.#context.log.get(message.instance);
    if (known !== undefined && ballotsEqual(known.ballot, message.ballot)) {
      this.#sendAccepted(from, message.ballot, message.instance, known.write);
    } else {
      this.#context.outbox.send(from, this.#reject(message.ballot, 0, 'behind'), this.#promisedWrite);
    }
  }

  #sendAccepted(to: ReplicaId, ballot: Ballot, instance: Instance, write: WriteId): void {
    const { log, outbox } = this.#context;
    const { chosenUpTo } = log;
    const message: Message = { kind: 'accepted', ballot, instance, chosenUpTo, appliedUpTo: this.#context.appliedUpTo };
    outbox.send(to, message, write);
  }

  #reject(ballot: Ballot, nonce: number, reason: Of<'reject'>['reason']): Message {
    const { chosenUpTo } = this.#context.log;
    return { kind: 'reject', ballot, nonce, reason, promised: this.#promised, chosenUpTo };
  }

  #withinStep(ballot: Ballot): boolean {
    return ballot.round <= roundMax && ballot.round <= this.#promised.round + this.#context.limits.roundStepMax;
  }

  /** Does a grant forbid this replica itself to campaign, or to vote for itself with `release`? */
  forbidsSelf(release: Release | null): boolean {
    return this.granted.forbids(this.#context.self, this.#context.now.monotonicMs, release);
  }
}

/** At least one page; each within the limit unless a single entry is larger. */
export function paginate(entries: readonly AcceptedEntry[], bytesMax: number): AcceptedEntry[][] {
  const pages: AcceptedEntry[][] = [[]];
  let bytes = 0;
  for (const entry of entries) {
    const size = valueBytes(entry.value);
    if (bytes > 0 && bytes + size > bytesMax) {
      pages.push([]);
      bytes = 0;
    }
    (pages.at(-1) as AcceptedEntry[]).push(entry);
    bytes += size;
  }
  return pages;
}

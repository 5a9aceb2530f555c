/**
 * Messages of others: whose word counts for what, and to which part of the replica each goes. What is chosen is learned
 * here, from accepts and commits.
 *
 * Source: PML §4.1-4.2; pitfalls P05, P08, P47, P48.
 * Keeps: who is no member has no say, and numbers that no cell reaches change nothing.
 */
import { unreachable } from '../invariant.ts';
import type { Acceptor } from './acceptor.ts';
import type { Applying } from './applying.ts';
import { type Ballot, ballotOwner, ballotsEqual, compareBallots } from './ballot.ts';
import type { CatchUp } from './catch-up.ts';
import type { ReplicaContext } from './context.ts';
import type { Coordinator } from './coordinator.ts';
import type { DatabaseComparison } from './database-comparison.ts';
import type { Instance, ReplicaId } from './identity.ts';
import type { Message } from './message.ts';
import type { Participation } from './participation.ts';
import { partingNonce } from './parting.ts';

/** A lost end waits so long for an answer before it is said again. */
const settleEveryMs = 1_000;

/** The parts of one replica that messages are for. */
export interface Receivers {
  readonly acceptor: Acceptor;
  readonly applying: Applying;
  readonly coordinator: Coordinator;
  readonly catchUp: CatchUp;
  readonly databases: DatabaseComparison;
  readonly participation: Participation;
}

export class Reception {
  readonly #context: ReplicaContext;
  readonly #parts: Receivers;
  /** Whatever the disk lost was accepted at or below this ballot. */
  readonly #damagedBelow: Ballot;
  /** Whom this replica accepted from last, live. */
  heard: { readonly from: ReplicaId; readonly ballot: Ballot; readonly atMs: number } | null = null;
  /** Messages dropped because their sender is no member, is dead, or is this replica. */
  ignored = 0;
  #settleAskedMs = Number.NEGATIVE_INFINITY;

  constructor(context: ReplicaContext, parts: Receivers, damagedBelow: Ballot) {
    this.#context = context;
    this.#parts = parts;
    this.#damagedBelow = damagedBelow;
  }

  onMessage(from: ReplicaId, message: Message): void {
    const { configurations, log, outbox, self } = this.#context;
    if (from === self || !this.#isInReach(message)) {
      this.ignored++;
      return;
    }
    if (!configurations.isMemberFrom(log.chosenUpTo + 1, from)) return this.#onStranger(from, message);
    if (this.#context.silent) return this.#onlyLearn(from, message);
    switch (message.kind) {
      case 'pre-vote':
        outbox.send(from, this.#parts.acceptor.onPreVote(from, message));
        return this.#parts.catchUp.learn(from, message.chosenUpTo);
      case 'pre-vote-reply':
        return this.#parts.coordinator.onPreVoteReply(from, message);
      case 'prepare':
        return this.#parts.acceptor.onPrepare(from, message);
      case 'promise':
        return this.#parts.coordinator.onPromise(from, message);
      case 'reject':
        return this.#parts.coordinator.onReject(from, message);
      case 'accept':
        return this.#onAccept(from, message);
      case 'accepted':
        return this.#parts.coordinator.onAccepted(from, message);
      case 'commit':
        return this.#onCommit(from, message.ballot, message.chosenUpTo);
      case 'catch-up':
        return this.#parts.catchUp.onRequest(from, message);
      case 'catch-up-reply':
        return this.#onCatchUpReply(from, message);
      case 'item-request':
        return this.#parts.catchUp.onItemRequest(from, message);
      case 'item':
        return this.#parts.coordinator.onItem(from, message);
      case 'unsettled':
        return this.#parts.coordinator.onUnsettled(from, message.ballot);
      case 'settled':
        return this.#onSettled(from, message);
      case 'release':
        return this.#parts.coordinator.onRelease(from, message.release);
      case 'digests':
        return this.#parts.databases.onDigests(from, message);
      case 'check-wanted':
        return this.#onCheckWanted();
      case 'frozen':
        return;
      default:
        return unreachable(message);
    }
  }

  /** Neither promises nor accepts: what is chosen is learned, and whoever misses something is helped. */
  #onlyLearn(from: ReplicaId, message: Message): void {
    switch (message.kind) {
      case 'accept':
        this.heard = { from, ballot: message.ballot, atMs: this.#context.now.monotonicMs };
        return this.#onCommit(from, message.ballot, message.chosenUpTo);
      case 'commit':
        return this.#onCommit(from, message.ballot, message.chosenUpTo);
      default:
        this.#onStranger(from, message);
    }
  }

  /**
   * Strangers, removed members and dead incarnations have no say here (pitfalls P05, P47, P48): no vote, no promise, no
   * lease. What is chosen is chosen whoever says so: a removed member is told, so that it learns that it is out, and a
   * replica that missed changes of the membership, of all members that it knows perhaps, finds out whom to ask.
   */
  #onStranger(from: ReplicaId, message: Message): void {
    this.ignored++;
    switch (message.kind) {
      case 'pre-vote':
        this.#context.outbox.send(from, { ...this.#parts.acceptor.onPreVote(from, message), granted: false });
        return this.#parts.catchUp.learn(from, message.chosenUpTo);
      case 'catch-up':
        return this.#parts.catchUp.onRequest(from, message);
      case 'catch-up-reply':
        return this.#onCatchUpReply(from, message);
      case 'accept':
      case 'commit':
        return this.#parts.catchUp.learn(from, message.chosenUpTo);
      default:
        return;
    }
  }

  #onCatchUpReply(from: ReplicaId, message: Extract<Message, { kind: 'catch-up-reply' }>): void {
    if (message.nonce === partingNonce) this.#parts.participation.heardOf(from, message.chosenUpTo);
    this.#parts.catchUp.onReply(from, message);
    this.#parts.applying.apply();
    this.#parts.coordinator.onCaughtUp();
  }

  #onCheckWanted(): void {
    if (this.#parts.coordinator.isServing(this.#context.now)) this.#context.outbox.push({ kind: 'check-wanted' });
  }

  /** Instances that no cell reaches are nobody's business: one absurd number must not send this replica after it. */
  #isInReach(message: Message): boolean {
    const { configurations, limits, log } = this.#context;
    // Who is let in into a later generation begins with nothing, and numbers there begin far above.
    const known = Math.max(log.chosenUpTo, configurations.latest.from);
    const limit = known + limits.instanceStepMax;
    const within = (n: number): boolean => n >= 0 && n <= limit;
    if ('chosenUpTo' in message && !within(message.chosenUpTo)) return false;
    if ('from' in message && !within(message.from)) return false;
    if (message.kind === 'digests') return within(message.digests.instance);
    return !('instance' in message) || within(message.instance);
  }

  #onAccept(from: ReplicaId, message: Extract<Message, { kind: 'accept' }>): void {
    if (!this.#parts.acceptor.onAccept(from, message)) return;
    this.heard = { from, ballot: message.ballot, atMs: this.#context.now.monotonicMs };
    this.#parts.catchUp.heard();
    this.#parts.coordinator.onMasterHeard();
    this.#onCommit(from, message.ballot, message.chosenUpTo);
    this.#askToSettle(from);
  }

  /** A log whose end is gone is no evidence of anything until a master says from where on it does not matter. */
  #askToSettle(master: ReplicaId): void {
    const { log, now, outbox } = this.#context;
    if (!log.hasLostEnd || now.monotonicMs < this.#settleAskedMs + settleEveryMs) return;
    this.#settleAskedMs = now.monotonicMs;
    outbox.send(master, { kind: 'unsettled', ballot: this.#damagedBelow });
  }

  /**
   * Everything up to `chosenUpTo` is chosen, says the owner of `ballot`. Only what was accepted here in exactly that
   * ballot is known to be the chosen value; anything else is fetched (pitfall P08).
   */
  #onCommit(from: ReplicaId, ballot: Ballot, chosenUpTo: Instance): void {
    if (ballotOwner(ballot) !== from) return;
    const { log } = this.#context;
    while (log.chosenUpTo < chosenUpTo) {
      const entry = log.get(log.chosenUpTo + 1);
      if (entry === undefined || !ballotsEqual(entry.ballot, ballot)) break;
      log.advance();
    }
    this.#parts.coordinator.onLearned();
    this.#parts.applying.apply();
    this.#parts.catchUp.learn(from, chosenUpTo);
  }

  /** What was lost here was of a ballot promised before this start: no value of it is chosen there any more. */
  #onSettled(from: ReplicaId, { ballot, above }: Extract<Message, { kind: 'settled' }>): void {
    if (ballotOwner(ballot) !== from || compareBallots(ballot, this.#damagedBelow) <= 0) return;
    this.#context.log.forgetBadAbove(above);
    this.#context.outbox.push({ kind: 'bad-settled', above });
  }
}

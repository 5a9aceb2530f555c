/**
 * One member by itself: the events that it saw, one after the other, and what came of them. No other member is looked at, so
 * a run depends on its list of events alone.
 *
 * Besides the member's state it keeps what it ever accepted durably: a vote counts for good, even when its disk is lost.
 */
import { type Ballot, compareBallots, zeroBallot } from '../../../src/core/consensus/ballot.ts';
import type { Campaign } from '../../../src/core/consensus/campaign.ts';
import { isProposing } from '../../../src/core/consensus/coordinator-machine.ts';
import type { Effect, WriteRequest } from '../../../src/core/consensus/effect.ts';
import type {
  CellTimeMs,
  Epoch,
  Instance,
  MonotonicMs,
  ReplicaId,
  RequestId,
} from '../../../src/core/consensus/identity.ts';
import { replicaId } from '../../../src/core/consensus/identity.ts';
import type { Clocks, Input } from '../../../src/core/consensus/input.ts';
import type { Message } from '../../../src/core/consensus/message.ts';
import type { Proposal } from '../../../src/core/consensus/proposals.ts';
import { Random } from '../../../src/core/random.ts';
import { ballotText, idText } from '../../support/core-text.ts';
import { Violation } from '../checker.ts';
import { itemOf } from '../items.ts';
import { Member, type MemberWorld, type Of } from '../member.ts';
import { seat } from '../world.ts';
import type { Catalogue } from './catalogue.ts';
import { Fingerprint, hash128 } from './fingerprint.ts';
import type { Scope } from './scope.ts';

/** Events that are no delivery; a delivery is the message's number. */
export const flushEvent = -1;
/** All leases and waits are over: the clocks jump past every timer, but nobody campaigns for that. */
export const expireEvent = -2;
/** The election timer fires. */
export const electEvent = -3;
export const submitEvent = -4;
export const loseDiskEvent = -5;
/** Process end and start, when nothing waits for the disk, or with so many unflushed writes kept: `crashEvent - kept`. */
export const crashEvent = -10;

/** One step of the search: an event and, with prompt disks, perhaps a crash between it and its flush, in one number. */
export const stepOf = (event: number, kept: number | null): number =>
  (event + 32) * 16 + (kept === null ? 0 : kept + 1);
export const eventOf = (step: number): number => (step >> 4) - 32;
/** How many of the writes of the event are kept in the crash; null when there is none. */
export const keptOf = (step: number): number | null => ((step & 15) === 0 ? null : (step & 15) - 1);

/** The core's fields as they are named in the explorer's bundle. */
interface OpenedReplica {
  readonly state: string;
  readonly _catchUp_: { readonly behind: number };
  readonly _coordinator_: {
    readonly _proposer_: {
      readonly ballot: Ballot;
      readonly _proposals_: { readonly _inFlight_: ReadonlyMap<number, Proposal> };
    };
    readonly _election_: { readonly _campaign_: Campaign | null };
  };
}

/** What a member may still make use of: all else that is on its way to it can never change anything. */
export interface Interests {
  readonly promised: Ballot;
  readonly durableChosenUpTo: number;
  readonly chosenUpTo: number;
  /** The attempt whose promises are awaited. */
  readonly awaited: { readonly ballot: Ballot; readonly nonce: number } | null;
  /** The ballot led, and who has not yet accepted what is in flight in it, by instance. */
  readonly led: Ballot | null;
  readonly acks: ReadonlyMap<number, ReadonlySet<ReplicaId>>;
}

const leaseMs = 500;
/** Longer than every lease, wait and retry. */
const expireMs = 1_000_000;
/** What a draw for jitter gives: nobody's election timer fires but by `electEvent`. */
const neverMs = 1e12;

/** Draws that stand still: jitter never ends by itself, choices fall on the first, a word is what it is told to be. */
const settledChance = (word: () => number): Random =>
  Object.assign(new Random(0), { word, below: (n: number) => (n > 8 && n < 2 ** 20 ? neverMs : 0) });

/**
 * What becomes deliverable of a message that leaves. Pre-votes are taken as won (`#elect`). Refusals are lost: they end an
 * attempt, which the end of its wait does too, or make a master raise its ballot, which would be one more ballot than this
 * scope has. A request for missed values is answered at once or never (`catchUpEvent`): an answer given earlier would hold a
 * part of the same values. How far an acceptor has applied only tells a master whom to hand over to.
 */
function keptForm(message: Message): Message | null {
  switch (message.kind) {
    case 'pre-vote':
    case 'pre-vote-reply':
    case 'reject':
    case 'catch-up':
    case 'catch-up-reply':
      return null;
    case 'accepted':
      return { ...message, chosenUpTo: 0 as Instance, appliedUpTo: 0 as Instance };
    default:
      return message;
  }
}

const fail = (rule: string, facts: string): never => {
  throw new Violation(rule, facts);
};

export class LocalRun implements MemberWorld {
  /** What is chosen is told at once, and arrives at any time: also with the accept that it would ride on. */
  readonly limits = { boostEveryMs: 1e15, commitDelayMs: 0 };
  readonly member: Member;
  /** Told of every step, for a transcript. */
  onStep: ((input: Input, effects: readonly Effect[]) => void) | null = null;
  readonly #scope: Scope;
  readonly #catalogue: Catalogue;
  readonly #name: string;
  readonly #atFormation: ConstructorParameters<typeof Member>[3];
  #nowMs = 1000;
  #durableWrite = 0;
  #durablePromise: Ballot = zeroBallot;
  /** Numbers of the messages that left since this was emptied. */
  sent = new Set<number>();
  /** What was proposed in own ballots, numbered as votes are: one value each. */
  readonly proposed = new Set<number>();
  /** Own ballots with the nonce of their attempt. */
  readonly attempts = new Map<string, number>();
  readonly votes = new Set<number>();
  /** Numbers of the values applied since the start, by instance. */
  values: number[] = [];
  #epoch = 0;
  #asked: Extract<Message, { kind: 'pre-vote' }> | null = null;
  /** The request for missed values that waits for its answer, as a message's number; -1 when there is none. */
  missing = -1;
  /** The last answer given to such a request. */
  answer = -1;
  /** Writes of the last event, before any of them was flushed. */
  wrote = 0;
  elections = 0;
  submissions = 0;

  constructor(scope: Scope, catalogue: Catalogue, name: string) {
    this.#scope = scope;
    this.#catalogue = catalogue;
    this.#name = name;
    const members = scope.voters.map((voter) => seat(voter, 1, 'voter'));
    const configuration = { members, alpha: 8, leaseMs, driftPpm: 10_000 };
    const configurations = [{ from: 0 as Instance, configuration }];
    this.#atFormation = { instance: 0 as Instance, epoch: 0 as Epoch, cellTimeMs: 0 as CellTimeMs, configurations };
    this.member = new Member(this, replicaId(name, 1), scope.voters.indexOf(this.#name), this.#atFormation);
    this.member.start();
  }

  // --- events -----------------------------------------------------------------------------------------------------------

  get canElect(): boolean {
    return this.member.core?.state === 'following' && this.elections < (this.#scope.elections[this.#name] ?? 0);
  }

  /** Timers that only send again are left out: what was sent stays deliverable. */
  get canExpire(): boolean {
    const core = this.member.core;
    return core !== null && core.state !== 'following';
  }

  get canSubmit(): boolean {
    return this.member.core?.state === 'serving' && this.submissions < (this.#scope.submissions[this.#name] ?? 0);
  }

  /** @throws {Violation} or {InvariantViolation} when a rule is broken by this member alone. */
  take(step: number): void {
    const { member } = this;
    const kept = keptOf(step);
    this.#nowMs = this.#nextMs;
    this.#happen(eventOf(step));
    this.wrote = member.pending.length;
    if (kept !== null) this.#restart(kept);
    else if (this.#scope.disk === 'prompt') while (member.pending.length > 0) member.flush(1);
    // Who has learned it otherwise takes no notice of an answer any more.
    if (this.#opened?._catchUp_.behind === 0) this.missing = -1;
  }

  get #opened(): OpenedReplica | null {
    return this.member.core as unknown as OpenedReplica | null;
  }

  /**
   * When the next event comes. A grant does nothing but delay a prepare, and may end at any moment: of who follows nobody it has ended.
   */
  get #nextMs(): number {
    return this.member.core?.state === 'following' ? this.#nowMs + expireMs : this.#nowMs;
  }

  #happen(event: number): void {
    if (event >= 0) this.#deliver(event);
    else if (event === flushEvent) this.member.flush(1);
    else if (event === expireEvent) this.#jump(expireMs);
    else if (event === electEvent) this.#elect();
    else if (event === submitEvent) this.#submit();
    else if (event === loseDiskEvent) this.#loseDisk();
    else this.#restart(crashEvent - event);
  }

  #deliver(number: number): void {
    const { from, message } = this.#catalogue.message(number);
    if (message.kind === 'catch-up-reply') this.missing = -1;
    this.member.step({ kind: 'message', at: this.clocks(), from, message });
  }

  #jump(ms: number): void {
    this.#nowMs += ms;
    this.member.step({ kind: 'woken', at: this.clocks() });
  }

  /**
   * The timer fires, and all others grant the pre-vote at once. Pre-votes guard against needless elections, not agreement:
   * taken as won at any moment they allow all that could happen with them, and more.
   */
  #elect(): void {
    this.elections++;
    this.#asked = null;
    this.#jump(10 * neverMs);
    const asked = this.#asked as Extract<Message, { kind: 'pre-vote' }> | null;
    if (asked === null) return;
    const { ballot, nonce, chosenUpTo } = asked;
    for (const name of this.#scope.voters) {
      if (name === this.#name) continue;
      const message: Message = {
        kind: 'pre-vote-reply',
        ballot,
        nonce,
        granted: true,
        promised: zeroBallot,
        chosenUpTo,
      };
      this.member.step({ kind: 'message', at: this.clocks(), from: replicaId(name, 1), message });
    }
  }

  #submit(): void {
    this.submissions++;
    const request = (100 * (this.member.index + 1) + this.submissions) as RequestId;
    const submissions = [{ request, item: itemOf(request) }];
    this.member.step({ kind: 'submit', at: this.clocks(), submissions });
  }

  #restart(keep: number): void {
    this.missing = -1;
    this.member.crash(keep);
    this.#start();
  }

  #loseDisk(): void {
    this.missing = -1;
    this.member.crash(0);
    this.#durablePromise = zeroBallot;
    if (this.#scope.sameIdentity === true) {
      this.member.wipe(this.#atFormation);
      this.#start();
    } else this.member.gone = true;
  }

  #start(): void {
    this.values = [];
    this.#epoch = 0;
    this.#durableWrite = 0;
    this.member.start();
  }

  // --- what the member asks of its world --------------------------------------------------------------------------------

  clocks(): Clocks {
    return { monotonicMs: this.#nowMs as MonotonicMs, wallMs: this.#nowMs, bootMs: this.#nowMs };
  }

  /** Each attempt names its mastership otherwise; nothing else is drawn as a word. */
  random(member: Member): Random {
    return settledChance(() => member.index * 1000 + this.elections);
  }

  send(member: Member, to: ReplicaId, message: Message): void {
    this.#checkSent(message);
    if (message.kind === 'pre-vote') this.#asked = message;
    if (message.kind === 'catch-up') this.missing = this.#catalogue.messageNumber({ from: member.id, to, message });
    if (message.kind === 'catch-up-reply') {
      this.answer = this.#catalogue.messageNumber({ from: member.id, to, message });
    }
    const kept = keptForm(message);
    if (kept !== null) this.sent.add(this.#catalogue.messageNumber({ from: member.id, to, message: kept }));
  }

  /** Nothing leaves before it is durable (I10), and one value a ballot is proposed by its owner (I3). */
  #checkSent(message: Message): void {
    const { id } = this.member;
    if (message.kind === 'accepted' && !this.#hasVoted(message.instance, message.ballot)) {
      fail('I10 durable before sent', `${idText(id)} says accepted ${message.instance}@${ballotText(message.ballot)}`);
    }
    if (message.kind === 'prepare' || message.kind === 'promise') {
      if (compareBallots(this.#durablePromise, message.ballot) < 0) {
        fail('I10 durable before sent', `${idText(id)} ${message.kind} ${ballotText(message.ballot)}`);
      }
    }
    if (message.kind === 'promise') {
      for (const { instance, ballot } of message.entries) {
        if (!this.#hasVoted(instance, ballot)) {
          fail('I10 durable before sent', `${idText(id)} reports ${instance}@${ballotText(ballot)}`);
        }
      }
    }
    if (message.kind === 'accept') this.#checkProposal(message);
    if (message.kind === 'prepare') this.#checkAttempt(message);
  }

  #checkProposal({ instance, ballot, value }: Extract<Message, { kind: 'accept' }>): void {
    const { name, incarnation } = ballot;
    if (replicaId(name, incarnation) !== this.member.id) fail('I3 one owner per ballot', ballotText(ballot));
    const number = this.#catalogue.voteNumber(instance, ballot, value);
    for (const earlier of this.proposed) {
      if (this.#catalogue.contradict(earlier, number)) {
        fail('I3 one value per ballot', `${instance}@${ballotText(ballot)}`);
      }
    }
    this.proposed.add(number);
  }

  #checkAttempt({ ballot, nonce }: Extract<Message, { kind: 'prepare' }>): void {
    const name = ballotText(ballot);
    const earlier = this.attempts.get(name) ?? nonce;
    if (earlier !== nonce) fail('I3 one attempt per ballot', name);
    this.attempts.set(name, nonce);
  }

  #hasVoted(instance: number, ballot: Ballot): boolean {
    for (const number of this.votes) {
      const vote = this.#catalogue.vote(number);
      if (vote.instance === instance && compareBallots(vote.ballot, ballot) === 0) return true;
    }
    return false;
  }

  durable(_member: Member, request: WriteRequest): void {
    this.#durableWrite = request.write;
    const before = this.#durablePromise;
    if (request.promise !== null) {
      if (compareBallots(request.promise.ballot, before) < 0) {
        fail('I3 promises never decrease', `${ballotText(before)}, then ${ballotText(request.promise.ballot)}`);
      }
      this.#durablePromise = request.promise.ballot;
    }
    for (const { instance, ballot, value } of request.entries) {
      if (instance > request.chosenUpTo) {
        if (compareBallots(ballot, before) < 0)
          fail('I3 no accept below the promise', `${instance}@${ballotText(ballot)}`);
        if (compareBallots(ballot, this.#durablePromise) > 0) {
          fail('I3 an accept raises the promise', `${instance}@${ballotText(ballot)}`);
        }
      }
      this.votes.add(this.#catalogue.voteNumber(instance, ballot, value));
    }
  }

  applied(_member: Member, effect: Of<'apply'>): void {
    const { instance, value, epoch, current } = effect;
    if (instance !== this.values.length + 1) fail('I4 applied prefix', `${instance} after ${this.values.length}`);
    this.values.push(this.#catalogue.valueNumber(value));
    if (value.kind === 'mastership') this.#epoch++;
    const expected = value.kind !== 'submitted' || value.epoch === this.#epoch;
    if (epoch !== this.#epoch || current !== expected) fail('I21 epochs', `${instance} in epoch ${epoch}`);
  }

  settled(): void {}
  mastership(): void {}
  transition(): void {}
  stepped(_member: Member, input: Input, effects: readonly Effect[]): void {
    this.onStep?.(input, effects);
  }

  get interests(): Interests | null {
    const core = this.member.core;
    if (core === null) return null;
    const { _coordinator_: coordinator } = core as unknown as OpenedReplica;
    const campaign = core.state === 'preparing' || core.state === 'boosting' ? coordinator._election_._campaign_ : null;
    return {
      promised: core.promised,
      durableChosenUpTo: this.member.durableChosenUpTo,
      chosenUpTo: core.chosenUpTo,
      awaited: campaign === null ? null : { ballot: campaign.ballot, nonce: campaign.nonce },
      led: isProposing(core.state) ? coordinator._proposer_.ballot : null,
      acks: new Map(
        [...coordinator._proposer_._proposals_._inFlight_].map(([instance, { acks }]) => [instance, new Set(acks)]),
      ),
    };
  }

  // --- what the state is --------------------------------------------------------------------------------------------------

  /** Copies of one message that wait for the same write are one: they leave together. */
  #heldSet(): Set<string> {
    const held = this.member.held.map(({ after, to, message }) => {
      const kept = keptForm(message);
      if (kept === null) return '';
      return `${after - this.#durableWrite}>${this.#catalogue.messageNumber({ from: this.member.id, to, message: kept })}`;
    });
    return new Set(held);
  }

  /** Equal for equal states. */
  fingerprint(): string {
    const { member } = this;
    const print = new Fingerprint({ nextMs: this.#nextMs, durable: this.#durableWrite });
    print.add(member.core).add(member.promise).add(member.entries).add(member.durableChosenUpTo);
    print.add(member.pending).add(this.#heldSet()).add(member.gone);
    const spent = [this.elections, this.submissions];
    print
      .add(this.proposed)
      .add(this.attempts)
      .add(this.missing >= 0)
      .add(this.votes)
      .add(this.values)
      .add(spent);
    return hash128(print.text);
  }
}

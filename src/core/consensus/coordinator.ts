/**
 * The coordinator's half of one replica: becoming master, proposing, staying master, handing over.
 *
 * Source: PML §4.1-4.2 (multi-Paxos, batching), §5.2 (lease, boost), §5.3 (epoch); PMS §3. The states and their moves
 * stand in `coordinator-machine.ts`; here is what is done on them.
 * Keeps: in one ballot at most one value is proposed for an instance; nothing is proposed for an instance without a
 * majority of that instance's configuration having promised this ballot; nothing at `j` before `j - alpha` is applied.
 */
import { invariant } from '../invariant.ts';
import type { Acceptor } from './acceptor.ts';
import { type Ballot, ballotOwner, ballotsEqual, compareBallots, zeroBallot } from './ballot.ts';
import { Campaign } from './campaign.ts';
import { valuesEqual } from './chosen-log.ts';
import type { Configuration } from './configuration.ts';
import type { ReplicaContext } from './context.ts';
import {
  type CoordinatorEvent,
  type CoordinatorState,
  isMasterState,
  isProposing,
  nextCoordinatorState,
} from './coordinator-machine.ts';
import type { CellTimeMs, Instance, ReplicaId, RequestId, WriteId } from './identity.ts';
import { parseReplicaId } from './identity.ts';
import type { Clocks, Submission } from './input.ts';
import { HeldLease, holderLease } from './master-lease.ts';
import type { Message, Release } from './message.ts';
import { PendingQueue } from './pending-queue.ts';
import { isQuorum, voters } from './quorum.ts';
import { noop, type Value } from './value.ts';

type Of<Kind extends Message['kind']> = Extract<Message, { kind: Kind }>;

interface InFlight {
  readonly instance: Instance;
  readonly value: Value;
  /** Read before the accept was first sent: the lease counts from here (pitfall P31). */
  readonly sentAt: Clocks;
  lastSentMs: number;
  readonly acks: Set<ReplicaId>;
  readonly write: WriteId;
  readonly requests: readonly RequestId[] | null;
  chosen: boolean;
}

interface PeerProgress {
  heardMs: number;
  appliedUpTo: number;
}

export interface CoordinatorHooks {
  /** Instances became chosen here: apply them. */
  onChosen(): void;
  /** `from` knows more chosen values than this replica. */
  onBehind(from: ReplicaId, chosenUpTo: Instance): void;
}

export class Coordinator {
  readonly #context: ReplicaContext;
  readonly #acceptor: Acceptor;
  readonly #hooks: CoordinatorHooks;
  #state: CoordinatorState = 'following';
  /** The ballot this replica leads or led. */
  #ballot: Ballot = zeroBallot;
  #nonce: number;
  #campaign: Campaign | null = null;
  #roundSeen = 0;
  /** Replicas that promised `#ballot`, for every instance from `#coveredFrom` on. */
  #promisers: ReadonlySet<ReplicaId> = new Set();
  #next = 1;
  #recovered: Campaign | null = null;
  #recoverUpTo = 0;
  readonly #inFlight = new Map<number, InFlight>();
  #open = 0;
  /** This replica's own proposals that it no longer leads: their requests are answered when the instance is applied. */
  readonly #orphans = new Map<number, { readonly value: Value; readonly requests: readonly RequestId[] }>();
  readonly #pending: PendingQueue;
  #change: { readonly request: RequestId; readonly configuration: Configuration } | null = null;
  #fillUpTo = 0;
  readonly #lease = new HeldLease();
  /** Highest instance by which the lease was renewed; a membership change waits for one in the present configuration. */
  #renewedBy = 0;
  #openingInstance = 0;
  #lastProposedMs = 0;
  #acceptsSentThisStep = false;
  #commitDue = false;
  #boostAtMs = 0;
  #boostNow = false;
  #notBeforeMs: number;
  #jitterMs: number;
  readonly #peers = new Map<ReplicaId, PeerProgress>();
  #handover: { readonly to: ReplicaId; readonly deadlineMs: number; marker: number; lastProbeMs: number } | null = null;
  #cellTime = { base: 0, atMs: 0, last: 0 };
  /** The present mastership began with a release, not with an election. */
  #byRelease = false;

  constructor(context: ReplicaContext, acceptor: Acceptor, hooks: CoordinatorHooks) {
    this.#context = context;
    this.#acceptor = acceptor;
    this.#hooks = hooks;
    this.#pending = new PendingQueue(context.limits);
    // A nonce never repeats within a process; across restarts the ballot differs, since its round was made durable.
    this.#nonce = context.random.below(2 ** 31);
    this.#notBeforeMs = context.now.monotonicMs;
    this.#jitterMs = this.#drawJitter();
  }

  get state(): CoordinatorState {
    return this.#state;
  }

  get ballot(): Ballot {
    return this.#ballot;
  }

  get pendingItems(): number {
    return this.#pending.items;
  }

  get #configuration(): Configuration {
    return this.#context.configurations.at(this.#context.log.chosenUpTo + 1);
  }

  get #nowMs(): number {
    return this.#context.now.monotonicMs;
  }

  /** The longest a lost message is waited for before it is sent again. */
  get #retransmitMs(): number {
    return Math.max(20, this.#configuration.leaseMs / 5);
  }

  get #renewMs(): number {
    return holderLease(this.#configuration).lengthMs / 4;
  }

  #drawJitter(): number {
    return this.#context.random.below(Math.max(2, Math.floor(this.#configuration.leaseMs / 5)));
  }

  // --- states -------------------------------------------------------------------------------------------------------

  #move(event: CoordinatorEvent, cause: string = event): boolean {
    const next = nextCoordinatorState(this.#state, event);
    if (next === null) return false;
    const before = this.#state;
    this.#state = next;
    if (next === 'following') this.#onFollowing(before, cause);
    const role = (state: CoordinatorState): 'master' | 'candidate' | 'replica' =>
      isMasterState(state) ? 'master' : state === 'following' ? 'replica' : 'candidate';
    if (role(before) !== role(next)) {
      this.#context.outbox.push({ kind: 'mastership', role: role(next), cause, ballot: this.#ballot });
    }
    return true;
  }

  /** Lays down everything that only a coordinator holds. What is in flight may still be chosen by others. */
  #onFollowing(before: CoordinatorState, cause: string): void {
    this.#lease.drop();
    const { granted } = this.#acceptor;
    if (granted.holder(this.#context.now.monotonicMs) === this.#context.self) granted.end();
    for (const item of this.#inFlight.values()) {
      if (item.requests !== null && item.instance > this.#context.appliedUpTo) {
        this.#orphans.set(item.instance, { value: item.value, requests: item.requests });
      }
    }
    this.#inFlight.clear();
    this.#open = 0;
    this.#campaign = null;
    this.#recovered = null;
    this.#handover = null;
    this.#boostNow = false;
    this.#fillUpTo = 0;
    this.#settlePending('not-master');
    this.#jitterMs = this.#drawJitter();
    const rest = cause === 'released' ? 2 * this.#configuration.leaseMs : before === 'following' ? 0 : this.#jitterMs;
    this.#notBeforeMs = this.#nowMs + rest;
  }

  #settlePending(reason: 'not-master'): void {
    const requests = this.#pending.clear();
    if (this.#change !== null) requests.push(this.#change.request);
    this.#change = null;
    if (requests.length > 0) this.#context.outbox.push({ kind: 'settle', requests, reason });
  }

  /** Called first in every step: a lease that lapsed ends the mastership before anything else is looked at. */
  checkLease(): void {
    if (isMasterState(this.#state) && this.#lease.remainingMs(this.#context.now) <= 0) {
      this.#move('lease-lapsed');
    }
  }

  leaseRemainingMs(now: Clocks): number {
    return isMasterState(this.#state) ? Math.max(0, this.#lease.remainingMs(now)) : 0;
  }

  /** May reads be answered from this replica's own state, and writes be taken, at `now`? */
  isServing(now: Clocks): boolean {
    return (this.#state === 'serving' || this.#state === 'boosting') && this.#lease.remainingMs(now) > 0;
  }

  get isMaster(): boolean {
    return isMasterState(this.#state);
  }

  // --- becoming master ----------------------------------------------------------------------------------------------

  /** When this replica may campaign: after the lease it granted, its own rest, and a draw so that two rarely collide. */
  #electionAtMs(): number {
    const { granted } = this.#acceptor;
    const held = granted.holder(this.#context.now.monotonicMs);
    const until = held === null || held === this.#context.self ? 0 : granted.untilMs;
    return Math.max(until, this.#notBeforeMs) + this.#jitterMs;
  }

  #isVoter(): boolean {
    return this.#context.configurations.isVoterFrom(this.#context.log.chosenUpTo + 1, this.#context.self);
  }

  #nextBallot(): Ballot {
    const { name, incarnation } = parseReplicaId(this.#context.self);
    const round = Math.max(this.#acceptor.promised.round, this.#roundSeen, this.#ballot.round) + 1;
    return { round, name, incarnation };
  }

  #newCampaign(release: Release | null): Campaign {
    this.#nonce++;
    const from = (this.#context.log.chosenUpTo + 1) as Instance;
    const campaign = new Campaign({
      ballot: this.#nextBallot(),
      nonce: this.#nonce,
      from,
      release,
      nowMs: this.#nowMs,
    });
    this.#campaign = campaign;
    return campaign;
  }

  #others(): readonly ReplicaId[] {
    const { configurations, log, self } = this.#context;
    return configurations.membersFrom(log.chosenUpTo + 1).filter((id) => id !== self);
  }

  #startAsking(): void {
    this.#move('election-due');
    const { outbox, self, log } = this.#context;
    const campaign = this.#newCampaign(null);
    if (!this.#acceptor.forbidsSelf(null)) campaign.votes.add(self);
    const { ballot, nonce } = campaign;
    for (const to of this.#others()) outbox.send(to, { kind: 'pre-vote', ballot, nonce, chosenUpTo: log.chosenUpTo });
    this.#checkVotes();
  }

  onPreVoteReply(from: ReplicaId, message: Of<'pre-vote-reply'>): void {
    this.#seeRound(message.promised);
    const campaign = this.#campaign;
    if (this.#state !== 'asking' || campaign === null) return;
    if (message.nonce !== campaign.nonce || !ballotsEqual(message.ballot, campaign.ballot)) return;
    if (!message.granted) {
      campaign.refusals.add(from);
      const possible = new Set(voters(this.#configuration));
      for (const id of campaign.refusals) possible.delete(id);
      if (!isQuorum(this.#configuration, possible)) this.#giveUp('pre-vote refused');
      return;
    }
    campaign.votes.add(from);
    campaign.chosenUpTo = Math.max(campaign.chosenUpTo, message.chosenUpTo);
    if (message.chosenUpTo > this.#context.log.chosenUpTo) this.#hooks.onBehind(from, message.chosenUpTo);
    this.#checkVotes();
  }

  /** A candidate that is behind catches up first and then counts; `onCaughtUp` comes back here. */
  #checkVotes(): void {
    const campaign = this.#campaign;
    if (this.#state !== 'asking' || campaign === null) return;
    const { log, configurations } = this.#context;
    if (campaign.chosenUpTo > log.chosenUpTo || !campaign.hasVotes(configurations.from(log.chosenUpTo + 1))) return;
    this.#startPreparing('pre-vote-won', null);
  }

  onCaughtUp(): void {
    this.#checkVotes();
  }

  /** The outgoing master named this replica: no pre-vote, since its release frees the grantors. */
  onRelease(from: ReplicaId, release: Release): void {
    if (release.successor !== this.#context.self || ballotOwner(release.ballot) !== from || !this.#isVoter()) return;
    if (compareBallots(release.ballot, this.#acceptor.promised) < 0) return;
    if (this.#state !== 'following' && this.#state !== 'asking') return;
    this.#startPreparing('release-received', release);
  }

  #startPreparing(event: 'pre-vote-won' | 'release-received', release: Release | null): void {
    if (this.#acceptor.forbidsSelf(release)) {
      this.#giveUp('lease granted to another');
      return;
    }
    if (release !== null) this.#acceptor.granted.end();
    const asked = this.#campaign;
    this.#move(event);
    this.#byRelease = release !== null;
    const campaign = this.#newCampaign(release);
    if (asked !== null) campaign.chosenUpTo = asked.chosenUpTo;
    this.#sendPrepares(campaign);
  }

  /** The own promise is durable before the first prepare leaves, so that no restart uses the ballot again (P03). */
  #sendPrepares(campaign: Campaign): void {
    campaign.ownWrite = this.#acceptor.promise(campaign.ballot);
    this.#resendPrepares(campaign);
  }

  #resendPrepares(campaign: Campaign): void {
    const { outbox } = this.#context;
    const { ballot, nonce, from, release } = campaign;
    campaign.lastSentMs = this.#nowMs;
    for (const to of this.#others()) {
      if (campaign.promises.has(to)) continue;
      outbox.send(to, { kind: 'prepare', ballot, nonce, from, release }, campaign.ownWrite);
    }
  }

  onPromise(from: ReplicaId, message: Of<'promise'>): void {
    const campaign = this.#campaign;
    if (campaign === null || (this.#state !== 'preparing' && this.#state !== 'boosting')) return;
    if (message.nonce !== campaign.nonce || !ballotsEqual(message.ballot, campaign.ballot)) return;
    campaign.addPage(from, message);
    this.#checkPromises();
  }

  #checkPromises(): void {
    const campaign = this.#campaign;
    if (campaign === null || (this.#state !== 'preparing' && this.#state !== 'boosting')) return;
    const { self, outbox, configurations, log } = this.#context;
    if (campaign.ownWrite !== null && outbox.isDurable(campaign.ownWrite)) campaign.promises.add(self);
    if (!campaign.promises.has(self) || !campaign.hasPromises(configurations.from(campaign.from))) return;
    // This replica's own entries are read now: it accepts nothing below its own promise meanwhile.
    for (const entry of log.acceptedFrom(log.chosenUpTo + 1)) {
      const best = campaign.best(entry.instance);
      // On a tie the own object wins, so that its submitters are still known.
      if (best === undefined || compareBallots(entry.ballot, best.ballot) >= 0) campaign.consider(entry);
    }
    this.#campaign = null;
    this.#lead(campaign);
  }

  /** Phase 1 is done at `campaign.ballot`: propose again what it reported, everything in flight included. */
  #lead(campaign: Campaign): void {
    const { log } = this.#context;
    const boosted = this.#state === 'boosting';
    this.#ballot = campaign.ballot;
    this.#promisers = campaign.promises;
    this.#recovered = campaign;
    this.#recoverUpTo = Math.max(campaign.highestReported, log.chosenUpTo);
    this.#next = log.chosenUpTo + 1;
    this.#boostAtMs = this.#nowMs + this.#context.limits.boostEveryMs;
    if (boosted) {
      for (const item of this.#inFlight.values()) {
        if (item.requests !== null && item.instance > log.chosenUpTo) {
          this.#orphans.set(item.instance, { value: item.value, requests: item.requests });
        }
      }
    }
    for (const key of [...this.#inFlight.keys()]) if (boosted || key > log.chosenUpTo) this.#inFlight.delete(key);
    this.#open = 0;
    this.#move(boosted ? 'boosted' : 'prepared');
    this.proposeMore();
  }

  // --- proposing ----------------------------------------------------------------------------------------------------

  submit(submissions: readonly Submission[]): void {
    if (this.#state !== 'serving' && this.#state !== 'boosting') {
      this.#settle(submissions, 'not-master');
      return;
    }
    const refused = this.#pending.add(submissions);
    if (refused.length > 0) this.#settle(refused, 'overloaded');
    this.proposeMore();
  }

  #settle(submissions: readonly Submission[], reason: 'not-master' | 'overloaded'): void {
    this.#context.outbox.push({ kind: 'settle', requests: submissions.map(({ request }) => request), reason });
  }

  /**
   * Proposes one membership change: only a master whose lease was renewed in the present configuration, with no other
   * change under way, and one voter different at most, so that adjacent majorities intersect (pitfalls P39, P45).
   */
  changeConfiguration(request: RequestId, configuration: Configuration): void {
    const { configurations, log, outbox } = this.#context;
    const present = configurations.latest;
    const settled = present.from <= log.chosenUpTo && present.from <= this.#renewedBy;
    const allowed = votersDiffering(present.configuration, configuration) <= 1 && voters(configuration).size > 0;
    if (this.#state !== 'serving' || this.#change !== null || this.#fillUpTo > log.chosenUpTo || !settled || !allowed) {
      const reason = this.#state === 'serving' ? 'configuration-refused' : 'not-master';
      outbox.push({ kind: 'settle', requests: [request], reason });
      return;
    }
    this.#change = { request, configuration };
    this.proposeMore();
  }

  /** Proposes as much as the windows allow. */
  proposeMore(): void {
    while (isProposing(this.#state) && this.#state !== 'boosting' && this.#canPropose()) {
      const next = this.#next as Instance;
      if (next <= this.#recoverUpTo) {
        this.#propose(next, this.#recovered?.best(next)?.value ?? noop, null);
      } else if (this.#state === 'recovering') {
        this.#move('recovered');
        this.#openingInstance = next;
        this.#propose(next, { kind: 'mastership', owner: this.#context.self, id: this.#drawId() }, null);
      } else if (next <= this.#fillUpTo) {
        this.#propose(next, { ...noop }, null);
      } else if (this.#state === 'serving' && this.#fillUpTo <= this.#context.log.chosenUpTo) {
        if (!this.#proposePending(next)) return;
      } else return;
    }
  }

  #canPropose(): boolean {
    const { configurations, appliedUpTo, limits } = this.#context;
    const configuration = configurations.at(this.#next);
    if (this.#next > appliedUpTo + configuration.alpha) return false;
    if (this.#inFlight.size >= Math.max(limits.acceptWindowInstances, this.#fillUpTo > 0 ? configuration.alpha : 0)) {
      return false;
    }
    if (isQuorum(configuration, this.#promisers)) return true;
    // A configuration learned since phase 1: gather a majority of *its* promises before proposing in it.
    if (this.#state === 'serving') this.#boostNow = true;
    return false;
  }

  #proposePending(next: Instance): boolean {
    if (this.#change !== null) {
      const { request, configuration } = this.#change;
      this.#change = null;
      this.#fillUpTo = next + this.#context.configurations.at(next).alpha - 1;
      this.#propose(next, { kind: 'configuration', configuration }, [request]);
      return true;
    }
    const { limits, epoch } = this.#context;
    if (this.#pending.items === 0) return false;
    // With some in flight, what arrives meanwhile shares the next instance: group commit by arrival, never by a timer.
    if (this.#open >= limits.eagerWindowInstances && !this.#pending.isFull) return false;
    const { items, requests } = this.#pending.take();
    this.#propose(next, { kind: 'submitted', epoch, cellTimeMs: this.#stampCellTime(), items }, requests);
    return true;
  }

  #stampCellTime(): CellTimeMs {
    const elapsed = Math.floor(this.#nowMs - this.#cellTime.atMs);
    this.#cellTime.last = Math.max(this.#cellTime.last, this.#cellTime.base + elapsed, this.#context.cellTimeMs);
    return this.#cellTime.last as CellTimeMs;
  }

  /** Cell time at `now`, as this master would stamp it; what is applied otherwise. */
  cellTimeMs(now: Clocks): CellTimeMs {
    if (!isMasterState(this.#state)) return this.#context.cellTimeMs;
    const elapsed = Math.floor(now.monotonicMs - this.#cellTime.atMs);
    return Math.max(this.#cellTime.last, this.#cellTime.base + elapsed) as CellTimeMs;
  }

  #propose(instance: Instance, value: Value, requests: readonly RequestId[] | null): void {
    const { outbox, configurations, now, self } = this.#context;
    invariant(instance > this.#context.log.chosenUpTo, 'only an instance not yet chosen is proposed', { instance });
    const orphan = this.#orphans.get(instance);
    const kept = orphan !== undefined && valuesEqual(orphan.value, value) ? orphan.requests : null;
    if (kept !== null) this.#orphans.delete(instance);
    const configuration = configurations.at(instance);
    const { leaseMs } = configuration;
    const message: Message = {
      kind: 'accept',
      ballot: this.#ballot,
      instance,
      value,
      chosenUpTo: this.#context.log.chosenUpTo,
      leaseMs,
    };
    // To the others first: they flush while this replica does (PML §4.2).
    for (const to of configurations.membersFrom(instance)) if (to !== self) outbox.send(to, message);
    const write = this.#acceptor.accept({ instance, ballot: this.#ballot, value }, leaseMs);
    this.#acceptor.granted.grant(this.#ballot, now.monotonicMs, leaseMs);
    this.#inFlight.set(instance, {
      instance,
      value,
      sentAt: now,
      lastSentMs: this.#nowMs,
      acks: new Set(),
      write,
      requests: requests ?? kept,
      chosen: false,
    });
    this.#open++;
    this.#next = instance + 1;
    this.#lastProposedMs = this.#nowMs;
    this.#acceptsSentThisStep = true;
  }

  onAccepted(from: ReplicaId, message: Of<'accepted'>): void {
    this.#peers.set(from, { heardMs: this.#nowMs, appliedUpTo: message.appliedUpTo });
    if (!isProposing(this.#state) || !ballotsEqual(message.ballot, this.#ballot)) return;
    const item = this.#inFlight.get(message.instance);
    if (item !== undefined) {
      item.acks.add(from);
      this.#checkChosen(item);
    }
  }

  /** Some of this replica's own writes became durable: its own votes and promises count from now on. */
  onPersisted(): void {
    const { outbox, self } = this.#context;
    for (const item of [...this.#inFlight.values()]) {
      if (item.acks.has(self) || !outbox.isDurable(item.write)) continue;
      item.acks.add(self);
      this.#checkChosen(item);
    }
    this.#checkPromises();
  }

  /** Chosen: a majority of that instance's configuration accepted it in this ballot (pitfalls P05, P06). */
  #checkChosen(item: InFlight): void {
    const { configurations, log, self } = this.#context;
    const configuration = configurations.at(item.instance);
    if (!item.chosen) {
      if (!isQuorum(configuration, item.acks)) return;
      item.chosen = true;
      this.#open--;
    }
    // Renewed only by a chosen value that this replica's own disk holds: no master with a hung disk stays (pitfall P28).
    if (item.acks.has(self)) {
      this.#lease.renew(item.sentAt, configuration);
      this.#renewedBy = Math.max(this.#renewedBy, item.instance);
    }
    let advanced = false;
    for (;;) {
      const next = this.#inFlight.get(log.chosenUpTo + 1);
      if (next === undefined || !next.chosen) break;
      log.advance();
      advanced = true;
    }
    if (item.instance <= log.chosenUpTo && item.acks.has(self)) this.#retire(item);
    if (advanced) {
      this.#commitDue = true;
      this.#hooks.onChosen();
    }
  }

  #retire(item: InFlight): void {
    this.#inFlight.delete(item.instance);
    if (item.requests !== null && item.instance > this.#context.appliedUpTo) {
      this.#orphans.set(item.instance, { value: item.value, requests: item.requests });
    }
  }

  /** This replica's submissions whose value is the chosen one; others that waited on `instance` came to nothing. */
  requestsOf(instance: Instance, value: Value): readonly RequestId[] | null {
    const waiting = this.#inFlight.get(instance) ?? this.#orphans.get(instance);
    this.#orphans.delete(instance);
    if (waiting === undefined || waiting.requests === null) return null;
    if (valuesEqual(waiting.value, value)) return waiting.requests;
    this.#context.outbox.push({ kind: 'settle', requests: waiting.requests, reason: 'replaced' });
    return null;
  }

  /** Requests that can never be answered here any more, because the instances were skipped by a snapshot. */
  forgetUpTo(instance: Instance): readonly RequestId[] {
    const lost: RequestId[] = [];
    for (const [key, orphan] of this.#orphans) {
      if (key > instance) continue;
      this.#orphans.delete(key);
      lost.push(...orphan.requests);
    }
    return lost;
  }

  /** Called after values were applied. */
  onApplied(): void {
    this.#checkOpened();
    this.#checkHandover();
    this.proposeMore();
  }

  /** Serves only once its own mastership value, above everything recovered, is applied and the lease holds (pitfall P36). */
  #checkOpened(): void {
    if (this.#state !== 'opening' || this.#context.appliedUpTo < this.#openingInstance) return;
    if (this.#lease.remainingMs(this.#context.now) <= 0) return;
    this.#cellTime = { base: this.#context.cellTimeMs, atMs: this.#nowMs, last: this.#context.cellTimeMs };
    this.#move('opened', this.#byRelease ? 'hand-over' : 'election');
  }

  // --- being told ---------------------------------------------------------------------------------------------------

  #seeRound(promised: Ballot): void {
    const limit = this.#acceptor.promised.round + this.#context.limits.roundStepMax / 2;
    if (promised.round > this.#roundSeen && promised.round <= limit) this.#roundSeen = promised.round;
  }

  onReject(from: ReplicaId, message: Of<'reject'>): void {
    this.#seeRound(message.promised);
    const campaign = this.#campaign;
    const mine = campaign !== null && ballotsEqual(message.ballot, campaign.ballot) && message.nonce === campaign.nonce;
    if (message.reason === 'behind' && (mine || ballotsEqual(message.ballot, this.#ballot))) {
      this.#hooks.onBehind(from, message.chosenUpTo);
      if (this.#state === 'preparing' && mine) this.#giveUp('behind');
      return;
    }
    if (mine && this.#state === 'preparing') {
      campaign.refusals.add(from);
      const possible = new Set(voters(this.#configuration));
      for (const id of campaign.refusals) possible.delete(id);
      if (!isQuorum(this.#configuration, possible)) this.#giveUp(`refused: ${message.reason}`);
      return;
    }
    if (message.reason !== 'promised' || !ballotsEqual(message.ballot, this.#ballot)) return;
    if (compareBallots(message.promised, this.#ballot) <= 0) return;
    // A replica came back with a higher ballot. With an unbroken lease the master goes above it, keeping its epoch
    // (PML §5.2); without one it has lost.
    if (this.#state === 'serving') this.#boostNow = true;
    else if (this.#state === 'recovering' || this.#state === 'opening') this.#move('outvoted', 'higher ballot');
  }

  /** This replica's acceptor promised `ballot`, to whoever. */
  onPromised(ballot: Ballot): void {
    if (this.#state === 'following') return;
    if (ballotOwner(ballot) === this.#context.self) return;
    const own = this.#campaign?.ballot ?? this.#ballot;
    if (this.#state === 'asking' || compareBallots(ballot, own) > 0 || compareBallots(ballot, this.#ballot) > 0) {
      this.#move('outvoted', 'higher ballot');
    }
  }

  /** A live master spoke: no need to campaign. */
  onMasterHeard(): void {
    if (this.#state === 'asking') this.#move('gave-up', 'master heard');
  }

  /** A value is known as chosen in a ballot above the own one: somebody else leads. */
  onChosenElsewhere(ballot: Ballot): void {
    if (isProposing(this.#state) && compareBallots(ballot, this.#ballot) > 0)
      this.#move('outvoted', 'higher ballot chosen');
  }

  #giveUp(cause: string): void {
    this.#move('gave-up', cause);
    const { leaseMs } = this.#configuration;
    this.#notBeforeMs = this.#nowMs + leaseMs / 25;
    this.#jitterMs = this.#context.random.below(Math.max(2, Math.floor(leaseMs / 8)));
  }

  // --- handing over -------------------------------------------------------------------------------------------------

  /** The voter to hand over to: `to` when it can take over now, the most caught-up one when null; null when nobody can. */
  handOverCandidate(to: ReplicaId | null, now: Clocks): ReplicaId | null {
    if (this.#state !== 'serving' && this.#state !== 'boosting') return null;
    let best: ReplicaId | null = null;
    let bestApplied = -1;
    for (const id of voters(this.#configuration)) {
      const peer = this.#peers.get(id);
      if (id === this.#context.self || peer === undefined || (to !== null && id !== to)) continue;
      if (now.monotonicMs - peer.heardMs > this.#configuration.leaseMs || peer.appliedUpTo <= bestApplied) continue;
      best = id;
      bestApplied = peer.appliedUpTo;
    }
    return best;
  }

  handOver(to: ReplicaId | null): void {
    const successor = this.handOverCandidate(to, this.#context.now);
    if (this.#state !== 'serving' || successor === null) return;
    const deadlineMs = this.#nowMs + this.#configuration.leaseMs * 0.6;
    this.#move('hand-over');
    this.#settlePending('not-master');
    this.#handover = { to: successor, deadlineMs, marker: 0, lastProbeMs: this.#nowMs };
    this.#checkHandover();
  }

  /** Release only when nothing is in flight and the successor has applied all of it. */
  #checkHandover(): void {
    const handover = this.#handover;
    if (this.#state !== 'handing-over' || handover === null) return;
    const { log, outbox } = this.#context;
    // The last word of this mastership: a no-op, whose copies then ask the successor how far it has applied.
    if (handover.marker === 0) {
      if (this.#open > 0 || !this.#canPropose()) return;
      handover.marker = this.#next;
      this.#propose(this.#next as Instance, { ...noop }, null);
      return;
    }
    if (log.chosenUpTo < handover.marker) return;
    if ((this.#peers.get(handover.to)?.appliedUpTo ?? 0) < handover.marker) return;
    const release: Release = { ballot: this.#ballot, successor: handover.to };
    this.#move('released');
    outbox.send(handover.to, { kind: 'release', release });
  }

  #probeSuccessor(handover: { to: ReplicaId; marker: number; lastProbeMs: number }): void {
    const { log, outbox } = this.#context;
    const entry = log.get(handover.marker);
    if (handover.marker === 0 || log.chosenUpTo < handover.marker || entry === undefined) return;
    handover.lastProbeMs = this.#nowMs;
    const { leaseMs } = this.#configuration;
    const instance = handover.marker as Instance;
    const { ballot, value } = entry;
    outbox.send(handover.to, { kind: 'accept', ballot, instance, value, chosenUpTo: log.chosenUpTo, leaseMs });
  }

  // --- time ---------------------------------------------------------------------------------------------------------

  /** Everything that is due by the clock. */
  tick(): void {
    const now = this.#nowMs;
    const { leaseMs } = this.#configuration;
    switch (this.#state) {
      case 'following':
        if (this.#isVoter() && now >= this.#electionAtMs()) this.#startAsking();
        break;
      case 'asking':
        if (this.#campaign !== null && now >= this.#campaign.startedMs + Math.max(30, leaseMs / 2))
          this.#giveUp('no answer');
        break;
      case 'preparing':
      case 'boosting':
        this.#tickCampaign(now);
        break;
      case 'recovering':
      case 'opening':
        if (now - this.#lastProposedMs > 4 * leaseMs) this.#giveUp('no quorum');
        else this.#retransmit(now);
        break;
      case 'serving':
        this.#retransmit(now);
        if (this.#boostNow || now >= this.#boostAtMs) this.#startBoost();
        else if (now - this.#lastProposedMs >= this.#renewMs && this.#canPropose()) this.#heartbeat();
        break;
      case 'handing-over':
        this.#tickHandover(now);
        break;
    }
  }

  /** PML §5.2: a dummy value chosen at intervals keeps the lease. */
  #heartbeat(): void {
    if (this.#pending.items === 0) this.#propose(this.#next as Instance, { ...noop }, null);
    else this.proposeMore();
  }

  #tickCampaign(now: number): void {
    const campaign = this.#campaign;
    if (campaign === null) return;
    const { leaseMs } = this.#configuration;
    if (now >= campaign.startedMs + Math.max(60, leaseMs)) {
      if (this.#state === 'preparing') this.#giveUp('no quorum');
      else this.#restartBoost();
    } else if (now - campaign.lastSentMs >= this.#retransmitMs) this.#resendPrepares(campaign);
  }

  /** A full round under the unbroken lease; what was accepted at the old ballot is committed first where it can be. */
  #startBoost(): void {
    this.#boostNow = false;
    this.#sendCommits();
    this.#move('boost-due');
    this.#restartBoost();
  }

  #restartBoost(): void {
    this.#sendPrepares(this.#newCampaign(null));
  }

  #tickHandover(now: number): void {
    const handover = this.#handover;
    if (handover === null) return;
    if (now >= handover.deadlineMs) {
      this.#handover = null;
      this.#move('hand-over-failed');
      this.proposeMore();
      return;
    }
    this.#retransmit(now);
    if (now - handover.lastProbeMs >= this.#retransmitMs / 4) this.#probeSuccessor(handover);
    this.#checkHandover();
  }

  #retransmit(now: number): void {
    const { outbox, configurations, self, log } = this.#context;
    for (const item of this.#inFlight.values()) {
      if (item.chosen || now - item.lastSentMs < this.#retransmitMs) continue;
      item.lastSentMs = now;
      const { instance, value } = item;
      const { leaseMs } = configurations.at(instance);
      for (const to of voters(configurations.at(instance))) {
        if (to === self || item.acks.has(to)) continue;
        const { chosenUpTo } = log;
        outbox.send(to, { kind: 'accept', ballot: this.#ballot, instance, value, chosenUpTo, leaseMs });
      }
    }
  }

  /** Commits ride on the next accept; only when none left in this step do they go alone. */
  endStep(): void {
    this.#checkOpened();
    if (this.#commitDue && !this.#acceptsSentThisStep) this.#sendCommits();
    if (this.#acceptsSentThisStep || !isProposing(this.#state)) this.#commitDue = false;
    this.#acceptsSentThisStep = false;
  }

  #sendCommits(): void {
    this.#commitDue = false;
    if (!isProposing(this.#state)) return;
    const { chosenUpTo } = this.#context.log;
    for (const to of this.#others())
      this.#context.outbox.send(to, { kind: 'commit', ballot: this.#ballot, chosenUpTo });
  }

  /** When `tick` has something to do next. */
  nextDueMs(): number {
    const { leaseMs } = this.#configuration;
    switch (this.#state) {
      case 'following':
        return this.#isVoter() ? this.#electionAtMs() : Number.POSITIVE_INFINITY;
      case 'asking':
        return (this.#campaign?.startedMs ?? this.#nowMs) + Math.max(30, leaseMs / 2);
      case 'preparing':
      case 'boosting':
        return (this.#campaign?.lastSentMs ?? this.#nowMs) + this.#retransmitMs;
      case 'recovering':
      case 'opening':
        return this.#nowMs + this.#retransmitMs;
      case 'serving': {
        if (this.#boostNow) return this.#nowMs;
        const renew = Math.max(this.#lastProposedMs + this.#renewMs, this.#nowMs + 1);
        const resend = this.#open > 0 ? this.#nowMs + this.#retransmitMs : Number.POSITIVE_INFINITY;
        return Math.min(renew, resend, this.#boostAtMs);
      }
      case 'handing-over':
        return this.#nowMs + this.#retransmitMs / 4;
    }
  }

  #drawId(): string {
    const { random } = this.#context;
    let id = '';
    while (id.length < 32)
      id += random
        .below(2 ** 32)
        .toString(16)
        .padStart(8, '0');
    return id;
  }

  checkInvariants(): void {
    const { log } = this.#context;
    for (const item of this.#inFlight.values()) {
      invariant(item.instance < this.#next, 'what is in flight was proposed', { instance: item.instance });
    }
    if (isProposing(this.#state)) {
      invariant(this.#next > log.chosenUpTo, 'the next proposal is for an instance not yet chosen', {
        next: this.#next,
      });
    }
  }
}

/** How many voters are in one configuration and not in the other. */
function votersDiffering(a: Configuration, b: Configuration): number {
  const [before, after] = [voters(a), voters(b)];
  let count = 0;
  for (const id of before) if (!after.has(id)) count++;
  for (const id of after) if (!before.has(id)) count++;
  return count;
}

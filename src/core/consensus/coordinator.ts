/**
 * The coordinator's half of one replica: proposing, staying master, handing over. How it becomes coordinator stands in
 * `election.ts`, the states and their moves in `coordinator.machine`.
 *
 * Source: PML §4.1-4.2 (multi-Paxos, batching), §5.2 (lease, boost), §5.3 (epoch); PMS §3.
 * Keeps: in one ballot at most one value is proposed for an instance; nothing is proposed for an instance without a
 * majority of that instance's configuration having promised this ballot; nothing at `j` before `j - alpha` is applied.
 */
import { invariant } from '../invariant.ts';
import type { Acceptor } from './acceptor.ts';
import { type Ballot, ballotOwner, ballotsEqual, compareBallots, zeroBallot } from './ballot.ts';
import type { Campaign } from './campaign.ts';
import { CellClock } from './cell-clock.ts';
import type { Configuration } from './configuration.ts';
import type { ReplicaContext } from './context.ts';
import {
  type CoordinatorEvent,
  type CoordinatorState,
  coordinatorMove,
  isCandidate,
  isMaster,
  isProposing,
} from './coordinator-machine.ts';
import { Election } from './election.ts';
import { HandOver } from './hand-over.ts';
import type { CellTimeMs, Instance, ReplicaId, RequestId } from './identity.ts';
import type { Clocks, Submission } from './input.ts';
import { HeldLease, holderLease } from './master-lease.ts';
import type { Message, Release } from './message.ts';
import { Peers } from './peers.ts';
import { PendingQueue } from './pending-queue.ts';
import { type Proposal, Proposals } from './proposals.ts';
import { isQuorum, voters } from './quorum.ts';
import { noop, type Value } from './value.ts';

type Of<Kind extends Message['kind']> = Extract<Message, { kind: Kind }>;

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
  readonly #election: Election;
  #state: CoordinatorState = 'following';
  /** The ballot this replica leads or led. */
  #ballot: Ballot = zeroBallot;
  /** Replicas that promised `#ballot`. */
  #promisers: ReadonlySet<ReplicaId> = new Set();
  /** The next instance to propose for. */
  #next = 1;
  /** What phase 1 reported, up to `#recoverUpTo`. */
  #recovered: Campaign | null = null;
  #recoverUpTo = 0;
  readonly #proposals = new Proposals();
  readonly #pending: PendingQueue;
  #change: { readonly request: RequestId; readonly configuration: Configuration } | null = null;
  /** After a membership change: no-ops up to here, so that it governs soon. */
  #fillUpTo = 0;
  readonly #lease = new HeldLease();
  /** Highest instance by which the lease was renewed; a membership change waits for one in the present configuration. */
  #renewedBy = 0;
  #openingInstance = 0;
  #lastProposedMs = 0;
  /** How far the others were last told of chosen values. */
  #toldUpTo = 0;
  #boostAtMs = 0;
  /** Phase 1 is needed again: somebody promised more, or a new configuration has promised too little. */
  #roundNeeded = false;
  readonly #peers = new Peers();
  #servingSinceMs = 0;
  #handOver: HandOver | null = null;
  /** Asked for while a boost was under way. */
  #handOverWanted: { readonly to: ReplicaId | null } | null = null;
  readonly #cellClock = new CellClock();

  constructor(context: ReplicaContext, acceptor: Acceptor, hooks: CoordinatorHooks) {
    this.#context = context;
    this.#acceptor = acceptor;
    this.#hooks = hooks;
    this.#pending = new PendingQueue(context.limits);
    this.#election = new Election(context, acceptor, {
      state: () => this.#state,
      move: (event, cause) => this.#move(event, cause),
      won: (campaign) => this.#lead(campaign),
      onBehind: hooks.onBehind,
    });
  }

  get state(): CoordinatorState {
    return this.#state;
  }

  get ballot(): Ballot {
    return this.#ballot;
  }

  get isMaster(): boolean {
    return isMaster(this.#state);
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
  get #resendMs(): number {
    return Math.max(20, this.#configuration.leaseMs / 5);
  }

  get #renewMs(): number {
    return holderLease(this.#configuration).lengthMs / 4;
  }

  // --- states ---------------------------------------------------------------------------------------------------------

  #move(event: CoordinatorEvent, cause: string = event): void {
    const transition = coordinatorMove(this.#state, event);
    if (transition === 'ignored') return;
    invariant(transition !== 'impossible', 'an event comes only where the machine expects it', {
      state: this.#state,
      event,
    });
    const { from, to } = transition;
    const { outbox } = this.#context;
    this.#state = to;
    outbox.push({ kind: 'transition', transition, cause });
    if (to === 'following') this.#layDown(cause);
    if (roleIn(from) !== roleIn(to)) outbox.push({ kind: 'mastership', role: roleIn(to), cause, ballot: this.#ballot });
  }

  /** Lays down everything that only a coordinator holds. What is in flight may still be chosen by others. */
  #layDown(cause: string): void {
    this.#lease.drop();
    const { granted } = this.#acceptor;
    const { self, now, appliedUpTo } = this.#context;
    if (granted.holder(now.monotonicMs) === self) granted.end();
    this.#proposals.abandon(appliedUpTo);
    this.#recovered = null;
    this.#handOver = null;
    this.#handOverWanted = null;
    this.#roundNeeded = false;
    this.#fillUpTo = 0;
    this.#settlePending();
    this.#election.lost(cause === 'released' ? 2 * this.#configuration.leaseMs : null);
  }

  #settlePending(): void {
    const requests = this.#pending.clear();
    if (this.#change !== null) requests.push(this.#change.request);
    this.#change = null;
    if (requests.length > 0) this.#context.outbox.push({ kind: 'settle', requests, reason: 'not-master' });
  }

  /** Called first in every step: a lease that lapsed ends the mastership before anything else is looked at. */
  checkLease(): void {
    if (isMaster(this.#state) && this.#lease.remainingMs(this.#context.now) <= 0) this.#move('lease-lapsed');
  }

  leaseRemainingMs(now: Clocks): number {
    return isMaster(this.#state) ? Math.max(0, this.#lease.remainingMs(now)) : 0;
  }

  /** May reads be answered from this replica's own state, and writes be taken, at `now`? */
  isServing(now: Clocks): boolean {
    return isMaster(this.#state) && this.#lease.remainingMs(now) > 0;
  }

  // --- phase 1 --------------------------------------------------------------------------------------------------------

  onPreVoteReply(from: ReplicaId, message: Of<'pre-vote-reply'>): void {
    this.#election.onPreVoteReply(from, message);
  }

  onPromise(from: ReplicaId, message: Of<'promise'>): void {
    this.#election.onPromise(from, message);
  }

  onRelease(from: ReplicaId, release: Release): void {
    this.#election.onRelease(from, release);
  }

  onCaughtUp(): void {
    this.#election.onCaughtUp();
  }

  /** Phase 1 is done at `campaign.ballot`: propose again what it reported, everything in flight included. */
  #lead(campaign: Campaign): void {
    const { log, appliedUpTo, limits } = this.#context;
    const boosted = this.#state === 'boosting';
    // What was chosen at the old ballot is told at the old ballot: at the new one the others would have to fetch it.
    if (boosted) this.#tellChosen();
    this.#proposals.abandon(appliedUpTo);
    this.#ballot = campaign.ballot;
    this.#promisers = campaign.promises;
    this.#recovered = campaign;
    this.#recoverUpTo = Math.max(campaign.highestReported, log.chosenUpTo);
    this.#next = log.chosenUpTo + 1;
    this.#toldUpTo = log.chosenUpTo;
    this.#roundNeeded = false;
    this.#boostAtMs = this.#nowMs + limits.boostEveryMs;
    if (!boosted) this.#lastProposedMs = this.#nowMs;
    this.#move(boosted ? 'boosted' : 'prepared');
    this.proposeMore();
  }

  // --- proposing ------------------------------------------------------------------------------------------------------

  submit(submissions: readonly Submission[]): void {
    if (!isMaster(this.#state)) {
      this.#settle(submissions, 'not-master');
      return;
    }
    const refused = this.#pending.add(submissions);
    if (refused.length > 0) this.#settle(refused, 'overloaded');
    this.proposeMore();
  }

  #settle(submissions: readonly Submission[], reason: 'not-master' | 'overloaded'): void {
    if (submissions.length === 0) return;
    this.#context.outbox.push({ kind: 'settle', requests: submissions.map(({ request }) => request), reason });
  }

  /**
   * Proposes one membership change: only a master whose lease was renewed in the present configuration, with no other
   * change under way, and one voter different at most, so that adjacent majorities intersect (pitfalls P39, P45).
   */
  changeConfiguration(request: RequestId, configuration: Configuration): void {
    const { configurations, log, outbox } = this.#context;
    const master = this.#state === 'serving' || this.#state === 'boosting';
    const present = configurations.latest;
    const settled = present.from <= log.chosenUpTo && present.from <= this.#renewedBy;
    const underWay = this.#change !== null || this.#fillUpTo > log.chosenUpTo;
    if (!master || underWay || !settled || !mayFollow(present.configuration, configuration)) {
      outbox.push({ kind: 'settle', requests: [request], reason: master ? 'configuration-refused' : 'not-master' });
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
        this.#propose(next, noop, null);
      } else if (this.#state !== 'serving' || this.#fillUpTo > this.#context.log.chosenUpTo) {
        return;
      } else if (!this.#proposePending(next)) return;
    }
  }

  #canPropose(): boolean {
    const { configurations, appliedUpTo, limits, log, self } = this.#context;
    const configuration = configurations.at(this.#next);
    if (this.#next > appliedUpTo + configuration.alpha) return false;
    const window = this.#fillUpTo > log.chosenUpTo ? configuration.alpha : 0;
    if (this.#proposals.size >= Math.max(limits.acceptWindowInstances, window)) return false;
    // Who votes no more where it would propose is about to stop.
    if (!voters(configuration).has(self)) return false;
    if (isQuorum(configuration, this.#promisers)) return true;
    // A configuration learned since phase 1: gather a majority of *its* promises before proposing in it.
    this.#roundNeeded = true;
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
    const { limits, epoch, now } = this.#context;
    if (this.#pending.items === 0) return false;
    // With some in flight, what arrives meanwhile shares the next instance: group commit by arrival, never by a timer.
    if (this.#proposals.open >= limits.eagerWindowInstances && !this.#pending.isFull) return false;
    const { items, requests } = this.#pending.take();
    const cellTimeMs = this.#cellClock.stamp(now.monotonicMs);
    this.#propose(next, { kind: 'submitted', epoch, cellTimeMs, items }, requests);
    return true;
  }

  /** Cell time at `now`, as this master would stamp it; what is applied otherwise. */
  cellTimeMs(now: Clocks): CellTimeMs {
    return isMaster(this.#state) ? this.#cellClock.at(now.monotonicMs) : this.#context.cellTimeMs;
  }

  #propose(instance: Instance, value: Value, requests: readonly RequestId[] | null): void {
    const { outbox, configurations, now, self, log } = this.#context;
    invariant(instance > log.chosenUpTo, 'only an instance not yet chosen is proposed', { instance });
    const { leaseMs } = configurations.at(instance);
    const { chosenUpTo } = log;
    const message: Message = { kind: 'accept', ballot: this.#ballot, instance, value, chosenUpTo, leaseMs };
    // To the others first: they flush while this replica does (PML §4.2).
    for (const to of configurations.othersFrom(instance, self)) outbox.send(to, message);
    const write = this.#acceptor.accept({ instance, ballot: this.#ballot, value }, leaseMs);
    this.#acceptor.granted.grant(this.#ballot, now.monotonicMs, leaseMs);
    this.#proposals.add({ instance, value, sentAt: now, lastSentMs: this.#nowMs, write, requests });
    this.#next = instance + 1;
    this.#lastProposedMs = this.#nowMs;
    this.#toldUpTo = chosenUpTo;
  }

  onAccepted(from: ReplicaId, message: Of<'accepted'>): void {
    this.#peers.heard(from, message.appliedUpTo, this.#context.now.monotonicMs);
    if (!isProposing(this.#state) || !ballotsEqual(message.ballot, this.#ballot)) return;
    const proposal = this.#proposals.get(message.instance);
    if (proposal !== undefined) {
      proposal.acks.add(from);
      this.#checkChosen(proposal);
    }
  }

  /** Some of this replica's own writes became durable: its own votes and promises count from now on. */
  onPersisted(): void {
    const { outbox, self } = this.#context;
    for (const proposal of [...this.#proposals.inFlight()]) {
      if (proposal.acks.has(self) || !outbox.isDurable(proposal.write)) continue;
      proposal.acks.add(self);
      this.#checkChosen(proposal);
    }
    // The own disk may have been what the window waited for.
    this.proposeMore();
    this.#election.checkPromises();
  }

  /** Chosen: a majority of that instance's configuration accepted it in this ballot (pitfalls P05, P06). */
  #checkChosen(proposal: Proposal): void {
    const { configurations, log, self, appliedUpTo } = this.#context;
    const configuration = configurations.at(proposal.instance);
    if (!proposal.chosen) {
      if (!isQuorum(configuration, proposal.acks)) return;
      this.#proposals.chosen(proposal);
    }
    // Renewed only by a chosen value that this replica's own disk holds: no master with a hung disk stays (pitfall P28).
    if (proposal.acks.has(self)) {
      this.#lease.renew(proposal.sentAt, configuration);
      this.#renewedBy = Math.max(this.#renewedBy, proposal.instance);
      if (proposal.instance <= log.chosenUpTo) this.#proposals.retire(proposal, appliedUpTo);
    }
    const before = log.chosenUpTo;
    for (;;) {
      const next = this.#proposals.get(log.chosenUpTo + 1);
      if (next === undefined || !next.chosen) break;
      log.advance();
      if (next.acks.has(self)) this.#proposals.retire(next, appliedUpTo);
    }
    if (log.chosenUpTo > before) this.#hooks.onChosen();
  }

  /** `value` is applied at `instance`: this replica's submissions that it holds; those it displaced are settled. */
  requestsOf(instance: Instance, value: Value): readonly RequestId[] | null {
    const { requests, replaced } = this.#proposals.answer(instance, value);
    if (replaced.length > 0) this.#context.outbox.push({ kind: 'settle', requests: replaced, reason: 'replaced' });
    return requests;
  }

  /** Called after values were applied. */
  onApplied(): void {
    this.#checkOpened();
    this.#advanceHandOver();
    this.proposeMore();
    this.#election.onCaughtUp();
  }

  /** Serves only once its own mastership value, above everything recovered, is applied and the lease holds (pitfall P36). */
  #checkOpened(): void {
    const { appliedUpTo, now, cellTimeMs } = this.#context;
    if (this.#state !== 'opening' || appliedUpTo < this.#openingInstance) return;
    if (this.#lease.remainingMs(now) <= 0) return;
    this.#cellClock.continue(cellTimeMs, now.monotonicMs);
    this.#servingSinceMs = this.#nowMs;
    this.#move('opened', this.#election.byRelease ? 'hand-over' : 'election');
  }

  // --- being told -----------------------------------------------------------------------------------------------------

  onReject(from: ReplicaId, message: Of<'reject'>): void {
    if (this.#election.onReject(from, message) || !ballotsEqual(message.ballot, this.#ballot)) return;
    if (message.reason === 'behind') this.#hooks.onBehind(from, message.chosenUpTo);
    if (message.reason !== 'promised' || compareBallots(message.promised, this.#ballot) <= 0) return;
    // A replica came back with a higher ballot. With an unbroken lease the master goes above it, keeping its epoch
    // (PML §5.2); without one it has lost.
    if (this.#state === 'serving') this.#roundNeeded = true;
    else if (this.#state === 'recovering' || this.#state === 'opening') this.#move('outvoted', 'higher ballot');
  }

  /** This replica's acceptor promised `ballot`, to whoever. */
  onPromised(ballot: Ballot): void {
    if (ballotOwner(ballot) === this.#context.self) return;
    this.#election.standBack();
    if (this.#state === 'following') return;
    const own = this.#election.ballot ?? this.#ballot;
    if (this.#state === 'asking' || compareBallots(ballot, own) > 0) this.#move('outvoted', 'higher ballot');
  }

  /** A live master spoke: no need to campaign. */
  onMasterHeard(): void {
    this.#election.onMasterHeard();
  }

  /** A value is known as chosen in a ballot above the own one: somebody else leads. */
  onChosenElsewhere(ballot: Ballot): void {
    if (isProposing(this.#state) && compareBallots(ballot, this.#ballot) > 0) {
      this.#move('outvoted', 'higher ballot chosen');
    }
  }

  /** What others said made more values known as chosen: none of them is to be proposed, or voted on, here any more. */
  onLearned(): void {
    const { log, appliedUpTo } = this.#context;
    if (this.#next <= log.chosenUpTo) this.#next = log.chosenUpTo + 1;
    this.#proposals.learned(log.chosenUpTo, appliedUpTo);
  }

  /** The application jumped to a snapshot: whoever needed one leads nobody. Requests whose answer is lost with it. */
  onSnapshotInstalled(instance: Instance): readonly RequestId[] {
    if (this.#state !== 'following') {
      this.#move(isMaster(this.#state) ? 'outvoted' : 'gave-up', 'snapshot installed');
    }
    return this.#proposals.forgetUpTo(instance);
  }

  // --- handing over ---------------------------------------------------------------------------------------------------

  /** The voter to hand over to: `to` when it can take over now, the most caught-up one when null; null when nobody can. */
  handOverCandidate(to: ReplicaId | null, now: Clocks): ReplicaId | null {
    if (this.#state !== 'serving' && this.#state !== 'boosting') return null;
    const { self, configurations } = this.#context;
    const { configuration } = configurations.latest;
    // With a change under way it must have a vote before and after: one that gets or loses it then could not go on.
    const mayLead = voters(this.#configuration);
    return this.#peers.successor({ configuration, mayLead, self, to, now: now.monotonicMs });
  }

  /** At a master: voters that have acknowledged nothing for two leases, though each heartbeat asks them to. */
  unheard(now: Clocks): readonly ReplicaId[] {
    const { configuration } = this.#context.configurations.latest;
    const sinceMs = now.monotonicMs - 2 * configuration.leaseMs;
    if (!isMaster(this.#state) || this.#servingSinceMs > sinceMs) return [];
    return this.#peers.unheard(configuration, this.#context.self, sinceMs);
  }

  handOver(to: ReplicaId | null): void {
    const successor = this.handOverCandidate(to, this.#context.now);
    if (successor === null) return;
    if (this.#state !== 'serving') {
      this.#handOverWanted = { to };
      return;
    }
    const deadlineMs = this.#nowMs + this.#configuration.leaseMs * 0.6;
    this.#handOver = new HandOver({ to: successor, deadlineMs });
    this.#move('hand-over');
    this.#advanceHandOver();
  }

  /** Requests wait meanwhile: released, they are refused with no effect; kept, they are proposed. */
  #advanceHandOver(): void {
    const handOver = this.#handOver;
    if (this.#state !== 'handing-over' || handOver === null) return;
    const { log, outbox } = this.#context;
    const mayRelease = handOver.advance({
      open: this.#proposals.open,
      chosenUpTo: log.chosenUpTo,
      successorAppliedUpTo: this.#peers.appliedUpTo(handOver.to),
      proposeMarker: () => this.#proposeNoop(),
    });
    if (!mayRelease) return;
    const release: Release = { ballot: this.#ballot, successor: handOver.to };
    this.#move('released');
    outbox.send(handOver.to, { kind: 'release', release });
  }

  #tickHandOver(now: number): void {
    const handOver = this.#handOver;
    if (handOver === null) return;
    if (handOver.hasFailed(now)) {
      this.#handOver = null;
      this.#move('hand-over-failed');
      this.proposeMore();
      return;
    }
    this.#resend(now);
    this.#advanceHandOver();
    const { log, outbox } = this.#context;
    const probe = handOver.probeDue(now, this.#resendMs / 4, log.chosenUpTo);
    const entry = probe === null ? undefined : log.get(probe);
    if (probe === null || entry === undefined) return;
    const { ballot, value } = entry;
    const { leaseMs } = this.#configuration;
    // The commit first: what the successor answers is how far it has applied by then.
    this.#tellChosen();
    outbox.send(handOver.to, { kind: 'accept', ballot, instance: probe, value, chosenUpTo: log.chosenUpTo, leaseMs });
  }

  // --- time -----------------------------------------------------------------------------------------------------------

  /** Everything that is due by the clock. */
  tick(): void {
    const now = this.#nowMs;
    // Who was removed leads nobody from where that governs (pitfall P47); the others wait for its lease to end.
    if (isProposing(this.#state) && !voters(this.#configuration).has(this.#context.self)) {
      this.#move('outvoted', 'removed');
    }
    switch (this.#state) {
      case 'following':
      case 'asking':
      case 'preparing':
      case 'boosting':
        return this.#election.tick();
      case 'recovering':
      case 'opening':
        return this.#tickBeforeServing(now);
      case 'serving':
        return this.#tickServing(now);
      case 'handing-over':
        return this.#tickHandOver(now);
    }
  }

  #tickBeforeServing(now: number): void {
    if (this.#roundNeeded) this.#election.giveUp('configuration learned');
    else if (now - this.#lastProposedMs > 4 * this.#configuration.leaseMs) this.#election.giveUp('no quorum');
    else {
      this.#resend(now);
      // Its mastership value came through too late to give it a lease: another value may.
      const late = this.#state === 'opening' && this.#context.appliedUpTo >= this.#openingInstance;
      if (late) this.#heartbeat(now);
    }
  }

  #tickServing(now: number): void {
    this.#resend(now);
    this.#heartbeat(now);
    if (this.#handOverWanted !== null) {
      const { to } = this.#handOverWanted;
      this.#handOverWanted = null;
      this.handOver(to);
    } else if (this.#roundNeeded || now >= this.#boostAtMs) {
      this.#roundNeeded = false;
      this.#tellChosen();
      this.#move('boost-due');
      this.#election.boost();
    }
  }

  /** PML §5.2: a dummy value chosen at intervals keeps the lease. */
  #heartbeat(now: number): void {
    if (now - this.#lastProposedMs < this.#renewMs) return;
    this.proposeMore();
    if (now - this.#lastProposedMs >= this.#renewMs) this.#proposeNoop();
  }

  /** Behind everything that must be proposed as it is. Its instance, or null when nothing can be proposed now. */
  #proposeNoop(): Instance | null {
    const next = this.#next as Instance;
    if (next <= this.#recoverUpTo || !this.#canPropose()) return null;
    this.#propose(next, noop, null);
    return next;
  }

  #resend(now: number): void {
    const { outbox, configurations, self, log } = this.#context;
    const resendMs = this.#resendMs;
    for (const proposal of this.#proposals.inFlight()) {
      if (proposal.chosen || now - proposal.lastSentMs < resendMs) continue;
      proposal.lastSentMs = now;
      const { instance, value } = proposal;
      const configuration = configurations.at(instance);
      const { leaseMs } = configuration;
      for (const to of voters(configuration)) {
        if (to === self || proposal.acks.has(to)) continue;
        const { chosenUpTo } = log;
        outbox.send(to, { kind: 'accept', ballot: this.#ballot, instance, value, chosenUpTo, leaseMs });
      }
    }
  }

  /** Commits ride on accepts; only what no accept of this step told is told alone. */
  endStep(): void {
    this.#checkOpened();
    // During a boost they wait: told now, they would put the others ahead of the prepare that is on its way.
    if (isProposing(this.#state) && this.#state !== 'boosting') this.#tellChosen();
  }

  #tellChosen(): void {
    const { log, outbox, configurations, self } = this.#context;
    const { chosenUpTo } = log;
    if (this.#toldUpTo >= chosenUpTo) return;
    this.#toldUpTo = chosenUpTo;
    for (const to of configurations.othersFrom(chosenUpTo + 1, self)) {
      outbox.send(to, { kind: 'commit', ballot: this.#ballot, chosenUpTo });
    }
  }

  /** When `tick` has something to do next. */
  nextDueMs(): number {
    const now = this.#nowMs;
    switch (this.#state) {
      case 'following':
      case 'asking':
      case 'preparing':
      case 'boosting':
        return this.#election.nextDueMs();
      case 'recovering':
      case 'opening':
        return this.#roundNeeded ? now : now + this.#resendMs;
      case 'serving': {
        if (this.#roundNeeded || this.#handOverWanted !== null) return now;
        // When the windows are full, the resending below is what there is to do.
        const renew = this.#lastProposedMs + this.#renewMs;
        const resend = this.#proposals.open > 0 || renew <= now ? now + this.#resendMs : Number.POSITIVE_INFINITY;
        return Math.min(renew > now ? renew : resend, resend, Math.max(this.#boostAtMs, now));
      }
      case 'handing-over':
        return now + this.#resendMs / 4;
    }
  }

  #drawId(): string {
    const { random } = this.#context;
    const word = (): string => random.word().toString(16).padStart(8, '0');
    return word() + word() + word() + word();
  }

  checkInvariants(): void {
    const { log } = this.#context;
    let open = 0;
    for (const proposal of this.#proposals.inFlight()) {
      if (!proposal.chosen) open++;
      invariant(proposal.instance < this.#next, 'what is in flight was proposed', { instance: proposal.instance });
      invariant(proposal.chosen || proposal.instance > log.chosenUpTo, 'what is open is not known as chosen', {
        instance: proposal.instance,
      });
    }
    invariant(open === this.#proposals.open, 'open proposals are counted', { open, counted: this.#proposals.open });
    if (!isProposing(this.#state)) {
      invariant(this.#proposals.size === 0, 'who leads nothing has nothing in flight', { size: this.#proposals.size });
      invariant(!this.#lease.held, 'only who leads holds a lease');
      return;
    }
    invariant(this.#next > log.chosenUpTo, 'the next proposal is for an instance not yet chosen', { next: this.#next });
    invariant(compareBallots(this.#ballot, this.#acceptor.promised) <= 0, 'the own acceptor promised the ballot led');
  }
}

const roleIn = (state: CoordinatorState): 'master' | 'candidate' | 'replica' =>
  isMaster(state) ? 'master' : isCandidate(state) ? 'candidate' : 'replica';

/** At most one voter different, so that majorities of both intersect, and values that make sense. */
function mayFollow(before: Configuration, after: Configuration): boolean {
  const [old, next] = [voters(before), voters(after)];
  let different = 0;
  for (const id of old) if (!next.has(id)) different++;
  for (const id of next) if (!old.has(id)) different++;
  return different <= 1 && next.size > 0 && after.alpha >= 1 && after.leaseMs > 0;
}

/**
 * The coordinator's half of one replica: becoming master, staying it, handing over. The states and their moves stand in
 * `coordinator.machine`, phase 1 in `election.ts`, proposing in `proposer.ts`; here is what is done when.
 *
 * Source: PML §4.1, §5.2 (lease, boost), §5.3 (epoch); PMS §3.
 * Keeps: it serves only after its own mastership value was applied and while its lease holds; a lease that lapsed ends the
 * mastership before anything else is looked at.
 */
import { invariant } from '../invariant.ts';
import type { Acceptor } from './acceptor.ts';
import type { BadItem } from './bad-item.ts';
import { type Ballot, ballotOwner, ballotsEqual, compareBallots } from './ballot.ts';
import type { Campaign } from './campaign.ts';
import type { Configuration } from './configuration.ts';
import { presentConfiguration, type ReplicaContext, resendMs } from './context.ts';
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
import type { Message, Release } from './message.ts';
import { Peers } from './peers.ts';
import { Proposer } from './proposer.ts';
import { isQuorum, voters } from './quorum.ts';
import type { Value } from './value.ts';

type Of<Kind extends Message['kind']> = Extract<Message, { kind: Kind }>;

export interface CoordinatorHooks {
  /** Instances became chosen here: apply them. */
  onChosen(): void;
  /** `from` knows more chosen values than this replica. */
  onBehind(from: ReplicaId, chosenUpTo: Instance): void;
  /** All members have answered, and what was accepted at this place cannot be known any more. */
  onLost(item: BadItem): void;
}

export class Coordinator {
  readonly #context: ReplicaContext;
  readonly #acceptor: Acceptor;
  readonly #hooks: CoordinatorHooks;
  readonly #election: Election;
  #state: CoordinatorState = 'following';
  readonly #proposer: Proposer;
  #boostAtMs = 0;
  readonly #peers = new Peers();
  #servingSinceMs = 0;
  #handOver: HandOver | null = null;
  /** Asked for while a boost was under way. */
  #handOverWanted: { readonly to: ReplicaId | null } | null = null;

  constructor(context: ReplicaContext, acceptor: Acceptor, hooks: CoordinatorHooks) {
    this.#context = context;
    this.#acceptor = acceptor;
    this.#hooks = hooks;
    this.#proposer = new Proposer(context, acceptor, {
      state: () => this.#state,
      recovered: () => this.#move('recovered'),
      onChosen: hooks.onChosen,
    });
    this.#election = new Election(context, acceptor, {
      state: () => this.#state,
      move: (event, cause) => this.#move(event, cause),
      won: (campaign) => this.#lead(campaign),
      onBehind: hooks.onBehind,
      onLost: hooks.onLost,
    });
  }

  get state(): CoordinatorState {
    return this.#state;
  }

  get ballot(): Ballot {
    return this.#proposer.ballot;
  }

  get isMaster(): boolean {
    return isMaster(this.#state);
  }

  get proposedUpTo(): Instance {
    return isProposing(this.#state) ? this.#proposer.proposedUpTo : this.#context.log.chosenUpTo;
  }

  get pendingItems(): number {
    return this.#proposer.pendingItems;
  }

  get #configuration(): Configuration {
    return presentConfiguration(this.#context);
  }

  get #nowMs(): number {
    return this.#context.now.monotonicMs;
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
    if (roleIn(from) !== roleIn(to)) outbox.push({ kind: 'mastership', role: roleIn(to), cause, ballot: this.ballot });
  }

  /** Lays down everything that only a coordinator holds. What is in flight may still be chosen by others. */
  #layDown(cause: string): void {
    this.#proposer.lease.drop();
    const { granted } = this.#acceptor;
    const { self, now } = this.#context;
    if (granted.holder(now.monotonicMs) === self) granted.end();
    this.#handOver = null;
    this.#handOverWanted = null;
    this.#proposer.layDown();
    this.#election.lost(cause === 'released' ? 2 * this.#configuration.leaseMs : null);
  }

  /** Called first in every step: a lease that lapsed ends the mastership before anything else is looked at. */
  checkLease(): void {
    if (isMaster(this.#state) && this.#proposer.lease.remainingMs(this.#context.now) <= 0) this.#move('lease-lapsed');
  }

  leaseRemainingMs(now: Clocks): number {
    return isMaster(this.#state) ? Math.max(0, this.#proposer.lease.remainingMs(now)) : 0;
  }

  /** May reads be answered from this replica's own state, and writes be taken, at `now`? */
  isServing(now: Clocks): boolean {
    return isMaster(this.#state) && this.#proposer.lease.remainingMs(now) > 0;
  }

  // --- phase 1 --------------------------------------------------------------------------------------------------------

  onPreVoteReply(from: ReplicaId, message: Of<'pre-vote-reply'>): void {
    this.#election.onPreVoteReply(from, message);
  }

  onPromise(from: ReplicaId, message: Of<'promise'>): void {
    this.#election.onPromise(from, message);
  }

  /** Once for each start of who asks: after it, the ballot led is above all that it can have lost. */
  onUnsettled(from: ReplicaId, ballot: Ballot): void {
    if (!isMaster(this.#state)) return;
    if (compareBallots(this.ballot, ballot) > 0) this.#election.settle(from);
    else this.#proposer.roundNeeded ||= this.#state === 'serving';
  }

  onItem(from: ReplicaId, message: Of<'item'>): void {
    this.#election.onItem(from, message);
  }

  onRelease(from: ReplicaId, release: Release): void {
    this.#election.onRelease(from, release);
  }

  onCaughtUp(): void {
    this.#election.onCaughtUp();
  }

  /** Phase 1 is done at `campaign.ballot`. */
  #lead(campaign: Campaign): void {
    const boosted = this.#state === 'boosting';
    // What was chosen at the old ballot is told at the old ballot: at the new one the others would have to fetch it.
    if (boosted) this.#proposer.tellChosen();
    this.#proposer.lead(campaign);
    this.#boostAtMs = this.#nowMs + this.#context.limits.boostEveryMs;
    this.#move(boosted ? 'boosted' : 'prepared');
    this.#proposer.proposeMore();
  }

  // --- proposing ------------------------------------------------------------------------------------------------------

  submit(submissions: readonly Submission[]): void {
    this.#proposer.submit(submissions);
  }

  changeConfiguration(request: RequestId, configuration: Configuration): void {
    this.#proposer.changeConfiguration(request, configuration);
  }

  cellTimeMs(now: Clocks): CellTimeMs {
    return this.#proposer.cellTimeMs(now);
  }

  onAccepted(from: ReplicaId, message: Of<'accepted'>): void {
    if (ballotsEqual(message.ballot, this.ballot)) this.#peers.heard(from, message, this.#context.now.monotonicMs);
    this.#proposer.onAccepted(from, message);
  }

  /** Some of this replica's own writes became durable: its own votes and promises count from now on. */
  onPersisted(): void {
    this.#proposer.onPersisted();
    this.#election.checkPromises();
  }

  /** `value` is applied at `instance`: this replica's submissions that it holds. */
  requestsOf(instance: Instance, value: Value): readonly RequestId[] | null {
    return this.#proposer.requestsOf(instance, value);
  }

  /** Called after values were applied. */
  onApplied(): void {
    this.#checkOpened();
    this.#advanceHandOver();
    this.#proposer.proposeMore();
    this.#election.onCaughtUp();
  }

  /** Serves only once its own mastership value, above everything recovered, is applied and the lease holds (pitfall P36). */
  #checkOpened(): void {
    const { appliedUpTo, now } = this.#context;
    if (this.#state !== 'opening' || appliedUpTo < this.#proposer.openingInstance) return;
    if (this.#proposer.lease.remainingMs(now) <= 0) return;
    this.#proposer.continueCellTime();
    this.#servingSinceMs = this.#nowMs;
    this.#move('opened', this.#election.byRelease ? 'hand-over' : 'election');
  }

  // --- being told -----------------------------------------------------------------------------------------------------

  onReject(from: ReplicaId, message: Of<'reject'>): void {
    if (this.#election.onReject(from, message) || !ballotsEqual(message.ballot, this.ballot)) return;
    if (message.reason === 'behind') this.#hooks.onBehind(from, message.chosenUpTo);
    if (message.reason !== 'promised' || compareBallots(message.promised, this.ballot) <= 0) return;
    // A replica came back with a higher ballot. With an unbroken lease the master goes above it, keeping its epoch
    // (PML §5.2); without one it has lost.
    if (this.#state === 'serving') this.#proposer.roundNeeded = true;
    else if (this.#state === 'recovering' || this.#state === 'opening') this.#move('outvoted', 'higher ballot');
  }

  /** This replica's acceptor promised `ballot`, to whoever. */
  onPromised(ballot: Ballot): void {
    if (ballotOwner(ballot) === this.#context.self) return;
    this.#election.standBack();
    if (this.#state === 'following') return;
    const own = this.#election.ballot ?? this.ballot;
    if (this.#state === 'asking' || compareBallots(ballot, own) > 0) this.#move('outvoted', 'higher ballot');
  }

  /** A live master spoke: no need to campaign. */
  onMasterHeard(): void {
    this.#election.onMasterHeard();
  }

  /** A value is known as chosen in a ballot above the own one: somebody else leads. */
  onChosenElsewhere(ballot: Ballot): void {
    if (isProposing(this.#state) && compareBallots(ballot, this.ballot) > 0) {
      this.#move('outvoted', 'higher ballot chosen');
    }
  }

  onLearned(): void {
    this.#proposer.onLearned();
  }

  /** Its lease ends here; it campaigns at once, and only a majority's promises make it master again. */
  renounce(): void {
    if (!isMaster(this.#state)) return;
    this.#move('outvoted', 'renounced');
    this.#election.hurry();
  }

  /** Leads nobody and holds no lease from this moment on. */
  setAside(cause: string): void {
    if (this.#state !== 'following') this.#move('outvoted', cause);
  }

  /**
   * Leads nobody and serves nothing from this moment on. Whoever could take over is told that the lease is over; what was in
   * flight its phase 1 finds.
   */
  standDown(cause: string): void {
    if (this.#state === 'following') return;
    const { outbox, now } = this.#context;
    const successor = this.handOverCandidate(null, now);
    const { ballot } = this;
    this.#move('outvoted', cause);
    if (successor !== null) outbox.send(successor, { kind: 'release', release: { ballot, successor } });
  }

  /** The application jumped to a snapshot: whoever needed one leads nobody. Requests whose answer is lost with it. */
  onSnapshotInstalled(instance: Instance): readonly RequestId[] {
    if (this.#state !== 'following') {
      this.#move(isMaster(this.#state) ? 'outvoted' : 'gave-up', 'snapshot installed');
    }
    return this.#proposer.forgetUpTo(instance);
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

  /**
   * At a master: do as many voters as decide have on their disks that `instance` is chosen, having acknowledged something after they had applied it? Until then the loss of
   * one member may take with it that a value was chosen, and whose majority decides what follows.
   */
  isAppliedByQuorum(instance: Instance): boolean {
    const { appliedUpTo, configurations, outbox, self } = this.#context;
    const { configuration } = configurations.latest;
    const own = Math.min(appliedUpTo, outbox.durablyChosenUpTo);
    const known = (id: ReplicaId): number => (id === self ? own : this.#peers.appliedUpTo(id));
    return isQuorum(configuration, new Set([...voters(configuration)].filter((id) => known(id) >= instance)));
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
      open: this.#proposer.open,
      chosenUpTo: log.chosenUpTo,
      successorAppliedUpTo: this.#peers.appliedUpTo(handOver.to),
      proposeMarker: () => this.#proposer.proposeNoop(),
    });
    if (!mayRelease) return;
    const release: Release = { ballot: this.ballot, successor: handOver.to };
    this.#move('released');
    outbox.send(handOver.to, { kind: 'release', release });
  }

  #tickHandOver(now: number): void {
    const handOver = this.#handOver;
    if (handOver === null) return;
    if (handOver.hasFailed(now)) {
      this.#handOver = null;
      this.#move('hand-over-failed');
      this.#proposer.proposeMore();
      return;
    }
    this.#proposer.resend(now);
    this.#advanceHandOver();
    const { log, outbox } = this.#context;
    const probe = handOver.probeDue(now, resendMs(this.#context) / 4, log.chosenUpTo);
    const entry = probe === null ? undefined : log.get(probe);
    if (probe === null || entry === undefined) return;
    const { ballot, value } = entry;
    const { leaseMs } = this.#configuration;
    // The commit first: what the successor answers is how far it has applied by then.
    this.#proposer.tellChosen();
    outbox.send(handOver.to, { kind: 'accept', ballot, instance: probe, value, chosenUpTo: log.chosenUpTo, leaseMs });
  }

  // --- time -----------------------------------------------------------------------------------------------------------

  /** Everything that is due by the clock. */
  tick(): void {
    const now = this.#nowMs;
    // Who was removed leads nobody from where that governs (pitfall P47); the others wait for its lease to end. What it alone
    // knows as chosen it tells first: whoever follows need not find it out again.
    if (isProposing(this.#state) && !voters(this.#configuration).has(this.#context.self)) {
      this.#proposer.tellChosen();
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
    if (this.#proposer.roundNeeded) this.#election.giveUp('configuration learned');
    else if (now - this.#proposer.lastProposedMs > 4 * this.#configuration.leaseMs) this.#election.giveUp('no quorum');
    else {
      this.#proposer.resend(now);
      // Its mastership value came through too late to give it a lease: another value may.
      const late = this.#state === 'opening' && this.#context.appliedUpTo >= this.#proposer.openingInstance;
      if (late) this.#proposer.heartbeat(now);
    }
  }

  #tickServing(now: number): void {
    this.#proposer.resend(now);
    this.#proposer.heartbeat(now);
    if (this.#handOverWanted !== null) {
      const { to } = this.#handOverWanted;
      this.#handOverWanted = null;
      this.handOver(to);
    } else if (this.#proposer.roundNeeded || now >= this.#boostAtMs) {
      this.#proposer.roundNeeded = false;
      this.#proposer.tellChosen();
      this.#move('boost-due');
      this.#election.boost();
    }
  }

  /** Commits ride on accepts; only what no accept of this step told is told alone. */
  endStep(): void {
    this.#checkOpened();
    // During a boost they wait: told now, they would put the others ahead of the prepare that is on its way.
    if (this.#state === 'serving') this.#proposer.tellChosenWhenDue();
    else if (isProposing(this.#state) && this.#state !== 'boosting') this.#proposer.tellChosen();
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
        return this.#proposer.roundNeeded ? now : now + resendMs(this.#context);
      case 'serving': {
        if (this.#proposer.roundNeeded || this.#handOverWanted !== null) return now;
        return Math.min(this.#proposer.nextDueMs(), Math.max(this.#boostAtMs, now));
      }
      case 'handing-over':
        return now + resendMs(this.#context) / 4;
    }
  }

  checkInvariants(): void {
    this.#proposer.checkInvariants();
  }
}

const roleIn = (state: CoordinatorState): 'master' | 'candidate' | 'replica' =>
  isMaster(state) ? 'master' : isCandidate(state) ? 'candidate' : 'replica';

/**
 * Phase 2 of one replica, in the ballot that it leads: what it proposes at which instance, what is in flight, what of it
 * is chosen, and the lease that comes of it. When it proposes at all is decided in `coordinator.ts`.
 *
 * Source: PML §4.1-4.2 (multi-Paxos, batching), §5.2 (renewal by chosen values); PMS §2.2 phase 2.
 * Keeps: in one ballot at most one value is proposed for an instance; nothing is proposed for an instance without a
 * majority of that instance's configuration having promised this ballot; nothing at `j` before `j - alpha` is applied.
 */
import { invariant } from '../invariant.ts';
import type { Acceptor } from './acceptor.ts';
import { type Ballot, ballotsEqual, compareBallots, zeroBallot } from './ballot.ts';
import type { Campaign } from './campaign.ts';
import { CellClock } from './cell-clock.ts';
import { type Configuration, numberedAt } from './configuration.ts';
import { presentConfiguration, type ReplicaContext, resendMs } from './context.ts';
import { type CoordinatorState, isMaster, isProposing } from './coordinator-machine.ts';
import type { CellTimeMs, Instance, ReplicaId, RequestId } from './identity.ts';
import type { Clocks, Submission } from './input.ts';
import { HeldLease, holderLease } from './master-lease.ts';
import type { Message } from './message.ts';
import { PendingQueue } from './pending-queue.ts';
import { type Proposal, Proposals } from './proposals.ts';
import { isQuorum, mayFollow, voters } from './quorum.ts';
import { noop, type Value } from './value.ts';

type Of<Kind extends Message['kind']> = Extract<Message, { kind: Kind }>;

export interface ProposerHooks {
  state(): CoordinatorState;
  /** Everything that phase 1 reported is proposed again. */
  recovered(): void;
  /** Instances became chosen here: apply them. */
  onChosen(): void;
}

export class Proposer {
  readonly #context: ReplicaContext;
  readonly #acceptor: Acceptor;
  readonly #hooks: ProposerHooks;
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
  readonly lease = new HeldLease();
  /** Highest instance by which the lease was renewed; a membership change waits for one in the present configuration. */
  #renewedBy = 0;
  #openingInstance = 0;
  #lastProposedMs = 0;
  /** How far the others were last told of chosen values. */
  #toldUpTo = 0;
  /** When requests were last proposed: as long as that is a moment ago, the next accept is near. */
  #lastSubmittedMs = Number.NEGATIVE_INFINITY;
  /** Phase 1 is needed again: somebody promised more, or a new configuration has promised too little. */
  roundNeeded = false;
  readonly #cellClock = new CellClock();

  constructor(context: ReplicaContext, acceptor: Acceptor, hooks: ProposerHooks) {
    this.#context = context;
    this.#acceptor = acceptor;
    this.#hooks = hooks;
    this.#pending = new PendingQueue(context.limits);
  }

  get ballot(): Ballot {
    return this.#ballot;
  }

  get pendingItems(): number {
    return this.#pending.items;
  }

  /** Proposals not yet chosen. */
  get open(): number {
    return this.#proposals.open;
  }

  /** Of its mastership value: once that is applied, it may serve. */
  get openingInstance(): number {
    return this.#openingInstance;
  }

  get proposedUpTo(): Instance {
    return (this.#next - 1) as Instance;
  }

  get lastProposedMs(): number {
    return this.#lastProposedMs;
  }

  get #state(): CoordinatorState {
    return this.#hooks.state();
  }

  get #configuration(): Configuration {
    return presentConfiguration(this.#context);
  }

  get #nowMs(): number {
    return this.#context.now.monotonicMs;
  }

  get #renewMs(): number {
    return holderLease(this.#configuration).lengthMs / 4;
  }

  // --- leading --------------------------------------------------------------------------------------------------------

  /** Phase 1 is done at `campaign.ballot`: what it reported is proposed again, everything in flight included. */
  lead(campaign: Campaign): void {
    const { log, appliedUpTo } = this.#context;
    const boosted = this.#state === 'boosting';
    this.#proposals.abandon(appliedUpTo);
    this.#ballot = campaign.ballot;
    this.#promisers = campaign.promises;
    this.#recovered = campaign;
    this.#recoverUpTo = Math.max(campaign.highestReported, log.chosenUpTo);
    this.#next = log.chosenUpTo + 1;
    this.#toldUpTo = log.chosenUpTo;
    this.roundNeeded = false;
    // Under an unbroken lease the heartbeat goes on as it was.
    if (!boosted) this.#lastProposedMs = this.#nowMs;
  }

  /** What is in flight may still be chosen by others: its requests wait for that, those not yet proposed do not. */
  layDown(): void {
    const { appliedUpTo } = this.#context;
    this.#proposals.abandon(appliedUpTo);
    this.#recovered = null;
    this.roundNeeded = false;
    this.#fillUpTo = 0;
    this.#settlePending();
  }

  #settlePending(): void {
    const requests = this.#pending.clear();
    if (this.#change !== null) requests.push(this.#change.request);
    this.#change = null;
    if (requests.length > 0) this.#context.outbox.push({ kind: 'settle', requests, reason: 'not-master' });
  }

  /** It serves from now on: cell time goes on where the log has left it. */
  continueCellTime(): void {
    const { cellTimeMs, now } = this.#context;
    this.#cellClock.continue(cellTimeMs, now.monotonicMs);
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
        this.#hooks.recovered();
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
    this.roundNeeded = true;
    return false;
  }

  #proposePending(next: Instance): boolean {
    if (this.#change !== null) {
      const { request, configuration } = this.#change;
      this.#change = null;
      this.#fillUpTo = next + this.#context.configurations.at(next).alpha - 1;
      this.#propose(next, { kind: 'configuration', configuration: numberedAt(configuration, next) }, [request]);
      return true;
    }
    const { limits, epoch, now } = this.#context;
    if (this.#pending.items === 0) return false;
    // With some in flight, what arrives meanwhile shares the next instance: group commit by arrival, never by a timer.
    if (this.#proposals.open >= limits.eagerWindowInstances && !this.#pending.isFull) return false;
    const { items, requests } = this.#pending.take();
    const cellTimeMs = this.#cellClock.stamp(now.monotonicMs);
    this.#propose(next, { kind: 'submitted', epoch, cellTimeMs, items }, requests);
    this.#lastSubmittedMs = now.monotonicMs;
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
    this.#tellDeparted(instance);
    const write = this.#acceptor.accept({ instance, ballot: this.#ballot, value }, leaseMs);
    this.#acceptor.granted.grant(this.#ballot, now.monotonicMs, leaseMs);
    this.#proposals.add({ instance, value, sentAt: now, lastSentMs: this.#nowMs, write, requests });
    this.#next = instance + 1;
    this.#lastProposedMs = this.#nowMs;
    this.#toldUpTo = chosenUpTo;
  }

  // --- being told -----------------------------------------------------------------------------------------------------

  onAccepted(from: ReplicaId, message: Of<'accepted'>): void {
    if (!isProposing(this.#state) || !ballotsEqual(message.ballot, this.#ballot)) return;
    const proposal = this.#proposals.get(message.instance);
    if (proposal !== undefined) {
      proposal.acks.add(from);
      this.#checkChosen(proposal);
    }
  }

  /** Some of this replica's own writes became durable: its own votes count from now on. */
  onPersisted(): void {
    const { outbox, self } = this.#context;
    for (const proposal of [...this.#proposals.inFlight()]) {
      if (proposal.acks.has(self) || !outbox.isDurable(proposal.write)) continue;
      proposal.acks.add(self);
      this.#checkChosen(proposal);
    }
    // The own disk may have been what the window waited for.
    this.proposeMore();
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
      this.lease.renew(proposal.sentAt, configuration);
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

  /** What others said made more values known as chosen: none of them is to be proposed, or voted on, here any more. */
  onLearned(): void {
    const { log, appliedUpTo } = this.#context;
    if (this.#next <= log.chosenUpTo) this.#next = log.chosenUpTo + 1;
    this.#proposals.learned(log.chosenUpTo, appliedUpTo);
  }

  /** Requests whose answer is lost, because a snapshot skipped their instances. */
  forgetUpTo(instance: Instance): readonly RequestId[] {
    return this.#proposals.forgetUpTo(instance);
  }

  // --- again and again ------------------------------------------------------------------------------------------------

  /** PML §5.2: a dummy value chosen at intervals keeps the lease. */
  heartbeat(now: number): void {
    if (now - this.#lastProposedMs < this.#renewMs) return;
    this.proposeMore();
    if (now - this.#lastProposedMs >= this.#renewMs) this.proposeNoop();
  }

  /** Behind everything that must be proposed as it is. Its instance, or null when nothing can be proposed now. */
  proposeNoop(): Instance | null {
    const next = this.#next as Instance;
    if (next <= this.#recoverUpTo || !this.#canPropose()) return null;
    this.#propose(next, noop, null);
    return next;
  }

  resend(now: number): void {
    const { outbox, configurations, self, log } = this.#context;
    const resendAfterMs = resendMs(this.#context);
    for (const proposal of this.#proposals.inFlight()) {
      if (proposal.chosen || now - proposal.lastSentMs < resendAfterMs) continue;
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

  /** When the next heartbeat, repetition or commit is due. */
  nextDueMs(): number {
    const now = this.#nowMs;
    // When the windows are full, the resending below is what there is to do.
    const renew = this.#lastProposedMs + this.#renewMs;
    const resend = this.#proposals.open > 0 || renew <= now ? now + resendMs(this.#context) : Number.POSITIVE_INFINITY;
    return Math.min(renew > now ? renew : resend, resend, this.#tellAtMs);
  }

  /** Who is in no configuration from `instance` on gets no accept any more: the last word is what makes it know that. */
  #tellDeparted(instance: Instance): void {
    const { log, outbox, configurations, self } = this.#context;
    if (configurations.at(this.#toldUpTo + 1) === configurations.at(instance)) return;
    for (const to of configurations.othersFrom(this.#toldUpTo + 1, self)) {
      if (configurations.isMemberFrom(instance, to)) continue;
      outbox.send(to, { kind: 'commit', ballot: this.#ballot, chosenUpTo: log.chosenUpTo });
    }
  }

  /** Up to when what is chosen waits for an accept to ride on. A change of the membership does not wait. */
  get #tellAtMs(): number {
    const { configurations, limits, log } = this.#context;
    if (this.#toldUpTo >= log.chosenUpTo) return Number.POSITIVE_INFINITY;
    if (configurations.at(this.#toldUpTo + 1) !== configurations.latest.configuration) return this.#nowMs;
    return this.#lastSubmittedMs + limits.commitDelayMs;
  }

  /** Tells what no accept has told, once none is to be expected any more. */
  tellChosenWhenDue(): void {
    if (this.#tellAtMs <= this.#nowMs) this.tellChosen();
  }

  /** Commits ride on accepts; only what none has told is told alone, also to those who are out with it. */
  tellChosen(): void {
    const { log, outbox, configurations, self } = this.#context;
    const { chosenUpTo } = log;
    if (this.#toldUpTo >= chosenUpTo) return;
    const others = configurations.othersFrom(this.#toldUpTo + 1, self);
    this.#toldUpTo = chosenUpTo;
    for (const to of others) outbox.send(to, { kind: 'commit', ballot: this.#ballot, chosenUpTo });
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
      invariant(!this.lease.held, 'only who leads holds a lease');
      return;
    }
    invariant(this.#next > log.chosenUpTo, 'the next proposal is for an instance not yet chosen', { next: this.#next });
    invariant(compareBallots(this.#ballot, this.#acceptor.promised) <= 0, 'the own acceptor promised the ballot led');
  }
}

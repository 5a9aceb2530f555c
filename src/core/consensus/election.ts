/**
 * Phase 1 of one replica: when it campaigns, whom it asks, what makes an attempt won or given up. The same rounds make a
 * candidate coordinator and boost a sitting master's ballot.
 *
 * Source: PMS §2.2; PML §4.1, §5.2 (boost). Pre-vote and release are ours: design §3. The states stand in
 * `coordinator.machine`; the coordinator owns the present one and is moved through `hooks`.
 * Keeps: no ballot is used twice (P03), since the own promise is durable before the first prepare leaves; nobody's
 * promise is raised before a pre-vote was won or a release received (P42); nothing is proposed while an instance that is
 * bad somewhere has no majority of reports (P16, P17).
 */
import type { Acceptor } from './acceptor.ts';
import type { BadItem } from './bad-item.ts';
import { type Ballot, ballotOwner, ballotsEqual, compareBallots } from './ballot.ts';
import { Campaign } from './campaign.ts';
import type { Configuration } from './configuration.ts';
import { presentConfiguration, type ReplicaContext, resendMs } from './context.ts';
import type { CoordinatorEvent, CoordinatorState } from './coordinator-machine.ts';
import type { Instance, ReplicaId } from './identity.ts';
import { parseReplicaId } from './identity.ts';
import type { Message, Release } from './message.ts';
import { isQuorum, voters } from './quorum.ts';

type Of<Kind extends Message['kind']> = Extract<Message, { kind: Kind }>;

export interface ElectionHooks {
  state(): CoordinatorState;
  move(event: CoordinatorEvent, cause?: string): void;
  /** Phase 1 is done at the campaign's ballot. */
  won(campaign: Campaign): void;
  /** `from` knows more chosen values than this replica. */
  onBehind(from: ReplicaId, chosenUpTo: Instance): void;
  /** All members have answered, and no majority can say any more what was accepted there. */
  onLost(item: BadItem): void;
}

/** Failed attempts in a row double the pause, up to this factor: who is cut off from the master asks, but not all the time. */
const pauseFactorMax = 8;
/** A drained replica waits for so many leases longer than others: time for each of them to try more than once. */
const drainedRestLeases = 4;

export class Election {
  readonly #context: ReplicaContext;
  readonly #acceptor: Acceptor;
  readonly #hooks: ElectionHooks;
  #campaign: Campaign | null = null;
  #nonce: number;
  #roundSeen = 0;
  #ledRound = 0;
  #notBeforeMs: number;
  #jitterMs: number;
  #failures = 0;
  /** The last attempt that was won, and above which instance its majority had reported nothing. */
  #won: { readonly ballot: Ballot; readonly nonce: number; readonly above: Instance } | null = null;
  /** The present attempt, or mastership, began with a release, not with a pre-vote. */
  byRelease = false;

  constructor(context: ReplicaContext, acceptor: Acceptor, hooks: ElectionHooks) {
    this.#context = context;
    this.#acceptor = acceptor;
    this.#hooks = hooks;
    // A nonce never repeats within a process; across restarts the ballot differs, since its round was made durable.
    this.#nonce = context.random.below(2 ** 31);
    this.#notBeforeMs = context.now.monotonicMs;
    this.#jitterMs = this.#draw(5);
  }

  /** The ballot under way, or null. */
  get ballot(): Ballot | null {
    return this.#campaign?.ballot ?? null;
  }

  get #nowMs(): number {
    return this.#context.now.monotonicMs;
  }

  get #configuration(): Configuration {
    return presentConfiguration(this.#context);
  }

  /** A share of the lease, drawn, so that two candidates rarely collide. */
  #draw(share: number): number {
    return this.#context.random.below(Math.max(2, Math.floor(this.#configuration.leaseMs / share)));
  }

  // --- when -----------------------------------------------------------------------------------------------------------

  /** When this replica may campaign: after the lease it granted, its own rest, and a draw. */
  #dueMs(): number {
    const { granted } = this.#acceptor;
    const held = granted.holder(this.#context.now.monotonicMs);
    const until = held === null || held === this.#context.self ? 0 : granted.untilMs;
    const rest = this.#context.drained ? drainedRestLeases * this.#configuration.leaseMs : 0;
    return Math.max(until, this.#notBeforeMs) + this.#jitterMs + rest;
  }

  #mayAsk(): boolean {
    const { log, self, appliedUpTo, silent } = this.#context;
    if (silent) return false;
    // Who has not applied what it knows as chosen may not know who the members are. A voter of a configuration that is
    // chosen but governs nothing yet may propose nothing at the next instance: again and again it would win, find that out
    // and stand in the way of those who may.
    return this.#context.mayVote && appliedUpTo === log.chosenUpTo && voters(this.#configuration).has(self);
  }

  /** The attempt or the mastership is over: wait at least `restMs` before the next. */
  lost(restMs: number | null): void {
    this.#campaign = null;
    this.#jitterMs = this.#draw(5);
    this.#notBeforeMs = Math.max(this.#notBeforeMs, this.#nowMs + (restMs ?? this.#jitterMs));
  }

  /** No rest before the next attempt: the last mastership ended of its own will. */
  hurry(): void {
    this.#jitterMs = 0;
    this.#notBeforeMs = this.#nowMs;
  }

  /**
   * Another candidate has this replica's promise: it gets half a lease to become master before this one campaigns, or a
   * successor that was handed the mastership would be overtaken by whoever it freed from its grant.
   */
  standBack(): void {
    this.#notBeforeMs = Math.max(
      this.#notBeforeMs,
      this.#nowMs + this.#context.configurations.latest.configuration.leaseMs / 2,
    );
  }

  /** A master is there: the next attempt after it is a first one. */
  onMasterHeard(): void {
    this.#failures = 0;
    if (this.#hooks.state() === 'asking') this.#hooks.move('gave-up', 'master heard');
  }

  giveUp(cause: string): void {
    this.#hooks.move('gave-up', cause);
    this.#notBeforeMs =
      this.#nowMs + (this.#configuration.leaseMs / 25) * Math.min(2 ** this.#failures, pauseFactorMax);
    this.#jitterMs = this.#draw(8);
    this.#failures++;
  }

  /** Everything that is due by the clock. */
  tick(): void {
    const state = this.#hooks.state();
    const now = this.#nowMs;
    if (state === 'following') {
      if (now >= this.#dueMs() && this.#mayAsk()) this.#startAsking();
      return;
    }
    const campaign = this.#campaign;
    if (campaign === null || (state !== 'asking' && state !== 'preparing' && state !== 'boosting')) return;
    if (now >= campaign.startedMs + Math.max(60, this.#configuration.leaseMs)) {
      if (state === 'boosting') this.boost();
      else this.giveUp(state === 'asking' ? 'no answer' : 'no quorum');
    } else if (now - campaign.lastSentMs >= resendMs(this.#context)) {
      if (state === 'asking') this.#sendPreVotes(campaign);
      else this.#sendPrepares(campaign);
    }
  }

  /** When `tick` has something to do next. */
  nextDueMs(): number {
    const state = this.#hooks.state();
    if (state === 'following') return this.#mayAsk() ? this.#dueMs() : Number.POSITIVE_INFINITY;
    return (this.#campaign?.lastSentMs ?? this.#nowMs) + resendMs(this.#context);
  }

  // --- asking ---------------------------------------------------------------------------------------------------------

  #newCampaign(release: Release | null): Campaign {
    this.#nonce++;
    const { name, incarnation } = parseReplicaId(this.#context.self);
    const round = Math.max(this.#acceptor.promised.round, this.#roundSeen, this.#ledRound) + 1;
    const campaign = new Campaign({
      ballot: { round, name, incarnation },
      nonce: this.#nonce,
      from: (this.#context.log.chosenUpTo + 1) as Instance,
      release,
      nowMs: this.#nowMs,
      digestOf: this.#context.digestOf,
    });
    this.#campaign = campaign;
    return campaign;
  }

  #others(): readonly ReplicaId[] {
    const { configurations, log, self } = this.#context;
    return configurations.othersFrom(log.chosenUpTo + 1, self);
  }

  #startAsking(): void {
    this.#hooks.move('election-due');
    const campaign = this.#newCampaign(null);
    if (!this.#acceptor.forbidsSelf(null)) campaign.votes.add(this.#context.self);
    this.#sendPreVotes(campaign);
    this.#checkVotes();
  }

  #sendPreVotes(campaign: Campaign): void {
    const { outbox, log } = this.#context;
    const { ballot, nonce } = campaign;
    campaign.lastSentMs = this.#nowMs;
    for (const to of this.#others()) {
      if (campaign.votes.has(to)) continue;
      outbox.send(to, { kind: 'pre-vote', ballot, nonce, chosenUpTo: log.chosenUpTo });
    }
  }

  onPreVoteReply(from: ReplicaId, message: Of<'pre-vote-reply'>): void {
    this.seeRound(message.promised);
    const campaign = this.#campaign;
    if (this.#hooks.state() !== 'asking' || campaign === null) return;
    if (message.nonce !== campaign.nonce || !ballotsEqual(message.ballot, campaign.ballot)) return;
    if (message.chosenUpTo > this.#context.log.chosenUpTo) this.#hooks.onBehind(from, message.chosenUpTo);
    if (!message.granted) {
      if (this.#hopeless(campaign, from)) this.giveUp('pre-vote refused');
      return;
    }
    campaign.votes.add(from);
    campaign.chosenUpTo = Math.max(campaign.chosenUpTo, message.chosenUpTo);
    this.#checkVotes();
  }

  /** `from` refused too: can no majority be had any more? */
  #hopeless(campaign: Campaign, from: ReplicaId): boolean {
    campaign.refusals.add(from);
    const possible = new Set(voters(this.#configuration));
    for (const id of campaign.refusals) possible.delete(id);
    return !isQuorum(this.#configuration, possible);
  }

  /** A candidate that is behind catches up first and then counts; `onCaughtUp` comes back here. */
  #checkVotes(): void {
    const campaign = this.#campaign;
    if (this.#hooks.state() !== 'asking' || campaign === null) return;
    const { log, configurations, appliedUpTo } = this.#context;
    if (campaign.chosenUpTo > log.chosenUpTo || appliedUpTo < log.chosenUpTo) return;
    if (!campaign.hasVotes(configurations.from(log.chosenUpTo + 1))) return;
    this.#startPreparing('pre-vote-won', null);
  }

  onCaughtUp(): void {
    this.#checkVotes();
  }

  // --- preparing ------------------------------------------------------------------------------------------------------

  /** The outgoing master named this replica: no pre-vote, since its release frees the grantors. */
  onRelease(from: ReplicaId, release: Release): void {
    if (release.successor !== this.#context.self || ballotOwner(release.ballot) !== from || !this.#mayAsk()) return;
    if (compareBallots(release.ballot, this.#acceptor.promised) < 0) return;
    const state = this.#hooks.state();
    if (state === 'following' || state === 'asking') this.#startPreparing('release-received', release);
  }

  #startPreparing(event: 'pre-vote-won' | 'release-received', release: Release | null): void {
    if (this.#acceptor.forbidsSelf(release)) {
      this.giveUp('lease granted to another');
      return;
    }
    if (release !== null) this.#acceptor.granted.end();
    this.#hooks.move(event);
    this.byRelease = release !== null;
    this.#prepare(this.#newCampaign(release));
  }

  /** A full round under the sitting master's unbroken lease (PML §5.2). */
  boost(): void {
    this.#prepare(this.#newCampaign(null));
  }

  /** The own promise is durable before the first prepare leaves, so that no restart uses the ballot again (P03). */
  #prepare(campaign: Campaign): void {
    campaign.ownWrite = this.#acceptor.promise(campaign.ballot);
    this.#sendPrepares(campaign);
  }

  #sendPrepares(campaign: Campaign): void {
    const { ballot, nonce, from, release } = campaign;
    campaign.lastSentMs = this.#nowMs;
    for (const to of this.#others()) {
      if (campaign.promises.has(to)) continue;
      this.#context.outbox.send(to, { kind: 'prepare', ballot, nonce, from, release }, campaign.ownWrite);
    }
    if (campaign.promises.has(this.#context.self)) this.#askForItem(campaign);
  }

  #preparing(): Campaign | null {
    const state = this.#hooks.state();
    return state === 'preparing' || state === 'boosting' ? this.#campaign : null;
  }

  onPromise(from: ReplicaId, message: Of<'promise'>): void {
    if (message.bad.length > 0 && message.nonce === this.#won?.nonce) this.settle(from);
    const campaign = this.#preparing();
    if (campaign === null) return;
    if (message.nonce !== campaign.nonce || !ballotsEqual(message.ballot, campaign.ballot)) return;
    campaign.addPage(from, message);
    this.checkPromises();
  }

  /** The own promise may have become durable: is there a majority with it? */
  checkPromises(): void {
    const campaign = this.#preparing();
    if (campaign === null || campaign.ownWrite === null) return;
    const { self, outbox, configurations, log } = this.#context;
    if (!outbox.isDurable(campaign.ownWrite)) return;
    campaign.promises.add(self);
    if (!campaign.hasPromises(configurations.from(campaign.from))) return;
    // This replica's own entries are read now: it accepts nothing below its own promise meanwhile.
    const entries = log.acceptedFrom(log.chosenUpTo + 1);
    campaign.report(self, { entries, chosenUpTo: log.sureUpTo, bad: log.badFrom(campaign.from) });
    const undecided = campaign.undecided(configurations);
    if (undecided !== null) {
      if (campaign.allHaveAnswered(undecided, configurations, self)) this.#hooks.onLost(undecided);
      else if (!campaign.hasAskedFor(undecided.instance)) this.#askForItem(campaign);
      return;
    }
    this.#campaign = null;
    this.#won = { ballot: campaign.ballot, nonce: campaign.nonce, above: campaign.settledAbove };
    for (const id of campaign.damaged) this.settle(id);
    this.#failures = 0;
    this.#ledRound = campaign.ballot.round;
    this.#hooks.won(campaign);
  }

  // --- what is bad ----------------------------------------------------------------------------------------------------

  /** Of everybody, learners too: whoever has a copy, or knows the chosen value, ends the matter. */
  #askForItem(campaign: Campaign): void {
    const { configurations, outbox } = this.#context;
    if (!campaign.hasPromises(configurations.from(campaign.from))) return;
    const undecided = campaign.undecided(configurations);
    if (undecided === null) return;
    const { nonce } = campaign;
    const { instance, identity } = undecided;
    for (const to of campaign.askFor(instance, this.#others())) {
      outbox.send(to, { kind: 'item-request', nonce, instance, identity });
    }
  }

  /** What a majority has not reported cannot be chosen below the ballot won: whoever lost it may forget that it did. */
  settle(id: ReplicaId): void {
    const { log, outbox, self } = this.#context;
    if (this.#won === null) return;
    const { ballot, above } = this.#won;
    if (id === self) {
      log.forgetBadAbove(above);
      outbox.push({ kind: 'bad-settled', above });
    } else outbox.send(id, { kind: 'settled', ballot, above });
  }

  onItem(from: ReplicaId, message: Of<'item'>): void {
    const campaign = this.#preparing();
    if (campaign === null || message.nonce !== campaign.nonce || !this.#others().includes(from)) return;
    if (message.chosenUpTo > this.#context.log.chosenUpTo) this.#hooks.onBehind(from, message.chosenUpTo);
    // It may have the value in a snapshot alone: catching up is what ends the matter then.
    if (message.entry === null && message.chosenUpTo >= message.instance) return;
    campaign.onItem(from, message);
    this.checkPromises();
  }

  /** Somebody refused the campaign under way. False when the refusal is about something else. */
  onReject(from: ReplicaId, message: Of<'reject'>): boolean {
    this.seeRound(message.promised);
    const campaign = this.#preparing();
    if (campaign === null || message.nonce !== campaign.nonce || !ballotsEqual(message.ballot, campaign.ballot)) {
      return false;
    }
    if (message.reason === 'behind') this.#hooks.onBehind(from, message.chosenUpTo);
    if (this.#hooks.state() === 'boosting') {
      // The master goes above at once, where it can: waiting would cost it the lease that it holds.
      const above = message.reason === 'promised' && this.#roundSeen >= campaign.ballot.round;
      const further = message.reason === 'behind' && this.#context.log.chosenUpTo >= message.chosenUpTo;
      if (above || further) this.boost();
    } else if (message.reason === 'behind') this.giveUp('behind');
    else if (this.#hopeless(campaign, from)) this.giveUp(`refused: ${message.reason}`);
    return true;
  }

  /** Rounds beyond what one step may raise are not believed. */
  seeRound(promised: Ballot): void {
    const limit = this.#acceptor.promised.round + this.#context.limits.roundStepMax / 2;
    if (promised.round > this.#roundSeen && promised.round <= limit) this.#roundSeen = promised.round;
  }
}

/**
 * One replica of the fault-tolerant log: takes inputs, changes memory, returns effects. Same start, same inputs: same
 * effects, byte for byte.
 *
 * Source: PML §3-§5; PMS. The parts: `acceptor.ts` (promises, grants), `coordinator.ts` (mastership), `proposer.ts`,
 * `catch-up.ts` (missed values), `chosen-log.ts` (the log), `applying.ts`, `participation.ts` (member or not, voting or not), `reception.ts` (whose messages
 * count for what). This file dispatches.
 */
import { invariant, unreachable } from '../invariant.ts';
import type { Random } from '../random.ts';
import { Acceptor } from './acceptor.ts';
import { Applying } from './applying.ts';
import type { BadItem, DigestOfValue, ValueDigest } from './bad-item.ts';
import type { Ballot } from './ballot.ts';
import { CatchUp } from './catch-up.ts';
import { ChosenLog } from './chosen-log.ts';
import type { ComparisonRule } from './comparison.ts';
import type { Configuration, ConfigurationFrom } from './configuration.ts';
import { ConfigurationHistory } from './configuration-history.ts';
import { presentConfiguration, type ReplicaContext } from './context.ts';
import { Coordinator } from './coordinator.ts';
import type { CoordinatorState } from './coordinator-machine.ts';
import { type ComparedDatabases, DatabaseComparison, type DatabaseEvidence } from './database-comparison.ts';
import type { Effect, PromiseRecord } from './effect.ts';
import type { CellTimeMs, Epoch, Instance, MonotonicMs, ReplicaId, WriteId } from './identity.ts';
import type { Clocks, Input, SnapshotHandle } from './input.ts';
import { defaultLimits, type Limits } from './limits.ts';
import type { AcceptedEntry } from './message.ts';
import { Outbox } from './outbox.ts';
import { Participation } from './participation.ts';
import type { ParticipationState } from './participation-machine.ts';
import { voters } from './quorum.ts';
import { Reception } from './reception.ts';
import type { Value } from './value.ts';

const noDigest = (): ValueDigest => [0, 0, 0, 0];

/** What the disk still knows when a replica starts. */
export interface RecoveredState {
  readonly promise: PromiseRecord;
  /** Accepted or chosen, ascending; the newest for each instance. */
  readonly entries: readonly AcceptedEntry[];
  /** Everything up to here is chosen and, above the snapshot, the newest entry of each instance is the chosen one. */
  readonly chosenUpTo: Instance;
  /** What the disk could not give back, ascending; none overlap. No entry before it in the log is among `entries`. */
  readonly bad?: readonly BadItem[];
  /** Up to here the state itself is missing and is fetched; nothing is accepted there meanwhile. */
  readonly missingUpTo?: Instance;
  /** The snapshot that the application was restored from; for a new cell its first configuration at instance 0. */
  readonly handle: SnapshotHandle;
  /** As a member it votes only after comparing its disk with the others', by this rule; without one, at once. */
  readonly compare?: ComparisonRule;
}

export interface ReplicaOptions {
  readonly self: ReplicaId;
  readonly at: Clocks;
  readonly random: Random;
  readonly recovered: RecoveredState;
  readonly limits?: Partial<Limits>;
  /** Frozen before this start: it takes no part, whatever its configurations say. */
  readonly frozen?: boolean;
  /** Of values, pure. Without one all digests are 0. */
  readonly digestOf?: DigestOfValue;
  /** Its database was not the majority's before this start: it takes no part before it has compared what it holds now. */
  readonly quarantined?: boolean;
}

export class Replica {
  readonly #context: ReplicaContext;
  readonly #acceptor: Acceptor;
  readonly #applying: Applying;
  readonly #coordinator: Coordinator;
  readonly #catchUp: CatchUp;
  readonly #databases: DatabaseComparison;
  readonly #participation: Participation;
  readonly #reception: Reception;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #bootLeadMs = Number.NEGATIVE_INFINITY;
  /** How far the last check of the invariants has found the log present, and after how many removals from it. */
  #presentUpTo = 0;
  #presentRemovals = -1;
  #lost: BadItem | null = null;
  /** How far this disk knew values as chosen at the start, read or not. */
  #startedUpTo = 0;

  constructor(options: ReplicaOptions) {
    const { recovered } = options;
    const { handle } = recovered;
    this.#context = {
      self: options.self,
      limits: { ...defaultLimits, ...options.limits },
      random: options.random,
      log: new ChosenLog(handle.instance),
      outbox: new Outbox(Math.max(handle.instance, recovered.chosenUpTo) as Instance),
      configurations: new ConfigurationHistory(handle.configurations),
      silent: false,
      now: options.at,
      appliedUpTo: handle.instance,
      epoch: handle.epoch,
      cellTimeMs: handle.cellTimeMs,
      digestOf: options.digestOf ?? noDigest,
      mayVote: true,
      drained: false,
      onPromised: (ballot) => this.#coordinator.onPromised(ballot),
    };
    this.#participation = new Participation(this.#context, recovered.compare ?? 'majority');
    this.#acceptor = new Acceptor(this.#context, recovered.promise);
    this.#applying = new Applying(this.#context, {
      requestsOf: (instance, value) => this.#coordinator.requestsOf(instance, value),
      onApplied: () => this.#coordinator.onApplied(),
      onMembership: () => this.#participation.update(),
    });
    this.#coordinator = new Coordinator(this.#context, this.#acceptor, {
      onChosen: () => this.#applying.apply(),
      onBehind: (from, chosenUpTo) => this.#catchUp.learn(from, chosenUpTo),
      onLost: (item) => this.#halt(item),
    });
    this.#catchUp = new CatchUp(this.#context, {
      master: () => this.master(this.#context.now),
      mustInquire: () => this.#participation.mustInquire,
      onChosen: (entry) => {
        this.#coordinator.onChosenElsewhere(entry.ballot);
        this.#coordinator.onLearned();
      },
    });
    this.#databases = new DatabaseComparison(this.#context, {
      isSetAside: () => !this.#context.mayVote,
      setAside: (evidence) => this.#setAside(evidence),
      takeBack: (instance) => this.#takeBack(instance),
    });
    this.#reception = new Reception(
      this.#context,
      {
        acceptor: this.#acceptor,
        applying: this.#applying,
        coordinator: this.#coordinator,
        catchUp: this.#catchUp,
        databases: this.#databases,
        participation: this.#participation,
      },
      recovered.promise.ballot,
    );
    this.#loadEntries(recovered);
    if (options.frozen === true) this.#freeze();
    else {
      if (recovered.compare !== undefined) this.#participation.restarted();
      this.#participation.update();
    }
    if (options.quarantined === true) {
      // What it starts with was read from its disk: a database that was built anew.
      this.#context.mayVote = false;
      this.#databases.onReplayed();
      this.#participation.updateQuarantine();
    }
  }

  #loadEntries(recovered: RecoveredState): void {
    const { log } = this.#context;
    for (const entry of recovered.entries) {
      if (entry.instance <= recovered.handle.instance) continue;
      log.accept(entry.instance, { ballot: entry.ballot, value: entry.value, write: 0 as WriteId });
    }
    log.damaged(recovered.bad ?? [], recovered.chosenUpTo, recovered.missingUpTo ?? 0);
    log.advanceOverKnown();
    this.#startedUpTo = log.knownChosenUpTo;
  }

  /** Feeds one input. The effects are carried out in order. */
  step(input: Input): readonly Effect[] {
    const { log, outbox } = this.#context;
    this.#context.now = this.#settleBootClock(input.at);
    if (this.#isSetAside()) return this.#stepSetAside(input);
    this.#coordinator.checkLease();
    this.#dispatch(input);
    if (this.#isSetAside()) return outbox.take(log.chosenUpTo);
    this.#applying.apply();
    this.#participation.tick();
    this.#coordinator.tick();
    this.#catchUp.tick();
    this.#databases.tick();
    this.#coordinator.endStep();
    this.#wake(input.kind === 'woken');
    return outbox.take(log.chosenUpTo);
  }

  #isSetAside(): boolean {
    return this.#participation.isOver;
  }

  /** Nothing is promised, accepted, learned or applied any more; what was asked for has no effect and is told so. */
  #stepSetAside(input: Input): readonly Effect[] {
    const { log, outbox } = this.#context;
    if (input.kind === 'submit') this.#coordinator.submit(input.submissions);
    else if (input.kind === 'change-configuration') {
      this.#coordinator.changeConfiguration(input.request, input.configuration);
    } else if (input.kind === 'persisted') outbox.persisted(input.write);
    // After a start: what its disk knows as chosen from before. Nothing is learned any more, so this comes to an end.
    if (input.kind === 'woken' && this.#participation.state === 'frozen') {
      this.#applying.apply();
      const { appliedUpTo, now } = this.#context;
      if (appliedUpTo < log.chosenUpTo) outbox.push({ kind: 'wake', at: now.monotonicMs });
    }
    return outbox.take(log.chosenUpTo);
  }

  #freeze(): void {
    if (this.#participation.move('fork-seen', false, 'evidence')) this.#coordinator.setAside('frozen');
  }

  /**
   * The boot-time clock is coarse and may be read long before the others, so it only ever shows too little. Its greatest
   * lead over the monotonic clock so far is what it really has: only a suspend makes that grow.
   */
  #settleBootClock(at: Clocks): Clocks {
    this.#bootLeadMs = Math.max(this.#bootLeadMs, at.bootMs - at.monotonicMs);
    const { monotonicMs, wallMs } = at;
    return { monotonicMs, wallMs, bootMs: monotonicMs + this.#bootLeadMs };
  }

  #dispatch(input: Input): void {
    const { outbox } = this.#context;
    switch (input.kind) {
      case 'submit':
        return this.#coordinator.submit(input.submissions);
      case 'message':
        return this.#reception.onMessage(input.from, input.message);
      case 'persisted':
        outbox.persisted(input.write);
        return this.#coordinator.onPersisted();
      case 'woken':
        return;
      case 'snapshot-taken':
        return this.#applying.onSnapshotTaken(input.instance);
      case 'snapshot-installed':
        return this.#onSnapshotInstalled(input.handle);
      case 'snapshot-failed':
        return this.#catchUp.fetched(false);
      case 'database-checked':
        return this.#databases.onChecked(input.digests);
      case 'database-replayed':
        return this.#databases.onReplayed();
      case 'freeze':
        return this.#freeze();
      case 'drain':
        this.#context.drained = input.drained;
        return;
      case 'renounce':
        return this.#coordinator.renounce();
      case 'compared':
        return this.#participation.comparedWith(input.member);
      case 'turned-away':
        return this.#participation.turnedAway(input.member);
      case 'rolled-back':
        this.#participation.move('rolled-back');
        return this.#coordinator.setAside('rolled back');
      case 'hand-over':
        return this.#coordinator.handOver(input.to);
      case 'change-configuration':
        return this.#coordinator.changeConfiguration(input.request, input.configuration);
      default:
        return unreachable(input);
    }
  }

  // --- damage -------------------------------------------------------------------------------------------------------

  /** Nobody can tell what was accepted at `item`, and any guess could undo a write that was acknowledged (PAR). */
  #halt(item: BadItem): void {
    this.#lost = item;
    this.#participation.move('cannot-go-on');
    this.#coordinator.setAside('an item is lost');
    this.#context.outbox.push({ kind: 'halted', item });
  }

  // --- the database's own check ---------------------------------------------------------------------------------------

  /** No vote and no read from this moment on, the master too (design §5, pitfall P30). */
  #setAside(evidence: DatabaseEvidence): void {
    this.#context.mayVote = false;
    this.#coordinator.standDown('database differs');
    this.#participation.updateQuarantine();
    this.#context.outbox.push({ kind: 'set-aside', evidence });
  }

  #takeBack(instance: Instance): void {
    this.#context.mayVote = true;
    this.#participation.endQuarantine();
    this.#context.outbox.push({ kind: 'taken-back', instance });
    this.#participation.update();
  }

  // --- snapshots ----------------------------------------------------------------------------------------------------

  #onSnapshotInstalled(handle: SnapshotHandle): void {
    this.#catchUp.fetched(true);
    if (handle.instance <= this.#context.appliedUpTo) return;
    const lost = this.#coordinator.onSnapshotInstalled(handle.instance);
    if (lost.length > 0) this.#context.outbox.push({ kind: 'settle', requests: lost, reason: 'unknown' });
    this.#applying.install(handle);
  }

  /** What a snapshot of the present applied point stands for (PML §5.5, step 1). */
  handle(): SnapshotHandle {
    return this.#applying.handle();
  }

  // --- time and status ----------------------------------------------------------------------------------------------

  #wake(fired: boolean): void {
    const { now, log, appliedUpTo } = this.#context;
    if (fired) this.#wakeAtMs = Number.POSITIVE_INFINITY;
    let due = Math.min(
      this.#coordinator.nextDueMs(),
      this.#catchUp.dueMs ?? Number.POSITIVE_INFINITY,
      this.#databases.dueMs(),
      this.#participation.dueMs(),
    );
    if (appliedUpTo < log.chosenUpTo) due = now.monotonicMs;
    // An earlier wake that comes for nothing costs less than moving it with every message.
    if (due >= this.#wakeAtMs || !Number.isFinite(due)) return;
    this.#wakeAtMs = due;
    this.#context.outbox.push({ kind: 'wake', at: due as MonotonicMs });
  }

  /** Reads may be answered from this replica's state: check and read in one synchronous step (pitfall P32). */
  isServing(now: Clocks): boolean {
    return this.#participation.state !== 'halted' && this.#coordinator.isServing(now);
  }

  leaseRemainingMs(now: Clocks): number {
    return this.#coordinator.leaseRemainingMs(now);
  }

  /** The replica that this one takes for master at `now`, itself included. */
  master(now: Clocks): ReplicaId | null {
    if (this.#coordinator.isMaster) return this.#coordinator.leaseRemainingMs(now) > 0 ? this.#context.self : null;
    const { heard } = this.#reception;
    if (heard === null || now.monotonicMs > heard.atMs + this.#context.configurations.latest.configuration.leaseMs)
      return null;
    return heard.from;
  }

  /** The voter that could take over now, `to` itself or the most caught-up one; null when none can. */
  handOverCandidate(to: ReplicaId | null, now: Clocks): ReplicaId | null {
    return this.#coordinator.handOverCandidate(to, now);
  }

  /** At a master: voters whose acknowledgements do not arrive, so that they add nothing to fault tolerance. */
  unheard(now: Clocks): readonly ReplicaId[] {
    return this.#coordinator.unheard(now);
  }

  /** At a master: whether as many voters as decide are known to have applied `instance`. */
  isAppliedByQuorum(instance: Instance): boolean {
    return this.#coordinator.isAppliedByQuorum(instance);
  }

  get state(): CoordinatorState {
    return this.#coordinator.state;
  }

  get participation(): ParticipationState {
    return this.#participation.state;
  }

  /** Whether the cell counts on its vote already: what gives it one is learned alpha instances before it governs (P44). */
  get isCountedOn(): boolean {
    return this.participation === 'voting' && voters(this.configuration).has(this.#context.self);
  }

  /** Why it halted: the item of which nobody can tell any more what was accepted. */
  get lost(): BadItem | null {
    return this.#lost;
  }

  /** Whether the state is at least what this disk had stood for before this start: nothing is served from before that. */
  get isWhole(): boolean {
    return this.#context.appliedUpTo >= this.#startedUpTo;
  }

  /** Up to here bad snapshots stood for the state, and nothing else on this disk does; 0 for nothing, and once others have given it. */
  get missingUpTo(): number {
    return this.#context.log.missingUpTo;
  }

  /** What of its log could not be read and is not repaired yet, ascending. */
  get bad(): readonly BadItem[] {
    const { log } = this.#context;
    return log.badFrom(log.chosenUpTo + 1);
  }

  /** While `checking`: members that it still wants to compare with. */
  get waitsFor(): readonly ReplicaId[] {
    return this.#participation.waitsFor;
  }

  /** What the members hold at the newest instance that was compared in full; null before the first. */
  get comparedDatabases(): ComparedDatabases | null {
    return this.#databases.latest;
  }

  /** Its database is not known to be the right one: it is set aside, or will be as soon as it takes part. */
  get isSetAside(): boolean {
    return !this.#context.mayVote;
  }

  /** The chosen value of `instance`, where it is still here. */
  chosenValue(instance: Instance): Value | null {
    const { log } = this.#context;
    return instance <= log.chosenUpTo ? (log.get(instance)?.value ?? null) : null;
  }

  get promised(): Ballot {
    return this.#acceptor.promised;
  }

  get ballot(): Ballot {
    return this.#coordinator.isMaster ? this.#coordinator.ballot : this.#acceptor.promised;
  }

  get epoch(): Epoch {
    return this.#context.epoch;
  }

  get chosenUpTo(): Instance {
    return this.#context.log.chosenUpTo;
  }

  get appliedUpTo(): Instance {
    return this.#context.appliedUpTo;
  }

  /** At a master the highest instance that it has proposed, in this epoch or by recovery; else what is chosen. */
  get proposedUpTo(): Instance {
    return this.#coordinator.proposedUpTo;
  }

  /** What this replica accepted or knows as chosen from `from` on, ascending: what phase 1 would report. */
  acceptedFrom(from: Instance): readonly AcceptedEntry[] {
    return this.#context.log.acceptedFrom(from);
  }

  /** Records from `from` on, which is above what is chosen, that the disk cannot give back. */
  badFrom(from: Instance): readonly BadItem[] {
    return this.#context.log.badFrom(from);
  }

  get firstRetained(): Instance {
    return this.#context.log.firstRetained;
  }

  get pendingItems(): number {
    return this.#coordinator.pendingItems;
  }

  get behind(): number {
    return this.#catchUp.behind;
  }

  get configurations(): readonly ConfigurationFrom[] {
    return this.#context.configurations.from(this.#context.log.chosenUpTo + 1);
  }

  /**
   * As {@link configurations}, by what its disk knows as chosen: who is in one of these is connected to, since after a crash this
   * replica may need it.
   */
  get durableConfigurations(): readonly ConfigurationFrom[] {
    return this.#context.configurations.from(this.durablyAppliedUpTo + 1);
  }

  /** Up to here values would be known as chosen after a crash, and what they say of the membership is known here. */
  get durablyAppliedUpTo(): Instance {
    const { appliedUpTo, outbox } = this.#context;
    return Math.min(appliedUpTo, outbox.durablyChosenUpTo) as Instance;
  }

  get configuration(): Configuration {
    return presentConfiguration(this.#context);
  }

  cellTimeMs(now: Clocks): CellTimeMs {
    return this.#coordinator.cellTimeMs(now);
  }

  /** Messages dropped because their sender is no member, is dead, or is this replica. */
  get ignoredMessages(): number {
    return this.#reception.ignored;
  }

  /** Verifies the whole state. The simulator calls it after every step, production after every snapshot. */
  checkInvariants(): void {
    const { log, appliedUpTo } = this.#context;
    invariant(appliedUpTo <= log.chosenUpTo, 'only what is chosen is applied', {
      appliedUpTo,
      chosenUpTo: log.chosenUpTo,
    });
    // What was found present stays so until something is removed.
    const known = this.#presentRemovals === log.removals;
    for (
      let i = Math.max(log.firstRetained, known ? this.#presentUpTo + 1 : log.chosenUpTo - 64);
      i <= log.chosenUpTo;
      i++
    ) {
      invariant(log.get(i) !== undefined, 'what is chosen and retained is present', { instance: i });
    }
    this.#presentUpTo = log.chosenUpTo;
    this.#presentRemovals = log.removals;
    this.#coordinator.checkInvariants();
  }
}

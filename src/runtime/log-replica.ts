/**
 * Runs one replica of the log: feeds inputs to the core, one at a time, and carries out its effects in order.
 *
 * Source: PML §3 (submit, callback on every replica), §6.4 (one thread, repeatable). All that is ambient comes in through
 * ports, so the same code runs in production and in the simulator.
 * Keeps: a message that must wait for a write leaves only when that write is durable (pitfall P01); after a failed write
 * or a violated invariant nothing more is sent, written or answered (P14).
 */

import type { BadItem, ValueDigest } from '../core/consensus/bad-item.ts';
import { type Configuration, memberId } from '../core/consensus/configuration.ts';
import type { DatabaseDigests } from '../core/consensus/database-comparison.ts';
import type { Effect } from '../core/consensus/effect.ts';
import type { FreezeEvidence } from '../core/consensus/freeze.ts';
import type { Instance, MonotonicMs, ReplicaId, WriteId } from '../core/consensus/identity.ts';
import type { Clocks, Input } from '../core/consensus/input.ts';
import type { Message } from '../core/consensus/message.ts';
import { Replica } from '../core/consensus/replica.ts';
import type { Value } from '../core/consensus/value.ts';
import { invariant, unreachable } from '../core/invariant.ts';
import { chainBefore, chained } from '../formats/log-chain.ts';
import { encodeValue } from '../formats/value.ts';
import type { Timer } from '../ports/clocks.ts';
import type { SnapshotStream } from '../ports/network.ts';
import type { LogMemory } from '../storage/log-renewal.ts';
import { Freezing, type FreezingHost } from './freezing.ts';
import { LogAnswers } from './log-answers.ts';
import type {
  ChangeOutcome,
  LogReplicaOptions,
  SnapshotOutcome,
  SnapshotPoint,
  SubmitCallback,
} from './log-replica-options.ts';
import type { LoadedSnapshot } from './log-storage.ts';
import { RecentDigests } from './recent-digests.ts';
import { SetAsideDatabase, type SetAsideHost } from './set-aside-database.ts';
import { type IntakeProgress, SnapshotIntake } from './snapshot-intake.ts';
import { restoreFrom } from './storage-adapter.ts';

export type {
  ChangeOutcome,
  LogReplicaOptions,
  MastershipEvent,
  SnapshotOutcome,
  SnapshotPoint,
  SubmitCallback,
  SubmitOutcome,
} from './log-replica-options.ts';

/** So far a crash can have gone on from what another version must arrive at again before it runs on this data (design §6). */
const recordEveryInstances = 10_000;
/** After a failed snapshot (a full disk, say) the next try waits, so that trying does not become the load. */
const snapshotRetryMs = 10_000;
/** Who is out is spoken to for so many instances more, so that it hears that it is. */
const partingInstances = 4;
/** Instances between two comparisons of the sums that are kept up with each operation: they cost next to nothing. */
const runningSumEvery = 1024;
interface HeldMessage {
  readonly after: WriteId;
  readonly to: ReplicaId;
  readonly message: Message;
}

export class LogReplica<Result> {
  readonly #options: LogReplicaOptions<Result>;
  readonly #core: Replica;
  readonly #answers: LogAnswers<Result>;
  #inputs: Input[] = [];
  #feeding = false;
  #held: HeldMessage[] = [];
  #timer: Timer | null = null;
  #started = false;
  #stopped = false;
  #logChain: Uint8Array;
  readonly recentDigests = new RecentDigests();
  /** From where the newest configuration governs, while those that are out by it are still connected; else 0. */
  #partingAt = 0;
  /** What the application holds. Behind the core's own mark while the effects of a step are being carried out. */
  #appliedUpTo: Instance;
  #snapshotting: Promise<SnapshotOutcome> | null = null;
  #snapshotNotBeforeMs = 0;
  #restoring = false;
  readonly #intake: SnapshotIntake;
  #recordedUpTo: Instance;
  #failed = false;
  readonly #freezing: Freezing;
  readonly #database: SetAsideDatabase;
  #waiters: { readonly instance: Instance; readonly done: () => void }[] = [];

  constructor(options: LogReplicaOptions<Result>) {
    this.#options = options;
    this.#answers = new LogAnswers(options.logger);
    this.#intake = new SnapshotIntake(options);
    this.#logChain = options.snapshot?.logChain ?? chainBefore;
    const { self, random, recovered, limits } = options;
    this.#appliedUpTo = recovered.handle.instance;
    this.#recordedUpTo = recovered.handle.instance;
    const at = options.clocks.now();
    this.#freezing = new Freezing(options, this.#freezingHost());
    const frozen = this.#freezing.silent;
    const { quarantined = false } = options;
    const digestOf = (value: Value): ValueDigest => options.digest.entry(encodeValue(value));
    const known = { self, at, random, recovered, frozen, quarantined, digestOf };
    this.#core = new Replica({ ...known, ...(limits === undefined ? {} : { limits }) });
    this.#database = new SetAsideDatabase(options, this.#setAsideHost());
  }

  /** Begins to take part. The application already holds the snapshot's state. */
  start(): void {
    if (this.#stopped) return;
    this.#started = true;
    const { storage, network } = this.#options;
    storage.onPersisted((write) => this.#onPersisted(write));
    storage.onFailed((error) => this.#fatal(error));
    network.onMessage((from, message) => {
      if (message.kind === 'frozen') this.#freezing.onTold(from, message.evidence);
      else if (!this.#restoring) this.#feed({ kind: 'message', at: this.#now(), from, message });
    });
    network.onSnapshotRequest((above, digest) => this.#provide(above, digest));
    this.updatePeers();
    this.#feed({ kind: 'woken', at: this.#now() });
    this.#freezing.start();
  }

  /** Stops without ceremony: whatever was not answered is unknown, whatever was not proposed had no effect. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#timer?.cancel();
    this.#freezing.stop();
    this.#answers.endAll('stopped', 'stopped');
  }

  // --- freezing -----------------------------------------------------------------------------------------------------

  /**
   * Evidence was seen that the cell went back or forked (design §4 "Frozen"). From the moment of the call on this replica
   * promises, accepts, serves and applies nothing; when it resolves, that is durable together with the evidence, and all
   * members are being told. Only a new generation ends it. A second call changes nothing: the first evidence stays.
   */
  freeze(evidence: FreezeEvidence): Promise<void> {
    return this.#freezing.freeze(evidence);
  }

  /** From now on it promises, accepts, serves and applies nothing. Making that durable is the caller's. */
  fence(): void {
    this.#freezing.fence();
  }

  #freezingHost(): FreezingHost {
    return {
      stopped: () => this.#stopped,
      members: () => this.#core.configurations.flatMap(({ configuration }) => configuration.members.map(memberId)),
      silence: () => {
        this.#held = [];
        // Ahead of what waits its turn: none of that is to be promised or accepted any more.
        this.#inputs.unshift({ kind: 'freeze', at: this.#now() });
        this.#run();
        this.#answers.endAll('not-master', 'mastership-lost');
      },
      fatal: (error) => this.#fatal(error),
    };
  }

  /** What froze this member; null while nothing did, or while that is not durable yet. */
  get frozen(): FreezeEvidence | null {
    return this.#freezing.evidence;
  }

  /** Nothing is answered any more, durable or not. */
  get silent(): boolean {
    return this.#freezing.silent;
  }

  get self(): ReplicaId {
    return this.#options.self;
  }

  /** The deterministic core, to look at. Never step it from outside. */
  get core(): Replica {
    return this.#core;
  }

  /**
   * The last instance that the application holds. In the middle of a step, from where answers are given, the core's own mark
   * is that of the step's end: together with the application's state it would name a point that never was.
   */
  get appliedUpTo(): Instance {
    return this.#appliedUpTo;
  }

  /** The snapshot that is on its way here; null when none is. */
  get catchUp(): IntakeProgress | null {
    return this.#intake.progress;
  }

  /** Whether this member's files may be changed: they are no evidence, and it goes on. */
  get mayRepair(): boolean {
    return !this.#stopped && !this.silent && !this.#isSetAside();
  }

  /** What it has accepted or knows as chosen; null while it is missing some of it itself. */
  get memory(): LogMemory | null {
    const from = this.#core.firstRetained;
    if (!this.mayRepair || this.#core.bad.length > 0 || !this.#core.isWhole) return null;
    return { from, entries: this.#core.acceptedFrom(from) };
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Digest over the chosen values up to the last applied instance (design §5). */
  get logChain(): Uint8Array {
    return this.#logChain;
  }

  #now(): Clocks {
    return this.#options.clocks.now();
  }

  /**
   * Fresh clocks, one synchronous step: valid only for a read made before anything else runs (pitfall P32). False in the
   * middle of a step that has still more to apply: the core serves by then, the application is not yet there.
   */
  isServing(): boolean {
    if (this.silent) return false;
    return !this.#stopped && this.#isCurrent() && this.#core.isServing(this.#now());
  }

  /** Whether the application holds all that the core calls applied. */
  #isCurrent(): boolean {
    return !this.#restoring && this.#appliedUpTo === this.#core.appliedUpTo;
  }

  /**
   * Submits one value; `done` is called exactly once. Everything submitted in one turn of the loop shares a step, so
   * concurrent clients share an instance without any timer (PML §4.2).
   */
  submit(item: Uint8Array, done: SubmitCallback<Result>): void {
    if (this.#stopped) {
      done({ kind: 'none', reason: 'stopped' });
      return;
    }
    if (this.#answers.submit(item, done)) this.#options.clocks.nextTurn(() => this.#flushSubmissions());
  }

  #flushSubmissions(): void {
    if (this.#stopped) return;
    const submissions = this.#answers.takeSubmissions();
    if (submissions.length > 0) this.#feed({ kind: 'submit', at: this.#now(), submissions });
  }

  /**
   * Only at a master, one change at a time, of at most one voter (design §3). `done` once it is applied here, refused, or
   * nobody here knows its fate.
   */
  changeConfiguration(configuration: Configuration, done: (outcome: ChangeOutcome) => void): void {
    if (this.#stopped) return done('refused');
    const request = this.#answers.change(done);
    this.#feed({ kind: 'change-configuration', at: this.#now(), request, configuration });
  }

  /** Submissions that wait for an instance or for their answer. */
  get queued(): number {
    return this.#answers.open;
  }

  handOver(to: ReplicaId | null): void {
    this.#feed({ kind: 'hand-over', at: this.#now(), to });
  }

  /** Whether others go first in an election. Also before the start. */
  drain(drained: boolean): void {
    this.#feed({ kind: 'drain', at: this.#now(), drained });
  }

  /** Gives up the lease and proves mastership anew, in a new epoch; another replica may become master instead. */
  renounce(): void {
    this.#feed({ kind: 'renounce', at: this.#now() });
  }

  /** This replica and `member` remember nothing of each other's disks that is not there. */
  compared(member: ReplicaId): void {
    this.#feed({ kind: 'compared', at: this.#now(), member });
  }

  /** `member` lets this incarnation in no more: it was removed. */
  turnedAway(member: ReplicaId): void {
    this.#feed({ kind: 'turned-away', at: this.#now(), member });
  }

  /** More is remembered of this replica's disk than is on it: it says, writes and answers nothing more. */
  rolledBack(): void {
    if (this.#stopped) return;
    this.#feed({ kind: 'rolled-back', at: this.#now() });
    this.stop();
  }

  /** The connections to `member` end and are made anew. */
  reconnect(member: ReplicaId): void {
    if (!this.#started || this.#stopped) return;
    this.updatePeers(member);
    this.updatePeers();
  }

  /** Calls back when `instance` is applied here; at once when it is. */
  whenApplied(instance: Instance, done: () => void): { cancel(): void } {
    if (this.#appliedUpTo >= instance) {
      done();
      return { cancel() {} };
    }
    const waiter = { instance, done };
    this.#waiters.push(waiter);
    return {
      cancel: () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
      },
    };
  }

  // --- the loop -----------------------------------------------------------------------------------------------------

  /** One input at a time: what effects cause meanwhile waits its turn. */
  #feed(input: Input): void {
    this.#inputs.push(input);
    this.#run();
  }

  #run(): void {
    if (!this.#started || this.#feeding || this.#restoring) return;
    this.#feeding = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined && !this.#stopped; next = this.#inputs.shift()) {
        const effects = this.#core.step(next);
        this.#options.onStep?.(next, effects, this.#core);
        this.#carryOut(effects);
        if (this.#restoring) break;
      }
    } catch (error) {
      this.#fatal(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#feeding = false;
    }
  }

  /** Messages and the write first, so that disks and peers work while answers are made. */
  #carryOut(effects: readonly Effect[]): void {
    for (const effect of effects) this.#carryOutOutward(effect);
    const before = this.#appliedUpTo;
    for (const effect of effects) {
      if (this.#stopped) return;
      this.#carryOutInward(effect);
    }
    // Not in between: the core's handle and its mastership are those of the whole step.
    if (this.#appliedUpTo !== before) this.#afterApplying();
  }

  #carryOutOutward(effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        if (this.silent) return;
        if (effect.after === null) this.#options.network.send(effect.to, effect.message);
        else this.#held.push({ after: effect.after, to: effect.to, message: effect.message });
        return;
      case 'persist':
        return this.#options.storage.persist(effect.request);
      case 'wake':
        return this.#wakeAt(effect.at);
      default:
        return;
    }
  }

  #carryOutInward(effect: Effect): void {
    switch (effect.kind) {
      case 'send':
      case 'persist':
      case 'wake':
        return;
      case 'apply':
        return this.#apply(effect);
      case 'settle':
        return this.#answers.settle(effect.requests, effect.reason);
      case 'mastership':
        this.#options.logger.info({ role: effect.role, cause: effect.cause }, 'mastership');
        return this.#options.onMastership?.({ role: effect.role, cause: effect.cause });
      case 'transition': {
        const { machine, from, event, to, section } = effect.transition;
        if (machine === 'participation' && to === 'removed') this.#options.onLeft?.();
        return this.#options.logger.debug({ machine, from, event, to, section, cause: effect.cause }, 'transition');
      }
      case 'parted':
        return this.#options.onParted?.();
      case 'bad-settled':
        return this.#options.storage.settleBad(effect.above);
      case 'halted':
        return this.#onHalted(effect.item);
      case 'fetch-snapshot':
        return void this.#fetchSnapshot(effect.provider, effect.above);
      case 'compared':
        return this.#options.onCompared?.(effect.comparison);
      case 'set-aside':
        return void this.#database.setAside(effect.evidence);
      case 'taken-back':
        return void this.#database.takenBack(effect.instance);
      case 'check-wanted':
        return this.#options.onCheckWanted?.();
      case 'fork-seen':
        return void this.freeze(this.#forkEvidence(effect));
      default:
        return unreachable(effect);
    }
  }

  /** Whoever waits for an answer here gets none from the log any more. */
  #onHalted(item: BadItem): void {
    this.#options.logger.error(
      { instance: item.instance, identity: item.identity },
      'an item of the log is lost: halted',
    );
    this.stop();
    this.#options.onHalted?.(item);
  }

  #wakeAt(at: MonotonicMs): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clocks.schedule(at, () => {
      this.#timer = null;
      if (!this.#stopped) this.#feed({ kind: 'woken', at: this.#now() });
    });
  }

  #onPersisted(write: WriteId): void {
    if (this.#stopped) return;
    const { network } = this.#options;
    const waiting: HeldMessage[] = [];
    for (const held of this.#held) {
      if (held.after <= write) network.send(held.to, held.message);
      else waiting.push(held);
    }
    this.#held = waiting;
    this.#feed({ kind: 'persisted', at: this.#now(), write });
  }

  // --- applying -----------------------------------------------------------------------------------------------------

  #apply(effect: Extract<Effect, { kind: 'apply' }>): void {
    const { instance, epoch, value, current, requests } = effect;
    this.#logChain = chained(this.#options.digest, this.#logChain, { instance, value });
    const { logChain } = this;
    const results = this.#options.application.apply({ instance, epoch, value, current, logChain });
    this.#appliedUpTo = instance;
    this.recentDigests.applied(instance, this.#logChain, this.#options.application.checksumHex?.() ?? '');
    if (value.kind === 'configuration') {
      this.updatePeers();
      this.#partingAt = this.#core.configurations.at(-1)?.from ?? 0;
    } else if (this.#partingAt > 0 && instance >= this.#partingAt + partingInstances && this.#hasParted()) {
      this.#partingAt = 0;
      this.updatePeers();
    }
    requests?.forEach((request, i) => {
      if (value.kind === 'configuration') this.#answers.changed(request, 'changed');
      else this.#answers.applied(request, results[i], { instance, epoch });
    });
    if (value.kind === 'mastership' && instance > this.#options.recovered.chosenUpTo) {
      this.#options.onEpoch?.(epoch, value.owner);
    }
    if (value.kind === 'submitted') this.#options.onDelivered?.(value.items.length);
    if (instance % runningSumEvery === 0) this.#reportRunningSum(instance);
  }

  /** Those that are out by the newest configuration are out by what the disk knows, too. */
  #hasParted(): boolean {
    return this.#core.durablyAppliedUpTo >= this.#partingAt - 1;
  }

  #afterApplying(): void {
    if (this.#waiters.length > 0) this.#wakeWaiters(this.#appliedUpTo);
    this.#intake.reached(this.#appliedUpTo);
    this.#snapshotWhenDue();
    if (this.#appliedUpTo - this.#recordedUpTo >= recordEveryInstances) {
      this.record().catch((error: unknown) => {
        this.#options.logger.warn({ err: error }, 'the point that was reached could not be recorded');
      });
    }
  }

  /**
   * Records the applied point with its digests, for the rehearsal of another version (design §6). Nothing is recorded of a
   * replica that failed or is frozen: what it holds may be half of a step, or evidence.
   */
  record(): Promise<void> {
    const checksum = this.#options.application.checksumHex?.();
    if (checksum === undefined || this.#failed || this.silent || !this.#isCurrent()) return Promise.resolve();
    this.#recordedUpTo = this.#appliedUpTo;
    const logChain = Buffer.from(this.#logChain).toString('hex');
    return this.#options.storage.record({ instance: this.#appliedUpTo, logChain, checksum });
  }

  #wakeWaiters(applied: Instance): void {
    const ready = this.#waiters.filter(({ instance }) => instance <= applied);
    if (ready.length === 0) return;
    this.#waiters = this.#waiters.filter(({ instance }) => instance > applied);
    for (const { done } of ready) done();
  }

  /** Whom to reach, and where, has changed; nobody is reached at `except`. */
  updatePeers(except: ReplicaId | null = null): void {
    const { self, network, acquaintances } = this.#options;
    const peers = new Map<ReplicaId, string>(acquaintances?.());
    for (const { configuration } of this.#core.durableConfigurations) {
      for (const { name, incarnation, url } of configuration.members) {
        peers.set(`${name}#${incarnation}` as ReplicaId, url);
      }
    }
    peers.delete(self);
    if (except !== null) peers.delete(except);
    network.setPeers([...peers].map(([id, url]) => ({ id, url })));
  }

  // --- snapshots ----------------------------------------------------------------------------------------------------

  #snapshotWhenDue(): void {
    if (this.#snapshotting !== null || this.#options.storage.walBytesSinceSnapshot() < this.#options.snapshotLogBytes)
      return;
    if (this.#now().monotonicMs >= this.#snapshotNotBeforeMs) void this.takeSnapshot();
  }

  /** Takes one now, or joins the one that is under way. */
  takeSnapshot(): Promise<SnapshotOutcome> {
    if (this.#snapshotting !== null) return this.#snapshotting;
    const point = this.snapshotPoint();
    if (point === null) return Promise.resolve({ kind: 'unavailable' });
    const taking = this.#takeSnapshot(point).finally(() => {
      this.#snapshotting = null;
    });
    this.#snapshotting = taking;
    return taking;
  }

  /**
   * What a snapshot of this moment stands for and holds; its view is to be closed. Null while there is no such moment: in the
   * middle of a step, while another state is being restored, and after the replica has stopped.
   */
  snapshotPoint(): SnapshotPoint | null {
    // What is not known to be right teaches nobody (pitfall P30).
    if (this.#isSetAside()) return null;
    if (this.#stopped || !this.#isCurrent()) return null;
    const handle = this.#core.handle();
    // Handle, chain and view belong together, or a restart would go on from one state at the place of another.
    invariant(handle.instance === this.#appliedUpTo, 'a snapshot is of what the application holds', { handle });
    return { handle, logChain: this.#logChain, view: this.#options.application.view() };
  }

  async #takeSnapshot({ handle, logChain, view }: SnapshotPoint): Promise<SnapshotOutcome> {
    try {
      const { instance, bytes } = await this.#options.storage.takeSnapshot({ handle, logChain, view });
      this.#options.logger.info({ instance, bytes }, 'snapshot taken');
      this.#feed({ kind: 'snapshot-taken', at: this.#now(), instance });
      return { kind: 'taken', instance };
    } catch (error) {
      this.#options.logger.error({ err: error, instance: handle.instance }, 'snapshot failed; the previous one stands');
      this.#snapshotNotBeforeMs = this.#now().monotonicMs + snapshotRetryMs;
      return { kind: 'failed', error };
    } finally {
      view.close();
    }
  }

  /** For a peer that needs one above `above`; taken now where that is missing. A database that is not right teaches nobody. */
  async #provide(above: number, digest: string | null): Promise<SnapshotStream | null> {
    const { storage } = this.#options;
    if (this.#isSetAside()) return null;
    const newest = await storage.serveNewest(above, digest);
    if (newest !== null || this.#appliedUpTo <= above) return newest;
    const { kind } = await this.takeSnapshot();
    return kind === 'taken' ? storage.serveNewest(above, null) : null;
  }

  #receive(provider: ReplicaId, above: Instance): Promise<LoadedSnapshot> {
    return this.#intake.fetch(provider, above, () => {
      if (this.silent) throw new Error('this member was frozen meanwhile');
    });
  }

  async #fetchSnapshot(provider: ReplicaId, above: Instance): Promise<void> {
    const { logger } = this.#options;
    logger.info({ provider, above }, 'too far behind for the log: fetching a snapshot');
    try {
      await this.#install(await this.#receive(provider, above));
    } catch (error) {
      logger.warn({ err: error, provider }, 'snapshot was not fetched; asking again');
      this.#feed({ kind: 'snapshot-failed', at: this.#now() });
    }
  }

  /** While the application takes over the new state nothing is fed: what peers say meanwhile is said again. */
  async #install(snapshot: LoadedSnapshot): Promise<void> {
    if (this.#stopped || this.silent) return;
    if (snapshot.handle.instance <= this.#core.appliedUpTo) {
      this.#feed({ kind: 'snapshot-failed', at: this.#now() });
      return;
    }
    this.#restoring = true;
    try {
      await restoreFrom(this.#options.application, snapshot);
    } catch (error) {
      // The old state is gone and the new one is not whole: only a restart from disk is safe.
      this.#fatal(error instanceof Error ? error : new Error(String(error)));
      return;
    } finally {
      this.#restoring = false;
    }
    this.#logChain = snapshot.logChain;
    this.recentDigests.clear();
    this.#appliedUpTo = snapshot.handle.instance;
    // Before anything that waited: the core must not apply on the new state what came after the old one.
    this.#inputs = this.#inputs.map((input) => ({ ...input, at: this.#now() }));
    this.#inputs.unshift({ kind: 'snapshot-installed', at: this.#now(), handle: snapshot.handle });
    this.#feed({ kind: 'woken', at: this.#now() });
    this.updatePeers();
    this.#wakeWaiters(this.#core.appliedUpTo);
  }

  // --- the database's own check -------------------------------------------------------------------------------------

  /** What a full scan of the application found at an instance; to be compared with the others. */
  databaseChecked(digests: Omit<DatabaseDigests, 'full' | 'version'>): void {
    if (this.#stopped) return;
    const { version = '' } = this.#options;
    this.#feed({ kind: 'database-checked', at: this.#now(), digests: { ...digests, full: true, version } });
  }

  /** Of what others apply too: what this replica finds again on its disk was compared before. */
  #reportRunningSum(instance: Instance): void {
    const { application, recovered, version = '' } = this.#options;
    const database = instance > recovered.chosenUpTo && !this.#isSetAside() ? application.checksumHex?.() : undefined;
    if (database === undefined) return;
    const logChain = Buffer.from(this.#logChain).toString('hex');
    const digests = { instance, full: false, logChain, database, version };
    this.#feed({ kind: 'database-checked', at: this.#now(), digests });
  }

  #isSetAside(): boolean {
    return this.#core.isSetAside;
  }

  #setAsideHost(): SetAsideHost {
    return {
      stopped: () => this.#stopped,
      isSetAside: () => this.#isSetAside(),
      appliedUpTo: () => this.#appliedUpTo,
      chosenValue: (instance) => this.#core.chosenValue(instance),
      receive: (provider, above) => this.#receive(provider, above),
      install: (snapshot) => this.#install(snapshot),
      leavePoint: () => {
        this.#restoring = true;
      },
      reachPoint: (logChain) => {
        this.#logChain = logChain;
        this.#restoring = false;
        // Ahead of what a check found meanwhile: that is of the new state.
        this.#inputs = this.#inputs.map((input) => ({ ...input, at: this.#now() }));
        this.#inputs.unshift({ kind: 'database-replayed', at: this.#now() });
      },
      replayed: () => this.#feed({ kind: 'database-replayed', at: this.#now() }),
      wake: () => this.#feed({ kind: 'woken', at: this.#now() }),
      fatal: (error) => this.#fatal(error),
    };
  }

  #forkEvidence({ instance, branches }: Extract<Effect, { kind: 'fork-seen' }>): FreezeEvidence {
    const sides = branches.map(({ members, logChain }) => `${members.join(', ')} with ${logChain.slice(0, 16)}…`);
    return {
      cause: 'log-fork',
      generation: this.#options.generation ?? 1,
      seenBy: this.self,
      seenAtMs: this.#now().wallMs,
      text: `Members do not have the same log up to instance ${instance}: ${sides.join('; ')}.`,
      facts: Object.fromEntries([
        ['instance', instance],
        ...branches.flatMap(({ members, logChain }) => members.map((member) => [`log of ${member}`, logChain])),
      ]),
    };
  }

  #fatal(error: Error): void {
    if (this.#stopped) return;
    this.#failed = true;
    this.stop();
    this.#options.onFatal(error);
  }
}

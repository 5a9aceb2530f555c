/**
 * Runs one replica of the log: its parts put together, its life, and what others ask of it.
 *
 *   inputs ──▶ StepLoop ──▶ core.step ──▶ StepEffects ──▶ Outbox, disk        messages and writes first
 *      ▲                                       │
 *      └── time, disk, peers, callers          └────────▶ AppliedLog, answers, snapshots, …   what follows from being chosen
 *
 * Source: PML §3 (submit, callback on every replica), §6.4 (one thread, repeatable). All that is ambient comes in through
 * ports, so the same code runs in production and in the simulator.
 * Keeps: after a failed write or a violated invariant nothing more is sent, written or answered (pitfall P14).
 */

import type { ValueDigest } from '../core/consensus/bad-item.ts';
import { type Configuration, memberId } from '../core/consensus/configuration.ts';
import type { DatabaseDigests } from '../core/consensus/database-comparison.ts';
import type { FreezeEvidence } from '../core/consensus/freeze.ts';
import type { Instance, ReplicaId, WriteId } from '../core/consensus/identity.ts';
import { Replica } from '../core/consensus/replica.ts';
import type { Value } from '../core/consensus/value.ts';
import { encodeValue } from '../formats/value.ts';
import type { LogMemory } from '../storage/log-renewal.ts';
import { AppliedLog } from './applied-log.ts';
import { DatabaseSums } from './database-sums.ts';
import { Freezing, type FreezingHost } from './freezing.ts';
import { LogAnswers } from './log-answers.ts';
import { LogPeers } from './log-peers.ts';
import type {
  ChangeOutcome,
  LogReplicaOptions,
  SnapshotOutcome,
  SnapshotPoint,
  SubmitCallback,
} from './log-replica-options.ts';
import { LogSnapshots } from './log-snapshots.ts';
import { Outbox } from './outbox.ts';
import type { RecentDigests } from './recent-digests.ts';
import { SetAsideDatabase } from './set-aside-database.ts';
import type { IntakeProgress } from './snapshot-intake.ts';
import { StepEffects } from './step-effects.ts';
import { StepLoop } from './step-loop.ts';

export class LogReplica<Result> {
  readonly #options: LogReplicaOptions<Result>;
  readonly #core: Replica;
  readonly #loop: StepLoop;
  readonly #outbox: Outbox;
  readonly #applied: AppliedLog<Result>;
  readonly #answers: LogAnswers<Result>;
  readonly #peers: LogPeers;
  readonly #snapshots: LogSnapshots;
  readonly #sums: DatabaseSums;
  readonly #freezing: Freezing;
  #failed = false;

  constructor(options: LogReplicaOptions<Result>) {
    this.#options = options;
    this.#answers = new LogAnswers(options.logger);
    this.#outbox = new Outbox(options.network);
    this.#freezing = new Freezing(options, this.#freezingHost());
    const fatal = (error: Error): void => this.#fatal(error);
    const core = this.#createCore();
    const applied = new AppliedLog(options, core);
    const loop: StepLoop = new StepLoop(options, core, {
      restoring: () => applied.restoring,
      carryOut: (ofStep) => effects.carryOut(ofStep),
      fatal,
    });
    const peers = new LogPeers(options, core);
    const snapshots = new LogSnapshots(options, { core, loop, applied, peers, fatal, silent: () => this.silent });
    const sums = new DatabaseSums(options, { core, loop, applied });
    const effects = new StepEffects(options, {
      ...{ loop, applied, peers, snapshots, sums },
      ...{ outbox: this.#outbox, answers: this.#answers, freezing: this.#freezing },
      database: new SetAsideDatabase(options, { core, loop, applied, snapshots, fatal }),
      stop: () => this.stop(),
      record: () => this.record(),
    });
    this.#core = core;
    this.#loop = loop;
    this.#applied = applied;
    this.#peers = peers;
    this.#snapshots = snapshots;
    this.#sums = sums;
  }

  #freezingHost(): FreezingHost {
    return {
      stopped: () => this.stopped,
      members: () => this.#core.configurations.flatMap(({ configuration }) => configuration.members.map(memberId)),
      silence: () => {
        this.#outbox.clear();
        // Ahead of what waits its turn: none of that is to be promised or accepted any more.
        this.#loop.feedFirst({ kind: 'freeze', at: this.#loop.now() });
        this.#answers.endAll('not-master', 'mastership-lost');
      },
      fatal: (error) => this.#fatal(error),
    };
  }

  #createCore(): Replica {
    const { self, random, recovered, limits, clocks, digest, quarantined = false } = this.#options;
    const frozen = this.#freezing.silent;
    const digestOf = (value: Value): ValueDigest => digest.entry(encodeValue(value));
    const known = { self, at: clocks.now(), random, recovered, frozen, quarantined, digestOf };
    return new Replica({ ...known, ...(limits === undefined ? {} : { limits }) });
  }

  /** Begins to take part. The application already holds the snapshot's state. */
  start(): void {
    if (this.stopped) return;
    this.#loop.start();
    const { storage, network } = this.#options;
    storage.onPersisted((write) => this.#onPersisted(write));
    storage.onFailed((error) => this.#fatal(error));
    network.onMessage((from, message) => {
      if (message.kind === 'frozen') this.#freezing.onTold(from, message.evidence);
      else if (!this.#applied.restoring) this.#loop.feed({ kind: 'message', at: this.#loop.now(), from, message });
    });
    network.onSnapshotRequest((above, digest) => this.#snapshots.provide(above, digest));
    this.updatePeers();
    this.#loop.feed({ kind: 'woken', at: this.#loop.now() });
    this.#freezing.start();
  }

  /** Stops without ceremony: whatever was not answered is unknown, whatever was not proposed had no effect. */
  stop(): void {
    if (this.stopped) return;
    this.#loop.stop();
    this.#freezing.stop();
    this.#answers.endAll('stopped', 'stopped');
  }

  #fatal(error: Error): void {
    if (this.stopped) return;
    this.#failed = true;
    this.stop();
    this.#options.onFatal(error);
  }

  #onPersisted(write: WriteId): void {
    if (this.stopped) return;
    this.#outbox.persisted(write);
    this.#loop.feed({ kind: 'persisted', at: this.#loop.now(), write });
  }

  // --- what it is ---------------------------------------------------------------------------------------------------

  get self(): ReplicaId {
    return this.#options.self;
  }

  /** The deterministic core, to look at. Never step it from outside. */
  get core(): Replica {
    return this.#core;
  }

  get stopped(): boolean {
    return this.#loop.stopped;
  }

  /** What froze this member; null while nothing did, or while that is not durable yet. */
  get frozen(): FreezeEvidence | null {
    return this.#freezing.evidence;
  }

  /** Nothing is answered any more, durable or not. */
  get silent(): boolean {
    return this.#freezing.silent;
  }

  /**
   * The last instance that the application holds. In the middle of a step, from where answers are given, the core's own mark
   * is that of the step's end: together with the application's state it would name a point that never was.
   */
  get appliedUpTo(): Instance {
    return this.#applied.upTo;
  }

  /** Digest over the chosen values up to the last applied instance (design §5). */
  get logChain(): Uint8Array {
    return this.#applied.chain;
  }

  get recentDigests(): RecentDigests {
    return this.#applied.recentDigests;
  }

  /** The snapshot that is on its way here; null when none is. */
  get catchUp(): IntakeProgress | null {
    return this.#snapshots.catchUp;
  }

  /** Submissions that wait for an instance or for their answer. */
  get queued(): number {
    return this.#answers.open;
  }

  /** Whether this member's files may be changed: they are no evidence, and it goes on. */
  get mayRepair(): boolean {
    return !this.stopped && !this.silent && !this.#core.isSetAside;
  }

  /** What it has accepted or knows as chosen; null while it is missing some of it itself. */
  get memory(): LogMemory | null {
    const from = this.#core.firstRetained;
    if (!this.mayRepair || this.#core.bad.length > 0 || !this.#core.isWhole) return null;
    return { from, entries: this.#core.acceptedFrom(from) };
  }

  /**
   * Fresh clocks, one synchronous step: valid only for a read made before anything else runs (pitfall P32). False in the
   * middle of a step that has still more to apply: the core serves by then, the application is not yet there.
   */
  isServing(): boolean {
    if (this.silent) return false;
    return !this.stopped && this.#applied.isCurrent && this.#core.isServing(this.#loop.now());
  }

  // --- what it is asked for -----------------------------------------------------------------------------------------

  /**
   * Submits one value; `done` is called exactly once. Everything submitted in one turn of the loop shares a step, so
   * concurrent clients share an instance without any timer (PML §4.2).
   */
  submit(item: Uint8Array, done: SubmitCallback<Result>): void {
    if (this.stopped) {
      done({ kind: 'none', reason: 'stopped' });
      return;
    }
    if (this.#answers.submit(item, done)) this.#options.clocks.nextTurn(() => this.#flushSubmissions());
  }

  #flushSubmissions(): void {
    if (this.stopped) return;
    const submissions = this.#answers.takeSubmissions();
    if (submissions.length > 0) this.#loop.feed({ kind: 'submit', at: this.#loop.now(), submissions });
  }

  /**
   * Only at a master, one change at a time, of at most one voter (design §3). `done` once it is applied here, refused, or
   * nobody here knows its fate.
   */
  changeConfiguration(configuration: Configuration, done: (outcome: ChangeOutcome) => void): void {
    if (this.stopped) return done('refused');
    const request = this.#answers.change(done);
    this.#loop.feed({ kind: 'change-configuration', at: this.#loop.now(), request, configuration });
  }

  handOver(to: ReplicaId | null): void {
    this.#loop.feed({ kind: 'hand-over', at: this.#loop.now(), to });
  }

  /** Whether others go first in an election. Also before the start. */
  drain(drained: boolean): void {
    this.#loop.feed({ kind: 'drain', at: this.#loop.now(), drained });
  }

  /** Gives up the lease and proves mastership anew, in a new epoch; another replica may become master instead. */
  renounce(): void {
    this.#loop.feed({ kind: 'renounce', at: this.#loop.now() });
  }

  /** This replica and `member` remember nothing of each other's disks that is not there. */
  compared(member: ReplicaId): void {
    this.#loop.feed({ kind: 'compared', at: this.#loop.now(), member });
  }

  /** `member` lets this incarnation in no more: it was removed. */
  turnedAway(member: ReplicaId): void {
    this.#loop.feed({ kind: 'turned-away', at: this.#loop.now(), member });
  }

  /** More is remembered of this replica's disk than is on it: it says, writes and answers nothing more. */
  rolledBack(): void {
    if (this.stopped) return;
    this.#loop.feed({ kind: 'rolled-back', at: this.#loop.now() });
    this.stop();
  }

  /** The connections to `member` end and are made anew. */
  reconnect(member: ReplicaId): void {
    if (!this.#loop.running) return;
    this.updatePeers(member);
    this.updatePeers();
  }

  /** Calls back when `instance` is applied here; at once when it is. */
  whenApplied(instance: Instance, done: () => void): { cancel(): void } {
    return this.#applied.whenApplied(instance, done);
  }

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

  /**
   * Records the applied point with its digests, for the rehearsal of another version (design §6). Nothing is recorded of a
   * replica that failed or is frozen: what it holds may be half of a step, or evidence.
   */
  record(): Promise<void> {
    return this.#failed || this.silent ? Promise.resolve() : this.#applied.record();
  }

  /** Whom to reach, and where, has changed; nobody is reached at `except`. */
  updatePeers(except: ReplicaId | null = null): void {
    this.#peers.update(except);
  }

  /** Takes one now, or joins the one that is under way. */
  takeSnapshot(): Promise<SnapshotOutcome> {
    return this.#snapshots.take();
  }

  /** A snapshot of this moment, whose view is to be closed; null while there is no such moment. */
  snapshotPoint(): SnapshotPoint | null {
    return this.#snapshots.point();
  }

  /** What a full scan of the application found at an instance; to be compared with the others. */
  databaseChecked(digests: Omit<DatabaseDigests, 'full' | 'version'>): void {
    this.#sums.checked(digests);
  }
}

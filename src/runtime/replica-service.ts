/**
 * The database on the log, as the HTTP front sees it: one replica's answers to reads, writes and status.
 *
 * Source: contract §2; PML §5.2 (lease reads), §5.3 (epoch). Keeps: a read is answered only in the step in which the lease
 * was checked; a write that was proposed is answered by its result, or as unknown, never as refused (pitfall P41).
 */

import { type Configuration, memberId } from '../core/consensus/configuration.ts';
import type { FreezeEvidence } from '../core/consensus/freeze.ts';
import type { Epoch, Instance, ReplicaId } from '../core/consensus/identity.ts';
import { parseReplicaId } from '../core/consensus/identity.ts';
import type { Command, CommandResult, Revision, RevisionChanges } from '../core/database/command.ts';
import type { ErrorCode } from '../errors/catalogue.ts';
import type { Facts } from '../errors/operator-error.ts';
import { encodeCommand } from '../formats/command.ts';
import { mayPropose } from '../formats/levels.ts';
import { fromNow, type Timer } from '../ports/clocks.ts';
import type { DatabaseChecks } from './database-checks.ts';
import { frozenDocument } from './frozen-document.ts';
import { HandOver } from './hand-over.ts';
import type {
  BackupService,
  CoordinationState,
  ReadState,
  ReplicaService,
  ReplicaStatus,
  Serving,
  SnapshotService,
  UpgradeService,
  WriteOutcome,
} from './http/service.ts';
import { type KnownMaster, knownMaster } from './known-master.ts';
import type { SubmitOutcome } from './log-replica-options.ts';
import { MarkJudge } from './mark-judge.ts';
import { MastershipHistory } from './mastership-history.ts';
import { MemberDrains } from './member-drains.ts';
import type { MembershipService } from './membership/membership-service.ts';
import { beingOpened, type OpenUpgrade, opens, openUpgradeOf } from './open-upgrade.ts';
import { PositionMarks } from './position.ts';
import type { Recovery } from './recovery.ts';
import { type DescribedReplica, replicaStatus } from './replica-status.ts';
import { SessionSweep } from './session-sweep.ts';

/** Between looks for sessions that are due. */
const sessionSweepMs = 1_000;

export interface DatabaseServiceOptions extends DescribedReplica {
  /** Null where nobody asks for them. */
  readonly snapshots: SnapshotService | null;
  /** Absent where nobody changes members through this service. */
  readonly membership?: MembershipService;
  /** Null where no generation is ever made (simulations). */
  readonly recovery: Recovery | null;
}

export class DatabaseService implements ReplicaService {
  readonly #options: DatabaseServiceOptions;
  readonly #marks: PositionMarks;
  readonly #judge: MarkJudge;
  readonly #history = new MastershipHistory();
  readonly #drains: MemberDrains;
  readonly #handOver: HandOver;
  readonly #sessions: SessionSweep;
  #sweep: Timer | null = null;
  /** Mastership was just released here: requests wait for the successor's first word instead of being refused. */
  #movingUntilMs = 0;
  #releasedInEpoch: number | null = null;
  #draining = false;
  /** Who went on when this replica was told to stop: where the last requests on open connections are sent. */
  #successor: { readonly name: string; readonly url: string } | null = null;
  /** Attempts of upgrades that were proposed here and are not known to be applied. */
  readonly #opening = new Set<string>();
  #items = 0;
  #instances = 0;

  constructor(options: DatabaseServiceOptions) {
    this.#options = options;
    const { log, database, clocks } = options;
    this.#marks = new PositionMarks(database);
    this.#judge = new MarkJudge({ log, history: database, marks: this.#marks, clocks });
    this.#drains = new MemberDrains({
      ...options,
      submit: (command, done) => this.submit(command, done),
      transfer: () => this.transfer(null, false),
    });
    this.#handOver = new HandOver({ ...options, drains: this.#drains });
    this.#sessions = new SessionSweep({ database, submit: (item, done) => log.submit(item, done) });
    this.#drains.follow();
    this.#scheduleSweep();
  }

  close(): void {
    this.#sweep?.cancel();
    this.#options.selfCheck.close();
    this.#judge.close();
  }

  /** Who is to be master after this one, if it can be somebody whom nobody drained. */
  successor(): ReplicaId | null {
    return this.#drains.successor();
  }

  /** From now on new data requests are sent elsewhere; what is under way is finished. */
  drain(): void {
    this.#draining = true;
    const master = this.#master();
    if (master !== null && master.id !== this.#options.self) this.#successor = master;
  }

  // --- reading ------------------------------------------------------------------------------------------------------

  serving(): Serving {
    const { log, clocks } = this.#options;
    const { lost } = log.core;
    if (lost !== null) {
      const message = `Nobody can tell any more what was accepted at instance ${lost.instance}: this replica has halted.`;
      return { kind: 'refused', code: 'PAXOS_ITEM_LOST', message, facts: { instance: lost.instance } };
    }
    if (log.stopped) {
      if (this.#successor !== null) return { kind: 'redirect', name: this.#successor.name, url: this.#successor.url };
      return { kind: 'refused', code: 'PAXOS_REPLICA_STOPPED', message: 'This replica has stopped.' };
    }
    if (log.frozen !== null) return { kind: 'refused', ...frozenAnswer(log.frozen) };
    if (log.silent)
      return {
        kind: 'refused',
        code: 'PAXOS_NOT_SERVING',
        message: 'This replica is frozen, or fenced for a new generation.',
      };
    if (log.core.participation === 'removed' || this.#options.host.removed()) return this.#out();
    if (log.isServing() && !this.#draining) {
      return { kind: 'serving', epoch: log.core.epoch, appliedUpTo: log.appliedUpTo };
    }
    if (log.core.isSetAside) return this.#setAside();
    if (log.core.state === 'handing-over') return { kind: 'moving' };
    const master = this.#master();
    if (master !== null && master.id !== this.#options.self) {
      return { kind: 'redirect', name: master.name, url: master.url };
    }
    if (clocks.now().monotonicMs < this.#movingUntilMs) return { kind: 'moving' };
    return { kind: 'no-master', retryAfterMs: this.#retryAfterMs() };
  }

  #setAside(): Serving {
    const message = 'The database of this replica is not that of the majority; it is being rebuilt.';
    return this.#onlyTheMaster('PAXOS_QUARANTINED', message);
  }

  /** What it has is from before it went. */
  #out(): Serving {
    return this.#onlyTheMaster('PAXOS_NOT_SERVING', 'This replica was removed from the cell.');
  }

  /** It answers nothing from its own database; whoever is master does. */
  #onlyTheMaster(code: ErrorCode, message: string): Serving {
    const master = this.#master();
    if (master === null || master.id === this.#options.self) return { kind: 'refused', code, message };
    return { kind: 'redirect', name: master.name, url: master.url, staleToo: true };
  }

  #retryAfterMs(): number {
    return Math.max(50, Math.round(this.#options.log.core.configuration.leaseMs / 2));
  }

  #master(): KnownMaster | null {
    return knownMaster(this.#options.log.core, this.#options.clocks);
  }

  read(): ReadState {
    return this.#options.database;
  }

  checks(): DatabaseChecks {
    return this.#options.selfCheck.checks;
  }

  recovery(): Recovery | null {
    return this.#options.recovery;
  }

  coordination(): CoordinationState {
    return this.#options.database;
  }

  changesAfter(from: Revision, revisionsMax: number): readonly RevisionChanges[] | null {
    return this.#options.database.changesAfter(from, revisionsMax);
  }

  upgrade(): UpgradeService | null {
    return this.#options.upgrade ?? null;
  }

  backups(): BackupService | null {
    return this.#options.backups ?? null;
  }

  snapshots(): SnapshotService | null {
    return this.#options.snapshots;
  }

  // --- writing ------------------------------------------------------------------------------------------------------

  submit(command: Command, done: (outcome: WriteOutcome) => void): void {
    const { database, host, log } = this.#options;
    if (host.readOnly()) return done(this.#none('read-only'));
    if (this.#draining) return done(this.#none('not-master'));
    // Not before every member can read it: the others would stop in front of it (pitfall U5).
    if (!mayPropose(command, database.level)) return done(this.#none('level'));
    const opened = command.kind === 'system' ? opens(command, database.system) : null;
    if (opened === null) return log.submit(encodeCommand(command), (outcome) => done(this.#toWriteOutcome(outcome)));
    // Either is refused while the other is on its way: an upgrade and a change of its members never overlap.
    if (this.#options.membership?.isChanging === true) return done(this.#none('membership-changing'));
    this.#opening.add(opened);
    log.submit(encodeCommand(command), (outcome) => {
      this.#opening.delete(opened);
      done(this.#toWriteOutcome(outcome));
    });
  }

  /** The upgrade that is open in the cell, or that is being opened through this replica. */
  openUpgrade(): OpenUpgrade | null {
    const { clocks, database, log } = this.#options;
    const [opening] = this.#opening;
    const open = openUpgradeOf(database.system, log.core.cellTimeMs(clocks.now()));
    return open ?? (opening === undefined ? null : beingOpened(opening));
  }

  #toWriteOutcome(outcome: SubmitOutcome<CommandResult>): WriteOutcome {
    switch (outcome.kind) {
      case 'applied': {
        const { result, instance, epoch } = outcome;
        // The implicit epoch guard stopped it: as if never sent.
        if (result.kind === 'skipped') return this.#none('not-master');
        return { kind: 'result', result, instance, epoch };
      }
      case 'none':
        return this.#none(
          outcome.reason === 'overloaded' ? 'overloaded' : outcome.reason === 'stopped' ? 'stopping' : 'not-master',
        );
      case 'unknown':
        return { kind: 'unknown', reason: outcome.reason === 'stopped' ? 'stopping' : 'mastership-lost' };
    }
  }

  #none(reason: Extract<WriteOutcome, { kind: 'none' }>['reason']): WriteOutcome {
    const master = this.#master();
    const redirect =
      master === null || master.id === this.#options.self ? this.#successor : { name: master.name, url: master.url };
    return { kind: 'none', reason, redirect, retryAfterMs: reason === 'overloaded' ? 100 : this.#retryAfterMs() };
  }

  #scheduleSweep(): void {
    const { clocks } = this.#options;
    this.#sweep = clocks.schedule(fromNow(clocks, sessionSweepMs), () => this.#lookAround());
  }

  #lookAround(): void {
    const { log, clocks } = this.#options;
    if (log.stopped) return;
    this.#scheduleSweep();
    this.#drains.follow();
    if (!log.isServing()) return;
    this.#drains.keepAway();
    this.#sessions.sweep(log.core.cellTimeMs(clocks.now()));
  }

  // --- positions ----------------------------------------------------------------------------------------------------

  position(unjudged: string | null = null): string {
    const { appliedUpTo } = this.#options.log;
    return unjudged === null ? this.#marks.current(appliedUpTo) : this.#marks.answering(unjudged, appliedUpTo);
  }

  judgePosition(mark: string): ReturnType<ReplicaService['judgePosition']> {
    return this.#frozenRefusal() ?? this.#judge.judge(mark);
  }

  #frozenRefusal(): Extract<ReturnType<ReplicaService['judgePosition']>, { kind: 'refuse' }> | null {
    const { frozen } = this.#options.log;
    return frozen === null ? null : { kind: 'refuse', status: 409, ...frozenAnswer(frozen) };
  }

  incomplete(): string | null {
    const { core } = this.#options.log;
    return core.isWhole ? null : 'Its state is being completed from the other members: nothing older is served.';
  }

  whenApplied(instance: Instance, timeoutMs: number, done: (applied: boolean) => void): void {
    const { clocks, log } = this.#options;
    let settled = false;
    const settle = (applied: boolean): void => {
      if (settled) return;
      settled = true;
      timer.cancel();
      waiter?.cancel();
      done(applied);
    };
    const timer = clocks.schedule(fromNow(clocks, timeoutMs), () => settle(false));
    let waiter: { cancel(): void } | null = null;
    waiter = log.whenApplied(instance, () => settle(true));
  }

  // --- mastership ---------------------------------------------------------------------------------------------------

  /** Called by the runtime when this replica's role moved. */
  onMastership(event: { readonly role: 'master' | 'candidate' | 'replica'; readonly cause: string }): void {
    const { clocks, log } = this.#options;
    if (event.role === 'master') this.#history.explain(log.core.epoch, event.cause);
    // Requests wait: it is about to be master again.
    if (event.cause === 'renounced') {
      this.#movingUntilMs = clocks.now().monotonicMs + log.core.configuration.leaseMs;
    }
    if (event.cause === 'released') {
      this.#releasedInEpoch = log.core.epoch;
      this.#movingUntilMs = clocks.now().monotonicMs + log.core.configuration.leaseMs / 2;
    }
  }

  /** Called by the runtime when an epoch began: mastership moved, or began anew. */
  onEpoch(epoch: Epoch, owner: ReplicaId): void {
    const cause = this.#releasedInEpoch === epoch - 1 ? 'hand-over' : 'election';
    const atWallMs = this.#options.clocks.now().wallMs;
    this.#history.began({ epoch, atWallMs, master: parseReplicaId(owner).name, cause });
  }

  /** See {@link HandOver.transfer}. */
  transfer(...args: Parameters<ReplicaService['transfer']>): ReturnType<ReplicaService['transfer']> {
    return this.#handOver.transfer(...args);
  }

  /** See {@link MemberDrains.change}. */
  drainMember(...args: Parameters<ReplicaService['drainMember']>): ReturnType<ReplicaService['drainMember']> {
    return this.#drains.change(...args);
  }

  // --- membership -----------------------------------------------------------------------------------------------------

  /** A master that would go itself hands mastership over first: its successor carries the request out (contract §1). */
  async changeMembers(
    ...args: Parameters<ReplicaService['changeMembers']>
  ): ReturnType<ReplicaService['changeMembers']> {
    const result = (await this.#options.membership?.change(...args)) ?? { kind: 'not-master' };
    const [, { dryRun }] = args;
    const goes = result.kind === 'done' && dryRun && this.#goesBy(result.report.plan.configuration);
    if (result.kind === 'hand-over' || goes) {
      const handed = await this.transfer(null, dryRun);
      if (handed.kind === 'refused') return { ...handed, facts: {}, suggestions: this.#waysToASuccessor() };
    }
    if (result.kind !== 'not-master' && result.kind !== 'hand-over') return result;
    const master = this.#master();
    if (master === null || master.id === this.#options.self) return { kind: 'no-master' };
    return { kind: 'redirect', name: master.name, url: master.url };
  }

  /** The master itself has no vote in it. */
  #goesBy({ members }: Configuration): boolean {
    return !members.some((member) => memberId(member) === this.#options.self && member.role === 'voter');
  }

  #waysToASuccessor(): readonly string[] {
    return [
      ...[...this.#drains.present().keys()].map((name) => `paxosctl node drain ${name} --end`),
      'paxosctl status',
    ];
  }

  // --- status -------------------------------------------------------------------------------------------------------

  /** Counts what one instance carried. */
  onApplied(items: number): void {
    this.#items += items;
    this.#instances++;
    this.#drains.onApplied();
  }

  /** Epochs that this replica saw begin since it started, by cause. */
  epochCauses(): ReadonlyMap<string, number> {
    return this.#history.totals();
  }

  status(): ReplicaStatus {
    return replicaStatus({
      ...this.#options,
      mastership: this.#history,
      drains: this.#drains.documents(),
      itemsPerInstance: this.#instances === 0 ? 0 : this.#items / this.#instances,
    });
  }
}

/** What everybody is told by a frozen replica, and `status` shows. */
function frozenAnswer(evidence: FreezeEvidence): { readonly code: ErrorCode; readonly message: string; facts: Facts } {
  const code = evidence.cause === 'log-fork' ? 'PAXOS_CELL_FROZEN' : 'PAXOS_CELL_ROLLED_BACK';
  const frozen = frozenDocument(evidence);
  return { code, message: `The cell is frozen since ${frozen?.seenAt}: ${evidence.text}`, facts: { frozen } };
}

/**
 * The database on the log, as the HTTP front sees it: one replica's answers to reads, writes and status.
 *
 * Source: contract §2; PML §5.2 (lease reads), §5.3 (epoch). Keeps: a read is answered only in the step in which the lease
 * was checked; a write that was proposed is answered by its result, or as unknown, never as refused (pitfall P41).
 */

import { formatBallot } from '../core/consensus/ballot.ts';
import { type Configuration, memberId } from '../core/consensus/configuration.ts';
import type { FreezeEvidence } from '../core/consensus/freeze.ts';
import type { Epoch, Instance, ReplicaId } from '../core/consensus/identity.ts';
import { parseReplicaId } from '../core/consensus/identity.ts';
import type { Replica } from '../core/consensus/replica.ts';
import type { Command, CommandResult, Revision, RevisionChanges } from '../core/database/command.ts';
import type { ErrorCode } from '../errors/catalogue.ts';
import type { Facts } from '../errors/operator-error.ts';
import { encodeCommand } from '../formats/command.ts';
import type { CatchUpDocument } from '../formats/http-body.ts';
import { type LevelRange, mayPropose } from '../formats/levels.ts';
import type { OperatingDocument } from '../formats/operating-body.ts';
import type { ClockPort, Timer } from '../ports/clocks.ts';
import type { DatabaseApplication } from './database-application.ts';
import type { DatabaseChecks } from './database-checks.ts';
import { frozenDocument } from './frozen-document.ts';
import type {
  BackupService,
  ReadState,
  ReplicaService,
  ReplicaStatus,
  Serving,
  SnapshotService,
  UpgradeService,
  WriteOutcome,
} from './http/service.ts';
import type { LogReplica, SubmitOutcome } from './log-replica.ts';
import { MarkJudge } from './mark-judge.ts';
import { MastershipHistory } from './mastership-history.ts';
import { MemberDrains, noSuccessorText } from './member-drains.ts';
import type { MembershipService } from './membership/membership-service.ts';
import { beingOpened, type OpenUpgrade, opens, openUpgradeOf } from './open-upgrade.ts';
import { PositionMarks } from './position.ts';
import type { Recovery } from './recovery.ts';
import type { SelfCheck } from './self-check.ts';

/** Between looks for sessions that are due. */
const sessionSweepMs = 1_000;
/** How many sessions one command ends. */
const sessionsPerSweepMax = 1_000;
/** How often a hand-over looks whether the successor serves, and for how long. */
const transferPollMs = 5;
const transferTimeoutMs = 5_000;

/** What only the process around the replica can tell. */
export interface HostFacts {
  readonly version: string;
  /** Levels that this program speaks. */
  readonly levels: LevelRange;
  readonly cell: { readonly id: string; readonly name: string; readonly generation: number };
  readonly boot: { readonly number: number; readonly id: string };
  uptimeMs(): number;
  eventLoopLagMsP99(): number;
  flushMs(): { readonly p50: number; readonly p99: number };
  snapshotInstance(): number;
  readOnly(): boolean;
  /** The cell has this member no more. */
  removed(): boolean;
  peers(): readonly ReplicaId[];
  warnings(): readonly string[];
  /** What only a replica on a real machine can tell. */
  operating?(): OperatingDocument;
}

export interface DatabaseServiceOptions {
  readonly self: ReplicaId;
  readonly log: LogReplica<CommandResult>;
  readonly database: DatabaseApplication;
  readonly selfCheck: SelfCheck;
  readonly clocks: ClockPort;
  readonly host: HostFacts;
  /** Null where nobody asks for them. */
  readonly snapshots: SnapshotService | null;
  readonly upgrade?: UpgradeService;
  /** Absent where the cell makes no backups by itself. */
  readonly backups?: BackupService | undefined;
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
  #sweep: Timer | null = null;
  #sweeping = false;
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

  #master(): { readonly id: ReplicaId; readonly name: string; readonly url: string } | null {
    const { log, clocks } = this.#options;
    const id = log.core.master(clocks.now());
    if (id === null) return null;
    for (const { configuration } of log.core.configurations) {
      const member = configuration.members.find((candidate) => memberId(candidate) === id);
      if (member !== undefined) return { id, name: member.name, url: member.url };
    }
    return null;
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

  changesAfter(from: Revision): readonly RevisionChanges[] | null {
    return this.#options.database.changesAfter(from);
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
    if (!mayPropose(command.kind, database.level)) return done(this.#none('level'));
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
    this.#sweep = clocks.schedule(later(clocks, sessionSweepMs), () => this.#sweepSessions());
  }

  /** The master ends sessions that are due in cell time; `apply` checks once more that they are (pitfall P54). */
  #sweepSessions(): void {
    const { log, database, clocks } = this.#options;
    if (log.stopped) return;
    this.#scheduleSweep();
    this.#drains.follow();
    if (this.#sweeping || !log.isServing()) return;
    this.#drains.keepAway();
    const sessions = database.sessionsDue(log.core.cellTimeMs(clocks.now())).slice(0, sessionsPerSweepMax);
    if (sessions.length === 0) return;
    this.#sweeping = true;
    log.submit(encodeCommand({ kind: 'expire-sessions', sessions }), () => {
      this.#sweeping = false;
    });
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
    const timer = clocks.schedule(later(clocks, timeoutMs), () => settle(false));
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

  async transfer(to: string | null, dryRun: boolean): ReturnType<ReplicaService['transfer']> {
    const { log, clocks, self } = this.#options;
    const from = parseReplicaId(self).name;
    const refuse = (code: string, message: string) => ({ kind: 'refused', code, message }) as const;
    if (!log.isServing()) return refuse('PAXOS_NOT_MASTER', `${from} is not the master.`);
    const target = to === null ? null : this.#memberByName(to);
    if (to !== null && target === null) return refuse('PAXOS_MEMBER_UNKNOWN', `${to} is not a member of this cell.`);
    if (target === self) return refuse('PAXOS_ALREADY_MASTER', `${from} is the master already.`);
    if (to !== null && this.#drains.present().has(to)) {
      return refuse('PAXOS_MEMBER_DRAINED', `${to} is drained: mastership is kept away from it.`);
    }
    const successor = target === null ? this.#drains.successor() : log.core.handOverCandidate(target, clocks.now());
    if (successor === null) {
      return refuse(
        'PAXOS_NO_SUCCESSOR',
        to === null ? noSuccessorText : `${to} is not caught up and answering; mastership stays.`,
      );
    }
    const name = parseReplicaId(successor).name;
    if (dryRun) return { kind: 'done', from, to: name, epoch: log.core.epoch };
    log.handOver(successor);
    return this.#transferred(from, successor);
  }

  async #transferred(from: string, successor: ReplicaId): ReturnType<ReplicaService['transfer']> {
    const { log, clocks } = this.#options;
    const name = parseReplicaId(successor).name;
    const before = log.core.epoch;
    const deadline = clocks.now().monotonicMs + transferTimeoutMs;
    while (clocks.now().monotonicMs < deadline && !log.stopped) {
      await new Promise<void>((resolve) => void clocks.schedule(later(clocks, transferPollMs), resolve));
      const master = log.core.master(clocks.now());
      if (master === successor && log.core.epoch > before)
        return { kind: 'done', from, to: name, epoch: log.core.epoch };
      if (log.core.epoch > before && master !== null) break;
      if (log.isServing() && log.core.state === 'serving') break;
    }
    const present = this.#master()?.name;
    const now = present === undefined ? 'nobody is known as master yet' : `${present} is master`;
    const message = `${name} did not become master: ${now}, in epoch ${log.core.epoch}.`;
    return { kind: 'refused', code: 'PAXOS_TRANSFER_FAILED', message };
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

  #memberByName(name: string): ReplicaId | null {
    for (const { configuration } of this.#options.log.core.configurations) {
      const member = configuration.members.find((candidate) => candidate.name === name && candidate.role === 'voter');
      if (member !== undefined) return memberId(member);
    }
    return null;
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
    const { host, log, clocks, self, database } = this.#options;
    const now = clocks.now();
    const { name, incarnation } = parseReplicaId(self);
    const { core } = log;
    const master = this.#master();
    const held = log.isServing();
    const flush = host.flushMs();
    const [, pending] = core.configurations;
    return {
      name,
      cell: host.cell,
      role: this.#role(held),
      voting: core.isCountedOn && !log.stopped && !host.removed(),
      incarnation,
      boot: host.boot,
      epoch: core.epoch,
      ballot: formatBallot(core.ballot),
      master: master === null ? null : { name: master.name, url: master.url },
      lease: { held, remainingMs: Math.round(core.leaseRemainingMs(now)) },
      instances: {
        chosen: core.chosenUpTo,
        applied: log.appliedUpTo,
        firstRetained: core.firstRetained,
        snapshot: host.snapshotInstance(),
        missingUpTo: core.missingUpTo,
      },
      revision: database.revision,
      entries: database.entries,
      checksum: {
        instance: log.appliedUpTo,
        log: Buffer.from(log.logChain).toString('hex'),
        database: database.checksumHex(),
      },
      version: host.version,
      level: database.level,
      levels: host.levels,
      uptimeMs: Math.round(host.uptimeMs()),
      members: core.configuration.members.map((member) => ({
        name: member.name,
        url: member.url,
        role: member.role,
        voting: member.role === 'voter',
        incarnation: member.incarnation,
      })),
      membershipFrom: core.configurations[0]?.from ?? 0,
      unheard: core.unheard(now).map((peer) => parseReplicaId(peer).name),
      peers: host.peers().map((peer) => parseReplicaId(peer).name),
      mastership: this.#history.summary(now.wallMs),
      load: {
        queuedWrites: log.queued,
        eventLoopLagMsP99: host.eventLoopLagMsP99(),
        flushMsP50: flush.p50,
        flushMsP99: flush.p99,
        itemsPerInstance: this.#instances === 0 ? 0 : Math.round((this.#items / this.#instances) * 100) / 100,
      },
      check: this.#options.selfCheck.status(),
      readOnly: host.readOnly(),
      catchUp: catchUpStatus(log.catchUp),
      warnings: [...damageWarnings(core, master !== null), ...this.#removalWarnings(), ...host.warnings()],
      ...host.operating?.(),
      ...(this.#options.backups === undefined ? {} : { backups: this.#options.backups.document() }),
      drains: this.#drains.documents(),
      at: new Date(now.wallMs).toISOString(),
      leaseMs: core.configuration.leaseMs,
      pendingMembership:
        pending === undefined
          ? null
          : { from: pending.from, members: pending.configuration.members.map((member) => member.name) },
      upgrade: this.#options.upgrade?.open() ?? null,
      frozen: frozenDocument(log.frozen),
    };
  }

  #removalWarnings(): readonly string[] {
    const { log, host } = this.#options;
    if (log.core.participation !== 'removed' || host.removed()) return [];
    const names = log.core.configuration.members.map(({ name }) => name).join(', ');
    return [`It was removed, and stays until a majority of ${names} has that on disk; it ends within ten seconds.`];
  }

  #role(serving: boolean): ReplicaStatus['role'] {
    const { log } = this.#options;
    const { core } = log;
    if (this.#options.host.removed()) return 'removed';
    if (core.participation !== 'voting') return core.participation;
    // It is about to end, as it was told to: nothing that waiting does not mend, as it would be of one that has halted.
    if (log.stopped) return 'replica';
    if (serving || core.state === 'handing-over') return 'master';
    return core.state === 'following' || core.state === 'serving' || core.state === 'boosting'
      ? 'replica'
      : 'candidate';
  }
}

/** What of the log or the state is bad, in words: each of it ends by itself, once the others have given what is missing. */
function damageWarnings({ bad, isWhole, lost, missingUpTo }: Replica, hasMaster: boolean): readonly string[] {
  if (lost !== null) {
    return [`Nobody can tell any more what was accepted at instance ${lost.instance}: this replica has halted.`];
  }
  const warnings: string[] = [];
  const first = bad.find(({ upTo }) => upTo > missingUpTo);
  if (first !== undefined) {
    const more = bad.length > 1 || first.upTo > first.instance ? ' and later' : '';
    warnings.push(
      `Its log is damaged at instance ${first.instance}${more}; it keeps its vote and repairs it from the others.`,
    );
  }
  if (missingUpTo > 0) warnings.push(missingText(missingUpTo, hasMaster));
  else if (!isWhole) warnings.push('Its state is being completed from the other members: nothing older is served.');
  return warnings;
}

function missingText(upTo: number, hasMaster: boolean): string {
  const whoHasIt = hasMaster ? '' : ' Nobody is master: `paxosctl status` says whether any member has it.';
  return (
    `Its state is being completed from the other members: its snapshots are bad, and all up to instance ${upTo} ` +
    `is missing. Nothing older is served.${whoHasIt}`
  );
}

/** What everybody is told by a frozen replica, and `status` shows. */
function frozenAnswer(evidence: FreezeEvidence): { readonly code: ErrorCode; readonly message: string; facts: Facts } {
  const code = evidence.cause === 'log-fork' ? 'PAXOS_CELL_FROZEN' : 'PAXOS_CELL_ROLLED_BACK';
  const frozen = frozenDocument(evidence);
  return { code, message: `The cell is frozen since ${frozen?.seenAt}: ${evidence.text}`, facts: { frozen } };
}

const catchUpStatus = (progress: LogReplica<unknown>['catchUp']): CatchUpDocument | null =>
  progress === null ? null : { ...progress, from: parseReplicaId(progress.from).name };

const later = (clocks: ClockPort, ms: number): ReturnType<ClockPort['now']>['monotonicMs'] =>
  (clocks.now().monotonicMs + ms) as ReturnType<ClockPort['now']>['monotonicMs'];

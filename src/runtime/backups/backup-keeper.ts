/**
 * The cell makes its own backups: whoever is master has another member write one when it is due, and records in the log that it was
 * (contract §1 `snapshot schedule`).
 *
 * Nothing of it is kept by the master alone: what is due follows from the entries of the cell, and a member that writes one for a
 * master that is gone answers the next. Age is counted in cell time and by the wall clock, whichever says more: a clock that
 * is wrong costs a backup too many and never one too few.
 */
import { memberId } from '../../core/consensus/configuration.ts';
import type { ReplicaId } from '../../core/consensus/identity.ts';
import type { CommandResult } from '../../core/database/command.ts';
import type { SystemEntry } from '../../core/database/system-table.ts';
import type { BackupScheduleDocument, SavedBackupDocument } from '../../formats/backup-body.ts';
import { type ClockPort, fromNow, type Timer } from '../../ports/clocks.ts';
import type { ReplicaService, WriteOutcome } from '../http/service.ts';
import type { LogReplica } from '../log-replica.ts';
import type { Logger } from '../logger.ts';
import { backupEntries, backupKeys, encodeEntry, isNotOlder } from './backup-entries.ts';
import { type BackupAnswer, type BackupQuestion, isBackupAnswer, type WrittenBackup } from './backup-question.ts';

const lookEveryMs = 500;
/** A member whose backup failed is not asked again before; the others are. */
const failedForMs = { wrote: 60_000, refused: 3_000 };
/** It does not answer, or its disk does not: somebody else is asked. */
const silentMsMax = 5_000;
const idleMsMax = 30_000;

export interface BackupKeeperOptions {
  readonly self: ReplicaId;
  readonly of: { readonly cell: { readonly id: string }; readonly generation: number };
  readonly log: LogReplica<CommandResult>;
  readonly system: () => ReadonlyMap<string, SystemEntry>;
  readonly clocks: ClockPort;
  readonly logger: Logger;
  readonly submit: ReplicaService['submit'];
  /** Null when it does not answer. */
  ask(url: string, question: BackupQuestion): Promise<unknown>;
  /** The same of this replica itself. */
  askSelf(question: BackupQuestion): BackupAnswer;
}

interface Candidate {
  readonly name: string;
  /** Null: this replica. */
  readonly url: string | null;
}

interface Assigned extends Candidate {
  readonly directory: string;
  /** Applied here when it was chosen: with it, all that was acknowledged until then is in the backup. */
  readonly atLeast: number;
  /** When that was. */
  readonly asked: Pick<SavedBackupDocument, 'at' | 'cellTimeMs'>;
  /** It said that it writes one. */
  begun: boolean;
  heardMs: number;
  /** Since when it puts it off. */
  waitingMs: number | null;
}

export class BackupKeeper {
  readonly #options: BackupKeeperOptions;
  #timer: Timer | null = null;
  #closed = false;
  #stepping = false;
  #assigned: Assigned | null = null;
  readonly #failed = new Map<string, { readonly why: string; readonly untilMs: number }>();
  /** That they failed in. */
  #directory: string | null = null;

  constructor(options: BackupKeeperOptions) {
    this.#options = options;
  }

  start(): void {
    const { clocks } = this.#options;
    if (this.#closed) return;
    this.#timer = clocks.schedule(fromNow(clocks, lookEveryMs), () => {
      this.start();
      this.look();
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** Why the members that were asked gave none; empty at who is not master, and while none is due. */
  failed(): readonly { readonly member: string; readonly why: string }[] {
    return [...this.#failed].map(([member, { why }]) => ({ member, why }));
  }

  /** One step, where one is due. Called again and again. */
  look(): void {
    const { log } = this.#options;
    if (this.#closed || this.#stepping) return;
    const schedule = log.stopped || !log.isServing() ? null : this.#entries().schedule;
    if (schedule === null || !this.#isDue(schedule)) {
      this.#assigned = null;
      this.#failed.clear();
      return;
    }
    // What stood in the way elsewhere does not here.
    if (schedule.directory !== this.#directory) this.#failed.clear();
    this.#directory = schedule.directory;
    this.#stepping = true;
    this.#step(schedule)
      .catch((error: unknown) => this.#options.logger.error({ err: error }, 'backups: not expected'))
      .finally(() => {
        this.#stepping = false;
      });
  }

  #entries() {
    return backupEntries(this.#options.system(), this.#options.of.cell.id);
  }

  #isDue({ directory, everyMs }: BackupScheduleDocument): boolean {
    const { clocks, log, of } = this.#options;
    const { scheduled } = this.#entries();
    if (scheduled === null || scheduled.generation !== of.generation) return true;
    if (!scheduled.file.startsWith(`${directory.replace(/\/$/, '')}/`)) return true;
    const now = clocks.now();
    return (
      log.core.cellTimeMs(now) - scheduled.cellTimeMs >= everyMs || now.wallMs - Date.parse(scheduled.at) >= everyMs
    );
  }

  async #step(schedule: BackupScheduleDocument): Promise<void> {
    const { clocks } = this.#options;
    const chosen = this.#assigned?.directory === schedule.directory ? this.#assigned : this.#choose(schedule);
    this.#assigned = chosen;
    if (chosen === null) return;
    const answer = await this.#ask(chosen, schedule);
    if (this.#closed || this.#assigned !== chosen) return;
    const nowMs = clocks.now().monotonicMs;
    if (answer === null) {
      if (nowMs - chosen.heardMs >= silentMsMax) this.#giveUp(chosen, 'it does not answer');
      return;
    }
    chosen.heardMs = nowMs;
    switch (answer.state) {
      case 'waiting':
        chosen.waitingMs ??= nowMs;
        if (nowMs - chosen.waitingMs >= idleMsMax) this.#giveUp(chosen, answer.why);
        return;
      case 'running':
        chosen.begun = true;
        if (answer.idleMs >= idleMsMax) this.#giveUp(chosen, `${schedule.directory} does not answer`);
        return;
      case 'failed':
        return this.#giveUp(chosen, answer.why, answer.wrote);
      case 'done':
        return this.#record(chosen, answer.backup);
    }
  }

  #giveUp({ name }: Assigned, why: string, wrote = true): void {
    const { clocks, logger } = this.#options;
    logger.warn({ member: name, why }, 'a backup that is due was not made by this member');
    this.#failed.set(name, {
      why,
      untilMs: clocks.now().monotonicMs + (wrote ? failedForMs.wrote : failedForMs.refused),
    });
    this.#assigned = null;
  }

  /** Whoever made the last one first: what lies in a directory of its own goes on. Never the master while there is anybody else. */
  #choose(schedule: BackupScheduleDocument): Assigned | null {
    const { clocks, log } = this.#options;
    const nowMs = clocks.now().monotonicMs;
    const last = this.#entries().scheduled?.where;
    const candidates = this.#candidates(schedule);
    // Nobody else is named, and the master makes none while there are others.
    if (candidates.length === 0) this.#noneMay(schedule);
    const free = candidates.filter(({ name }) => (this.#failed.get(name)?.untilMs ?? 0) <= nowMs);
    const found = free.find(({ name }) => name === last) ?? free[0];
    if (found === undefined) return null;
    const { directory } = schedule;
    const now = clocks.now();
    const asked = {
      at: new Date(now.wallMs).toISOString(),
      cellTimeMs: Math.floor(log.core.cellTimeMs(now)),
    };
    return { ...found, directory, atLeast: log.appliedUpTo, asked, begun: false, heardMs: nowMs, waitingMs: null };
  }

  #noneMay({ members: wanted }: BackupScheduleDocument): void {
    const { log, self } = this.#options;
    const own = log.core.configuration.members.find((member) => memberId(member) === self);
    if (own === undefined || wanted?.includes(own.name) !== true) return;
    this.#failed.set(own.name, { why: 'it is master, and backups are made by the others', untilMs: 0 });
  }

  #candidates({ members: wanted }: BackupScheduleDocument): readonly Candidate[] {
    const { log, self } = this.#options;
    const { members } = log.core.configuration;
    const asked = members.filter(({ name, role }) => role !== 'rebuilding' && (wanted?.includes(name) ?? true));
    if (members.length === 1) return asked.map(({ name }) => ({ name, url: null }));
    return asked
      .filter((member) => memberId(member) !== self)
      .map(({ name, url }) => ({ name, url }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async #ask(
    { atLeast, begun, url }: Assigned,
    { directory, keep }: BackupScheduleDocument,
  ): Promise<BackupAnswer | null> {
    const { ask, askSelf } = this.#options;
    const { scheduled } = this.#entries();
    const after = scheduled === null ? null : { generation: scheduled.generation, instance: scheduled.instance };
    const question = { directory, keep, atLeast, after, begin: !begun, alone: url === null };
    if (url === null) return askSelf(question);
    const answer = await ask(url, question);
    return isBackupAnswer(answer) ? answer : null;
  }

  /** By the age of its state, and not of the record: one that an outage kept from being told may be due again at once. */
  async #record({ asked, atLeast, name: where }: Assigned, backup: WrittenBackup): Promise<void> {
    const { logger, submit, system } = this.#options;
    const older = backup.instance < atLeast;
    const saved: SavedBackupDocument = {
      ...backup,
      where,
      by: 'schedule',
      ...(older ? notAfter(backup, asked) : asked),
    };
    const value = encodeEntry(saved);
    const newest = isNotOlder(saved, this.#entries().saved) ? [{ key: backupKeys.saved, value }] : [];
    const outcome = await new Promise<WriteOutcome>((resolve) => {
      submit(
        {
          kind: 'system',
          guard: [{ key: backupKeys.scheduled, instance: system().get(backupKeys.scheduled)?.instance ?? 0 }],
          writes: [{ key: backupKeys.scheduled, value }, ...newest],
          ifEpoch: null,
        },
        resolve,
      );
    });
    // It is asked for again, and answered by the same backup.
    if (outcome.kind !== 'result') return;
    logger.info({ member: where, instance: backup.instance, file: backup.file }, 'backup recorded');
    this.#assigned = null;
    this.#failed.clear();
  }
}

/** What it says itself, which a wrong clock may have put later than is possible. */
const notAfter = (
  { at, cellTimeMs }: WrittenBackup,
  asked: Assigned['asked'],
): Pick<SavedBackupDocument, 'at' | 'cellTimeMs'> => ({
  at: Date.parse(at) < Date.parse(asked.at) ? at : asked.at,
  cellTimeMs: Math.min(cellTimeMs, asked.cellTimeMs),
});

/** What operators see of the cell's backups, and change: the schedule, and word of backups that they saved or rehearsed themselves. */
import path from 'node:path';
import { parseReplicaId, type ReplicaId } from '../../core/consensus/identity.ts';
import type { CommandResult } from '../../core/database/command.ts';
import type { SystemWrite } from '../../core/database/system-entry.ts';
import type { SystemEntry } from '../../core/database/system-table.ts';
import type {
  BackupChangeBody,
  BackupScheduleDocument,
  BackupsDocument,
  SavedBackupDocument,
  ToldBackup,
} from '../../formats/backup-body.ts';
import type { ClockPort } from '../../ports/clocks.ts';
import type { BackupChanged, BackupService, ReplicaService, WriteOutcome } from '../http/service.ts';
import type { LogReplica } from '../log-replica.ts';
import { backupEntries, backupKeys, encodeEntry, encodeSchedule, isNotOlder } from './backup-entries.ts';
import type { BackupKeeper } from './backup-keeper.ts';
import type { BackupWriter } from './backup-writer.ts';

export interface BackupRecordsOptions {
  readonly self: ReplicaId;
  readonly of: { readonly cell: { readonly id: string }; readonly generation: number };
  readonly log: Pick<LogReplica<CommandResult>, 'core' | 'isServing' | 'appliedUpTo'>;
  readonly system: () => ReadonlyMap<string, SystemEntry>;
  readonly clocks: ClockPort;
  readonly submit: ReplicaService['submit'];
  readonly writer: Pick<BackupWriter, 'here' | 'running'>;
  readonly keeper: Pick<BackupKeeper, 'failed'>;
}

const refuse = (code: string, message: string) => ({ kind: 'refused', code, message }) as const;

const savedBy = (
  { op: _, ageMs: __, ...told }: Extract<BackupChangeBody, { op: 'saved' }>,
  stamped: Pick<SavedBackupDocument, 'at' | 'cellTimeMs'>,
): SavedBackupDocument => ({ ...told, by: 'operator', ...stamped });

export class BackupRecords implements BackupService {
  readonly #options: BackupRecordsOptions;

  constructor(options: BackupRecordsOptions) {
    this.#options = options;
  }

  document(): BackupsDocument {
    const { keeper, of, system, writer } = this.#options;
    return {
      ...backupEntries(system(), of.cell.id),
      cellTimeMs: this.#cellTimeMs(),
      here: writer.here(),
      running: writer.running(),
      failed: keeper.failed(),
    };
  }

  #cellTimeMs(): number {
    const { clocks, log } = this.#options;
    return Math.floor(log.core.cellTimeMs(clocks.now()));
  }

  /** At the master. Refused, nothing was changed. */
  async change(body: BackupChangeBody): Promise<BackupChanged> {
    const { log, self } = this.#options;
    if (!log.isServing()) return refuse('PAXOS_NOT_MASTER', `${parseReplicaId(self).name} is not the master.`);
    switch (body.op) {
      case 'schedule':
        return this.#schedule(body);
      case 'stop':
        return this.#write(backupKeys.schedule, null, {
          changed: backupEntries(this.#options.system(), this.#options.of.cell.id).schedule !== null,
          dryRun: body.dryRun ?? false,
        });
      case 'saved':
      case 'rehearsed':
        return this.#told(body);
    }
  }

  #schedule(body: Extract<BackupChangeBody, { op: 'schedule' }>): Promise<BackupChanged> | BackupChanged {
    const { log, of, system } = this.#options;
    if (!path.isAbsolute(body.directory)) {
      return refuse('PAXOS_BAD_BODY', 'The directory of backups is an absolute path, the same on every member.');
    }
    const voters = new Set(log.core.configuration.members.map(({ name }) => name));
    const unknown = (body.members ?? []).find((name) => !voters.has(name));
    if (unknown !== undefined) return refuse('PAXOS_MEMBER_UNKNOWN', `${unknown} is no member of this cell.`);
    const schedule: BackupScheduleDocument = {
      directory: path.resolve(body.directory),
      everyMs: body.everyMs,
      keep: body.keep,
      members: body.members == null ? null : [...new Set(body.members)].sort(),
    };
    const present = backupEntries(system(), of.cell.id).schedule;
    const changed = JSON.stringify(present) !== JSON.stringify(schedule);
    const value = encodeSchedule(schedule, of.cell.id);
    return this.#write(backupKeys.schedule, value, { changed, dryRun: body.dryRun ?? false });
  }

  /** Word of a backup: the newest one is kept. What cannot be of this cell's present history is refused. */
  #told(body: Extract<BackupChangeBody, { op: 'saved' | 'rehearsed' }>): Promise<BackupChanged> | BackupChanged {
    const { clocks, log, of, system } = this.#options;
    const { op, ...told } = body;
    if (told.generation !== of.generation || told.instance > log.appliedUpTo) {
      const where = `generation ${told.generation}, instance ${told.instance}`;
      const present = `generation ${of.generation}, instance ${log.appliedUpTo}`;
      return refuse('PAXOS_REFUSED', `A backup of ${where} is none of this cell as it is: it stands at ${present}.`);
    }
    const { saved, rehearsed } = backupEntries(system(), of.cell.id);
    const newest: ToldBackup | null = op === 'saved' ? saved : rehearsed;
    const changed = isNotOlder(told, newest);
    const stamped = (ageMs: number) => ({
      at: new Date(Math.max(0, clocks.now().wallMs - ageMs)).toISOString(),
      cellTimeMs: Math.max(0, this.#cellTimeMs() - ageMs),
    });
    const document = body.op === 'saved' ? savedBy(body, stamped(body.ageMs)) : { ...told, ...stamped(0) };
    return this.#write(backupKeys[op], encodeEntry(document), { changed, dryRun: false });
  }

  async #write(
    key: string,
    value: SystemWrite['value'],
    { changed, dryRun }: { readonly changed: boolean; readonly dryRun: boolean },
  ): Promise<BackupChanged> {
    const { submit, system } = this.#options;
    const done = (): BackupChanged => ({ kind: 'done', document: { ...this.document(), changed, dryRun } });
    if (dryRun || !changed) return done();
    const guard = [{ key, instance: system().get(key)?.instance ?? 0 }];
    const outcome = await new Promise<WriteOutcome>((resolve) => {
      submit({ kind: 'system', guard, writes: [{ key, value }], ifEpoch: null }, resolve);
    });
    if (outcome.kind === 'unknown') return { kind: 'unknown' };
    if (outcome.kind === 'none') return refuse('PAXOS_NOT_MASTER', `It could not be recorded: ${outcome.reason}.`);
    if (outcome.result.kind === 'system' && outcome.result.succeeded) return done();
    return refuse('PAXOS_REFUSED', 'It was changed by somebody else at the same time, and not by this; look again.');
  }
}

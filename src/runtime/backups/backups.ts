/** The parts of a replica that have to do with the cell's own backups, put together. */
import type { ReplicaId } from '../../core/consensus/identity.ts';
import type { CommandResult } from '../../core/database/command.ts';
import type { OpenBackups } from '../../ports/backups.ts';
import type { ClockPort } from '../../ports/clocks.ts';
import type { ReplicaStorage } from '../../storage/replica-storage.ts';
import type { DatabaseApplication } from '../database-application.ts';
import type { BackupService, ReplicaService } from '../http/service.ts';
import type { LogReplica } from '../log-replica.ts';
import type { Logger } from '../logger.ts';
import { backupEntries } from './backup-entries.ts';
import { BackupKeeper } from './backup-keeper.ts';
import { type BackupAnswer, isBackupQuestion } from './backup-question.ts';
import { BackupRecords } from './backup-records.ts';
import { BackupWriter } from './backup-writer.ts';

export interface BackupsOptions {
  readonly self: ReplicaId;
  readonly dataDir: string;
  readonly cell: { readonly id: string; readonly name: string; readonly generation: number };
  readonly log: LogReplica<CommandResult>;
  readonly database: DatabaseApplication;
  readonly storage: ReplicaStorage;
  readonly clocks: ClockPort;
  readonly logger: Logger;
  readonly open: OpenBackups;
  readonly submit: ReplicaService['submit'];
  ask(url: string, question: object): Promise<unknown>;
}

export class Backups {
  readonly records: BackupService;
  readonly #writer: BackupWriter;
  readonly #keeper: BackupKeeper;

  constructor({ cell, dataDir, database, open, ...rest }: BackupsOptions) {
    const of = { cell, generation: cell.generation };
    const system = (): DatabaseApplication['system'] => database.system;
    this.#writer = new BackupWriter({
      ...rest,
      of,
      open: (directory) => open(directory, dataDir),
      entries: () => backupEntries(system(), cell.id),
    });
    this.#keeper = new BackupKeeper({
      ...rest,
      of,
      system,
      askSelf: (question) => this.#writer.answer(question),
    });
    this.records = new BackupRecords({ ...rest, of, system, writer: this.#writer, keeper: this.#keeper });
  }

  start(): void {
    this.#writer.start();
    this.#keeper.start();
  }

  close(): void {
    this.#writer.close();
    this.#keeper.close();
  }

  /** Of another member; null for what is no question about backups. */
  answer(question: unknown): BackupAnswer | null {
    return isBackupQuestion(question) ? this.#writer.answer(question) : null;
  }
}

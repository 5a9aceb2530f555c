/**
 * One member's part in the cell's backups: it looks after the directory of the schedule, and writes a backup there when the master asks
 * for one (contract §1 `snapshot schedule`).
 *
 * Keeps: it is asked, never asks; one operation of that disk at a time, so that one that hangs holds one thread of this process and
 * no more; whatever goes wrong there is told, and is nothing to the log.
 */
import type { MonotonicMs, ReplicaId } from '../../core/consensus/identity.ts';
import { parseReplicaId } from '../../core/consensus/identity.ts';
import type { BackupDirectoryDocument, BackupRunDocument, BackupScheduleDocument } from '../../formats/backup-body.ts';
import type { BackupFolder } from '../../ports/backups.ts';
import type { ClockPort, Timer } from '../../ports/clocks.ts';
import { DiskError } from '../../ports/disk.ts';
import type { ReplicaStorage } from '../../storage/replica-storage.ts';
import type { LogReplica } from '../log-replica.ts';
import type { Logger } from '../logger.ts';
import type { BackupEntries } from './backup-entries.ts';
import { type BackupOf, backupsIn, problemOf, type SavedFile, saveBackup } from './backup-folder.ts';
import type { BackupAnswer, BackupQuestion, WrittenBackup } from './backup-question.ts';

/** What the directory is like is at most so old in a status (pitfalls L4: seen within 60 s). */
const lookEveryMs = 15_000;
/** A new schedule is looked at sooner. */
const tickMs = 1_000;
/** A disk that does not answer for so long is a problem of its own. */
const hungMs = 20_000;

export interface BackupWriterOptions {
  readonly self: ReplicaId;
  readonly of: BackupOf;
  readonly log: Pick<
    LogReplica<unknown>,
    'appliedUpTo' | 'snapshotPoint' | 'isServing' | 'stopped' | 'frozen' | 'silent'
  >;
  readonly storage: Pick<ReplicaStorage, 'writeElsewhere' | 'snapshots'>;
  readonly clocks: ClockPort;
  readonly logger: Logger;
  /** @throws {DiskError} */
  open(directory: string): Promise<BackupFolder>;
  entries(): BackupEntries;
}

interface Run {
  readonly directory: string;
  readonly instance: number;
  bytes: number;
  progressMs: number;
}

export class BackupWriter {
  readonly #options: BackupWriterOptions;
  #timer: Timer | null = null;
  #closed = false;
  /** Since when the disk of the backups is at something; null while it is not. */
  #busySinceMs: number | null = null;
  #run: Run | null = null;
  #last: {
    readonly directory: string;
    readonly outcome: WrittenBackup | { readonly why: string; readonly wrote: boolean };
  } | null = null;
  #here: BackupDirectoryDocument | null = null;
  /** Why older backups are still there; until the next time that they can be let go. */
  #kept: { readonly directory: string; readonly why: string } | null = null;
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** The schedule and the file that the last look was about. */
  #lookedAt = '';

  constructor(options: BackupWriterOptions) {
    this.#options = options;
  }

  start(): void {
    this.#tick();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  get #name(): string {
    return parseReplicaId(this.#options.self).name;
  }

  #nowMs(): number {
    return this.#options.clocks.now().monotonicMs;
  }

  /** The schedule where it asks this member. */
  #schedule(): BackupScheduleDocument | null {
    const { schedule } = this.#options.entries();
    return schedule === null || (schedule.members !== null && !schedule.members.includes(this.#name)) ? null : schedule;
  }

  /** Null without a schedule that asks this member, and before the first look. */
  here(): BackupDirectoryDocument | null {
    const schedule = this.#schedule();
    if (schedule === null) return null;
    const seen = this.#here?.directory === schedule.directory ? this.#here : null;
    const hung = this.#hungFor();
    if (hung === null) return seen;
    const nothing = { directory: schedule.directory, freeBytes: null, sameDisk: false, files: 0 };
    return { ...(seen ?? nothing), problem: `it has not answered for ${Math.round(hung / 1000)} s` };
  }

  /** For how long, once that is too long. While a backup is written, its progress counts. */
  #hungFor(): number | null {
    const since = this.#run?.progressMs ?? this.#busySinceMs;
    if (since === null) return null;
    const ms = this.#nowMs() - since;
    return ms >= hungMs ? ms : null;
  }

  running(): BackupRunDocument | null {
    const run = this.#run;
    if (run === null) return null;
    return { instance: run.instance, bytes: run.bytes, idleMs: Math.round(this.#nowMs() - run.progressMs) };
  }

  // --- looking --------------------------------------------------------------------------------------------------------

  #tick(): void {
    if (this.#closed) return;
    const { clocks } = this.#options;
    this.#timer = clocks.schedule((this.#nowMs() + tickMs) as MonotonicMs, () => this.#tick());
    const schedule = this.#schedule();
    if (schedule === null) {
      this.#here = null;
      this.#lookedAt = '';
      return;
    }
    const about = JSON.stringify([schedule.directory, this.#options.entries().scheduled]);
    if (this.#busySinceMs !== null) return;
    if (about === this.#lookedAt && this.#nowMs() - this.#lookedMs < lookEveryMs) return;
    this.#lookedAt = about;
    this.#lookedMs = this.#nowMs();
    void this.#busy(() => this.#look(schedule));
  }

  /** Never rejects. */
  async #busy(work: () => Promise<void>): Promise<void> {
    this.#busySinceMs = this.#nowMs();
    try {
      await work();
    } catch (error) {
      this.#options.logger.error({ err: error }, 'backups: not expected');
    } finally {
      this.#busySinceMs = null;
    }
  }

  async #look({ directory }: BackupScheduleDocument): Promise<void> {
    const nothing = { directory, freeBytes: null, sameDisk: false, files: 0 };
    try {
      const folder = await this.#options.open(directory);
      const { of } = this.#options;
      const found = await backupsIn(folder, of);
      const kept = this.#kept?.directory === directory ? this.#kept.why : null;
      const problem = (await problemOf(folder, this.#bytesExpected(found))) ?? this.#missing(found) ?? kept;
      const freeBytes = await folder.disk.freeBytes();
      this.#here = { directory, problem, freeBytes, sameDisk: folder.sameDisk, files: found.length };
    } catch (error) {
      this.#here = { ...nothing, problem: inWords(error) };
    }
  }

  /** Somebody took away what this member has written. */
  #missing(found: readonly { readonly name: string; readonly bytes: number }[]): string | null {
    const { of } = this.#options;
    const { schedule, scheduled } = this.#options.entries();
    const own = scheduled?.where === this.#name && scheduled.generation === of.generation;
    if (scheduled === null || !own || !scheduled.file.startsWith(schedule?.directory ?? '')) return null;
    const file = found.find(({ name }) => scheduled.file.endsWith(name));
    if (file === undefined) return `the last backup, of instance ${scheduled.instance}, is not there any more`;
    return file.bytes === scheduled.bytes ? null : `the last backup has ${file.bytes} bytes, not ${scheduled.bytes}`;
  }

  #bytesExpected(found: readonly { readonly bytes: number }[]): number {
    const kept = this.#options.storage.snapshots()[0]?.bytes ?? 0;
    return Math.round(Math.max(kept, found[0]?.bytes ?? 0) * 1.1);
  }

  // --- writing --------------------------------------------------------------------------------------------------------

  /** What the master is told. A question that begins starts one, unless there is one already that answers it. */
  answer(question: BackupQuestion): BackupAnswer {
    const running = this.running();
    if (running !== null) {
      return this.#run?.directory === question.directory
        ? { state: 'running', ...running }
        : failed('another backup is being written');
    }
    const last = this.#last?.directory === question.directory ? this.#last.outcome : null;
    if (last !== null && !('why' in last) && isNewer(last, question)) return { state: 'done', backup: last };
    if (!question.begin)
      return last !== null && 'why' in last ? { state: 'failed', ...last } : failed('it was started anew');
    return this.#begin(question);
  }

  #begin(question: BackupQuestion): BackupAnswer {
    const { log } = this.#options;
    if (this.#closed || log.stopped || log.silent || log.frozen !== null) return failed('it has stopped');
    if (log.isServing() && !question.alone) return failed('it is master');
    if (log.appliedUpTo < question.atLeast) {
      return { state: 'waiting', why: `it is ${question.atLeast - log.appliedUpTo} instances behind` };
    }
    if (this.#busySinceMs !== null) {
      const hung = this.#hungFor();
      return hung === null
        ? { state: 'waiting', why: `it looks at ${question.directory}` }
        : failed(`${question.directory} has not answered for ${Math.round(hung / 1000)} s`);
    }
    const point = log.snapshotPoint();
    if (point === null || point.handle.instance === 0) {
      point?.view.close();
      return failed('it has no state of this moment');
    }
    const { directory, keep } = question;
    const run: Run = { directory, instance: point.handle.instance, bytes: 0, progressMs: this.#nowMs() };
    this.#run = run;
    void this.#busy(async () => {
      try {
        this.#last = { directory, outcome: await this.#write(run, keep, point) };
      } catch (error) {
        const why = inWords(error);
        this.#last = { directory, outcome: { why, wrote: run.bytes > 0 } };
        this.#options.logger.warn({ err: error, directory }, 'a backup failed; the earlier ones stand');
      } finally {
        point.view.close();
        this.#run = null;
        this.#lookedMs = Number.NEGATIVE_INFINITY;
      }
    });
    return { state: 'running', instance: run.instance, bytes: 0, idleMs: 0 };
  }

  async #write(
    run: Run,
    keep: number,
    { handle, logChain, view }: NonNullable<ReturnType<LogReplica<unknown>['snapshotPoint']>>,
  ): Promise<WrittenBackup> {
    const { clocks, of, open, storage, logger } = this.#options;
    // Of the state: a write that takes an hour makes it an hour older.
    const { wallMs } = clocks.now();
    const folder = await open(run.directory);
    const bytesExpected = this.#bytesExpected(await backupsIn(folder, of));
    const saved: SavedFile = await saveBackup(folder, {
      of,
      member: this.#name,
      instance: handle.instance,
      wallMs,
      keep,
      bytesExpected,
      write: (path, betweenParts) =>
        storage.writeElsewhere(folder.disk, path, {
          handle,
          view,
          logChain,
          pause: async (bytes) => {
            if (this.#closed) throw new Error('this replica is being stopped');
            run.bytes = bytes;
            run.progressMs = this.#nowMs();
            await betweenParts(bytes);
            await new Promise<void>((resolve) => clocks.nextTurn(resolve));
          },
        }),
    });
    const { header, kept, name, bytes, sha256, removed } = saved;
    logger.info({ file: name, instance: handle.instance, bytes, removed }, 'backup saved');
    this.#kept = kept === null ? null : { directory: run.directory, why: kept };
    if (kept !== null) logger.warn({ directory: run.directory, why: kept }, 'older backups could not be let go');
    return {
      generation: header.generation,
      instance: header.handle.instance,
      entries: header.entries,
      bytes,
      checksum: header.checksum,
      digest: sha256,
      at: new Date(wallMs).toISOString(),
      cellTimeMs: header.handle.cellTimeMs,
      file: `${run.directory.replace(/\/$/, '')}/${name}`,
    };
  }
}

const failed = (why: string): BackupAnswer => ({ state: 'failed', why, wrote: false });

/** Of what was recorded when the question was asked: otherwise it is that one. */
const isNewer = (written: WrittenBackup, { after }: BackupQuestion): boolean =>
  after === null || written.generation !== after.generation || written.instance > after.instance;

function inWords(error: unknown): string {
  if (!(error instanceof DiskError)) return error instanceof Error ? error.message : String(error);
  switch (error.reason) {
    case 'not-found':
      return 'there is no such directory';
    case 'full':
      return 'it is full';
    case 'denied':
      return `it cannot be written to (${error.message})`;
    default:
      return error.message;
  }
}

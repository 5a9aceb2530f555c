/** What stands around the parts that make backups: time, the log as far as they look at it, and the entries of the cell. */
import type { Instance, ReplicaId } from '../../../src/core/consensus/identity.ts';
import type { SystemEntry } from '../../../src/core/database/system-table.ts';
import type { BackupScheduleDocument } from '../../../src/formats/backup-body.ts';
import type { ClockPort } from '../../../src/ports/clocks.ts';
import type { Disk } from '../../../src/ports/disk.ts';
import { backupKeys, encodeSchedule } from '../../../src/runtime/backups/backup-entries.ts';
import type { ReplicaService } from '../../../src/runtime/http/service.ts';
import type { LogReplica } from '../../../src/runtime/log-replica.ts';

export const cell = { id: 'cell-1', name: 'test' };
export const of = { cell, generation: 1 };

/** Hours of the cell, of the wall, and of the process, each moved by the test. */
export class Times {
  cellMs = 1_000_000;
  wallMs = Date.UTC(2030, 0, 1);
  monotonicMs = 5_000;
  readonly #timers: { readonly atMs: number; readonly callback: () => void }[] = [];

  readonly clocks = {
    now: () => ({ monotonicMs: this.monotonicMs, wallMs: this.wallMs, bootMs: this.monotonicMs }),
    schedule: (atMs: number, callback: () => void) => {
      const timer = { atMs, callback };
      this.#timers.push(timer);
      return { cancel: () => void this.#timers.splice(this.#timers.indexOf(timer), 1) };
    },
    nextTurn: (callback: () => void) => void setImmediate(callback),
  } as unknown as ClockPort;

  pass(ms: number): void {
    this.cellMs += ms;
    this.wallMs += ms;
    this.monotonicMs += ms;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.monotonicMs);
    for (const timer of due) {
      this.#timers.splice(this.#timers.indexOf(timer), 1);
      timer.callback();
    }
  }
}

export class FakeLog {
  readonly self: ReplicaId;
  serving = false;
  appliedUpTo = 50;
  stopped = false;
  silent = false;
  readonly frozen = null;
  readonly members: { name: string; incarnation: number; role: string; url: string }[];
  readonly #times: Times;

  constructor(self: string, times: Times, names: readonly string[] = ['n1', 'n2', 'n3']) {
    this.self = `${self}#1` as ReplicaId;
    this.#times = times;
    this.members = names.map((name) => ({ name, incarnation: 1, role: 'voter', url: `http://${name}` }));
  }

  readonly isServing = (): boolean => this.serving;
  readonly snapshotPoint = (): unknown => ({
    handle: { instance: this.appliedUpTo, cellTimeMs: this.#times.cellMs },
    logChain: new Uint8Array(32),
    view: { close() {} },
  });

  get core() {
    return { configuration: { members: this.members }, cellTimeMs: () => this.#times.cellMs };
  }

  asLog<Result>(): LogReplica<Result> {
    return this as unknown as LogReplica<Result>;
  }
}

/** The system entries of one cell: what the log has chosen, for all its members. */
export class FakeCell {
  readonly entries = new Map<string, SystemEntry>();
  /** Guards hold, and nothing is refused, while it is null. */
  refuses: 'none' | 'unknown' | null = null;
  #instance = 10;

  readonly submit: ReplicaService['submit'] = (command, done) => {
    if (command.kind !== 'system') throw new Error(command.kind);
    if (this.refuses === 'unknown') return done({ kind: 'unknown', reason: 'mastership-lost' });
    if (this.refuses === 'none') return done({ kind: 'none', reason: 'not-master', redirect: null, retryAfterMs: 1 });
    const guard = command.guard.map(({ key, instance }) => (this.entries.get(key)?.instance ?? 0) === instance);
    const succeeded = guard.every((it) => it);
    const instance = ++this.#instance as Instance;
    if (succeeded) for (const { key, value } of command.writes) this.set(key, value);
    const result = { kind: 'system', succeeded, guard, instance, epoch: 1 } as never;
    done({ kind: 'result', result, instance, epoch: 1 as never });
  };

  set(key: string, value: Uint8Array | null): void {
    if (value === null) this.entries.delete(key);
    else this.entries.set(key, { instance: this.#instance as Instance, value });
  }

  schedule(change: Partial<BackupScheduleDocument> = {}, id = cell.id): void {
    const schedule = { directory: '/backups', everyMs: 3_600_000, keep: 2, members: null, ...change };
    this.set(backupKeys.schedule, encodeSchedule(schedule, id));
  }

  document<Document>(key: keyof typeof backupKeys): Document | null {
    const entry = this.entries.get(backupKeys[key]);
    return entry === undefined ? null : (JSON.parse(Buffer.from(entry.value).toString('utf8')) as Document);
  }
}

/** The same disk, with as much room as the test says. */
export const withFreeBytes = (disk: Disk, freeBytes: () => Promise<number>): Disk => ({
  open: (...given) => disk.open(...given),
  rename: (...given) => disk.rename(...given),
  remove: (...given) => disk.remove(...given),
  makeDirectory: (...given) => disk.makeDirectory(...given),
  list: (...given) => disk.list(...given),
  flushDirectory: (...given) => disk.flushDirectory(...given),
  freeBytes,
});

/** Everything that was resolved has gone on. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

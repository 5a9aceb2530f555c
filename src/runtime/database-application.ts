/**
 * The database as the log's application: decodes chosen items, applies them, gives views and restores from them.
 *
 * All items of a value are decoded before the first is applied, so that a replica which cannot read one halts in front of the
 * value and not in the middle of it.
 */
import type { CellTimeMs, Epoch, Instance } from '../core/consensus/identity.ts';
import type { Value } from '../core/consensus/value.ts';
import type { Command, CommandResult, Entry, Revision, RevisionChanges } from '../core/database/command.ts';
import { Database } from '../core/database/database.ts';
import type { EntryList, ListQuery } from '../core/database/listing.ts';
import type { Lock } from '../core/database/lock.ts';
import type { CellIdentity, DatabasePorts, EntryStoreMaker, EpochRecord } from '../core/database/record.ts';
import { DatabaseRestore } from '../core/database/restore.ts';
import type { Session } from '../core/database/session.ts';
import type { SystemEntry } from '../core/database/system-table.ts';
import type { DatabaseView } from '../core/database/view.ts';
import { invariant, unreachable } from '../core/invariant.ts';
import { type MachineValue, StateMachine } from '../core/state-machine.ts';
import { decodeCommand, UnknownCommandError } from '../formats/command.ts';
import { databaseRecordCodec } from '../formats/database-record.ts';
import { firstLevel, isSupported, type LevelRange, LevelRefusedError, supportedLevels } from '../formats/levels.ts';
import type { DigestPort } from '../ports/digest.ts';
import type { Delivery, LogApplication } from './application.ts';
import type { ChecksumPoint } from './database-checks.ts';

/** Records restored before the event loop gets its turn: some two milliseconds. */
const restoreSliceRecords = 1_000;

export interface DatabaseApplicationOptions {
  readonly digest: DigestPort;
  /** Calls back in the next turn of the event loop (`ClockPort.nextTurn`); without it a restore does not pause. */
  readonly nextTurn?: (callback: () => void) => void;
  /** Where the entries lie in memory; of the core's own making where absent. */
  readonly makeEntryStore?: EntryStoreMaker | undefined;
  /** Those that this program speaks; a value that raises the cell beyond them is not applied. */
  readonly levels?: LevelRange | undefined;
  /**
   * The data here is known to have been raised to this level, by its manifest: snapshot and log are of lower ones on the way there, which are
   * read whatever this program runs at. 0 where nothing is known.
   */
  readonly raisedTo?: number | undefined;
  /** A logged `checksum` was applied: the state after its instance is to be compared (design §5). */
  readonly onChecksum?: (point: ChecksumPoint) => void;
}

export class DatabaseApplication implements LogApplication<CommandResult> {
  readonly #ports: DatabasePorts;
  readonly #nextTurn: ((callback: () => void) => void) | null;
  readonly #levels: LevelRange;
  readonly #raisedTo: number;
  readonly #onChecksum: ((point: ChecksumPoint) => void) | null;
  #machine: StateMachine;

  constructor(options: DatabaseApplicationOptions) {
    const { digest, makeEntryStore } = options;
    this.#ports = { codec: databaseRecordCodec, digest, ...(makeEntryStore === undefined ? {} : { makeEntryStore }) };
    this.#nextTurn = options.nextTurn ?? null;
    this.#levels = options.levels ?? supportedLevels;
    this.#raisedTo = options.raisedTo ?? 0;
    this.#onChecksum = options.onChecksum ?? null;
    this.#machine = new StateMachine(new Database(this.#ports));
  }

  get #database(): Database {
    return this.#machine.database;
  }

  /** Writes the system record when the cell is formed, at `level`, before the first `apply`. */
  initialize(identity: CellIdentity, level = firstLevel): void {
    this.#database.initialize(identity, level);
  }

  apply({ instance, epoch, value, current, logChain }: Delivery): readonly CommandResult[] {
    const machineValue = toMachineValue(value, current);
    if (machineValue.kind === 'submitted') this.#refuseLevel(machineValue.commands, instance);
    // Two layers keep the epoch, and they must agree on who is guarded by it (PML §5.3).
    if (value.kind === 'submitted') {
      invariant(current === (value.epoch === this.#database.epoch), 'log and database agree on the epoch in force', {
        instance,
        epoch,
        databaseEpoch: this.#database.epoch,
        valueEpoch: value.epoch,
      });
    }
    const { results } = this.#machine.apply(instance, machineValue);
    if (machineValue.kind === 'submitted') this.#takePoint({ instance, logChain }, machineValue.commands);
    return results;
  }

  /** In front of the whole value: a replica that goes on without what it cannot read would not be a replica (pitfall U4). */
  #refuseLevel(commands: readonly Command[], instance: Instance): void {
    const level = this.#database.levelAfter(commands, instance);
    // Only what the value itself brings: a database at a level of another program was never opened.
    if (level === this.#database.level || this.#mayPass(level)) return;
    throw new LevelRefusedError(level, this.#levels);
  }

  /** What is only passed through needs to be read, and not to be run at. */
  #mayPass(level: number): boolean {
    return isSupported(level, this.#levels) || (level < this.#raisedTo && level < this.#levels.min);
  }

  /** After all of the value: which of its items named the instance makes no difference. */
  #takePoint(at: Pick<Delivery, 'instance' | 'logChain'>, commands: readonly Command[]): void {
    if (this.#onChecksum === null) return;
    const asked = commands.filter((command) => command.kind === 'checksum');
    if (asked.length === 0) return;
    this.#onChecksum({ ...at, deep: asked.some(({ deep }) => deep), view: this.view() });
  }

  view(): DatabaseView {
    return this.#database.view();
  }

  /**
   * The state is replaced at the end, in one step; until then, and after a failure, it stays what it was. The caller
   * compares {@link DatabaseApplication.checksumHex}, which was computed from what was read, with the expected one.
   * @throws {LevelRefusedError} for a level that this program does not speak; {RestoreError | FormatError} when the records are not those of a database.
   */
  async restore(records: AsyncIterable<Uint8Array>): Promise<void> {
    const restore = new DatabaseRestore(this.#ports);
    let inSlice = 0;
    for await (const chunk of inChunks(records)) {
      for (const record of chunk) {
        restore.add(record);
        if (++inSlice < restoreSliceRecords) continue;
        inSlice = 0;
        await this.#pause();
      }
    }
    const database = restore.finish();
    if (!this.#mayPass(database.level)) throw new LevelRefusedError(database.level, this.#levels);
    this.#machine = new StateMachine(database);
  }

  #pause(): Promise<void> | undefined {
    const nextTurn = this.#nextTurn;
    return nextTurn === null ? undefined : new Promise((resolve) => nextTurn(resolve));
  }

  // ---- reading: one synchronous step each ----

  get(key: string): Entry | null {
    return this.#database.get(key);
  }

  list(query: ListQuery): EntryList {
    return this.#database.list(query);
  }

  /** The same state for reading, unaffected by later writes, in O(1). */
  pin(): DatabaseView {
    return this.view();
  }

  get revision(): Revision {
    return this.#database.revision;
  }

  get epoch(): Epoch {
    return this.#database.epoch;
  }

  get cellTimeMs(): CellTimeMs {
    return this.#database.cellTimeMs;
  }

  /** In force now (design §6). */
  get level(): number {
    return this.#database.level;
  }

  /** The system's own entries, in the order of their keys; unaffected by later changes. */
  get system(): ReadonlyMap<string, SystemEntry> {
    return this.#database.system;
  }

  /** Number of the user's entries. */
  get entries(): number {
    return this.#database.entries;
  }

  /** Number of open sessions. */
  get sessions(): number {
    return this.#database.sessions;
  }

  /** Null until the cell was formed or a snapshot of it restored. */
  get identity(): CellIdentity | null {
    return this.#database.identity;
  }

  /** 32 hex digits, equal on two replicas iff their state is. */
  checksumHex(): string {
    return this.#database.checksumHex();
  }

  epochAt(epoch: Epoch): EpochRecord | null {
    return this.#database.epochAt(epoch);
  }

  /** The epoch that ended `epoch`; null when none did yet. */
  epochAfter(epoch: Epoch): EpochRecord | null {
    return this.#database.epochAfter(epoch);
  }

  /** Every epoch of this history, rising. */
  epochs(): readonly EpochRecord[] {
    return this.#database.epochs();
  }

  /** For the master: sessions to be named by the next `expire-sessions` command ({@link Database.sessionsDue}). */
  sessionsDue(cellTimeMs: CellTimeMs, masterSince: CellTimeMs): readonly string[] {
    return this.#database.sessionsDue(cellTimeMs, masterSince);
  }

  lock(name: string): Lock | null {
    return this.#database.lock(name);
  }

  locksFrom(from: string): IterableIterator<readonly [string, Lock]> {
    return this.#database.locksFrom(from);
  }

  sessionsFrom(from: string): IterableIterator<readonly [string, Session]> {
    return this.#database.sessionsFrom(from);
  }

  locksHeldBy(session: string): number {
    return this.#database.locksHeldBy(session);
  }

  changesAfter(revision: Revision, revisionsMax?: number): readonly RevisionChanges[] | null {
    return this.#database.changesAfter(revision, revisionsMax);
  }
}

function toMachineValue(value: Value, current: boolean): MachineValue {
  switch (value.kind) {
    case 'noop':
    case 'configuration':
      return { kind: value.kind };
    case 'mastership':
      return value;
    case 'submitted': {
      const { cellTimeMs, items } = value;
      return current
        ? { kind: 'submitted', cellTimeMs, commands: items.map(readItem) }
        : { kind: 'skipped', cellTimeMs, count: items.length };
    }
    default:
      return unreachable(value);
  }
}

function readItem(item: Uint8Array): Command {
  try {
    return decodeCommand(item);
  } catch (cause) {
    if (cause instanceof UnknownCommandError) throw cause;
    throw new UnknownCommandError('a command that this version cannot read', { cause });
  }
}

/** As the source has them together, where it does: a wait for each of a million records costs more than reading it. */
function inChunks(records: AsyncIterable<Uint8Array>): AsyncIterable<readonly Uint8Array[]> {
  const source: AsyncIterable<Uint8Array> & { chunks?(): AsyncIterable<readonly Uint8Array[]> } = records;
  return source.chunks?.() ?? oneByOne(records);
}

async function* oneByOne(records: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Uint8Array[]> {
  for await (const record of records) yield [record];
}

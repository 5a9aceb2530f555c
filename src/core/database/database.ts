/**
 * The fault-tolerant database of one replica: entries, epochs, sessions and the checksum over all of them.
 *
 * Source: PML §5.6 (MultiOp), §5.3 (epoch); exactly once: design §3. Deterministic: the same calls in the same order give
 * the same state, results and checksum. Total: no command, however odd, makes a method throw (pitfall P51).
 */
import type { CellTimeMs, Epoch, Instance, ReplicaId } from '../consensus/identity.ts';
import { invariant, unreachable } from '../invariant.ts';
import { BtreeStateStore } from './btree-state-store.ts';
import { DigestSum, digestOf } from './checksum.ts';
import type { Command, CommandResult, Entry, Revision, RevisionChanges } from './command.ts';
import { EntryTable, unpackEntry } from './entry-table.ts';
import { EpochTable } from './epoch-table.ts';
import { History, type RevisionRecord } from './history.ts';
import { touchesLevel } from './level-rule.ts';
import { type EntryList, type ListQuery, listEntries } from './listing.ts';
import type { Lock } from './lock.ts';
import { LockTable } from './lock-table.ts';
import { executeMultiOp } from './multi-op.ts';
import { PackedEntryStore } from './packed-entry-store.ts';
import type { CellIdentity, DatabasePorts, EpochRecord } from './record.ts';
import type { Session } from './session.ts';
import { SessionTable, sessionId } from './session-table.ts';
import { firstLevel, levelKey, levelOf, levelText, type SystemCommand } from './system-entry.ts';
import { judgeSystem, type SystemEntry, SystemTable, systemAfter } from './system-table.ts';
import { type Counters, DatabaseView, epochRecord } from './view.ts';

/** Where a command stands in the log. */
export interface CommandPlace {
  readonly instance: Instance;
  /** From 0, within the value. */
  readonly place: number;
}

type MultiOpCommand = Command & { readonly kind: 'multiop' };
type LockCommand = Command & { readonly kind: 'acquire-lock' | 'release-lock' };

export class Database {
  readonly #ports: DatabasePorts;
  /** Of all records but the counters, which change with everything and are added when the checksum is asked for. */
  readonly #sum = new DigestSum();
  readonly #entries: EntryTable;
  readonly #sessions: SessionTable;
  readonly #locks: LockTable;
  readonly #epochs = new EpochTable();
  readonly #system: SystemTable;
  #identity: CellIdentity | null = null;
  #revision: Revision = 0;
  #epoch = 0 as Epoch;
  #cellTimeMs = 0 as CellTimeMs;
  #history = new History(0);
  /** The last one given out, and what it is of: most values of an idle cell change nothing. */
  #checksum: (Counters & { readonly changes: number; readonly hex: string }) | null = null;

  constructor(ports: DatabasePorts) {
    this.#ports = ports;
    const entries = ports.makeEntryStore?.() ?? new PackedEntryStore(ports.codec);
    this.#entries = new EntryTable(entries, this.#sum, ports);
    this.#sessions = new SessionTable(new BtreeStateStore<Session>(), this.#sum, ports);
    this.#locks = new LockTable(new BtreeStateStore<Lock>(), this.#sum, ports);
    this.#system = new SystemTable(this.#sum, ports);
  }

  /** Formats and behaviour that all members may use: raised by the log alone (design §6). */
  get level(): number {
    return levelOf(this.#system.get(levelKey)?.value);
  }

  /** The level that the commands of one value would leave in force; nothing of them is done. */
  levelAfter(commands: readonly Command[], instance: Instance): number {
    const system = commands.filter((command) => command.kind === 'system');
    if (!system.some(touchesLevel)) return this.level;
    const after = systemAfter(this.#system.view(), system, { instance, epoch: this.#epoch });
    return levelOf(after.get(levelKey)?.value);
  }

  /** The system's own entries, in the order of their keys; unaffected by later changes. */
  get system(): ReadonlyMap<string, SystemEntry> {
    return this.#system.view();
  }

  /** Counts the MultiOps that changed the database. */
  get revision(): Revision {
    return this.#revision;
  }

  /** 0 before the first mastership. */
  get epoch(): Epoch {
    return this.#epoch;
  }

  get cellTimeMs(): CellTimeMs {
    return this.#cellTimeMs;
  }

  /** Number of the user's entries. */
  get entries(): number {
    return this.#entries.size;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** Null before {@link Database.initialize}. */
  get identity(): CellIdentity | null {
    return this.#identity;
  }

  /**
   * Writes the system record of a new cell; once, on every member alike, before anything is applied. `level`: that the cell was formed
   * at; its entry counts as unchanged since before the first instance.
   */
  initialize(identity: CellIdentity, level = firstLevel): void {
    invariant(this.#identity === null, 'a database is initialized once');
    this.#identity = { ...identity, rootSecret: new Uint8Array(identity.rootSecret) };
    this.#sum.add(digestOf(this.#ports, { kind: 'system', identity: this.#identity }));
    if (level > firstLevel) this.#system.write([{ key: levelKey, value: levelText(level) }], 0 as Instance);
  }

  // ---- applying ----

  /** Opens the next epoch (PML §5.3). */
  openEpoch(opened: { readonly instance: Instance; readonly id: string; readonly owner: ReplicaId }): void {
    const { instance, id, owner } = opened;
    this.loadEpoch({ epoch: (this.#epoch + 1) as Epoch, instance, id, owner, revision: this.#revision });
    this.#epoch = (this.#epoch + 1) as Epoch;
  }

  /** Cell time never goes back. */
  advanceCellTime(cellTimeMs: CellTimeMs): void {
    if (cellTimeMs > this.#cellTimeMs) this.#cellTimeMs = cellTimeMs;
  }

  /** Executes one command; what it changed, if anything, is pushed to `revisions`. */
  execute(command: Command, at: CommandPlace, revisions: RevisionRecord[]): CommandResult {
    switch (command.kind) {
      case 'multiop':
      case 'acquire-lock':
      case 'release-lock':
        return this.#inSession(command, at, revisions);
      case 'open-session': {
        const id = sessionId(at.instance, at.place);
        const session = this.#sessions.open(id, command.ttlMs, this.#cellTimeMs);
        return session === null ? { kind: 'sessions-full' } : sessionResult(id, session);
      }
      case 'close-session':
        if (!this.#sessions.close(command.session)) return { kind: 'session-expired' };
        this.#locks.endSessions([command.session], null);
        return { kind: 'done' };
      case 'keep-session': {
        const session = this.#sessions.renew(command.session, this.#cellTimeMs);
        return session === undefined ? { kind: 'session-expired' } : sessionResult(command.session, session);
      }
      case 'expire-sessions':
        this.#locks.endSessions(this.#sessions.expire(command.sessions, this.#cellTimeMs), this.#cellTimeMs);
        return { kind: 'done' };
      case 'checksum':
        // Changes nothing: what is compared is the state after the whole instance.
        return { kind: 'done' };
      case 'system':
        return this.#writeSystem(command, at);
      default:
        return unreachable(command);
    }
  }

  #writeSystem(command: SystemCommand, { instance }: CommandPlace): CommandResult {
    const verdict = judgeSystem(command, this.#system.view(), this.#epoch);
    if (verdict.kind === 'epoch-changed') return { kind: 'epoch-changed', epoch: this.#epoch };
    const { guard, refused, succeeded } = verdict;
    if (succeeded) this.#system.write(command.writes, instance);
    return { kind: 'system', succeeded, guard, refused, instance, epoch: this.#epoch };
  }

  /** The first copy of a number is executed, every other one gets its answer (design §3, "Exactly once"). */
  #inSession(command: MultiOpCommand | LockCommand, at: CommandPlace, revisions: RevisionRecord[]): CommandResult {
    if (command.session === null) return this.#perform(command, at, revisions);
    const { session: id, sequence } = command.session;
    const session = this.#sessions.renew(id, this.#cellTimeMs);
    if (session === undefined) return { kind: 'session-expired' };
    const known = this.#sessions.answer(session, sequence);
    if (known !== null) return known;
    if (sequence <= session.floor) return { kind: 'session-expired' };
    const result = this.#perform(command, at, revisions);
    this.#sessions.remember(id, sequence, result);
    return result;
  }

  #perform(command: MultiOpCommand | LockCommand, at: CommandPlace, revisions: RevisionRecord[]): CommandResult {
    return command.kind === 'multiop' ? this.#guarded(command, at, revisions) : this.#lock(command, at);
  }

  #lock(command: LockCommand, { instance }: CommandPlace): CommandResult {
    const { session } = command.session;
    const outcome =
      command.kind === 'acquire-lock'
        ? this.#locks.acquire({ ...command, session }, instance, this.#cellTimeMs)
        : this.#locks.release(command.lock, session, command.generation);
    return { kind: 'lock', ...outcome, instance, epoch: this.#epoch };
  }

  /** The client's own condition on mastership is evaluated here, at apply, and nowhere else (pitfall P41). */
  #guarded(command: MultiOpCommand, at: CommandPlace, revisions: RevisionRecord[]): CommandResult {
    if (command.ifEpoch !== null && command.ifEpoch !== this.#epoch) {
      return { kind: 'epoch-changed', epoch: this.#epoch };
    }
    if (command.sequencer !== undefined && !this.#locks.isHeld(command.sequencer)) return { kind: 'sequencer-invalid' };
    const { instance } = at;
    const { changes, ...outcome } = executeMultiOp(this.#entries, command.multiOp, this.#revision + 1);
    if (changes.length > 0) {
      this.#revision++;
      const record = { revision: this.#revision, instance, changes };
      this.#history.add(record);
      revisions.push(record);
    }
    return { kind: 'multiop', ...outcome, revision: this.#revision, instance, epoch: this.#epoch };
  }

  // ---- reading ----

  get(key: string): Entry | null {
    const stored = this.#entries.get(key);
    return stored === undefined ? null : unpackEntry(this.#ports, stored);
  }

  list(query: ListQuery): EntryList {
    return listEntries(this.#ports, this.#entries.present(), query, this.#revision);
  }

  /** Null when there was no such epoch in this history. */
  epochAt(epoch: Epoch): EpochRecord | null {
    return this.#epochs.at(epoch);
  }

  /** Rising. */
  epochs(): readonly EpochRecord[] {
    return [...this.#epochs.first(this.#epochs.size)];
  }

  /** The epoch that ended `epoch`; null when none did yet. */
  epochAfter(epoch: Epoch): EpochRecord | null {
    return this.#epochs.after(epoch);
  }

  /**
   * Sessions to be named by the next `expire-sessions` command. A master that serves since cell time `masterSince` gives each a full term first:
   * while there was none, nobody could keep a session (pitfall P54).
   */
  sessionsDue(cellTimeMs: CellTimeMs, masterSince: CellTimeMs): readonly string[] {
    return this.#sessions.due(cellTimeMs, masterSince);
  }

  lock(name: string): Lock | null {
    return this.#locks.find(name) ?? null;
  }

  /** How many locks a session holds. */
  locksHeldBy(session: string): number {
    return this.#locks.heldBy(session);
  }

  /** Lazily, by name from the first at or above `from`; to be read before anything is applied. */
  locksFrom(from: string): IterableIterator<readonly [string, Lock]> {
    return this.#locks.from(from);
  }

  /** Lazily, by id from the first at or above `from`; to be read before anything is applied. */
  sessionsFrom(from: string): IterableIterator<readonly [string, Session]> {
    return this.#sessions.from(from);
  }

  /** The changes above `revision`, oldest first, of at most so many revisions; null when they are no longer held. */
  changesAfter(revision: Revision, revisionsMax?: number): readonly RevisionChanges[] | null {
    return this.#history.after(revision, revisionsMax)?.map((record) => this.toRevisionChanges(record)) ?? null;
  }

  toRevisionChanges({ revision, instance, changes }: RevisionRecord): RevisionChanges {
    return {
      revision,
      instance,
      changes: changes.map(({ key, stored }) => ({
        key,
        entry: stored === null ? null : unpackEntry(this.#ports, stored),
      })),
    };
  }

  /** 32 hex digits, equal on two replicas iff their state is. */
  checksumHex(): string {
    const { changes } = this.#sum;
    const { revision, epoch, cellTimeMs } = this.#counters();
    const last = this.#checksum;
    if (last?.changes === changes && last.revision === revision && last.epoch === epoch) {
      if (last.cellTimeMs === cellTimeMs) return last.hex;
    }
    const sum = this.#sum.copy();
    sum.add(digestOf(this.#ports, { kind: 'counters', revision, epoch, cellTimeMs }));
    const hex = sum.hex();
    this.#checksum = { changes, revision, epoch, cellTimeMs, hex };
    return hex;
  }

  /** In O(1). */
  view(): DatabaseView {
    return new DatabaseView({
      ports: this.#ports,
      identity: this.#identity,
      counters: this.#counters(),
      epochs: this.#epochs,
      epochCount: this.#epochs.size,
      system: this.#system.view(),
      sessions: this.#sessions.view(),
      answerCount: this.#sessions.answerCount,
      locks: this.#locks.view(),
      entries: this.#entries.view(),
      checksum: this.checksumHex(),
    });
  }

  #counters(): Counters {
    return { revision: this.#revision, epoch: this.#epoch, cellTimeMs: this.#cellTimeMs };
  }

  // ---- restoring: called by DatabaseRestore, on a new database only ----

  loadCounters({ revision, epoch, cellTimeMs }: Counters): void {
    this.#revision = revision;
    this.#epoch = epoch;
    this.#cellTimeMs = cellTimeMs;
    this.#history = new History(revision);
  }

  loadEpoch(epoch: EpochRecord): void {
    this.#epochs.add(epoch);
    this.#sum.add(digestOf(this.#ports, epochRecord(epoch)));
  }

  get tables(): {
    readonly entries: EntryTable;
    readonly sessions: SessionTable;
    readonly locks: LockTable;
    readonly system: SystemTable;
  } {
    return { entries: this.#entries, sessions: this.#sessions, locks: this.#locks, system: this.#system };
  }
}

const sessionResult = (session: string, { expiresCellTimeMs }: Session): CommandResult => ({
  kind: 'session',
  session,
  expiresCellTimeMs,
});

/**
 * Rebuilds a database from the records of a view, in the same order. The checksum is computed from what is read, record by
 * record, so a caller that compares it with the expected one has verified every byte.
 *
 * Snapshots come from disks and peers: what does not fit is an answer ({@link RestoreError}), never an assertion, and
 * nothing that is restored may make `apply` throw later.
 */
import { invariant, unreachable } from '../invariant.ts';
import { Database } from './database.ts';
import { compareKeys } from './key.ts';
import { type Lock, lapsesAt } from './lock.ts';
import { holdersOfLockMax, lockDelayMsMax, lockHoldersMax } from './lock-limits.ts';
import { type DatabasePorts, type DatabaseRecord, recordRanks } from './record.ts';
import { type Session, sessionAnswerBytesMax, sessionNumbersMax } from './session.ts';
import { sessionsMax } from './session-limits.ts';
import { systemKeyPattern, systemValueBytesMax } from './system-entry.ts';

/** The records are not those of a database. */
export class RestoreError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RestoreError';
  }
}

type RecordOf<Kind extends DatabaseRecord['kind']> = DatabaseRecord & { readonly kind: Kind };

export class DatabaseRestore {
  readonly #ports: DatabasePorts;
  readonly #database: Database;
  #rank = -1;
  #counters: RecordOf<'counters'> | null = null;
  #epochLast = { epoch: 0, instance: -1, revision: 0 };
  #session: { readonly id: string; readonly session: Session; sequence: number } | null = null;
  #systemKeyLast = '';
  #lockLast = '';
  #finished = false;

  constructor(ports: DatabasePorts) {
    this.#ports = ports;
    this.#database = new Database(ports);
  }

  /** @throws {RestoreError} for a record that cannot stand here; what the codec throws for bytes that are none. */
  add(bytes: Uint8Array): void {
    // Nearly all records are entries, and an entry stays as it is.
    if (this.#ports.codec.isEntry(bytes)) {
      this.#enter('entry');
      this.#addEntry(bytes);
    } else {
      const record = this.#ports.codec.decode(bytes);
      this.#enter(record.kind);
      this.#addRecord(record);
    }
  }

  #enter(kind: DatabaseRecord['kind']): void {
    const rank = recordRanks[kind];
    check(rank >= this.#rank, `a record of kind ${kind} after later ones`);
    check(rank > 0 || this.#rank < 0, 'a second system record');
    check(rank <= 1 || this.#counters !== null, `a record of kind ${kind} before the counters`);
    this.#rank = rank;
  }

  #addRecord(record: DatabaseRecord): void {
    switch (record.kind) {
      case 'system':
        return this.#database.initialize(record.identity);
      case 'counters':
        check(this.#counters === null, 'a second record of counters');
        this.#counters = record;
        return this.#database.loadCounters(record);
      case 'epoch':
        return this.#addEpoch(record);
      case 'system-entry':
        return this.#addSystemEntry(record);
      case 'session':
        return this.#addSession(record);
      case 'answer':
        return this.#addAnswer(record);
      case 'lock-generation':
        check(record.generation > 0 && this.#database.tables.locks.generation === 0, 'an odd generation of locks');
        return this.#database.tables.locks.loadGeneration(record.generation);
      case 'lock':
        return this.#addLock(record);
      case 'entry':
        return invariant(false, 'an entry is not decoded');
      default:
        return unreachable(record);
    }
  }

  #addEpoch({ epoch }: RecordOf<'epoch'>): void {
    const last = this.#epochLast;
    check(epoch.epoch > last.epoch && epoch.instance > last.instance, 'epochs out of order');
    check(epoch.epoch <= this.#database.epoch, 'an epoch above the present one');
    check(
      epoch.revision >= last.revision && epoch.revision <= this.#database.revision,
      'revisions of epochs out of order',
    );
    this.#epochLast = epoch;
    this.#database.loadEpoch(epoch);
  }

  #addSystemEntry({ key, instance, value }: RecordOf<'system-entry'>): void {
    check(key > this.#systemKeyLast, 'system entries out of order');
    check(systemKeyPattern.test(key) && value.length <= systemValueBytesMax, 'an odd system entry');
    this.#systemKeyLast = key;
    this.#database.tables.system.load(key, { instance, value: new Uint8Array(value) });
  }

  #addSession(record: RecordOf<'session'>): void {
    const { sessions } = this.#database.tables;
    check(this.#session === null || compareKeys(this.#session.id, record.session) < 0, 'sessions out of order');
    check(sessions.size < sessionsMax, 'too many sessions');
    this.#session = { id: record.session, session: sessions.load(record.session, record), sequence: 0 };
  }

  #addAnswer({ session: id, sequence, answer }: RecordOf<'answer'>): void {
    const current = this.#session;
    if (current === null || current.id !== id) throw new RestoreError('an answer outside its session');
    const { session } = current;
    check(sequence > current.sequence && sequence > session.floor, 'answers out of order');
    check(session.answerCount < sessionNumbersMax, 'too many answers in a session');
    check(session.answerBytes + answer.length <= sessionAnswerBytesMax, 'answers of a session that are too large');
    // An answer that cannot be read would make a later retry throw while it is applied.
    this.#ports.codec.decodeResult(this.#ports.codec.unpack(answer));
    current.sequence = sequence;
    this.#database.tables.sessions.loadAnswer(
      id,
      session,
      sequence,
      this.#ports.codec.pack(this.#ports.codec.unpack(answer)),
    );
  }

  #addLock({ name, lock }: RecordOf<'lock'>): void {
    const { locks, sessions } = this.#database.tables;
    check(this.#lockLast === '' || compareKeys(this.#lockLast, name) < 0, 'locks out of order');
    check(lapsesAt(lock) !== 0, 'a lock that nobody needs to know of');
    check(isSoundLock(lock), 'an odd lock');
    check(locks.places + Math.max(1, lock.holders.length) <= lockHoldersMax, 'too many holders of locks');
    for (const { session, generation } of lock.holders) {
      check(sessions.find(session) !== undefined, 'a lock of a session that is not there');
      check(generation <= locks.generation, 'a lock of a generation that is not there');
    }
    this.#lockLast = name;
    locks.load(name, lock);
  }

  /** `encoded` is what `encode` would write: these are the bytes that the checksum digests. */
  #addEntry(encoded: Uint8Array): void {
    const { codec, digest } = this.#ports;
    const { createRevision, revision } = codec.entryParts(encoded, 0, encoded.length, codec.entryKeyBytes(encoded));
    check(
      createRevision <= revision && revision <= this.#database.revision,
      'an entry of a revision above the present one',
    );
    check(this.#database.tables.entries.load(encoded, digest.entry(encoded)), 'entries out of order');
  }

  /** The database, whose `checksumHex` is to be compared with the expected one. @throws {RestoreError} when records lack. */
  finish(): Database {
    invariant(!this.#finished, 'a restore is finished once');
    check(this.#counters !== null, 'no counters');
    this.#finished = true;
    return this.#database;
  }
}

function isSoundLock({ mode, holders }: Lock): boolean {
  if ((mode === null) !== (holders.length === 0)) return false;
  if (holders.length > (mode === 'exclusive' ? 1 : holdersOfLockMax)) return false;
  const sessions = new Set(holders.map(({ session }) => session));
  const rising = holders.every(({ generation }, i) => generation > (holders[i - 1]?.generation ?? 0));
  return (
    rising && sessions.size === holders.length && holders.every(({ lockDelayMs }) => lockDelayMs <= lockDelayMsMax)
  );
}

function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new RestoreError(message);
}

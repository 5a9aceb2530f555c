/**
 * The database as its contract reads, written a second time and as plainly as possible: what the real one is held against.
 *
 * Source: PML §5.6 (MultiOp), contract §2 (revisions). No snapshots, no checksums, no limits.
 */
import type {
  Command,
  CommandResult,
  Entry,
  Operation,
  OperationResult,
  SessionNumber,
  Test,
} from '../../core/database/command.ts';
import { type ExpiredSession, ReferenceCoordination } from './reference-coordination.ts';

type MultiOpCommand = Extract<Command, { kind: 'multiop' }>;
type LockCommand = Extract<Command, { kind: 'acquire-lock' | 'release-lock' }>;
type MultiOpResult = Extract<CommandResult, { kind: 'multiop' }>;

/** Where a command is applied. */
export interface Place {
  readonly instance: MultiOpResult['instance'];
  readonly epoch: MultiOpResult['epoch'];
}

export class ReferenceDatabase {
  readonly #entries = new Map<string, Entry>();
  /** By `session/sequence`. */
  readonly #answers = new Map<string, CommandResult>();
  readonly #coordination = new ReferenceCoordination();
  #expired: ExpiredSession[] = [];
  #revision = 0;

  get revision(): number {
    return this.#revision;
  }

  /** A new generation counts on from here. */
  countFrom(revision: number): void {
    this.#revision = revision;
  }

  get(key: string): Entry | null {
    return this.#entries.get(key) ?? null;
  }

  advanceCellTime(cellTimeMs: number): void {
    this.#coordination.advance(cellTimeMs);
  }

  /** Sessions that were ended for their silence since this was last asked. */
  takeExpired(): readonly ExpiredSession[] {
    const expired = this.#expired;
    this.#expired = [];
    return expired;
  }

  /** The answer that a session's number already has. */
  remembered(number: SessionNumber): CommandResult | null {
    return this.#answers.get(answerKey(number)) ?? null;
  }

  /** A request of a session keeps it alive, and is answered at once when it is over, or the number has its answer already. */
  answeredAlready(number: SessionNumber | null): CommandResult | null {
    if (number === null) return null;
    if (this.#coordination.renew(number.session) === null) return { kind: 'session-expired' };
    return this.remembered(number);
  }

  /** Executes a command that is not {@link answeredAlready}, and returns the one right answer. */
  apply(command: MultiOpCommand | LockCommand, place: Place): CommandResult {
    const result = command.kind === 'multiop' ? this.#execute(command, place) : this.#lock(command, place);
    if (command.session !== null) this.#answers.set(answerKey(command.session), result);
    return result;
  }

  /** What sessions and locks are asked for, in item `index` of a value: the one right answer; null for what is none of theirs. */
  coordinate(command: Command, place: Place, index: number): CommandResult | null {
    const coordination = this.#coordination;
    switch (command.kind) {
      case 'acquire-lock':
      case 'release-lock':
        return this.answeredAlready(command.session) ?? this.apply(command, place);
      case 'open-session': {
        const session = `s${place.instance}-${index}`;
        return { kind: 'session', session, expiresCellTimeMs: coordination.open(session, command.ttlMs) };
      }
      case 'keep-session': {
        const { session } = command;
        const expiresCellTimeMs = coordination.renew(session);
        return expiresCellTimeMs === null
          ? { kind: 'session-expired' }
          : { kind: 'session', session, expiresCellTimeMs };
      }
      case 'close-session':
        return { kind: coordination.close(command.session) ? 'done' : 'session-expired' };
      case 'expire-sessions':
        this.#expired.push(...coordination.expire(command.sessions));
        return { kind: 'done' };
      default:
        return null;
    }
  }

  #lock(command: LockCommand, place: Place): CommandResult {
    const { session } = command.session;
    const outcome =
      command.kind === 'acquire-lock'
        ? this.#coordination.acquire({ ...command, session }, place.instance)
        : this.#coordination.release(command.lock, session, command.generation);
    return { kind: 'lock', ...outcome, ...place };
  }

  #execute(command: MultiOpCommand, place: Place): CommandResult {
    if (command.ifEpoch !== null && command.ifEpoch !== place.epoch) {
      return { kind: 'epoch-changed', epoch: place.epoch };
    }
    const { multiOp, sequencer } = command;
    if (sequencer !== undefined && !this.#coordination.stands(sequencer)) return { kind: 'sequencer-invalid' };
    const guard = multiOp.guard.map((test) => this.#holds(test));
    const succeeded = guard.every((held) => held);
    const before = this.#revision;
    const results = (succeeded ? multiOp.then : multiOp.else).map((operation) => this.#operate(operation, before + 1));
    return { kind: 'multiop', succeeded, guard, results, revision: this.#revision, ...place };
  }

  #holds(test: Test): boolean {
    const entry = this.get(test.key);
    switch (test.test) {
      case 'absent':
        return entry === null;
      case 'present':
        return entry !== null;
      case 'revision':
        return (entry?.revision ?? 0) === test.revision;
      default: {
        if (entry === null) return false;
        const order = Buffer.compare(entry.value, test.value);
        return test.test === 'equals' ? order === 0 : test.test === 'less' ? order < 0 : order > 0;
      }
    }
  }

  #operate(operation: Operation, revision: number): OperationResult {
    const entry = this.get(operation.key);
    switch (operation.op) {
      case 'get':
        return { op: 'get', entry };
      case 'delete':
        if (entry !== null) this.#revision = revision;
        return { op: 'delete', deleted: this.#entries.delete(operation.key) };
      default:
        this.#revision = revision;
        this.#entries.set(operation.key, {
          value: operation.value,
          createRevision: entry?.createRevision ?? revision,
          revision,
          version: (entry?.version ?? 0) + 1,
        });
        return { op: 'put', revision, created: entry === null };
    }
  }
}

const answerKey = (number: { readonly session: string; readonly sequence: number }): string =>
  `${number.session}/${number.sequence}`;

/** One text for each answer, so that answers can be compared. Kept answers may have forgotten their results. */
export function answerText(result: CommandResult, withResults = true): string {
  switch (result.kind) {
    case 'multiop': {
      const { succeeded, guard, results, revision, instance, epoch } = result;
      const place = `${succeeded} r${revision} i${instance} e${epoch}`;
      return withResults ? `${place} ${guard.join()} ${results.map(resultText).join()}` : place;
    }
    case 'epoch-changed':
    case 'skipped':
      return `${result.kind} e${result.epoch}`;
    case 'lock':
      return `${result.outcome} g${result.generation} i${result.instance} e${result.epoch}`;
    case 'session':
      return `${result.session} until ${result.expiresCellTimeMs}`;
    default:
      return result.kind;
  }
}

function resultText(result: OperationResult): string {
  switch (result.op) {
    case 'get': {
      const { entry } = result;
      if (entry === null) return 'absent';
      const value = Buffer.from(entry.value).toString('latin1');
      return `${JSON.stringify(value)}@${entry.createRevision}/${entry.revision}/${entry.version}`;
    }
    case 'delete':
      return `deleted=${result.deleted}`;
    default:
      return `created=${result.created}@${result.revision}`;
  }
}

/**
 * The database as its contract reads, written a second time and as plainly as possible: what the real one is held against.
 *
 * Source: PML §5.6 (MultiOp), contract §2 (revisions). No snapshots, no checksums, no limits; sessions only remember.
 */
import type { Command, CommandResult, Entry, Operation, OperationResult, Test } from '../../core/database/command.ts';

type MultiOpCommand = Extract<Command, { kind: 'multiop' }>;
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

  /** The answer that a session's number already has. */
  remembered(command: MultiOpCommand): CommandResult | null {
    return command.session === null ? null : (this.#answers.get(answerKey(command.session)) ?? null);
  }

  /** Executes a command that its session (if any) has not sent before, and returns the one right answer. */
  apply(command: MultiOpCommand, place: Place): CommandResult {
    const result = this.#execute(command, place);
    if (command.session !== null) this.#answers.set(answerKey(command.session), result);
    return result;
  }

  #execute(command: MultiOpCommand, place: Place): CommandResult {
    if (command.ifEpoch !== null && command.ifEpoch !== place.epoch) {
      return { kind: 'epoch-changed', epoch: place.epoch };
    }
    const { multiOp } = command;
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

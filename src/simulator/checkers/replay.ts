/**
 * Linearizability by replay (I6, first way): every answer names its place in the log, so the one order is known. Executing
 * the log on a second, plain database must give every answer; and nobody may see less than what had been answered to
 * anybody before they asked.
 *
 * Linear in the length of the history. It trusts the places that answers name; `linearizability.ts` does not.
 */
import type { Value } from '../../core/consensus/value.ts';
import type { Command, CommandResult } from '../../core/database/command.ts';
import { decodeCommand } from '../../formats/command.ts';
import { changePosition, type History, instanceAt, readPosition, tagIn, valueText } from '../history.ts';
import { ExactlyOnceChecker } from './exactly-once.ts';
import { HonestAnswersChecker } from './honest-answers.ts';
import type { ExpiredSession } from './reference-coordination.ts';
import { answerText, type Place, ReferenceDatabase } from './reference-database.ts';
import { Violation } from './violation.ts';

/** A chosen value as the first replica applied it. */
export interface AppliedItems {
  readonly instance: number;
  readonly epoch: number;
  readonly current: boolean;
  /** Of values that somebody submitted; null for others. */
  readonly cellTimeMs: number | null;
  readonly items: readonly Uint8Array[];
  readonly results: readonly CommandResult[];
}

/** A value that nobody has applied, and that a later generation has kept. */
export interface KeptValue {
  readonly instance: number;
  readonly value: Value;
}

/** What one generation has given to a later one. */
export interface Segment {
  /** Where its numbers begin. */
  readonly numbers: number;
  readonly applied: readonly AppliedItems[];
  /** What follows that. */
  readonly kept: readonly KeptValue[];
}

interface Version {
  readonly instance: number;
  readonly value: string | null;
}

type LockCommand = Extract<Command, { kind: 'acquire-lock' | 'release-lock' }>;
type MultiOpCommand = Extract<Command, { kind: 'multiop' }>;

export class ReplayChecker {
  readonly #history: History;
  readonly #reference = new ReferenceDatabase();
  readonly #once = new ExactlyOnceChecker();
  /** Of all branches: what took effect in any of them was not without effect. */
  readonly #honest: HonestAnswersChecker;
  /** What each key held after each instance that changed it, rising. */
  readonly #versions = new Map<string, Version[]>();
  readonly #changes = new Map<number, number>();
  #appliedUpTo = 0;

  constructor(history: History, honest = new HonestAnswersChecker()) {
    this.#history = history;
    this.#honest = honest;
  }

  /** A branch of its own: what each generation before it has given it, the first one first, and its numbers from there on. */
  branch(earlier: readonly Segment[], numbers: number): ReplayChecker {
    const branch = new ReplayChecker(this.#history, this.#honest);
    for (const { numbers: first, applied, kept } of earlier) {
      branch.#countFrom(first);
      for (const delivery of applied) branch.applied(delivery);
      let epoch: number = applied.at(-1)?.epoch ?? first;
      for (const value of kept) epoch = branch.#adopt(value, epoch);
    }
    branch.#countFrom(numbers);
    branch.#reference.takeExpired();
    return branch;
  }

  /** What stands in a log and nobody has applied, and was kept all the same: it takes effect, and what it answers nobody has been told. */
  #adopt({ instance, value }: KeptValue, epoch: number): number {
    this.#appliedUpTo = instance;
    if (value.kind === 'mastership') return epoch + 1;
    if (value.kind !== 'submitted') return epoch;
    this.#reference.advanceCellTime(value.cellTimeMs);
    if (value.epoch !== epoch) return epoch;
    const place = { instance, epoch } as Place;
    value.items.forEach((item, index) => {
      const id = tagIn(item);
      const command = id === null ? decodeCommand(item) : this.#history.find(id)?.command;
      if (id === null && command != null) this.#reference.coordinate(command, place, index);
      if (id === null || command?.kind !== 'multiop') return;
      if (this.#reference.answeredAlready(command.session) === null) this.#effect(id, command, place);
    });
    return epoch;
  }

  #countFrom(numbers: number): void {
    this.#reference.countFrom(numbers);
    this.#appliedUpTo = numbers;
  }

  /** Operations that changed the database here, and so have a revision of their own, with their instances. */
  get changes(): ReadonlyMap<number, number> {
    return this.#changes;
  }

  /** The database as the log so far makes it. */
  get reference(): ReferenceDatabase {
    return this.#reference;
  }

  /**
   * The next instance of the log, with what the real database answered. Returns the sessions that it has ended for their silence.
   * @throws {Violation}
   */
  applied(delivery: AppliedItems): readonly ExpiredSession[] {
    const { instance, cellTimeMs, items, results } = delivery;
    if (instance !== this.#appliedUpTo + 1) {
      throw new Violation('replay', `instance ${instance} is replayed after ${this.#appliedUpTo}`);
    }
    this.#appliedUpTo = instance;
    if (cellTimeMs !== null) this.#reference.advanceCellTime(cellTimeMs);
    items.forEach((item, index) => {
      const id = tagIn(item);
      const result = results[index] as CommandResult;
      if (id !== null) this.#item(id, index, result, delivery);
      else if (delivery.current) this.#coordinated(decodeCommand(item), index, result, delivery);
    });
    return this.#reference.takeExpired();
  }

  /** What is asked of sessions and locks carries no number of the history. */
  #coordinated(command: Command, index: number, result: CommandResult, { instance, epoch }: AppliedItems): void {
    const expected = this.#reference.coordinate(command, { instance, epoch } as Place, index);
    if (expected === null || answerText(expected) === answerText(result)) return;
    throw new Violation('replay', `${command.kind} at ${instance} was answered wrongly`, {
      asked: command,
      expected: answerText(expected),
      answered: answerText(result),
    });
  }

  #item(id: number, index: number, result: CommandResult, delivery: AppliedItems): void {
    const { instance, epoch, current } = delivery;
    const record = this.#history.find(id);
    if (record === undefined || record.command?.kind !== 'multiop') {
      throw new Violation('validity', `instance ${instance} holds operation ${id}, which nobody sent`);
    }
    if (!current !== (result.kind === 'skipped')) {
      throw new Violation('epoch', `operation ${id} of a ${current ? 'present' : 'former'} epoch was ${result.kind}`);
    }
    if (result.kind === 'skipped') return;
    const { command } = record;
    if (this.#once.delivered(id, instance, result)) {
      this.#honest.tookEffect(id, instance);
      if (changePosition(instance, index) <= record.floor) {
        throw new Violation('replay', `operation ${id} took effect at ${instance}, below what was answered before it`);
      }
    }
    const already = this.#reference.answeredAlready(command.session);
    const isOver = already?.kind === 'session-expired';
    if (already !== null && isOver === (result.kind === 'session-expired')) return;
    const expected = already ?? this.#effect(id, command, { instance, epoch } as Place);
    if (answerText(expected) !== answerText(result)) {
      throw new Violation('replay', `operation ${id} at ${instance} was answered wrongly`, {
        expected: answerText(expected),
        answered: answerText(result),
      });
    }
  }

  #effect(id: number, command: MultiOpCommand, place: Place): CommandResult {
    const { revision } = this.#reference;
    const result = this.#reference.apply(command, place);
    if (this.#reference.revision !== revision) this.#changes.set(id, place.instance);
    this.#remember(command, place.instance);
    return result;
  }

  #remember(command: MultiOpCommand, instance: number): void {
    for (const { op, key } of [...command.multiOp.then, ...command.multiOp.else]) {
      if (op === 'get') continue;
      const entry = this.#reference.get(key);
      const versions = this.#versions.get(key);
      const version = { instance, value: entry === null ? null : valueText(entry.value) };
      if (versions === undefined) this.#versions.set(key, [version]);
      else versions.push(version);
    }
  }

  /** What `key` held after `instance`. */
  valueAt(key: string, instance: number): string | null {
    const versions = this.#versions.get(key) ?? [];
    let low = 0;
    let high = versions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((versions[middle] as Version).instance <= instance) low = middle + 1;
      else high = middle;
    }
    return versions[low - 1]?.value ?? null;
  }

  /**
   * A replica answers a change. Returns its place in the one order.
   * @throws {Violation} when the log says something else, or nothing.
   */
  changeAnswered(id: number, result: CommandResult): number | null {
    this.#honest.toldOk(id, result, this.#once.answer(id));
    const instance = this.#once.effectiveAt(id);
    // Inside the instance the index is not needed: what is invoked after this answer lands in a later instance.
    return instance === null ? null : readPosition(instance) - 1;
  }

  /** A replica answers a request for a lock. @throws {Violation} when the log says something else, or nothing. */
  lockAnswered({ kind, session }: LockCommand, result: CommandResult): void {
    const logged = this.#reference.remembered(session);
    if (logged !== null && answerText(logged) === answerText(result)) return;
    throw new Violation('honest-answers', `${kind} was answered with what the log does not say`, {
      session,
      told: answerText(result),
      logged: logged === null ? null : answerText(logged),
    });
  }

  toldNone(id: number): void {
    this.#honest.toldNone(id);
  }

  /**
   * A replica that has applied `instance` read `value`. `floor` is null for stale reads, which may be old, never wrong.
   * Returns the read's place.
   */
  readAnswered(read: {
    readonly key: string;
    readonly value: string | null;
    readonly instance: number;
    readonly floor: number | null;
    readonly by: string;
  }): number {
    const { key, value, instance, floor, by } = read;
    const expected = this.valueAt(key, instance);
    if (expected !== value) {
      throw new Violation('replay', `${by} read ${key} after instance ${instance} as what it was not`, {
        read: value,
        expected,
      });
    }
    const position = readPosition(instance);
    if (floor !== null && position < floor) {
      throw new Violation('replay', `${by} served a stale read of ${key} at ${instance} as if it were current`, {
        answeredBefore: instanceAt(floor),
      });
    }
    return position;
  }
}

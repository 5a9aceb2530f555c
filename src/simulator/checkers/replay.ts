/**
 * Linearizability by replay (I6, first way): every answer names its place in the log, so the one order is known. Executing
 * the log on a second, plain database must give every answer; and nobody may see less than what had been answered to
 * anybody before they asked.
 *
 * Linear in the length of the history. It trusts the places that answers name; `linearizability.ts` does not.
 */
import type { Command, CommandResult } from '../../core/database/command.ts';
import { changePosition, type History, instanceAt, readPosition, tagIn, valueText } from '../history.ts';
import { ExactlyOnceChecker } from './exactly-once.ts';
import { HonestAnswersChecker } from './honest-answers.ts';
import { answerText, ReferenceDatabase } from './reference-database.ts';
import { Violation } from './violation.ts';

/** A chosen value as the first replica applied it. */
export interface AppliedItems {
  readonly instance: number;
  readonly epoch: number;
  readonly current: boolean;
  readonly items: readonly Uint8Array[];
  readonly results: readonly CommandResult[];
}

interface Version {
  readonly instance: number;
  readonly value: string | null;
}

type MultiOpCommand = Extract<Command, { kind: 'multiop' }>;

export class ReplayChecker {
  readonly #history: History;
  readonly #reference = new ReferenceDatabase();
  readonly #once = new ExactlyOnceChecker();
  readonly #honest = new HonestAnswersChecker();
  /** What each key held after each instance that changed it, rising. */
  readonly #versions = new Map<string, Version[]>();
  #appliedUpTo = 0;

  constructor(history: History) {
    this.#history = history;
  }

  /** The database as the log so far makes it. */
  get reference(): ReferenceDatabase {
    return this.#reference;
  }

  /** The next instance of the log, with what the real database answered. @throws {Violation} */
  applied(delivery: AppliedItems): void {
    const { instance, items, results } = delivery;
    if (instance !== this.#appliedUpTo + 1) {
      throw new Violation('replay', `instance ${instance} is replayed after ${this.#appliedUpTo}`);
    }
    this.#appliedUpTo = instance;
    items.forEach((item, index) => {
      const id = tagIn(item);
      if (id !== null) this.#item(id, index, results[index] as CommandResult, delivery);
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
    if (result.kind === 'session-expired' || this.#reference.remembered(command) !== null) return;
    const expected = this.#reference.apply(command, { instance, epoch } as Parameters<ReferenceDatabase['apply']>[1]);
    if (answerText(expected) !== answerText(result)) {
      throw new Violation('replay', `operation ${id} at ${instance} was answered wrongly`, {
        expected: answerText(expected),
        answered: answerText(result),
      });
    }
    this.#remember(command, instance);
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

/**
 * What clients asked and what they were told, with the true times of both: the evidence for all checks of answers.
 *
 * Values are unique over a run, and every operation uses keys of one *object* only (a single key, or a small fixed group),
 * so that a history splits into independent parts. Each write carries its number into the log in a test that always
 * holds, by which the checkers find it again in the bytes that were chosen.
 */
import type { Epoch } from '../core/consensus/identity.ts';
import type { Command, MultiOp, SessionNumber, Test } from '../core/database/command.ts';
import type { Sequencer } from '../core/database/lock.ts';
import { numbersApart } from '../formats/history-points.ts';

/** One step of a change; the revision-free view of what a client asked for. */
export type Step =
  | { readonly op: 'put'; readonly key: string; readonly value: string }
  | { readonly op: 'delete' | 'get'; readonly key: string };

/** `is` null: the key is absent. */
export interface Condition {
  readonly key: string;
  readonly is: string | null;
}

export type Move =
  | { readonly kind: 'read'; readonly key: string }
  | {
      readonly kind: 'change';
      readonly when: readonly Condition[];
      /** When all of `when` holds. */
      readonly steps: readonly Step[];
      readonly otherwise: readonly Step[];
    };

/** One a step: put → created, delete → deleted, get → value or null when absent. */
export type StepAnswer = boolean | string | null;

export type Answer =
  | { readonly kind: 'read'; readonly value: string | null }
  /** Fewer answers than steps: the rest was not told. */
  | { readonly kind: 'change'; readonly succeeded: boolean; readonly steps: readonly StepAnswer[] };

export interface OperationRecord {
  readonly id: number;
  readonly client: string;
  /** Its keys share no operation with those of another object. */
  readonly object: string;
  readonly move: Move;
  /** What is submitted for a change; null for reads. */
  readonly command: Command | null;
  readonly invokedMs: number;
  /** Place in the log below which this operation must not take effect: what had been answered when it was invoked. */
  readonly floor: number;
  returnedMs: number | null;
  /** `open` until answered. `none`: it had no effect, says the cell. `unknown`: it may have had one, now or later. */
  outcome: 'open' | 'ok' | 'none' | 'unknown';
  answer: Answer | null;
  /** Where it stands in the log, of an answer that has such a place. */
  position: number | null;
}

const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'utf8');
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

/** Stands in the guard of every write of the workload; no such key ever exists. */
export const tagKey = (id: number): string => `~tag:${id}~`;
const tagStart = Buffer.from('~tag:', 'latin1');

/** The number of the operation that was submitted as these bytes; null for items that are not the workload's. */
export function tagIn(item: Uint8Array): number | null {
  const bytes = Buffer.from(item.buffer, item.byteOffset, item.byteLength);
  const at = bytes.indexOf(tagStart);
  if (at < 0) return null;
  const end = bytes.indexOf('~', at + tagStart.length, 'latin1');
  return Number(bytes.toString('latin1', at + tagStart.length, end));
}

/** The command that carries out `move` as operation `id`; `revisions` turns known values into tests by revision. */
export function commandOf(
  id: number,
  move: Extract<Move, { kind: 'change' }>,
  options: {
    readonly session: SessionNumber | null;
    readonly ifEpoch: Epoch | null;
    readonly sequencer?: Sequencer | null;
    readonly revisionOf: (condition: Condition) => number | null;
  },
): Command {
  const guard: Test[] = [{ test: 'absent', key: tagKey(id) }];
  for (const condition of move.when) {
    const revision = options.revisionOf(condition);
    if (revision !== null) guard.push({ test: 'revision', key: condition.key, revision });
    else if (condition.is === null) guard.push({ test: 'absent', key: condition.key });
    else guard.push({ test: 'equals', key: condition.key, value: bytesOf(condition.is) });
  }
  const operations = (steps: readonly Step[]): MultiOp['then'] =>
    steps.map((step) =>
      step.op === 'put' ? { op: 'put', key: step.key, value: bytesOf(step.value) } : { op: step.op, key: step.key },
    );
  return {
    kind: 'multiop',
    // biome-ignore lint/suspicious/noThenProperty: the name in the contract of MultiOp.
    multiOp: { guard, then: operations(move.steps), else: operations(move.otherwise) },
    session: options.session,
    ifEpoch: options.ifEpoch,
    ...(options.sequencer == null ? {} : { sequencer: options.sequencer }),
  };
}

/** A value of the workload as text. */
export const valueText = textOf;

export class History {
  readonly #operations: OperationRecord[] = [];
  readonly #byId = new Map<number, OperationRecord>();
  #nextId = 1;
  #floor = 0;
  #answered = 0;

  /** Operations that ended with an answer. */
  get answered(): number {
    return this.#answered;
  }

  get operations(): readonly OperationRecord[] {
    return this.#operations;
  }

  /** Numbers operations before they are recorded, since a command carries its number. */
  nextId(): number {
    return this.#nextId++;
  }

  find(id: number): OperationRecord | undefined {
    return this.#byId.get(id);
  }

  invoke(
    operation: Pick<OperationRecord, 'id' | 'client' | 'object' | 'move' | 'command' | 'invokedMs'>,
  ): OperationRecord {
    const record: OperationRecord = {
      ...operation,
      floor: this.#floor,
      returnedMs: null,
      outcome: 'open',
      answer: null,
      position: null,
    };
    this.#operations.push(record);
    this.#byId.set(record.id, record);
    return record;
  }

  /** An answer reached its client. `position` is its place in the log (see {@link changePosition}); null when it has none. */
  settle(
    record: OperationRecord,
    returnedMs: number,
    outcome: 'ok' | 'none' | 'unknown',
    answer: Answer | null,
    position: number | null,
  ): void {
    record.returnedMs = returnedMs;
    record.outcome = outcome;
    record.answer = answer;
    record.position = position;
    if (outcome === 'ok') this.#answered++;
    if (position !== null && position > this.#floor) this.#floor = position;
  }
}

/** Items of one instance stay below this many. */
const itemsMax = 65_536;

/** No run comes so far in one generation: its instances are counted on from here in the next, so that a place stays a safe number. */
const instancesMax = 2 ** 24;
const dense = (instance: number): number =>
  Math.floor(instance / numbersApart) * instancesMax + (instance % numbersApart);

/** Where item `index` of `instance` stands in the one order of all operations. */
export const changePosition = (instance: number, index: number): number => dense(instance) * itemsMax + index;
/** A read of the state after `instance`: behind all of its items, before those of the next. */
export const readPosition = (instance: number): number => dense(instance) * itemsMax + itemsMax - 1;
/** The instance that a place lies in. */
export const instanceAt = (position: number): number => {
  const at = Math.floor(position / itemsMax);
  return Math.floor(at / instancesMax) * numbersApart + (at % instancesMax);
};

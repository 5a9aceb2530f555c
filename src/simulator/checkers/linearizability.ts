/**
 * Linearizability by search (I6, second way): is there any order of the operations that respects real time and explains
 * every answer? Looks at nothing but what clients sent and saw; revisions, instances and epochs are not trusted.
 *
 * Source: the search of Wing and Gong with Lowe's memory of states already tried (as used by Porcupine), one history an
 * object. Operations with an unknown outcome may take effect at any time after they were sent, or never; those answered
 * with "none" must not. The problem is NP-complete: the search gives up after a number of steps and says so.
 */
import type { Move, OperationRecord, Step, StepAnswer } from '../history.ts';

export type Verdict =
  | { readonly kind: 'linearizable' }
  /** No order explains the answers. `operations` is the history that was searched. */
  | { readonly kind: 'impossible'; readonly object: string; readonly stuckAt: OperationRecord | null }
  | { readonly kind: 'undecided'; readonly object: string };

/** What an object holds: value or null for each of its keys, in the order of their names. */
type State = readonly (string | null)[];

/** A call or a return in the list of what is left to explain, in the order of real time. */
interface Mark {
  readonly index: number;
  readonly record: OperationRecord;
  readonly timeMs: number;
  /** Of a call: its return. */
  match: Mark | null;
  readonly isCall: boolean;
  previous: Mark | null;
  next: Mark | null;
}

/** An operation whose outcome is unknown: nothing forces it to have happened. */
interface Optional {
  readonly record: OperationRecord;
  /** One bit, to tell sets of them apart. */
  readonly bit: bigint;
}

/** One guess: these operations may come next, and this many were tried. */
interface Node {
  readonly state: State;
  readonly used: bigint;
  readonly candidates: readonly (Mark | Optional)[];
  /** The guess before, when this one was opened by an optional operation. */
  readonly before: Node | null;
  tried: number;
}

/** Every object of the history by itself. Stops at the first that is not linearizable. */
export function checkLinearizable(operations: readonly OperationRecord[], stepsMax = 2_000_000): Verdict {
  const objects = new Map<string, OperationRecord[]>();
  for (const operation of operations) {
    const known = objects.get(operation.object);
    if (known === undefined) objects.set(operation.object, [operation]);
    else known.push(operation);
  }
  let undecided: Verdict | null = null;
  for (const [object, history] of objects) {
    const verdict = checkObject(object, history, stepsMax);
    if (verdict.kind === 'impossible') return verdict;
    if (verdict.kind === 'undecided') undecided ??= verdict;
  }
  return undecided ?? { kind: 'linearizable' };
}

function checkObject(object: string, history: readonly OperationRecord[], stepsMax: number): Verdict {
  const answered = history.filter((record) => record.outcome === 'ok');
  const optionals = history
    .filter((record) => record.move.kind === 'change' && (record.outcome === 'unknown' || record.outcome === 'open'))
    .map((record, i): Optional => ({ record, bit: 1n << BigInt(i) }));
  const keys = [...new Set(history.flatMap((record) => keysOf(record.move)))].sort();
  const head = listOfMarks(answered);
  const done = new Done(answered.length);
  const tried = new Tried();
  const open = (state: State, used: bigint, before: Node | null): Node => ({
    state,
    used,
    candidates: candidatesAt(head, optionals, used),
    before,
    tried: 0,
  });
  const path: Node[] = [
    open(
      keys.map(() => null),
      0n,
      null,
    ),
  ];
  let left = answered.length;
  let deepest = left;
  let stuckAt: OperationRecord | null = null;

  for (let steps = 0; left > 0; steps++) {
    if (steps >= stepsMax) return { kind: 'undecided', object };
    const node = path.at(-1) as Node;
    const candidate = node.candidates[node.tried++];
    if (candidate === undefined) {
      if (left <= deepest) {
        deepest = left;
        stuckAt = firstReturn(head)?.record ?? null;
      }
      path.pop();
      const before = path.at(-1);
      if (before === undefined) return { kind: 'impossible', object, stuckAt };
      const last = before.candidates[before.tried - 1] as Mark | Optional;
      if ('bit' in last) continue;
      unlift(last);
      done.clear(last.index);
      left++;
      continue;
    }
    const after = explain(node.state, keys, candidate.record);
    if (after === null) continue;
    if ('bit' in candidate) {
      const used = node.used | candidate.bit;
      if (after === node.state || isDetour(node, candidate, after, keys)) continue;
      if (tried.isNew(done.key(), after, used)) path.push(open(after, used, node));
      continue;
    }
    done.set(candidate.index);
    if (!tried.isNew(done.key(), after, node.used)) {
      done.clear(candidate.index);
      continue;
    }
    lift(candidate);
    left--;
    path.push(open(after, node.used, null));
  }
  return { kind: 'linearizable' };
}

/** True when the optional operations just before `candidate` made no difference: there is a shorter way to `after`. */
function isDetour(node: Node, candidate: Optional, after: State, keys: readonly string[]): boolean {
  for (let earlier = node.before; earlier !== null; earlier = earlier.before) {
    if (sameState(earlier.state, after)) return true;
    const directly = explain(earlier.state, keys, candidate.record);
    if (directly !== null && sameState(directly, after)) return true;
  }
  return false;
}

const sameState = (a: State, b: State): boolean => a.every((value, i) => value === b[i]);

/**
 * What may take effect next: calls that came before the first return still to be explained. Answered ones first: an
 * optional one is tried only where they do not get on without it.
 */
function candidatesAt(head: Mark, optionals: readonly Optional[], used: bigint): readonly (Mark | Optional)[] {
  const candidates: (Mark | Optional)[] = [];
  let mark = head.next;
  for (; mark?.isCall === true; mark = mark.next) candidates.push(mark);
  const limitMs = mark?.timeMs ?? Number.POSITIVE_INFINITY;
  for (const optional of optionals) {
    if ((used & optional.bit) === 0n && optional.record.invokedMs <= limitMs) candidates.push(optional);
  }
  return candidates;
}

function firstReturn(head: Mark): Mark | null {
  let mark = head.next;
  while (mark?.isCall === true) mark = mark.next;
  return mark;
}

/** Places of the search that were reached before. */
class Tried {
  readonly #places = new Map<string, bigint[]>();

  /** False when the same was reached before with no more optional operations used up: that failed, so will this. */
  isNew(done: string, state: State, used: bigint): boolean {
    const place = done + JSON.stringify(state);
    const before = this.#places.get(place);
    if (before === undefined) {
      this.#places.set(place, [used]);
      return true;
    }
    if (before.some((fewer) => (fewer & used) === fewer)) return false;
    before.push(used);
    return true;
  }
}

const keysOf = (move: Move): string[] =>
  move.kind === 'read' ? [move.key] : [...move.when, ...move.steps, ...move.otherwise].map((part) => part.key);

/** The state after `record`, the same one when nothing changed; null when its answer is impossible from `state`. */
function explain(state: State, keys: readonly string[], record: OperationRecord): State | null {
  const { move, answer } = record;
  if (move.kind === 'read') {
    return answer?.kind === 'read' && answer.value === (state[keys.indexOf(move.key)] ?? null) ? state : null;
  }
  let succeeded = true;
  for (const { key, is } of move.when) succeeded &&= (state[keys.indexOf(key)] ?? null) === is;
  const expected = answer?.kind === 'change' ? answer : null;
  if (expected !== null && expected.succeeded !== succeeded) return null;
  // A copy only once something changes: most guesses come to nothing before that.
  let after: (string | null)[] | null = null;
  const steps = succeeded ? move.steps : move.otherwise;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i] as Step;
    const at = keys.indexOf(step.key);
    const before = (after ?? state)[at] ?? null;
    const told = expected?.steps[i];
    if (told !== undefined && told !== seenBy(step, before)) return null;
    const left = step.op === 'get' ? before : step.op === 'put' ? step.value : null;
    if (left === before) continue;
    after ??= [...state];
    after[at] = left;
  }
  return after ?? state;
}

function seenBy(step: Step, before: string | null): StepAnswer {
  if (step.op === 'get') return before;
  return step.op === 'put' ? before === null : before !== null;
}

function listOfMarks(records: readonly OperationRecord[]): Mark {
  const marks: Mark[] = [];
  records.forEach((record, index) => {
    const links = { match: null, previous: null, next: null };
    const back: Mark = { index, record, timeMs: record.returnedMs as number, isCall: false, ...links };
    marks.push({ index, record, timeMs: record.invokedMs, isCall: true, ...links, match: back }, back);
  });
  // Calls before returns of the same time: what touches counts as concurrent.
  marks.sort((a, b) => a.timeMs - b.timeMs || Number(b.isCall) - Number(a.isCall) || a.index - b.index);
  const head = { next: null, isCall: true } as Mark;
  let last = head;
  for (const mark of marks) {
    last.next = mark;
    mark.previous = last;
    last = mark;
  }
  return head;
}

function take(mark: Mark): void {
  (mark.previous as Mark).next = mark.next;
  if (mark.next !== null) mark.next.previous = mark.previous;
}

function giveBack(mark: Mark): void {
  (mark.previous as Mark).next = mark;
  if (mark.next !== null) mark.next.previous = mark;
}

function lift(call: Mark): void {
  take(call);
  if (call.match !== null) take(call.match);
}

/** Exactly the reverse of {@link lift}, in reverse order. */
function unlift(call: Mark): void {
  if (call.match !== null) giveBack(call.match);
  giveBack(call);
}

/** Which operations have been placed, as a set with a short text for look-ups. */
class Done {
  readonly #words: Uint16Array;

  constructor(size: number) {
    this.#words = new Uint16Array((size + 15) >> 4);
  }

  set(index: number): void {
    this.#words[index >> 4]! |= 1 << (index & 15);
  }

  clear(index: number): void {
    this.#words[index >> 4]! &= ~(1 << (index & 15));
  }

  key(): string {
    return String.fromCharCode(...this.#words);
  }
}

/**
 * The replay of every generation of a cell: each branch of the history is one order by itself, which begins with what it has of its
 * parent. An answer is judged by the branch whose number it names.
 *
 * Clients are judged across branches all the same: whoever was answered in a later generation must not be answered out of an earlier one
 * by what it asks afterwards, since every place in a later branch is behind all places of an earlier one.
 */
import type { Value } from '../../core/consensus/value.ts';
import type { CommandResult } from '../../core/database/command.ts';
import type { History, OperationRecord } from '../history.ts';
import { instanceAt } from '../history.ts';
import { HonestAnswersChecker } from './honest-answers.ts';
import type { Branch, Lineage } from './lineage.ts';
import type { ReferenceDatabase } from './reference-database.ts';
import { type AppliedItems, type KeptValue, ReplayChecker, type Segment } from './replay.ts';
import { Violation } from './violation.ts';

interface BranchReplay {
  readonly checker: ReplayChecker;
  /** In their order; none where no generation will follow. */
  readonly applied: AppliedItems[];
}

export class BranchedReplay {
  readonly #history: History;
  readonly #lineage: Lineage;
  readonly #honest = new HonestAnswersChecker();
  readonly #branches: Map<Branch, BranchReplay>;
  /** By instance: what may have been chosen, and was kept, though nobody applied it. */
  readonly #kept = new Map<number, Value>();
  /** Other generations may begin: what was applied is kept for them. */
  readonly #isKept: boolean;

  constructor(history: History, lineage: Lineage, isKept: boolean) {
    this.#history = history;
    this.#lineage = lineage;
    this.#isKept = isKept;
    this.#branches = new Map([[lineage.newest, { checker: new ReplayChecker(history, this.#honest), applied: [] }]]);
  }

  #of(branch: Branch): BranchReplay {
    return this.#branches.get(branch) as BranchReplay;
  }

  /** Somebody has made a file with this at the end of what a member had applied. */
  keeps({ instance, value }: KeptValue): void {
    this.#kept.set(instance, value);
  }

  /** A branch was added to the lineage. */
  begins(branch: Branch): void {
    const { checker } = this.#of(this.#lineage.branches[0] as Branch);
    const segments = this.#segments(branch).reverse();
    this.#branches.set(branch, { checker: checker.branch(segments, branch.numbers), applied: [] });
  }

  /** What `branch` has of those before it, the nearest first. */
  #segments(branch: Branch): Segment[] {
    const segments: Segment[] = [];
    let upTo = branch.start;
    for (let at = branch.parent; at !== null; at = at.parent) {
      const applied = this.#of(at).applied.filter(({ instance }) => instance <= upTo);
      const last = applied.at(-1)?.instance ?? at.numbers;
      const kept: KeptValue[] = [];
      for (let instance = last + 1; instance <= upTo; instance++) {
        const value = this.#kept.get(instance);
        if (value === undefined) throw new Violation('generation', `nobody has applied or kept instance ${instance}`);
        kept.push({ instance, value });
      }
      segments.push({ numbers: at.numbers, applied, kept });
      upTo = at.start;
    }
    return segments;
  }

  /** The database as the log of the newest generation makes it. */
  get reference(): ReferenceDatabase {
    return this.#of(this.#lineage.newest).checker.reference;
  }

  /** As {@link ReplayChecker.applied}, of its branch. */
  applied(delivery: AppliedItems): ReturnType<ReplayChecker['applied']> {
    const { checker, applied } = this.#of(this.#lineage.of(delivery.instance));
    if (this.#isKept) applied.push(delivery);
    return checker.applied(delivery);
  }

  /** As {@link ReplayChecker.lockAnswered}; `instance`: of the copy that was answered. */
  lockAnswered(command: Parameters<ReplayChecker['lockAnswered']>[0], result: CommandResult, instance: number): void {
    this.#of(this.#lineage.of(instance)).checker.lockAnswered(command, result);
  }

  /** As {@link ReplayChecker.changeAnswered}. */
  changeAnswered(id: number, result: Extract<CommandResult, { kind: 'multiop' }>): number | null {
    return this.#of(this.#lineage.of(result.instance)).checker.changeAnswered(id, result);
  }

  toldNone(id: number): void {
    this.#honest.toldNone(id);
  }

  /** As {@link ReplayChecker.readAnswered}. */
  readAnswered(read: Parameters<ReplayChecker['readAnswered']>[0]): number {
    return this.#of(this.#lineage.of(read.instance)).checker.readAnswered(read);
  }

  /** Operation `id` changed the database in the history that leads to the end of `branch`. */
  isIn(branch: Branch, id: number): boolean {
    return this.#of(branch).checker.changes.has(id);
  }

  /**
   * What clients saw of the history that leads to the end of `branch`: what they were answered out of it, and what may have taken effect
   * in it besides. What they were answered out of another one is none of its.
   */
  seenIn(branch: Branch): OperationRecord[] {
    return this.#history.operations.flatMap((record): OperationRecord[] => {
      const { position, move } = record;
      if (position === null || this.#lineage.contains(branch, instanceAt(position))) return [record];
      if (move.kind === 'read' || !this.isIn(branch, record.id)) return [];
      return [{ ...record, outcome: 'unknown', answer: null, returnedMs: null }];
    });
  }

  /** Changes that were acknowledged in the generation before `branch`, and are not in it: their numbers. */
  givenUpBy(branch: Branch): readonly number[] {
    const { before } = branch;
    if (before === null) return [];
    return this.#history.operations
      .filter(({ id, outcome, position }) => {
        if (outcome !== 'ok' || position === null || !this.isIn(before, id)) return false;
        const instance = instanceAt(position);
        return this.#lineage.contains(before, instance) && !this.#lineage.contains(branch, instance);
      })
      .map(({ id }) => id);
  }

  /** Revisions of any generation that are not in `branch`, whether or not anybody was told of them: others may have gone on from each. */
  revisionsGivenUpBy(branch: Branch): number {
    const all = [...this.#branches.values()].flatMap(({ checker }) => [...checker.changes]);
    const beyond = all.filter(([, instance]) => !this.#lineage.contains(branch, instance));
    return new Set(beyond.map(([id, instance]) => `${id} at ${instance}`)).size;
  }
}

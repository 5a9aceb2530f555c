/**
 * The generations of a cell as branches of one history (design §3 "Generations"): each begins at a point of an earlier one, what that one
 * had beyond is given up, and every number of a branch lies in a range of its own, which tells whose an instance is.
 *
 * Keeps: one generation for each range; none begins twice with another parent, another id or another point.
 */
import { numbersApart } from '../../formats/history-points.ts';
import { Violation } from './violation.ts';

export interface Begun {
  readonly generation: number;
  readonly generationId: string;
  /** Its numbers begin there: the multiple itself is the state that it begins with. */
  readonly numbers: number;
  /** The last instance before it that is kept. */
  readonly start: number;
}

export interface Branch extends Begun {
  /** Null for the first. */
  readonly parent: Branch | null;
  /** The one that it took the place of: what that had beyond is what was given up. */
  readonly before: Branch | null;
  readonly begunMs: number;
}

/** Where the numbers of the branch begin that `instance` belongs to. */
export const numbersOf = (instance: number): number => Math.floor(instance / numbersApart) * numbersApart;

export class Lineage {
  readonly #branches: Branch[] = [
    { generation: 1, generationId: '', numbers: 0, start: 0, parent: null, before: null, begunMs: 0 },
  ];

  get branches(): readonly Branch[] {
    return this.#branches;
  }

  get newest(): Branch {
    return this.#branches.at(-1) as Branch;
  }

  /** The branch that `instance` was numbered in. @throws {Violation} for numbers that nobody has begun. */
  of(instance: number): Branch {
    const numbers = numbersOf(instance);
    if (numbers === this.newest.numbers) return this.newest;
    const branch = this.#branches.find((it) => it.numbers === numbers);
    if (branch !== undefined) return branch;
    throw new Violation('generation', `instance ${instance} belongs to no generation that was begun`);
  }

  /** A member opens its directory in that generation. Returns the branch when it is the first to. @throws {Violation} */
  begins({ generation, generationId, numbers, start }: Begun, nowMs: number): Branch | null {
    const known = this.#branches.find((it) => it.numbers === numbers || it.generation === generation);
    if (known !== undefined) {
      const same = known.generationId === generationId && known.numbers === numbers && known.start === start;
      if (same && known.generation === generation) return null;
      throw new Violation('generation', `two generations ${generation} have begun`, {
        first: { generation: known.generation, id: known.generationId, numbers: known.numbers, start: known.start },
        second: { generation, id: generationId, numbers, start },
      });
    }
    const before = this.newest;
    if (generation <= before.generation || numbers <= before.numbers) {
      throw new Violation('generation', `generation ${generation} begins after ${before.generation}`, { numbers });
    }
    const branch = { generation, generationId, numbers, start, parent: this.of(start), before, begunMs: nowMs };
    this.#branches.push(branch);
    return branch;
  }

  /** Is `instance` in the history that leads to the end of `branch`? */
  contains(branch: Branch, instance: number): boolean {
    const own = this.of(instance);
    let upTo = Number.POSITIVE_INFINITY;
    for (let at: Branch | null = branch; at !== null; at = at.parent) {
      if (at === own) return instance <= upTo;
      upTo = Math.min(upTo, at.start);
    }
    return false;
  }

  /** Some generation has begun without it. */
  isGivenUp(instance: number): boolean {
    return this.#branches.some((branch) => branch.numbers > instance && !this.contains(branch, instance));
  }
}

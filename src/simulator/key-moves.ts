/** What one client asks of keys, and what it knows of them from its answers. */
import type { Random } from '../core/random.ts';
import type { Condition, Move } from './history.ts';

/** Single keys, each an object of its own, and one pair that MultiOps change together. */
export const singles = ['a', 'b', 'c', 'd', 'e', '\u{1f600}'] as const;
const pair = ['pair/1', 'pair/2'] as const;

export class KeyMoves {
  readonly #name: string;
  readonly #random: Random;
  readonly #seen = new Map<string, { readonly value: string | null; readonly revision: number }>();

  /** `name`: of the client; its values begin with it. */
  constructor(name: string, random: Random) {
    this.#name = name;
    this.#random = random;
  }

  single(key: string, id: number): Move {
    const value = `${this.#name}-${id}`;
    const dice = this.#random.below(100);
    if (dice < 40) return { kind: 'read', key };
    if (dice < 65) return { kind: 'change', when: [], steps: [{ op: 'put', key, value }], otherwise: [] };
    if (dice < 75) return { kind: 'change', when: [], steps: [{ op: 'delete', key }], otherwise: [] };
    const is = this.#seen.get(key)?.value ?? null;
    return {
      kind: 'change',
      when: [{ key, is }],
      steps: [{ op: 'put', key, value }],
      otherwise: [{ op: 'get', key }],
    };
  }

  /** Both keys change together or not at all. */
  pair(id: number): Move {
    const [first, second] = pair;
    const value = `${this.#name}-${id}`;
    const dice = this.#random.below(100);
    if (dice < 40) return { kind: 'read', key: this.#random.pick(pair) };
    const is = this.#seen.get(first)?.value ?? null;
    const when: Condition[] = dice < 60 ? [] : [{ key: first, is }];
    if (dice < 70) {
      return {
        kind: 'change',
        when,
        steps: [
          { op: 'get', key: second },
          { op: 'delete', key: first },
          { op: 'put', key: second, value },
        ],
        otherwise: [{ op: 'get', key: first }],
      };
    }
    return {
      kind: 'change',
      when,
      steps: [
        { op: 'put', key: first, value },
        { op: 'put', key: second, value: `${value}'` },
      ],
      otherwise: [
        { op: 'put', key: first, value },
        { op: 'get', key: second },
      ],
    };
  }

  /** The revision that this client knows a value by, now and then; 0 stands for absent. */
  revisionOf(condition: Condition): number | null {
    if (this.#random.chance(0.5)) return null;
    if (condition.is === null) return 0;
    const seen = this.#seen.get(condition.key);
    return seen?.value === condition.is && seen.revision > 0 ? seen.revision : null;
  }

  learns(key: string, value: string | null, revision: number): void {
    this.#seen.set(key, { value, revision });
  }
}

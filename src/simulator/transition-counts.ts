/**
 * How often each move of the replicas' state machines happened: coverage of the specifications (PML §6.1), gathered from
 * the effects, so that the core itself remembers nothing for it.
 */
import type { Effect } from '../core/consensus/effect.ts';
import { allTransitions, type Transition } from '../core/consensus/transition.ts';

export class TransitionCounts {
  readonly #counts = new Map<string, number>(allTransitions.map(({ id }) => [id, 0]));

  /** The moves among the effects of one step, each counted. */
  count(effects: readonly Effect[], each: (transition: Transition, cause: string) => void = () => undefined): void {
    for (const effect of effects) {
      if (effect.kind !== 'transition') continue;
      const { transition, cause } = effect;
      this.#counts.set(transition.id, (this.#counts.get(transition.id) ?? 0) + 1);
      each(transition, cause);
    }
  }

  /** What another run counted. */
  add(record: Readonly<Record<string, number>>): void {
    for (const [id, count] of Object.entries(record)) this.#counts.set(id, (this.#counts.get(id) ?? 0) + count);
  }

  /** By id, in the order of the specifications; 0 for what never happened. */
  toRecord(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}

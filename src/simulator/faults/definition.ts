/** How one kind of fault is drawn and carried out. What it must come to stands in the `catalogue`. */
import type { Random } from '../../core/random.ts';

export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [name: string]: Plain };

/** What a kind of fault needs to know: members by name, times in ms. */
export type Parameters = Readonly<Record<string, Plain>>;

export interface FaultDefinition<World, P extends Parameters> {
  /** Decides whom and how long, from the state of the cell at this moment; null when there is nothing to strike. */
  draw(world: World, random: Random): P | null;
  /** `random` is of the strike alone. False: nothing was there to be struck, or not yet, and it does not count. */
  strike(world: World, parameters: P, random: Random): unknown;
  /** Another strike of the same kind some time after this one; null when it was the last. */
  next?(world: World, parameters: P, random: Random): { readonly afterMs: number; readonly parameters: P } | null;
}

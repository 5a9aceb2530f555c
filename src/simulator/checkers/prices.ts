/**
 * Prices (design §1): no generation begins without a write that was acknowledged in the one before, unless the operator was shown that
 * much and typed it. What was shown is proven: no more than was written, or may have been.
 */
import type { History } from '../history.ts';
import type { BranchedReplay } from './branched-replay.ts';
import type { Lineage } from './lineage.ts';
import { Violation } from './violation.ts';

/** In revisions. */
export interface AcceptedPrice {
  /** More than was shown, by whoever rounds. */
  readonly typed: number;
  /** What the program has counted, and would have refused if it had been more than was typed. */
  readonly counted: number;
  /** Of that, what was written for certain. */
  readonly proven: number;
}

export class PriceChecker {
  /** By the id of a generation: the highest of anybody who began or went on with it. */
  readonly #accepted = new Map<string, AcceptedPrice>();

  /** Members are asked to stop for that generation, or were, by somebody who has typed that loss. */
  accepted(generationId: string, price: AcceptedPrice): void {
    const before = this.#accepted.get(generationId) ?? price;
    this.#accepted.set(generationId, {
      typed: Math.max(price.typed, before.typed),
      counted: Math.max(price.counted, before.counted),
      proven: Math.max(price.proven, before.proven),
    });
  }

  /** When all that was acknowledged is known. @throws {Violation} */
  check(lineage: Lineage, replay: BranchedReplay, history: History): void {
    // What was sent and never answered may stand in logs: it is shown as a loss that may be.
    const open = history.operations.filter(({ move, outcome }) => move.kind === 'change' && outcome !== 'ok').length;
    for (const branch of lineage.branches.slice(1)) {
      const { generation, generationId } = branch;
      const lost = replay.givenUpBy(branch);
      const accepted = this.#accepted.get(generationId);
      const most = replay.revisionsGivenUpBy(branch) + open;
      const facts = { generation, ...accepted, lost: lost.slice(0, 20), most };
      if (accepted === undefined) throw new Violation('price', `nobody has asked for generation ${generation}`, facts);
      const { typed, counted, proven } = accepted;
      const least = Math.min(typed, counted);
      if (lost.length > least) {
        const text = `generation ${generation} has lost ${lost.length} acknowledged writes for the price of ${least}`;
        throw new Violation('price', text, facts);
      }
      if (proven <= most) continue;
      const text = `a loss of ${proven} was shown for generation ${generation}, and ${most} were written`;
      throw new Violation('price', text, facts);
    }
  }
}

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
  readonly typed: number;
  readonly shown: number;
}

export class PriceChecker {
  /** By the id of a generation: the highest that was typed, and shown, to anybody who began or went on with it. */
  readonly #accepted = new Map<string, AcceptedPrice>();

  /** Members are asked to stop for that generation by somebody who has typed that loss. */
  accepted(generationId: string, { typed, shown }: AcceptedPrice): void {
    const before = this.#accepted.get(generationId);
    this.#accepted.set(generationId, {
      typed: Math.max(typed, before?.typed ?? 0),
      shown: Math.max(shown, before?.shown ?? 0),
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
      const facts = { generation, ...accepted, lost: lost.slice(0, 20) };
      if (accepted === undefined) throw new Violation('price', `nobody has asked for generation ${generation}`, facts);
      const { typed, shown } = accepted;
      if (lost.length > typed) {
        const text = `generation ${generation} has lost ${lost.length} acknowledged writes; ${typed} were accepted`;
        throw new Violation('price', text, facts);
      }
      const most = replay.revisionsGivenUpBy(branch) + open;
      if (shown <= most) continue;
      throw new Violation(
        'price',
        `a loss of ${shown} was shown for generation ${generation}, and ${most} were written`,
        {
          ...facts,
          most,
        },
      );
    }
  }
}

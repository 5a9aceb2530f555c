/**
 * Lease exclusion (I5): while any process would serve on the strength of a master lease, nothing is chosen in a higher
 * ballot of another member. Judged in true simulated time, whatever the clocks of the machines show.
 *
 * Ballots of two generations say nothing of each other: while anybody serves in one, nothing is chosen in a later one (design §3).
 * Source: PML §5.2; pitfalls P31-P35. A paused process counts: when it goes on in this very moment, it would serve.
 */
import { type Ballot, compareBallots, formatBallot } from '../../core/consensus/ballot.ts';
import { Violation } from './violation.ts';

/** What one process would answer if it were asked now. */
export interface Believer {
  readonly name: string;
  /** That it is in; the first where absent. */
  readonly generation?: number;
  /** Null when it would not serve. */
  readonly serving: { readonly ballot: Ballot } | null;
}

export class LeaseExclusionChecker {
  /** Highest ballot in which anything was chosen in the newest generation that has chosen something. */
  #highest: Ballot | null = null;
  #generation = 1;

  /** Something was chosen in `ballot`; true when it is higher than all before, which is when believers must be asked. */
  chosen(ballot: Ballot, generation = 1): boolean {
    if (generation < this.#generation) return false;
    if (generation > this.#generation) this.#highest = null;
    this.#generation = generation;
    if (this.#highest !== null && compareBallots(ballot, this.#highest) <= 0) return false;
    this.#highest = ballot;
    return true;
  }

  /** @throws {Violation} when somebody would serve although a higher ballot of another member has had a value chosen. */
  check(believers: Iterable<Believer>): void {
    const highest = this.#highest;
    if (highest === null) return;
    for (const { name, generation = 1, serving } of believers) {
      if (serving === null || generation > this.#generation) continue;
      if (generation < this.#generation) {
        const facts = { serves: generation, chosenIn: this.#generation };
        throw new Violation('lease-exclusion', `${name} would serve in a generation that is over`, facts);
      }
      if (compareBallots(serving.ballot, highest) >= 0) continue;
      if (serving.ballot.name === highest.name && serving.ballot.incarnation === highest.incarnation) continue;
      throw new Violation('lease-exclusion', `${name} would serve under a lease although another member is master`, {
        lease: formatBallot(serving.ballot),
        chosenIn: formatBallot(highest),
      });
    }
  }
}

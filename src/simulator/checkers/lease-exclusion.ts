/**
 * Lease exclusion (I5): while any process would serve on the strength of a master lease, nothing is chosen in a higher
 * ballot of another member. Judged in true simulated time, whatever the clocks of the machines show.
 *
 * Source: PML §5.2; pitfalls P31-P35. A paused process counts: when it goes on in this very moment, it would serve.
 */
import { type Ballot, compareBallots, formatBallot } from '../../core/consensus/ballot.ts';
import { Violation } from './violation.ts';

/** What one process would answer if it were asked now. */
export interface Believer {
  readonly name: string;
  /** Null when it would not serve. */
  readonly serving: { readonly ballot: Ballot } | null;
}

export class LeaseExclusionChecker {
  /** Highest ballot in which anything was chosen. */
  #highest: Ballot | null = null;

  /** Something was chosen in `ballot`; true when it is higher than all before, which is when believers must be asked. */
  chosen(ballot: Ballot): boolean {
    if (this.#highest !== null && compareBallots(ballot, this.#highest) <= 0) return false;
    this.#highest = ballot;
    return true;
  }

  /** @throws {Violation} when somebody would serve although a higher ballot of another member has had a value chosen. */
  check(believers: Iterable<Believer>): void {
    const highest = this.#highest;
    if (highest === null) return;
    for (const { name, serving } of believers) {
      if (serving === null || compareBallots(serving.ballot, highest) >= 0) continue;
      if (serving.ballot.name === highest.name && serving.ballot.incarnation === highest.incarnation) continue;
      throw new Violation('lease-exclusion', `${name} would serve under a lease although another member is master`, {
        lease: formatBallot(serving.ballot),
        chosenIn: formatBallot(highest),
      });
    }
  }
}

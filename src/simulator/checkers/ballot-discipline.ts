/**
 * Ballot discipline (I3), per incarnation, across restarts: the durable promise never decreases, nothing is accepted
 * below it, and a ballot has one value an instance.
 *
 * Source: PMS §2.2 (P1a); pitfalls P01-P03. What a write asks for is `issued`; what is on the disk for good is `durable`.
 */
import { type Ballot, ballotsEqual, compareBallots, formatBallot, zeroBallot } from '../../core/consensus/ballot.ts';
import type { ReplicaId } from '../../core/consensus/identity.ts';
import { Violation } from './violation.ts';

interface Discipline {
  /** Of this process. */
  issued: Ballot;
  /** Survives the process. */
  durable: Ballot;
  /** Its files have lost the newest promise, and it cannot know: it must never vote. */
  forgot: boolean;
}

export class BallotDisciplineChecker {
  readonly #replicas = new Map<ReplicaId, Discipline>();
  /** By instance: the value of each ballot, for accepts of live ballots. */
  readonly #values = new Map<number, { readonly ballot: Ballot; readonly digest: string }[]>();

  #of(replica: ReplicaId): Discipline {
    let known = this.#replicas.get(replica);
    if (known === undefined) {
      known = { issued: zeroBallot, durable: zeroBallot, forgot: false };
      this.#replicas.set(replica, known);
    }
    return known;
  }

  #votes(replica: ReplicaId): Discipline {
    const known = this.#of(replica);
    if (!known.forgot) return known;
    const facts = { durable: formatBallot(known.durable), remembers: formatBallot(known.issued) };
    throw new Violation('ballot-discipline', `${replica} votes and has forgotten its newest promise`, facts);
  }

  /**
   * A process came up and read this promise from its disk. `endLost`: nobody can tell what the end of its log was, so only
   * others can tell that the promise is an old one; it may start, and may not vote.
   * @throws {Violation} when it was durably higher before.
   */
  recovered(replica: ReplicaId, promise: Ballot, endLost = false): void {
    const known = this.#of(replica);
    known.forgot = endLost && compareBallots(promise, known.durable) < 0;
    if (known.forgot) {
      known.issued = promise;
      return;
    }
    if (compareBallots(promise, known.durable) < 0) {
      throw new Violation('ballot-discipline', `${replica} came back with a lower promise than it had made durable`, {
        durable: formatBallot(known.durable),
        recovered: formatBallot(promise),
      });
    }
    known.issued = promise;
    known.durable = promise;
  }

  /** A write asks for a new promise. @throws {Violation} when it is lower than the one before. */
  promised(replica: ReplicaId, promise: Ballot): void {
    const known = this.#votes(replica);
    if (compareBallots(promise, known.issued) < 0) {
      throw new Violation('ballot-discipline', `${replica} lowers its promise`, {
        from: formatBallot(known.issued),
        to: formatBallot(promise),
      });
    }
    known.issued = promise;
  }

  /** A promise has become durable. */
  durable(replica: ReplicaId, promise: Ballot): void {
    const known = this.#of(replica);
    if (compareBallots(promise, known.durable) > 0) known.durable = promise;
  }

  /**
   * A write asks to accept a value. Not for what was learned as chosen: that may stand in any ballot.
   * @throws {Violation} below the promise, or when the ballot has another value there.
   */
  accepted(replica: ReplicaId, instance: number, ballot: Ballot, digest: string): void {
    const known = this.#votes(replica);
    if (compareBallots(ballot, known.issued) < 0) {
      throw new Violation('ballot-discipline', `${replica} accepts instance ${instance} below its promise`, {
        promised: formatBallot(known.issued),
        accepted: formatBallot(ballot),
      });
    }
    const values = this.#values.get(instance);
    if (values === undefined) {
      this.#values.set(instance, [{ ballot, digest }]);
      return;
    }
    const before = values.find((other) => ballotsEqual(other.ballot, ballot))?.digest;
    if (before === undefined) values.push({ ballot, digest });
    else if (before !== digest) {
      throw new Violation(
        'ballot-discipline',
        `ballot ${formatBallot(ballot)} has two values at instance ${instance}`,
        {
          replica,
          digests: [before, digest],
        },
      );
    }
  }

  /** The same write as an accept has asked for: the promise is now no lower (P02). @throws {Violation} */
  raised(replica: ReplicaId, ballot: Ballot): void {
    const { issued } = this.#of(replica);
    if (compareBallots(issued, ballot) >= 0) return;
    throw new Violation('ballot-discipline', `${replica} accepts without raising its promise`, {
      promised: formatBallot(issued),
      accepted: formatBallot(ballot),
    });
  }
}

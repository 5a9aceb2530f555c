/**
 * Durability (I10): what a flush covered is there after every restart, and what a client was told is on the disks of a
 * majority.
 *
 * Source: PML §4 (flush before acknowledging); pitfalls P13-P15, P27. An entry on a disk ends only by being covered by a
 * snapshot, or by a later accept of the same instance.
 */
import type { BadItem } from '../../core/consensus/bad-item.ts';
import { type Ballot, compareBallots, formatBallot } from '../../core/consensus/ballot.ts';
import type { ReplicaId } from '../../core/consensus/identity.ts';
import { formatDigest } from '../digest.ts';
import { Violation } from './violation.ts';

interface Held {
  readonly ballot: Ballot;
  readonly digest: string;
  /** It was reported as bad at a start. */
  readonly bad?: boolean;
}

/** What a start says of what it cannot give back. */
export interface ReportedLoss {
  readonly bad: readonly BadItem[];
  /** Up to here a snapshot is bad, and the state is fetched. */
  readonly missingUpTo: number;
}

const nothingLost: ReportedLoss = { bad: [], missingUpTo: 0 };

export class DurabilityChecker {
  readonly #disks = new Map<ReplicaId, Map<number, Held>>();

  #of(replica: ReplicaId): Map<number, Held> {
    let disk = this.#disks.get(replica);
    if (disk === undefined) {
      disk = new Map();
      this.#disks.set(replica, disk);
    }
    return disk;
  }

  /** A flush covered this entry. */
  flushed(replica: ReplicaId, instance: number, ballot: Ballot, digest: string): void {
    this.#of(replica).set(instance, { ballot, digest });
  }

  /** The log of `replica` below `instance` may be gone: a verified snapshot stands for it. */
  cut(replica: ReplicaId, instance: number): void {
    const disk = this.#of(replica);
    for (const held of disk.keys()) if (held < instance) disk.delete(held);
  }

  /**
   * A process came up with the state of a snapshot at `snapshot` (0: none) and these entries of its log. `isChosen`: known there as
   * chosen, and rightly, which may stand in any ballot: it is what a replica has learned from others, perhaps just before
   * it died.
   * @throws {Violation} when something is missing that a flush had covered.
   */
  recovered(
    replica: ReplicaId,
    snapshot: number,
    entries: readonly { readonly instance: number; readonly ballot: Ballot; readonly digest: string }[],
    isChosen: (instance: number, digest: string) => boolean = () => false,
    loss: ReportedLoss = nothingLost,
  ): void {
    const found = new Map(entries.map((entry) => [entry.instance, entry]));
    for (const [instance, held] of this.#of(replica)) {
      if (instance <= snapshot || instance <= loss.missingUpTo) continue;
      const entry = found.get(instance);
      if (entry !== undefined && isChosen(instance, entry.digest)) {
        this.#standsIn(replica, instance, held, entry.ballot);
        continue;
      }
      const reported = entry === undefined ? reportOf(loss, instance, held, isChosen) : null;
      if (reported !== null) {
        this.#standsIn(replica, instance, { ...held, bad: true }, reported.identity?.ballot ?? held.ballot);
        continue;
      }
      if (entry === undefined || compareBallots(entry.ballot, held.ballot) < 0) {
        throw new Violation('durability', `${replica} came back without instance ${instance}, which it had flushed`, {
          flushed: formatBallot(held.ballot),
          found: entry === undefined ? null : formatBallot(entry.ballot),
          snapshot,
        });
      }
      if (compareBallots(entry.ballot, held.ballot) === 0 && entry.digest !== held.digest) {
        throw new Violation('durability', `${replica} came back with another value at instance ${instance}`, {
          flushed: held.digest,
          found: entry.digest,
        });
      }
    }
  }

  /** What `replica` has reported as bad above `instance` matters to nobody any more. */
  settled(replica: ReplicaId, instance: number): void {
    const disk = this.#of(replica);
    for (const [at, held] of disk) if (at > instance && held.bad === true) disk.delete(at);
  }

  /** A record of `ballot` is what tells of `held` from now on: a later start may not know any more how far values were chosen. */
  #standsIn(replica: ReplicaId, instance: number, held: Held, ballot: Ballot): void {
    const isEarlier = compareBallots(ballot, held.ballot) < 0;
    this.#of(replica).set(instance, isEarlier ? { ...held, ballot } : held);
  }

  /** `replica` tells a client that its write took effect at `instance`. @throws {Violation} unless a majority holds it. */
  acknowledged(replica: string, instance: number, chosen: boolean): void {
    if (chosen) return;
    throw new Violation('durability', `${replica} acknowledges a write, but no majority holds instance ${instance}`);
  }
}

/**
 * What stands for the loss of `held`; null for nothing. Without an identity anything may have stood there; with one, nothing that was flushed
 * later, unless it names what was known as chosen: from then on every ballot has that value, so nobody needs to hear of the later one.
 */
const reportOf = (
  { bad }: ReportedLoss,
  instance: number,
  held: Held,
  isChosen: (instance: number, digest: string) => boolean,
): BadItem | null =>
  bad.find(
    ({ instance: from, upTo, identity }) =>
      from <= instance &&
      instance <= upTo &&
      (identity === null ||
        compareBallots(identity.ballot, held.ballot) >= 0 ||
        isChosen(instance, formatDigest(identity.digest))),
  ) ?? null;

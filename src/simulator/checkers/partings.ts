/**
 * Partings (P47): whoever says that a member is out has it on its own disk, and a member that goes for good because the others know is
 * known to be out on the disks of as many as decide. What is in memory alone is gone with the next crash, and the vote is wanted again.
 *
 * Source: pitfall P47; design §3 "Membership". Judged by what was flushed, and not by what replicas say of it.
 */
import { type Configuration, memberId } from '../../core/consensus/configuration.ts';
import type { ReplicaId } from '../../core/consensus/identity.ts';
import { isQuorum, voters } from '../../core/consensus/quorum.ts';
import { Violation } from './violation.ts';

/** A configuration, and the first instance that it decides. */
export interface Governing {
  readonly from: number;
  readonly configuration: Configuration;
}

export class PartingChecker {
  /** By incarnation: everything up to there is known as chosen on its disk. */
  readonly #durable = new Map<ReplicaId, number>();

  /** The disk of `id` knows everything up to `chosenUpTo` as chosen. */
  durable(id: ReplicaId, chosenUpTo: number): void {
    if (chosenUpTo > (this.#durable.get(id) ?? 0)) this.#durable.set(id, chosenUpTo);
  }

  /** `by` tells `whom` that it was removed. `governing`: of a cell, in their order. @throws {Violation} when its disk does not know that. */
  turnedAway(by: ReplicaId, whom: ReplicaId, governing: readonly Governing[]): void {
    const last = governing.findLastIndex(({ configuration }) => isMember(configuration, whom));
    const next = governing[last + 1];
    // What was never a member there is out for another reason, and who is one still is for others to judge.
    if (last < 0 || next === undefined || this.#knows(by, next)) return;
    throw new Violation('parting', `${by} tells ${whom} that it is out, which only its memory knows`, {
      from: next.from,
      durable: this.#durable.get(by) ?? 0,
    });
  }

  /** `id` goes for good, since the others know that it is out. @throws {Violation} unless as many as decide have that on their disks. */
  parted(id: ReplicaId, governing: readonly Governing[]): void {
    const present = governing.at(-1);
    const before = governing.at(-2);
    // Who had no vote before is missed by nobody.
    if (present === undefined || before === undefined || !voters(before.configuration).has(id)) return;
    const knowing = [...voters(present.configuration)].filter((other) => this.#knows(other, present));
    if (isQuorum(present.configuration, new Set(knowing))) return;
    throw new Violation('parting', `${id} goes, and no majority has on its disk that it is out`, {
      from: present.from,
      durable: Object.fromEntries(this.#durable),
    });
  }

  #knows(id: ReplicaId, { from }: Governing): boolean {
    return (this.#durable.get(id) ?? 0) >= from - 1;
  }
}

const isMember = ({ members }: Configuration, id: ReplicaId): boolean =>
  members.some((member) => memberId(member) === id);

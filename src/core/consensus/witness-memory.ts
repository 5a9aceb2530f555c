/**
 * What one replica remembers of the disks of all members, so that none of them can come back older and not be told.
 *
 * Source: design §4 (fence). Keeps: what is remembered of a member is never taken back; where two things are known of it that
 * cannot be of one disk, both are kept, and no disk agrees with both: that incarnation has ended.
 */
import { type BootHistory, joined, newestBoot, shortened } from './boot-history.ts';
import type { ReplicaId } from './identity.ts';

/** Boots of another member that are kept: enough to join what several witnesses say who were away at different times. */
const bootsKept = 8;
/** Pasts of one member that exclude each other; two are proof enough. */
const historiesKept = 4;

export interface Remembered {
  readonly member: ReplicaId;
  /** One, or more when the member's disk has been rolled back. */
  readonly histories: readonly BootHistory[];
}

export class WitnessMemory {
  readonly #members = new Map<ReplicaId, readonly BootHistory[]>();
  readonly #changed = new Set<ReplicaId>();

  /** What is known of this member; nothing of one that was never met or heard of. */
  of(member: ReplicaId): readonly BootHistory[] {
    return this.#members.get(member) ?? [];
  }

  /** Two disks have spoken as this member. */
  isDivided(member: ReplicaId): boolean {
    return this.of(member).length > 1;
  }

  all(): Remembered[] {
    return [...this.#members].map(([member, histories]) => ({ member, histories }));
  }

  /** What is new since this was asked last, to be made durable with the next flush. */
  takeChanged(): Remembered[] {
    if (this.#changed.size === 0) return [];
    const changed = [...this.#changed].map((member) => ({ member, histories: this.of(member) }));
    this.#changed.clear();
    return changed;
  }

  /** A witness, the member itself perhaps, knows this of a member. */
  learn(member: ReplicaId, history: BootHistory): void {
    const known = this.of(member);
    for (const [i, before] of known.entries()) {
      const together = joined(before, history);
      if (together === null) continue;
      const last = newestBoot(before);
      const same = together.flush === before.flush && together.promiseFlush === before.promiseFlush;
      if (newestBoot(together).number === last.number && same) return;
      this.#set(member, replaced(known, i, shortened(together, bootsKept)));
      return;
    }
    if (known.length < historiesKept) this.#set(member, [...known, shortened(history, bootsKept)]);
  }

  /** The disk of `member` was as far as this in its present boot. */
  advance(member: ReplicaId, boot: number, { flush, promiseFlush }: Pick<BootHistory, 'flush' | 'promiseFlush'>): void {
    const known = this.of(member);
    for (const [i, history] of known.entries()) {
      if (newestBoot(history).number !== boot) continue;
      if (history.flush >= flush) return;
      const further = { flush, promiseFlush: Math.max(history.promiseFlush, promiseFlush) };
      this.#set(member, replaced(known, i, { boots: history.boots, ...further }));
      return;
    }
  }

  /** Members of no configuration any more: an incarnation never comes back. */
  forget(member: ReplicaId): void {
    this.#members.delete(member);
    this.#changed.delete(member);
  }

  #set(member: ReplicaId, histories: readonly BootHistory[]): void {
    this.#members.set(member, histories);
    this.#changed.add(member);
  }
}

const replaced = (list: readonly BootHistory[], at: number, by: BootHistory): BootHistory[] =>
  list.map((history, i) => (i === at ? by : history));

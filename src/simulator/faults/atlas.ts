/**
 * Whose copies are damaged: for every item at least a majority of good ones is left, so that a cell which cannot go on has no
 * excuse.
 *
 * Source: pitfalls §2 rule 4 (fault atlas). Damage for good is one copy's for the rest of the run, whether it was found or not.
 */
import { Violation } from '../checkers/violation.ts';
import type { FaultKind } from './catalogue.ts';
import { faultCatalogue } from './catalogue.ts';

export class FaultAtlas {
  readonly #damaged = new Map<string, FaultKind[]>();
  /** Members of which more than log and snapshots was hit: those are repaired from the others. */
  readonly #beyondItems = new Set<string>();
  /** Members that may be damaged at one time. */
  readonly #most: () => number;
  /** Whose vote counts; everybody's where nobody comes and goes. */
  readonly #isVoter: (member: string) => boolean;
  /** Another incarnation has begun there. */
  readonly #renewed = new Set<string>();
  /** Members that have forgotten a promise, and whether somebody else has it durably. */
  readonly #forgotten = new Map<string, () => boolean>();

  constructor(most: number | (() => number), isVoter: (member: string) => boolean = () => true) {
    this.#most = typeof most === 'number' ? () => most : most;
    this.#isVoter = isVoter;
  }

  /**
   * May the disk of `member` be damaged, in addition to what is damaged already? One that is damaged stands no more than another
   * where voters have left since: what was bearable may have become the last copy but one. One that is on its way to a vote counts as if it
   * had it.
   */
  allows(member: string): boolean {
    if (this.#forgotten.get(member)?.() === false) return false;
    if (!this.#isVoter(member) && !this.#renewed.has(member)) return this.#damaged.has(member);
    const others = [...this.#damaged.keys()].filter((name) => name !== member && this.#isVoter(name)).length;
    return others < this.#most();
  }

  /** `items`: only log records or snapshots were hit. */
  damaged(member: string, kind: FaultKind, items = false): void {
    if (!items) this.#beyondItems.add(member);
    const kinds = this.#damaged.get(member);
    if (kinds === undefined) this.#damaged.set(member, [kind]);
    else kinds.push(kind);
  }

  /**
   * The files of its promise are older ones. Its log shows that as long as it has its end; without that only others can, so no more
   * is done to this disk before one of them has it on its own.
   */
  forgotPromise(member: string, isRemembered: () => boolean): void {
    this.#forgotten.set(member, isRemembered);
  }

  /** Another disk is there, and the member is not back yet, because of `kind`. */
  renewed(member: string, kind: FaultKind): void {
    this.#forgotten.delete(member);
    this.#damaged.set(member, [kind]);
    this.#beyondItems.add(member);
    this.#renewed.add(member);
  }

  isRenewed(member: string): boolean {
    return this.#renewed.has(member);
  }

  /** The incarnation that began there has its vote, or the member is none any more; what has struck its disk since stays. */
  repaired(member: string): void {
    this.#renewed.delete(member);
    this.undamaged(member, 'operator-sequence');
    this.undamaged(member, 'directory-copied');
  }

  /** It came to nothing. */
  undamaged(member: string, kind: FaultKind): void {
    this.returned(member, kind);
    if (!this.#damaged.has(member)) this.#beyondItems.delete(member);
  }

  /** The member is back on that disk; what has struck it since stays. */
  returned(member: string, kind: FaultKind): void {
    const others = (this.#damaged.get(member) ?? []).filter((other) => other !== kind);
    if (others.length === 0) this.#damaged.delete(member);
    else this.#damaged.set(member, others);
  }

  isDamaged(member: string): boolean {
    return this.#damaged.has(member);
  }

  /** Nothing but a named end is right for this member. */
  mustHalt(member: string): boolean {
    return (this.#damaged.get(member) ?? []).some((kind) => faultCatalogue[kind].expects === 'halts');
  }

  /** Nothing has struck these but what a cell of them comes back from by itself. */
  mustReturn(members: readonly string[]): boolean {
    return members.every((member) =>
      (this.#damaged.get(member) ?? []).every((kind) => faultCatalogue[kind].expects === 'survives'),
    );
  }

  /** A replica has refused its disk. @throws {Violation} when nothing has happened to it. */
  halted(member: string, code: string, message: string): void {
    const kinds = this.#damaged.get(member) ?? [];
    const more = this.#beyondItems.has(member);
    if (more && kinds.some((kind) => faultCatalogue[kind].expects !== 'survives')) return;
    throw new Violation('recovery', `${member} refuses a disk that is good: ${code}`, { message, damage: kinds });
  }

  /** A replica goes on from its disk. @throws {Violation} when it must not. */
  wentOn(member: string): void {
    const kind = this.#damaged.get(member)?.find((damage) => faultCatalogue[damage].expects === 'halts');
    if (kind === undefined) return;
    throw new Violation('detection', `${member} goes on from a disk that was struck by ${kind}`);
  }
}

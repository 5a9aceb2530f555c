/**
 * How far a member's disk is known to have been: its boots, where each began, and the last flush heard of. Two such pasts of
 * one member either continue one another, or the member's disk has been rolled back in between.
 *
 * Source: design §4 (fence); PML §5.1 footnote 2 (a disk that is rolled back "is not detected"); pitfalls P22, I17.
 */

/** One process of a replica. */
export interface Boot {
  /** Rises by one with every start. */
  readonly number: number;
  /** Drawn at its start: two starts from one state of a disk have the same number. */
  readonly id: string;
  /** Number of the last durable flush before it. Nothing that an earlier boot told of had a higher one. */
  readonly began: number;
  /** Number of the flush of the newest promise that it found. */
  readonly promiseFlush: number;
}

/** What is known of the disk of one member, by itself or by another. */
export interface BootHistory {
  /** The newest ones, ascending, without gaps; never empty. */
  readonly boots: readonly Boot[];
  /** The highest flush of the last boot that is known. */
  readonly flush: number;
  /** Of its newest promise. Where the end of a log is lost, flushes are missing and are repaired; a promise never may be. */
  readonly promiseFlush: number;
}

/** Why a disk that shows one history cannot be the one that another was heard from. */
export interface Contradiction {
  /**
   * `boot-missing`: it has never been as far as that boot; `other-boot`: another process had that number; `flush-missing`: the
   * boot ended, on this disk, before that flush; `promise-missing`: this disk has lost a promise of that boot.
   */
  readonly kind: 'boot-missing' | 'other-boot' | 'flush-missing' | 'promise-missing';
  /** `flush` is that of what is missing. */
  readonly remembered: { readonly boot: number; readonly id: string; readonly flush: number };
  /** The newest boot of the disk, and where the remembered one ended on it. */
  readonly shown: { readonly boot: number; readonly id: string; readonly flush: number };
}

export const newestBoot = ({ boots }: BootHistory): Boot => boots[boots.length - 1] as Boot;

/** Null when the disk that shows `shown` may be the one that `remembered` was heard from, at that time or later. */
export function contradiction(remembered: BootHistory, shown: BootHistory): Contradiction | null {
  const last = newestBoot(remembered);
  const newest = newestBoot(shown);
  const found = (kind: Contradiction['kind'], flush: number, missing = remembered.flush): Contradiction => ({
    kind,
    remembered: { boot: last.number, id: last.id, flush: missing },
    shown: { boot: newest.number, id: newest.id, flush },
  });
  if (last.number > newest.number) return found('boot-missing', shown.flush);
  const same = shown.boots.find(({ number }) => number === last.number);
  // What was forgotten of a long list of boots can only be compared by the flush at which the list goes on.
  const next = shown.boots.find(({ number }) => number > last.number);
  if (same !== undefined && same.id !== last.id) return found('other-boot', next?.began ?? shown.flush);
  // A boot that goes on may have been heard of from later than when it said this.
  if (next === undefined) return null;
  if (remembered.flush > next.began) return found('flush-missing', next.began);
  if (remembered.promiseFlush <= next.promiseFlush) return null;
  return found('promise-missing', next.promiseFlush, remembered.promiseFlush);
}

/** What two witnesses know together; null when what they know cannot be of one disk. */
export function joined(a: BootHistory, b: BootHistory): BootHistory | null {
  const [older, newer] = newestBoot(a).number <= newestBoot(b).number ? [a, b] : [b, a];
  if (newestBoot(older).number === newestBoot(newer).number) {
    if (newestBoot(older).id !== newestBoot(newer).id) return null;
    const longer = older.boots.length > newer.boots.length ? older : newer;
    const promiseFlush = Math.max(older.promiseFlush, newer.promiseFlush);
    return { boots: longer.boots, flush: Math.max(older.flush, newer.flush), promiseFlush };
  }
  return contradiction(older, newer) === null ? newer : null;
}

/** With at most so many boots, the newest ones. */
export const shortened = (history: BootHistory, boots: number): BootHistory =>
  history.boots.length <= boots ? history : { ...history, boots: history.boots.slice(-boots) };

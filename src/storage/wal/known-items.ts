/**
 * What the records of a log leave of each instance, taken in the order in which they were written.
 *
 * Source: design §4 "Repair by item". Keeps: a later record of an instance replaces every earlier one, be it good or bad;
 * nothing bad is ever replaced by something older.
 */
import type { BadItem } from '../../core/consensus/bad-item.ts';
import type { Instance } from '../../core/consensus/identity.ts';
import type { AcceptedEntry } from '../../core/consensus/message.ts';
import { isBadItem, type LogItem } from '../../formats/wal-group.ts';

interface Known {
  readonly item: LogItem;
  /** Number of its group. */
  readonly group: number;
}

/** Ranges longer than this are kept as such; they never come to an end by going through them. */
const singleMax = 65_536;

export class KnownItems {
  readonly #above: number;
  readonly #known = new Map<number, Known>();
  /** Of several instances at once; what is in `#known` with a later group counts more. */
  #ranges: { readonly item: BadItem; readonly group: number }[] = [];
  #group = 0;
  #damagedFrom = Number.POSITIVE_INFINITY;
  #highest = 0;
  /** Highest instance of the present group. */
  highestOfGroup = 0;

  constructor(above: number) {
    this.#above = above;
  }

  beginGroup(): void {
    this.#group++;
    this.highestOfGroup = 0;
  }

  /** A sound record of `instance`, at or below which nothing is wanted. */
  pass(instance: number): void {
    this.highestOfGroup = Math.max(this.highestOfGroup, instance);
    this.#highest = Math.max(this.#highest, instance);
  }

  take(item: LogItem): void {
    const upTo = isBadItem(item) ? item.upTo : item.instance;
    this.pass(upTo);
    if (upTo <= this.#above) return;
    if (!isBadItem(item) || item.identity !== null) {
      this.#known.set(item.instance, { item, group: this.#group });
      return;
    }
    const from = Math.max(item.instance, this.#above + 1);
    this.#ranges.push({ item: { ...item, instance: from as Instance }, group: this.#group });
    if (item.upTo - from > singleMax) {
      for (const instance of this.#known.keys()) {
        if (instance >= from && instance <= item.upTo) this.#known.delete(instance);
      }
    } else for (let instance = from; instance <= item.upTo; instance++) this.#known.delete(instance);
  }

  /** Everything from the next group on is written again. */
  markDamage(): void {
    this.#damagedFrom = Math.min(this.#damagedFrom, this.#group + 1);
  }

  /** Highest instance taken since it was asked for last. */
  takeHighest(): number {
    const highest = this.#highest;
    this.#highest = 0;
    return highest;
  }

  above(instance: number): { entries: Map<number, AcceptedEntry>; bad: readonly BadItem[] } {
    const entries = new Map<number, AcceptedEntry>();
    const bad: BadItem[] = this.#ranges.flatMap(({ item }) =>
      item.upTo > instance ? [{ ...item, instance: Math.max(item.instance, instance + 1) as Instance }] : [],
    );
    for (const { item } of this.#known.values()) {
      if (item.instance <= instance) continue;
      if (isBadItem(item)) bad.push(item);
      else entries.set(item.instance, item);
    }
    return { entries, bad: bad.sort((a, b) => a.instance - b.instance) };
  }

  /** The last instance before the first one above `above` that is missing, at most `chosenUpTo`. */
  soundUpTo(above: number, chosenUpTo: number): number {
    let sound = Math.min(above, chosenUpTo);
    while (sound < chosenUpTo && this.#isEntry(sound + 1)) sound++;
    return sound;
  }

  #isEntry(instance: number): boolean {
    const known = this.#known.get(instance);
    return known !== undefined && !isBadItem(known.item);
  }

  ofLastGroup(): readonly LogItem[] {
    return this.#since(this.#group);
  }

  /** The ranges first: what is known besides is later than they are. */
  sinceDamage(): readonly LogItem[] {
    return this.#since(this.#damagedFrom);
  }

  #since(group: number): readonly LogItem[] {
    const ranges = this.#ranges.filter((range) => range.group >= group).map(({ item }) => item);
    return [...ranges, ...[...this.#known.values()].filter((known) => known.group >= group).map(({ item }) => item)];
  }
}

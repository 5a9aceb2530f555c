/**
 * What this replica has accepted and what it knows as chosen, instance by instance.
 *
 * Source: PML §3 (the log), §4.2; PMS §3. Keeps: everything from `firstRetained` to `chosenUpTo` is present and is the
 * chosen value; above that, an entry is the one accepted in the highest ballot. Places that could not be read back at the
 * start are bad until an entry is there again (design §4 "Repair by item").
 */
import { invariant } from '../invariant.ts';
import { type BadItem, endless } from './bad-item.ts';
import type { Ballot } from './ballot.ts';
import type { Instance, WriteId } from './identity.ts';
import type { AcceptedEntry } from './message.ts';
import type { Value } from './value.ts';

export interface LogEntry {
  readonly ballot: Ballot;
  readonly value: Value;
  /** The write that makes it durable here. */
  readonly write: WriteId;
}

export class ChosenLog {
  readonly #entries = new Map<number, LogEntry>();
  #firstRetained: number;
  #chosenUpTo: number;
  #highest: number;
  #removals = 0;
  /** Bad where no entry is. */
  #bad: readonly BadItem[] = [];
  /** Everything up to here is known as chosen, also what is missing here. */
  #knownChosenUpTo = 0;
  #missingUpTo = 0;
  /** Accepted anew at or below `#knownChosenUpTo`, where something bad had stood: not known to be what was chosen. */
  readonly #unsure = new Set<number>();

  constructor(startsAfter: Instance) {
    this.#firstRetained = startsAfter + 1;
    this.#chosenUpTo = startsAfter;
    this.#highest = startsAfter;
  }

  /** The first instance whose entry can still be given to others. */
  get firstRetained(): Instance {
    return this.#firstRetained as Instance;
  }

  get chosenUpTo(): Instance {
    return this.#chosenUpTo as Instance;
  }

  /** The highest instance that has an entry, or `chosenUpTo`. */
  get highest(): Instance {
    return Math.max(this.#highest, this.#chosenUpTo) as Instance;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Counts the times at which entries were forgotten. Equal at two times, what was there is there. */
  get removals(): number {
    return this.#removals;
  }

  get(instance: number): LogEntry | undefined {
    return this.#entries.get(instance);
  }

  /** What the disk could not give back. `chosenUpTo` counts over what is missing; entries loaded below it are the chosen ones. */
  damaged(bad: readonly BadItem[], chosenUpTo: Instance, missingUpTo: number): void {
    this.#bad = bad;
    this.#missingUpTo = missingUpTo;
    this.#knownChosenUpTo = Math.max(this.#chosenUpTo, chosenUpTo);
  }

  /** Up to here a snapshot is to bring the state; 0 for nothing, and once it is there. */
  get missingUpTo(): number {
    return this.#chosenUpTo < this.#missingUpTo ? this.#missingUpTo : 0;
  }

  /** Whether `instance` lies in what a snapshot is to bring, so that no record of it may be written. */
  isMissing(instance: number): boolean {
    return instance <= this.#missingUpTo && instance > this.#chosenUpTo;
  }

  /** Values up to here are chosen, whether they are present or not. */
  get knownChosenUpTo(): Instance {
    return Math.max(this.#knownChosenUpTo, this.#chosenUpTo) as Instance;
  }

  /** Up to here each entry that is present is the chosen value. */
  get sureUpTo(): Instance {
    let first: number = this.knownChosenUpTo + 1;
    for (const instance of this.#unsure) if (instance < first) first = instance;
    return (first - 1) as Instance;
  }

  /** Whether the entry at `instance` is here and is the chosen one. */
  isChosen(instance: number): boolean {
    return instance <= this.knownChosenUpTo && !this.#unsure.has(instance) && this.#entries.has(instance);
  }

  /** Something stood at `instance` that cannot be read any more, and nothing came in its place. */
  isBad(instance: number): boolean {
    if (instance <= this.#chosenUpTo || this.#entries.has(instance)) return false;
    return (
      instance <= this.#knownChosenUpTo || this.#bad.some((item) => item.instance <= instance && instance <= item.upTo)
    );
  }

  /** Bad items from `from` on, which is above `chosenUpTo`: ascending, not overlapping. */
  badFrom(from: number): readonly BadItem[] {
    const first = Math.max(from, this.#chosenUpTo + 1);
    const items = [...this.#bad, rangeOf(first, this.#knownChosenUpTo)].filter(({ upTo }) => upTo >= first);
    if (items.length === 0) return [];
    const single = items.filter(({ instance, identity }) => identity !== null && !this.#entries.has(instance));
    const taken = [...this.#entries.keys(), ...single.map(({ instance }) => instance as number)].sort((a, b) => a - b);
    const ranges: BadItem[] = [];
    let at = first;
    for (const item of items.filter(({ identity }) => identity === null).sort((a, b) => a.instance - b.instance)) {
      at = Math.max(at, item.instance);
      for (const instance of taken) {
        if (instance < at || instance > item.upTo) continue;
        if (instance > at) ranges.push(rangeOf(at, instance - 1));
        at = instance + 1;
      }
      if (at <= item.upTo) ranges.push(rangeOf(at, item.upTo));
      at = Math.max(at, item.upTo + 1);
    }
    return [...single, ...ranges].sort((a, b) => a.instance - b.instance);
  }

  /** Records are gone, and nobody knows up to which instance. */
  get hasLostEnd(): boolean {
    return this.#bad.some(({ upTo }) => upTo === endless);
  }

  /** Nothing that was bad above `instance` matters any more. */
  forgetBadAbove(instance: number): void {
    this.#bad = this.#bad.flatMap((item) => {
      if (item.instance > instance) return [];
      return [{ ...item, upTo: Math.min(item.upTo, instance) as Instance }];
    });
  }

  /** Replaces what was accepted at an instance that is not yet known as chosen. */
  accept(instance: Instance, entry: LogEntry): void {
    invariant(instance > this.#chosenUpTo, 'only an instance not yet chosen is accepted', { instance });
    if (instance <= this.#knownChosenUpTo) this.#unsure.add(instance);
    this.#entries.set(instance, entry);
    if (instance > this.#highest) this.#highest = instance;
  }

  /** The chosen value of an instance, learned from whoever knows it as chosen. */
  adopt(instance: Instance, entry: LogEntry): void {
    this.accept(instance, entry);
    this.#unsure.delete(instance);
  }

  /** The entry of the next instance is the chosen one. */
  advance(): void {
    const next = this.#chosenUpTo + 1;
    invariant(this.#entries.has(next), 'a chosen instance has its value here', { instance: next });
    this.#chosenUpTo = next;
    this.#unsure.delete(next);
  }

  /** Goes on over everything that is known as chosen and present. */
  advanceOverKnown(): void {
    while (this.#chosenUpTo < this.#knownChosenUpTo && this.isChosen(this.#chosenUpTo + 1)) this.advance();
  }

  /** Accepted entries from `from` on, ascending. */
  acceptedFrom(from: number): AcceptedEntry[] {
    const list: AcceptedEntry[] = [];
    const first = Math.max(from, this.#firstRetained);
    const add = (instance: number, { ballot, value }: LogEntry) =>
      list.push({ instance: instance as Instance, ballot, value });
    // Whose state is gone may have little of very much.
    if (this.#highest - first > 2 * this.#entries.size) {
      for (const [instance, entry] of this.#entries) if (instance >= first) add(instance, entry);
      return list.sort((a, b) => a.instance - b.instance);
    }
    for (let i = first; i <= this.#highest; i++) {
      const entry = this.#entries.get(i);
      if (entry !== undefined) add(i, entry);
    }
    return list;
  }

  /** Forgets everything at or below `instance`, which must be chosen. */
  cut(instance: number): void {
    invariant(instance <= this.#chosenUpTo, 'only chosen instances are cut', { instance });
    this.#removals++;
    for (let i = this.#firstRetained; i <= instance; i++) this.#entries.delete(i);
    this.#firstRetained = Math.max(this.#firstRetained, instance + 1);
  }

  /** The state at `instance` was installed from a snapshot: continue after it. */
  jump(instance: Instance): void {
    invariant(instance > this.#chosenUpTo, 'a snapshot is installed only ahead', { instance });
    this.#removals++;
    for (const key of this.#entries.keys()) if (key <= instance) this.#entries.delete(key);
    this.#firstRetained = instance + 1;
    this.#chosenUpTo = instance;
    this.#highest = Math.max(this.#highest, instance);
    for (const at of this.#unsure) if (at <= instance) this.#unsure.delete(at);
  }
}

const rangeOf = (from: number, upTo: number): BadItem => ({
  instance: from as Instance,
  upTo: upTo as Instance,
  identity: null,
});

/** Rough size of a value in messages, for paging. */
export function valueBytes(value: Value): number {
  if (value.kind !== 'submitted') return 256;
  if (value.itemBytes !== undefined) return 64 + value.itemBytes;
  let bytes = 64;
  for (const item of value.items) bytes += item.length + 4;
  return bytes;
}

/** Structural equality: a value read back from a message equals the one that was sent. */
export function valuesEqual(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (a.kind === 'noop' && b.kind === 'noop') return true;
  if (a.kind === 'mastership' && b.kind === 'mastership') return a.id === b.id && a.owner === b.owner;
  if (a.kind === 'configuration' && b.kind === 'configuration') {
    return JSON.stringify(a.configuration) === JSON.stringify(b.configuration);
  }
  if (a.kind === 'submitted' && b.kind === 'submitted') {
    if (a.epoch !== b.epoch || a.cellTimeMs !== b.cellTimeMs) return false;
    // Asked for once: a value that was decoded makes its items when it is asked.
    const [first, second] = [a.items, b.items];
    return first.length === second.length && first.every((item, i) => bytesEqual(item, second[i] as Uint8Array));
  }
  return false;
}

function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

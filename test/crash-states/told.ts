/**
 * What a replica has said to the world and to itself up to some moment: what a recovery must give back, and what it may.
 */
import { compareBallots } from '../../src/core/consensus/ballot.ts';
import type { WriteRequest } from '../../src/core/consensus/effect.ts';
import type { AcceptedEntry, Message } from '../../src/core/consensus/message.ts';
import { valueDigest } from './cell.ts';
import type { Effect } from './journal.ts';

type Ballot = AcceptedEntry['ballot'];

const nobody: Ballot = { round: 0, name: '', incarnation: 0 };
const later = (a: Ballot, b: Ballot): Ballot => (compareBallots(a, b) >= 0 ? a : b);

/** What was found, as far as it is compared. */
export interface Found {
  readonly boot: number;
  readonly promise: Ballot;
  readonly leaseMsMax: number;
  readonly chosenUpTo: number;
  /** 0 without one. */
  readonly snapshot: number;
  readonly entries: ReadonlyMap<number, string>;
  readonly copied: boolean;
}

export const entryText = ({ ballot, value }: AcceptedEntry): string =>
  `${ballot.round}.${ballot.name}.${ballot.incarnation} ${valueDigest(value)}`;

export class Told {
  /** Every entry that was ever to be made durable, per instance and in order. */
  readonly #issued = new Map<number, string[]>();
  /** Which of them the storage has called durable: this one or a later one must be found. */
  readonly #durable = new Map<number, number>();
  #waiting: { readonly write: number; readonly request: WriteRequest; readonly places: readonly [number, number][] }[] =
    [];
  #promise = nobody;
  #promiseIssued = nobody;
  #leaseMsMax = 0;
  #chosenUpTo = 0;
  #chosenIssued = 0;
  #snapshot = 0;
  #boot = 0;
  #replied = 0;
  /** From here on there is something to be recovered. */
  formed = false;

  take(effect: Effect): void {
    switch (effect.kind) {
      case 'formed':
        this.formed = true;
        return;
      case 'opened':
        this.#boot = effect.boot;
        this.#waiting = [];
        return;
      case 'persist':
        return this.#issue(effect.request);
      case 'persisted':
        return this.#settle(effect.write);
      case 'send':
        return this.#sent(effect.message);
      case 'snapshot-begun':
        this.#chosenIssued = Math.max(this.#chosenIssued, effect.instance);
        return;
      case 'snapshot':
        this.#snapshot = Math.max(this.#snapshot, effect.instance);
        return;
      case 'reply':
        this.#replied = Math.max(this.#replied, effect.instance);
        return;
      default:
    }
  }

  #issue(request: WriteRequest): void {
    const places = request.entries.map((entry): [number, number] => {
      const list = this.#issued.get(entry.instance) ?? [];
      this.#issued.set(entry.instance, list);
      return [entry.instance, list.push(entryText(entry)) - 1];
    });
    this.#waiting.push({ write: request.write, request, places });
    if (request.promise !== null) this.#promiseIssued = later(this.#promiseIssued, request.promise.ballot);
    this.#chosenIssued = Math.max(this.#chosenIssued, request.chosenUpTo);
  }

  #settle(write: number): void {
    for (const { request, places } of this.#waiting.filter((it) => it.write <= write)) {
      for (const [instance, index] of places) this.#durable.set(instance, index);
      if (request.promise !== null) {
        this.#promise = later(this.#promise, request.promise.ballot);
        this.#leaseMsMax = Math.max(this.#leaseMsMax, request.promise.leaseMsMax);
      }
      this.#chosenUpTo = Math.max(this.#chosenUpTo, request.chosenUpTo);
    }
    this.#waiting = this.#waiting.filter((it) => it.write > write);
  }

  /** Nothing may be said that a recovery could take back (pitfalls P01). */
  #sent(message: Message): void {
    switch (message.kind) {
      case 'prepare':
      case 'promise':
      case 'accept':
      case 'accepted':
        this.#promise = later(this.#promise, message.ballot);
        this.#promiseIssued = later(this.#promiseIssued, message.ballot);
        return;
      default:
    }
  }

  /** The first thing that is wrong with what was found; null when nothing is. */
  problem(found: Found, chosenAt: (instance: number) => string | undefined, alone: boolean): string | null {
    if (found.boot <= this.#boot) return `boot ${found.boot} after boot ${this.#boot}`;
    if (found.copied) return 'the files are taken for a copy';
    if (compareBallots(found.promise, this.#promise) < 0)
      return `promise ${found.promise.round} below ${this.#promise.round}`;
    if (compareBallots(found.promise, this.#promiseIssued) > 0) return `promise ${found.promise.round} was never made`;
    if (found.leaseMsMax < this.#leaseMsMax) return `a lease of ${this.#leaseMsMax} ms is forgotten`;
    if (found.chosenUpTo < this.#chosenUpTo) return `chosen up to ${found.chosenUpTo}, not ${this.#chosenUpTo}`;
    if (found.chosenUpTo > Math.max(this.#chosenIssued, found.snapshot))
      return `chosen up to ${found.chosenUpTo}: never said`;
    if (found.snapshot < this.#snapshot) return `snapshot ${found.snapshot} after snapshot ${this.#snapshot}`;
    return this.#missing(found) ?? this.#invented(found) ?? (alone ? this.#unanswered(found, chosenAt) : null);
  }

  #missing({ snapshot, entries }: Found): string | null {
    for (const [instance, index] of this.#durable) {
      if (instance <= snapshot) continue;
      const text = entries.get(instance);
      if (text === undefined) return `instance ${instance} was durable and is gone`;
      if ((this.#issued.get(instance) ?? []).indexOf(text, index) < 0)
        return `instance ${instance} holds something older`;
    }
    return null;
  }

  #invented({ entries }: Found): string | null {
    for (const [instance, text] of entries) {
      if (!this.#issued.get(instance)?.includes(text)) return `instance ${instance} holds what was never written`;
    }
    return null;
  }

  /** A cell of one has nobody else to keep what its clients were told. */
  #unanswered({ snapshot, entries }: Found, chosenAt: (instance: number) => string | undefined): string | null {
    for (let instance = snapshot + 1; instance <= this.#replied; instance++) {
      const text = entries.get(instance);
      if (text === undefined || !text.endsWith(chosenAt(instance) ?? '?'))
        return `the answer for ${instance} is forgotten`;
    }
    return null;
  }
}

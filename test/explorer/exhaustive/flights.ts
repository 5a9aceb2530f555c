/**
 * What is on its way to one member: sets of message numbers, each set with a number of its own.
 *
 * A message is delivered once or never, in any order; one that can change nothing any more is taken out, so that states that
 * differ only in such messages are one.
 */
import { ballotsEqual, compareBallots } from '../../../src/core/consensus/ballot.ts';
import type { Sent } from './catalogue.ts';
import type { Interests } from './local-run.ts';

export class Flights {
  readonly #sets: (readonly number[])[] = [];
  /** A bit for each message, several sharing one: a set that has a bit more is no part of one without. */
  readonly #bits: number[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #unions = new Map<number, number>();
  readonly #rests = new Map<number, number>();

  constructor() {
    this.numberOf([]);
  }

  /** The messages of set `flight`, rising; 0 is the empty set. */
  at(flight: number): readonly number[] {
    return this.#sets[flight] as readonly number[];
  }

  /** `messages` rise. */
  numberOf(messages: readonly number[]): number {
    const text = messages.join(' ');
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#sets.push(messages) - 1;
      this.#bits.push(messages.reduce((bits, message) => bits | (1 << (message % 31)), 0));
      this.#numbers.set(text, number);
    }
    return number;
  }

  /** The union of two sets. */
  with(flight: number, more: number): number {
    if (flight === 0 || more === 0) return flight + more;
    const key = flight * 0x400_0000 + more;
    let union = this.#unions.get(key);
    if (union === undefined) {
      union = this.numberOf([...new Set([...this.at(flight), ...this.at(more)])].sort((a, b) => a - b));
      this.#unions.set(key, union);
    }
    return union;
  }

  /** Whether all of `part` is in `flight` too. */
  has(flight: number, part: number): boolean {
    if (part === 0 || part === flight) return true;
    if (((this.#bits[part] as number) & ~(this.#bits[flight] as number)) !== 0) return false;
    const all = this.at(flight);
    let at = 0;
    for (const message of this.at(part)) {
      while (at < all.length && (all[at] as number) < message) at++;
      if (all[at++] !== message) return false;
    }
    return true;
  }

  without(flight: number, message: number): number {
    const key = flight * 0x400_0000 + message;
    let rest = this.#rests.get(key);
    if (rest === undefined) {
      rest = this.numberOf(this.at(flight).filter((other) => other !== message));
      this.#rests.set(key, rest);
    }
    return rest;
  }
}

/**
 * Can `sent` never again change anything at a member with these `interests`, nor make it answer anything of use? What it
 * promised durably never sinks, and a ballot that it leads no more it never leads again. What it knows as chosen counts when
 * it is durable, or when nobody will crash any more.
 */
export function isSpent({ from, message }: Sent, interests: Interests, crashesAreOver: boolean): boolean {
  const { promised, awaited, led, acks } = interests;
  const chosenUpTo = crashesAreOver ? interests.chosenUpTo : interests.durableChosenUpTo;
  switch (message.kind) {
    case 'prepare':
      return compareBallots(message.ballot, promised) < 0 || message.from <= chosenUpTo;
    case 'accept':
      return compareBallots(message.ballot, promised) < 0;
    case 'commit':
      return message.chosenUpTo <= chosenUpTo;
    case 'promise':
      return awaited === null || awaited.nonce !== message.nonce || !ballotsEqual(awaited.ballot, message.ballot);
    case 'accepted': {
      if (led === null || !ballotsEqual(led, message.ballot)) return true;
      const known = acks.get(message.instance);
      return known === undefined || known.has(from);
    }
    default:
      return false;
  }
}

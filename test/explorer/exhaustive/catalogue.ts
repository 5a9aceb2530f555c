/** Numbers for messages and votes: equal ones share a number, over all states. */
import type { Ballot } from '../../../src/core/consensus/ballot.ts';
import { ballotsEqual } from '../../../src/core/consensus/ballot.ts';
import type { ReplicaId } from '../../../src/core/consensus/identity.ts';
import type { Message } from '../../../src/core/consensus/message.ts';
import type { Value } from '../../../src/core/consensus/value.ts';
import { dataText } from './fingerprint.ts';

export interface Sent {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  readonly message: Message;
}

/** One durable accept: of `value` in `ballot` at `instance`. */
export interface Vote {
  readonly instance: number;
  readonly ballot: Ballot;
  readonly value: Value;
  /** Equal for equal values. */
  readonly valueNumber: number;
}

class Numbers<Item> {
  readonly items: Item[] = [];
  readonly #byText = new Map<string, number>();

  numberOf(text: string, item: () => Item): number {
    let number = this.#byText.get(text);
    if (number === undefined) {
      number = this.items.push(item()) - 1;
      this.#byText.set(text, number);
    }
    return number;
  }
}

export class Catalogue {
  readonly #messages = new Numbers<Sent>();
  readonly #votes = new Numbers<Vote>();
  readonly #values = new Numbers<Value>();

  get messages(): number {
    return this.#messages.items.length;
  }

  messageNumber(sent: Sent): number {
    return this.#messages.numberOf(`${sent.from}>${sent.to}${dataText(sent.message)}`, () => sent);
  }

  message(number: number): Sent {
    return this.#messages.items[number] as Sent;
  }

  valueNumber(value: Value): number {
    return this.#values.numberOf(dataText(value), () => value);
  }

  value(number: number): Value {
    return this.#values.items[number] as Value;
  }

  voteNumber(instance: number, ballot: Ballot, value: Value): number {
    const valueNumber = this.valueNumber(value);
    const { round, name, incarnation } = ballot;
    const vote = { instance, ballot, value, valueNumber };
    return this.#votes.numberOf(`${instance} ${round} ${name} ${incarnation} ${valueNumber}`, () => vote);
  }

  vote(number: number): Vote {
    return this.#votes.items[number] as Vote;
  }

  /** Do two votes contradict each other: one ballot, one instance, two values (I3)? */
  contradict(one: number, other: number): boolean {
    if (one === other) return false;
    const [a, b] = [this.vote(one), this.vote(other)];
    return a.instance === b.instance && ballotsEqual(a.ballot, b.ballot);
  }
}

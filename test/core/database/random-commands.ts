/** Commands drawn from a seed: mostly sensible, often odd, all of them such as a proposer could encode. */
import type { Epoch } from '../../../src/core/consensus/identity.ts';
import type { Command, Operation, Test } from '../../../src/core/database/command.ts';
import type { LockMode } from '../../../src/core/database/lock.ts';
import { Random } from '../../../src/core/random.ts';
import { multiOp } from './support.ts';

const keys = [
  '1',
  '2',
  'b',
  'a',
  '__proto__',
  'constructor',
  '10',
  'é',
  '\uffee',
  '😀',
  'x'.repeat(1024),
  '\u0000',
  'a/b',
];
const values = [0, 1, 2, 64, 100, 2_048, 2_049].map((length) => new Uint8Array(length).fill(length % 251));

export class CommandSource {
  readonly #random: Random;
  /** Ids that were once given out, some of them over by now, and some that never were. */
  readonly sessions: string[] = ['s0-0', 's999999-1'];

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  below(n: number): number {
    return this.#random.below(n);
  }

  #pick<Item>(items: readonly Item[]): Item {
    return this.#random.pick(items);
  }

  #list<Item>(make: () => Item): Item[] {
    return Array.from({ length: this.below(4) }, make);
  }

  next(): Command {
    const roll = this.below(100);
    const session = this.#pick(this.sessions);
    if (roll < 4) return { kind: 'open-session', ttlMs: this.#pick([0, 1, 1_000, 60_000, 2 ** 32 - 1]) };
    if (roll < 5) return { kind: 'close-session', session };
    if (roll < 8) return { kind: 'keep-session', session };
    if (roll < 10) return { kind: 'expire-sessions', sessions: this.#list(() => this.#pick(this.sessions)) };
    if (roll < 16) return this.#lock(session);
    const command = multiOp({
      guard: this.#list(() => this.#test()),
      do: this.#list(() => this.#operation()),
      otherwise: this.#list(() => this.#operation()),
      ...(this.below(2) === 0 ? {} : { number: [session, this.#sequence()] }),
      ...(this.below(10) === 0 ? { ifEpoch: this.below(4) as Epoch } : {}),
    });
    if (this.below(20) > 0) return command;
    return { ...command, sequencer: { lock: this.#pick(keys), mode: this.#mode(), generation: this.#generation() } };
  }

  #lock(session: string): Command {
    const number = { session, sequence: this.#sequence() };
    const lock = this.#pick(keys);
    if (this.below(3) === 0) return { kind: 'release-lock', lock, generation: this.#generation(), session: number };
    const lockDelayMs = this.#pick([0, 1, 500, 60_000]);
    return { kind: 'acquire-lock', lock, mode: this.#mode(), lockDelayMs, session: number };
  }

  #mode(): LockMode {
    return this.#pick(['exclusive', 'shared'] as const);
  }

  #generation(): number {
    return this.#pick([0, 0, 0, 1 + this.below(400), 2 ** 53 - 1]);
  }

  #sequence(): number {
    return this.below(50) === 0 ? this.#pick([2 ** 53 - 1, 2 ** 40]) : 1 + this.below(1_500);
  }

  #test(): Test {
    const key = this.#pick(keys);
    const kind = this.#pick(['absent', 'present', 'equals', 'less', 'greater', 'revision'] as const);
    if (kind === 'revision') return { test: kind, key, revision: this.#pick([0, 1, this.below(1_000), 2 ** 53 - 1]) };
    return kind === 'absent' || kind === 'present'
      ? { test: kind, key }
      : { test: kind, key, value: this.#pick(values) };
  }

  #operation(): Operation {
    const key = this.#pick(keys);
    const op = this.#pick(['put', 'put', 'delete', 'get'] as const);
    return op === 'put' ? { op, key, value: this.#pick(values) } : { op, key };
  }
}

/** One client of a torture run: reads, writes, compares and deletes, one operation at a time, and writes down what it is told. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../../src/core/random.ts';
import type { Answer, Condition as HistoryCondition, Move } from '../../../src/simulator/history.ts';
import type { Condition, Hand, SeenEntry, Told } from './hand.ts';
import type { Journal } from './journal.ts';

const thinkMsMax = 16;

export interface TormentorOptions {
  readonly name: string;
  readonly hand: Hand;
  readonly random: Random;
  readonly journal: Journal;
}

const always: Condition = { kind: 'always' };

export class Tormentor {
  readonly name: string;
  /** Operations that the cell answered. */
  answered = 0;
  readonly #options: TormentorOptions;
  readonly #seen = new Map<string, SeenEntry>();
  #ledger = 0;

  constructor(options: TormentorOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Works on `keys` until told to end; whatever was begun is finished. */
  async run(keys: readonly string[], over: () => boolean): Promise<void> {
    const { random } = this.#options;
    while (!over()) {
      await this.#step(random.pick(keys));
      await sleep(1 + random.below(thinkMsMax));
    }
  }

  #step(key: string): Promise<void> {
    const { random, hand } = this.#options;
    const draw = random.below(100);
    if (draw < 30) return this.read(key);
    if (draw < 45) return this.#put(key, 'always');
    if (draw < 65) return this.#put(key, 'unchanged');
    if (draw < 72) return this.#erase(key, 'always');
    if (draw < 78) return this.#erase(key, 'unchanged');
    return hand.repeats && draw < 89 ? this.#count() : this.#writeOnce();
  }

  async read(key: string): Promise<void> {
    const { hand, journal } = this.#options;
    const record = journal.begin(this.name, key, { kind: 'read', key });
    const told = this.#heard(await hand.read(key));
    if (told.kind !== 'told') return journal.end(record, 'none', null);
    journal.end(record, 'ok', { kind: 'read', value: told.answer?.value ?? null });
    this.#remember(key, told.answer);
  }

  /** `unchanged`: only while the entry is as this client saw it last, or absent when it saw none. */
  async #put(key: string, when: 'always' | 'unchanged'): Promise<void> {
    const { hand, journal } = this.#options;
    const value = journal.nextValue();
    const [condition, asText] = this.#condition(key, when);
    const move: Move = { kind: 'change', when: asText, steps: [{ op: 'put', key, value }], otherwise: [] };
    const record = journal.begin(this.name, key, move);
    const told = this.#heard(await hand.put(key, value, condition));
    // Whether the key was there before is not told.
    const answer: Answer | null =
      told.kind === 'told' ? { kind: 'change', succeeded: told.answer !== null, steps: [] } : null;
    journal.end(record, told.kind === 'told' ? 'ok' : told.kind, answer);
    const revision = told.kind === 'told' ? told.answer?.revision : undefined;
    this.#remember(key, revision === undefined ? null : { value, revision });
  }

  async #erase(key: string, when: 'always' | 'unchanged'): Promise<void> {
    const { hand, journal } = this.#options;
    const [condition, asText] = this.#condition(key, when);
    this.#seen.delete(key);
    const move: Move = { kind: 'change', when: asText, steps: [{ op: 'delete', key }], otherwise: [] };
    const record = journal.begin(this.name, key, move);
    const told = this.#heard(await hand.erase(key, condition));
    if (told.kind !== 'told') return journal.end(record, told.kind, null);
    const { answer } = told;
    journal.end(record, 'ok', { kind: 'change', succeeded: answer !== null, steps: answer === null ? [] : [answer] });
  }

  /** For the cell by revision, for the history by value: values are never written twice, so one stands for the other. */
  #condition(key: string, when: 'always' | 'unchanged'): [Condition, HistoryCondition[]] {
    const seen = this.#seen.get(key);
    if (when === 'always') return [always, []];
    if (seen !== undefined) return [{ kind: 'revision', revision: seen.revision }, [{ key, is: seen.value }]];
    return this.#options.random.chance(0.5) ? [{ kind: 'absent' }, [{ key, is: null }]] : [always, []];
  }

  /** A key of its own, written once: what was acknowledged must be there for ever, what was refused never. */
  async #writeOnce(): Promise<void> {
    const { hand, journal } = this.#options;
    const entry = { key: `once/${this.name}/${++this.#ledger}`, value: journal.nextValue() };
    const told = this.#heard(await hand.put(entry.key, entry.value, always));
    journal.ledger.push({ ...entry, outcome: told.kind === 'told' ? 'ok' : told.kind });
  }

  /** Unconditional writes that are repeated until they are told; the entry's version counts how often they took effect. */
  async #count(): Promise<void> {
    const { hand, journal } = this.#options;
    const key = `counter/${this.name}`;
    const value = journal.nextValue();
    const told = this.#heard(await hand.put(key, value, always));
    if (told.kind !== 'told') throw new Error(`${this.name} could not learn the fate of a write: ${told.why}`);
    journal.counters.set(key, (journal.counters.get(key) ?? 0) + 1);
    journal.tell((told.answer as { revision: number }).revision, key, value);
  }

  #heard<Result>(told: Told<Result>): Told<Result> {
    if (told.kind === 'told') this.answered++;
    return told;
  }

  #remember(key: string, entry: SeenEntry | null): void {
    if (entry === null) this.#seen.delete(key);
    else {
      this.#seen.set(key, entry);
      this.#options.journal.tell(entry.revision, key, entry.value);
    }
  }
}

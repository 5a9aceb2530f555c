/** One client of a torture run: reads, writes, compares and deletes, one operation at a time, and writes down what it is told. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../../src/core/random.ts';
import type { Answer, Move } from '../../../src/simulator/history.ts';
import { type CellAnswer, CellClient, type CellOutcome, keyPath } from '../cell-client.ts';
import type { Journal } from './journal.ts';

/** No operation may take longer, whatever happens to the cell: its faults are over long before. */
const operationMsMax = 30_000;
const thinkMsMax = 16;

export interface TormentorOptions {
  readonly name: string;
  readonly urls: readonly string[];
  readonly random: Random;
  readonly journal: Journal;
  /** Writes under a session, and so tries until it is told. */
  readonly withSession: boolean;
  readonly carriesMarks: boolean;
}

interface Seen {
  readonly value: string;
  readonly revision: number;
}

type Write = Extract<Move, { kind: 'change' }>;

export class Tormentor {
  readonly name: string;
  readonly #options: TormentorOptions;
  readonly #client: CellClient;
  readonly #seen = new Map<string, Seen>();
  #session: string | null = null;
  #sequence = 0;
  #ledger = 0;
  /** Operations that the cell answered. */
  answered = 0;

  constructor(options: TormentorOptions) {
    this.name = options.name;
    this.#options = options;
    const { urls, random, carriesMarks } = options;
    this.#client = new CellClient({ urls, random: random.fork('routes'), carriesMarks });
  }

  close(): Promise<void> {
    return this.#client.close();
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
    const { random, withSession } = this.#options;
    const draw = random.below(100);
    if (draw < 30) return this.read(key);
    if (draw < 45) return this.#put(key, 'always');
    if (draw < 65) return this.#put(key, 'unchanged');
    if (draw < 72) return this.#erase(key, 'always');
    if (draw < 78) return this.#erase(key, 'unchanged');
    return withSession && draw < 89 ? this.#count() : this.#writeOnce();
  }

  async read(key: string): Promise<void> {
    const { journal } = this.#options;
    const record = journal.begin(this.name, key, { kind: 'read', key });
    const outcome = await this.#perform({ method: 'GET', path: keyPath(key), repeatable: true });
    if (outcome.kind !== 'answer') return journal.end(record, 'none', null);
    const value = outcome.status === 200 ? outcome.body : null;
    journal.end(record, 'ok', { kind: 'read', value });
    if (value === null) this.#seen.delete(key);
    else this.#remember(key, value, revisionOf(outcome));
  }

  /** `unchanged`: only while the entry is as this client saw it last, or absent when it saw none. */
  async #put(key: string, when: 'always' | 'unchanged'): Promise<void> {
    const value = this.#options.journal.nextValue();
    const [condition, headers] = this.#condition(key, when);
    const move: Write = { kind: 'change', when: condition, steps: [{ op: 'put', key, value }], otherwise: [] };
    const outcome = await this.#write(key, move, { method: 'PUT', headers, body: value });
    if (outcome.kind === 'answer' && outcome.status === 200) this.#remember(key, value, revisionOf(outcome));
    else this.#seen.delete(key);
  }

  async #erase(key: string, when: 'always' | 'unchanged'): Promise<void> {
    const [condition, headers] = this.#condition(key, when);
    const move: Write = { kind: 'change', when: condition, steps: [{ op: 'delete', key }], otherwise: [] };
    this.#seen.delete(key);
    await this.#write(key, move, { method: 'DELETE', headers });
  }

  #condition(key: string, when: 'always' | 'unchanged'): [Write['when'], Record<string, string>] {
    const seen = this.#seen.get(key);
    if (when === 'always') return [[], {}];
    // Values are never written twice, so that a revision stands for a value.
    if (seen !== undefined) return [[{ key, is: seen.value }], { 'if-match': `"${seen.revision}"` }];
    return this.#options.random.chance(0.5) ? [[{ key, is: null }], { 'if-none-match': '*' }] : [[], {}];
  }

  async #write(
    key: string,
    move: Write,
    request: { method: 'PUT' | 'DELETE'; headers: Record<string, string>; body?: string },
  ): Promise<CellOutcome> {
    const { journal } = this.#options;
    const number = await this.#number();
    const record = journal.begin(this.name, key, move);
    const headers = { ...request.headers, ...number };
    const outcome = await this.#perform({
      ...request,
      headers,
      path: keyPath(key),
      repeatable: this.#session !== null,
    });
    if (outcome.kind === 'answer') journal.end(record, 'ok', answerTo(request.method, outcome));
    else journal.end(record, outcome.kind, null);
    return outcome;
  }

  /** A key of its own, written once: what was acknowledged must be there for ever, what was refused never. */
  async #writeOnce(): Promise<void> {
    const { journal } = this.#options;
    const number = await this.#number();
    const value = journal.nextValue();
    const entry = { key: `once/${this.name}/${++this.#ledger}`, value, outcome: 'unknown' as const };
    const outcome = await this.#perform({
      method: 'PUT',
      path: keyPath(entry.key),
      headers: number,
      body: value,
      repeatable: this.#session !== null,
    });
    journal.ledger.push({ ...entry, outcome: outcome.kind === 'answer' ? 'ok' : outcome.kind });
  }

  /** Unconditional writes under a session; the entry's version counts how often they took effect. */
  async #count(): Promise<void> {
    const { journal } = this.#options;
    const number = await this.#number();
    if (this.#session === null) return;
    const key = `counter/${this.name}`;
    const value = journal.nextValue();
    const request = { method: 'PUT', path: keyPath(key), headers: number, body: value, repeatable: true } as const;
    const outcome = await this.#perform(request);
    if (outcome.kind !== 'answer')
      throw new Error(`${this.name} could not learn the fate of ${number}: ${outcome.why}`);
    journal.counters.set(key, (journal.counters.get(key) ?? 0) + 1);
    journal.tell(revisionOf(outcome), key, value);
  }

  /** The header that makes the next write safe to repeat; none for clients without a session. */
  async #number(): Promise<Record<string, string>> {
    if (!this.#options.withSession) return {};
    if (this.#session === null) {
      const outcome = await this.#client.perform(
        {
          method: 'POST',
          path: '/v1/sessions',
          headers: { 'content-type': 'application/json' },
          body: '{"ttlMs":3600000}',
          repeatable: false,
        },
        operationMsMax,
      );
      if (outcome.kind !== 'answer') return {};
      this.#session = (JSON.parse(outcome.body) as { session: string }).session;
    }
    return { 'idempotency-key': `${this.#session}/${++this.#sequence}` };
  }

  async #perform(request: Parameters<CellClient['perform']>[0]): Promise<CellOutcome> {
    const outcome = await this.#client.perform(request, operationMsMax);
    if (outcome.kind === 'answer') this.answered++;
    return outcome;
  }

  #remember(key: string, value: string, revision: number): void {
    this.#seen.set(key, { value, revision });
    this.#options.journal.tell(revision, key, value);
  }
}

const revisionOf = ({ headers }: CellAnswer): number => Number(String(headers.etag).replaceAll('"', ''));

function answerTo(method: 'PUT' | 'DELETE', { status }: CellAnswer): Answer {
  if (status === 412) return { kind: 'change', succeeded: false, steps: [] };
  return { kind: 'change', succeeded: true, steps: method === 'PUT' ? [] : [status === 200] };
}

/** Plain HTTP, as the contract has it. */
import type { Random } from '../../../src/core/random.ts';
import { type CellAnswer, CellClient, keyPath } from '../cell-client.ts';
import { type Condition, type Hand, operationMsMax, type SeenEntry, sessionTtlMs, type Told } from './hand.ts';

export interface PlainHandOptions {
  readonly urls: readonly string[];
  readonly random: Random;
  readonly withSession: boolean;
  readonly carriesMarks: boolean;
}

export class PlainHand implements Hand {
  readonly repeats: boolean;
  readonly #client: CellClient;
  #session: string | null = null;
  #sequence = 0;

  constructor(options: PlainHandOptions) {
    this.repeats = options.withSession;
    this.#client = new CellClient(options);
  }

  async read(key: string): Promise<Told<SeenEntry | null>> {
    const outcome = await this.#client.perform({ method: 'GET', path: keyPath(key), repeatable: true }, operationMsMax);
    if (outcome.kind !== 'answer') return outcome;
    const found = outcome.status === 200;
    return { kind: 'told', answer: found ? { value: outcome.body, revision: revisionOf(outcome) } : null };
  }

  put(key: string, value: string, condition: Condition): Promise<Told<{ revision: number } | null>> {
    return this.#write({ method: 'PUT', path: keyPath(key), body: value }, condition, (answer) =>
      answer.status === 200 ? { revision: revisionOf(answer) } : null,
    );
  }

  erase(key: string, condition: Condition): Promise<Told<boolean | null>> {
    return this.#write({ method: 'DELETE', path: keyPath(key) }, condition, ({ status }) =>
      status === 412 ? null : status === 200,
    );
  }

  async #write<Answer>(
    request: { readonly method: 'PUT' | 'DELETE'; readonly path: string; readonly body?: string },
    condition: Condition,
    read: (answer: CellAnswer) => Answer,
  ): Promise<Told<Answer>> {
    const headers = { ...conditionHeaders(condition), ...(await this.#number()) };
    const outcome = await this.#client.perform({ ...request, headers, repeatable: this.repeats }, operationMsMax);
    return outcome.kind === 'answer' ? { kind: 'told', answer: read(outcome) } : outcome;
  }

  /** The header that makes the next write safe to repeat. */
  async #number(): Promise<Record<string, string>> {
    if (!this.repeats) return {};
    while (this.#session === null) {
      const outcome = await this.#client.perform(
        {
          method: 'POST',
          path: '/v1/sessions',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ ttlMs: sessionTtlMs }),
          repeatable: true,
        },
        operationMsMax,
      );
      if (outcome.kind !== 'answer') throw new Error(`No session could be opened: ${outcome.why}`);
      this.#session = (JSON.parse(outcome.body) as { session: string }).session;
    }
    return { 'idempotency-key': `${this.#session}/${++this.#sequence}` };
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

const revisionOf = ({ headers }: CellAnswer): number => Number(String(headers.etag).replaceAll('"', ''));

function conditionHeaders(condition: Condition): Record<string, string> {
  switch (condition.kind) {
    case 'always':
      return {};
    case 'absent':
      return { 'if-none-match': '*' };
    case 'revision':
      return { 'if-match': `"${condition.revision}"` };
  }
}

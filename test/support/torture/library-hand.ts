/** The client library, `paxosctl/client`: its finding, repeating, numbering and gathering under the same faults. */
import { type ClientSession, connect, OperatorError, type PaxosClient } from '../../../src/client/index.ts';
import type { Random } from '../../../src/core/random.ts';
import { type Condition, type Hand, operationMsMax, type SeenEntry, sessionTtlMs, type Told } from './hand.ts';

export interface LibraryHandOptions {
  readonly urls: readonly string[];
  readonly random: Random;
  readonly withSession: boolean;
}

export class LibraryHand implements Hand {
  readonly repeats: boolean;
  readonly #client: PaxosClient;
  #session: ClientSession | null = null;

  constructor({ urls, random, withSession }: LibraryHandOptions) {
    this.repeats = withSession;
    const attemptTimeoutMs = 1_000;
    this.#client = connect({
      endpoints: urls,
      timeoutMs: withSession ? operationMsMax : 5_000,
      attemptTimeoutMs,
      batch: !withSession,
      random: () => random.next(),
    });
  }

  read(key: string): Promise<Told<SeenEntry | null>> {
    return told(async () => {
      const entry = await this.#client.get(key);
      return entry === null ? null : { value: Buffer.from(entry.value).toString(), revision: entry.revision };
    });
  }

  async put(key: string, value: string, condition: Condition): Promise<Told<{ revision: number } | null>> {
    const writer = await this.#writer();
    return told(() => writer.put(key, value, optionsOf(condition)));
  }

  async erase(key: string, condition: Condition): Promise<Told<boolean | null>> {
    const writer = await this.#writer();
    return told(async () => (await writer.delete(key, optionsOf(condition))).deleted);
  }

  async #writer(): Promise<PaxosClient | ClientSession> {
    if (!this.repeats) return this.#client;
    this.#session ??= await this.#client.openSession({ ttlMs: sessionTtlMs });
    return this.#session;
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

function optionsOf(condition: Condition): { ifRevision?: number; ifAbsent?: boolean } {
  if (condition.kind === 'always') return {};
  return condition.kind === 'absent' ? { ifAbsent: true } : { ifRevision: condition.revision };
}

const expected = new Set([
  'PAXOS_UNREACHABLE',
  'PAXOS_NO_MASTER',
  'PAXOS_NOT_MASTER',
  'PAXOS_OVERLOADED',
  'PAXOS_STOPPING',
  'PAXOS_NOT_SERVING',
  'PAXOS_NOT_APPLIED',
  'PAXOS_REPLICA_STOPPED',
  'PAXOS_OUTCOME_UNKNOWN',
]);

/** Null for a condition that did not hold. What no fault explains is thrown on. */
async function told<Answer>(run: () => Promise<Answer>): Promise<Told<Answer | null>> {
  try {
    return { kind: 'told', answer: await run() };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    const { code, outcome, message } = error;
    if (code === 'PAXOS_CONDITION_FAILED') return { kind: 'told', answer: null };
    if (!expected.has(code)) throw error;
    return { kind: outcome, why: `${code} ${message}` };
  }
}

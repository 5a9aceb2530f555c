import { OutcomeUnknownError } from '../../src/errors/index.ts';
import type { ImportTarget } from '../../src/operator/import.ts';
import type { ImportEntry } from '../../src/operator/ndjson.ts';

/** A cell in memory that remembers what it did under each number, and can lose an answer, die, or forget its sessions. */
export class FakeImportTarget implements ImportTarget {
  readonly values = new Map<string, Buffer>();
  /** Keys in the order in which they were written. */
  readonly applied: string[] = [];
  sessions = 0;
  revision = 1;
  /** Called before a batch is applied and after it; may throw. */
  before: () => void = () => {};
  after: () => void = () => {};
  readonly #seen = new Set<string>();
  readonly #open = new Set<string>();

  async openSession(): Promise<string> {
    this.sessions += 1;
    const session = `s${this.sessions}`;
    this.#open.add(session);
    return session;
  }

  expireAll(): void {
    this.#open.clear();
  }

  async putAll(entries: readonly ImportEntry[], { session, sequence }: { session: string; sequence: number }) {
    this.before();
    if (!this.#open.has(session)) {
      throw new OutcomeUnknownError('The session has expired.', { code: 'PAXOS_SESSION_EXPIRED' });
    }
    entries.forEach(({ key, value }, at) => {
      const number = `${session}/${sequence + at}`;
      if (this.#seen.has(number)) return;
      this.#seen.add(number);
      this.values.set(key, Buffer.from(value));
      this.applied.push(key);
      this.revision++;
    });
    this.after();
  }

  async wouldChange(entries: readonly ImportEntry[]): Promise<boolean> {
    return entries.some(({ key, value }) => this.values.get(key)?.equals(value) !== true);
  }

  async get(key: string): Promise<Uint8Array | null> {
    return this.values.get(key) ?? null;
  }
}

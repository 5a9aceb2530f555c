/** What the clients of a torture run asked and were told, in the form that the checkers of the simulator read. */
import type { Answer, Move, OperationRecord } from '../../../src/simulator/history.ts';

/** What became of writes that are made once and never touched again. */
export interface LedgerEntry {
  readonly key: string;
  readonly value: string;
  outcome: 'ok' | 'none' | 'unknown';
}

export class Journal {
  readonly operations: OperationRecord[] = [];
  readonly ledger: LedgerEntry[] = [];
  /** By key: writes under one session that were acknowledged, each of which must have happened exactly once. */
  readonly counters = new Map<string, number>();
  /** What stood at a revision, as told by answers: one write has one revision, for ever. */
  readonly revisions = new Map<number, string>();
  readonly outcomes = { ok: 0, none: 0, unknown: 0 };
  #values = 0;

  /** A value that nobody else writes in this run. */
  nextValue(): string {
    return `v${++this.#values}`;
  }

  begin(client: string, key: string, move: Move): OperationRecord {
    const record: OperationRecord = {
      id: this.operations.length + 1,
      client,
      object: key,
      move,
      command: null,
      invokedMs: performance.now(),
      floor: 0,
      returnedMs: null,
      outcome: 'open',
      answer: null,
      position: null,
    };
    this.operations.push(record);
    return record;
  }

  end(record: OperationRecord, outcome: 'ok' | 'none' | 'unknown', answer: Answer | null): void {
    record.returnedMs = performance.now();
    record.outcome = outcome;
    record.answer = answer;
    this.outcomes[outcome]++;
  }

  /** @throws {Error} when the same revision was told for something else. */
  tell(revision: number, key: string, value: string): void {
    const what = `${key} = ${value}`;
    const before = this.revisions.get(revision);
    if (before !== undefined && before !== what) {
      throw new Error(`Revision ${revision} was told for ${before} and for ${what}.`);
    }
    this.revisions.set(revision, what);
  }
}

/** Whether everything that a run's clients were told is true. */
import { checkLinearizable } from '../../../src/simulator/checkers/linearizability.ts';
import type { Move, OperationRecord } from '../../../src/simulator/history.ts';
import type { CellClient } from '../cell-client.ts';
import type { Journal } from './journal.ts';

/** @throws {Error} with the operations on the key for which no order explains all answers. */
export function requireLinearizable({ operations }: Journal): void {
  const verdict = checkLinearizable(operations);
  if (verdict.kind === 'linearizable') return;
  const { object } = verdict;
  const lines = operations.filter((operation) => operation.object === object).map(lineOf);
  throw new Error(
    `History of ${object} is ${verdict.kind === 'undecided' ? 'undecided' : 'not linearizable'}:\n${lines.join('\n')}`,
  );
}

function lineOf({ client, move, invokedMs, returnedMs, outcome, answer }: OperationRecord): string {
  const told =
    answer === null ? '' : answer.kind === 'read' ? ` ${answer.value}` : ` ${answer.succeeded} ${answer.steps}`;
  return `${invokedMs.toFixed(1)} … ${returnedMs?.toFixed(1) ?? 'open'} ${client} ${textOf(move)} → ${outcome}${told}`;
}

function textOf(move: Move): string {
  if (move.kind === 'read') return 'read';
  const when = move.when.map(({ is }) => ` if ${is ?? 'absent'}`).join('');
  return move.steps.map((step) => (step.op === 'put' ? `put ${step.value}` : step.op)).join() + when;
}

/** Acknowledged writes are there, refused ones are not. @throws {Error} */
export async function requireLedger({ ledger }: Journal, client: CellClient): Promise<void> {
  const stored = await allBelow(client, 'once/');
  const wrong: string[] = [];
  for (const { key, value, outcome } of ledger) {
    const found = stored.get(key)?.value;
    if (outcome === 'ok' && found !== value) wrong.push(`${key} was acknowledged as ${value} and is ${found}`);
    if (outcome === 'none' && found !== undefined) wrong.push(`${key} was refused without effect and is ${found}`);
    if (outcome === 'unknown' && found !== undefined && found !== value) wrong.push(`${key} is ${found}, not ${value}`);
  }
  if (stored.size > ledger.length) wrong.push(`${stored.size} entries after ${ledger.length} writes`);
  if (wrong.length > 0) throw new Error(`${wrong.length} writes are not as told: ${wrong.slice(0, 10).join('; ')}`);
}

/** Each write under a session took effect once, however often it was sent. @throws {Error} */
export async function requireExactlyOnce({ counters }: Journal, client: CellClient): Promise<void> {
  const stored = await allBelow(client, 'counter/');
  for (const [key, count] of counters) {
    const version = stored.get(key)?.version;
    if (version !== count) throw new Error(`${key} took ${count} writes under one session and has version ${version}.`);
  }
}

interface Stored {
  readonly key: string;
  readonly value: string;
  readonly version: number;
}

async function allBelow(client: CellClient, prefix: string): Promise<Map<string, Stored>> {
  const found = new Map<string, Stored>();
  let after = '';
  for (;;) {
    const query = new URLSearchParams({ prefix, limit: '500', ...(after === '' ? {} : { after }) });
    const outcome = await client.perform({ method: 'GET', path: `/v1/kv?${query}`, repeatable: true }, 20_000);
    if (outcome.kind !== 'answer') throw new Error(`Entries below ${prefix} cannot be read: ${outcome.why}`);
    const page = JSON.parse(outcome.body) as { entries: Stored[]; next: string | null };
    for (const entry of page.entries) found.set(entry.key, entry);
    if (page.next === null) return found;
    after = page.next;
  }
}

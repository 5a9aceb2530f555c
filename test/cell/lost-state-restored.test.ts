/**
 * All snapshots of a member gone bad in a cell that was put back before: its instances begin at a multiple of 2^40, and nothing may count
 * through those that it misses. One member has its state from the others; where all have lost theirs, the way is a backup.
 */
import { readdirSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { operatorOf } from '../support/cell-operator.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { until } from '../support/until.ts';

function loseState({ directory }: ReplicaChild): void {
  for (const name of readdirSync(directory)) {
    if (name.startsWith('snapshot-')) truncateSync(path.join(directory, name), 100);
  }
}

const snapshotsOf = (cell: CellProcess) =>
  Promise.all(cell.urls.map((url) => fetch(`${url}/v1/snapshots`, { method: 'POST', body: '{}', headers })));
const headers = { 'content-type': 'application/json' };

it('a member without its state has it from the others, and a cell without it goes back to a backup, in generation 2 too', {
  timeout: 120_000,
}, async () => {
  await withCell({ replicas: 3 }, async (cell) => {
    const paxosctl = operatorOf(cell);
    const ok = async (...args: string[]) => {
      const ran = await paxosctl(...args);
      expect(ran.code, ran.stdout + ran.stderr).toBe(0);
      return ran;
    };
    await ok('kv', 'put', 'order', 'kept');
    await ok('snapshot', 'save', 'backup');
    await ok('cell', 'restore', 'backup', '--confirm', 'default', '--accept-loss', '0');
    await ok('kv', 'put', 'order', 'given up', '--accept-generation', '2');
    await cell.agreement();
    await snapshotsOf(cell);

    const n2 = cell.member('n2');
    await n2.kill();
    loseState(n2);
    n2.start();
    await cell.agreement();

    await cell.killAll();
    for (const member of cell.members) loseState(member);
    cell.startAll();
    await until('all say what they hold', async () => {
      const answers = await Promise.all(cell.urls.map((url) => fetch(`${url}/v1/recover`).catch(() => null)));
      return answers.every((it) => it?.status === 200) || null;
    });
    const restore = ['cell', 'restore', 'backup', '--confirm', 'default', '--again', '--json'];
    const refused = JSON.parse((await paxosctl(...restore)).stdout);
    expect(refused.error).toMatchObject({
      exitCode: 5,
      facts: { price: { notAsked: ['n1', 'n2', 'n3'] } },
    });
    const lost = String(refused.error.facts.price.revisionsAtLeast);
    await ok(...restore, '--accept-loss', lost, '--accept-unknown-loss', 'n1,n2,n3');
    expect((await ok('kv', 'get', 'order', '--accept-generation', '3')).stdout).toBe('kept');
    await cell.agreement();
  });
});

/**
 * The whole cell put back to an older state: incident 3 of *Paxos Made Live*, in which a cell came up on months-old
 * snapshots and served for half an hour until somebody noticed. Here one client that remembers is enough (design §4).
 */
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli } from '../commands/run-cli.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { until } from '../support/until.ts';

/** As one operator at one machine, who remembers what the tool has seen. */
function operatorOf(cell: CellProcess, name = 'operator', endpoints = cell.urls) {
  const env = {
    XDG_STATE_HOME: path.join(cell.folder, name),
    PAXOSCTL_ENDPOINTS: endpoints.join(','),
    PAXOSCTL_TIMEOUT: '15s',
  };
  return (...args: string[]) => cli(args, { env });
}

/** All members stopped cleanly, and a copy made of every directory, as a careful operator would. */
async function backUp(cell: CellProcess): Promise<string> {
  const folder = path.join(cell.folder, 'backup');
  for (const member of cell.members) await member.terminate();
  mkdirSync(folder);
  for (const member of cell.members) {
    cpSync(member.directory, path.join(folder, member.name), { recursive: true, preserveTimestamps: true });
  }
  cell.startAll();
  return folder;
}

async function putBack(cell: CellProcess, folder: string): Promise<void> {
  for (const member of cell.members) await member.terminate();
  for (const member of cell.members) {
    rmSync(member.directory, { recursive: true });
    cpSync(path.join(folder, member.name), member.directory, { recursive: true, preserveTimestamps: true });
  }
  cell.startAll();
}

const allFrozen = (cell: CellProcess): Promise<unknown> =>
  until('all members are frozen', async () => {
    const statuses = await cell.statuses();
    return statuses.every((it) => it?.role === 'frozen' && it.frozen != null) ? statuses : null;
  });

describe('a cell whose members were all put back to an older state', () => {
  it('is found out by a client that remembers, freezes, and stays frozen over restarts', {
    timeout: 90_000,
  }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const paxosctl = operatorOf(cell);
      const met = cell.urls.slice(0, 1);
      const atOne = operatorOf(cell, 'operator', met);
      expect((await atOne('kv', 'put', 'order', 'first')).code).toBe(0);
      const backup = await backUp(cell);
      expect((await atOne('kv', 'put', 'order', 'second')).code).toBe(0);
      await putBack(cell, backup);
      await cell.master();
      // It has moved on since, through somebody who remembers nothing: being ahead does not hide it.
      const stranger = operatorOf(cell, 'stranger');
      for (const value of ['a', 'b', 'c']) expect((await stranger('kv', 'put', 'other', value)).code).toBe(0);

      // Asked through a replica that the operator never met, and that can only send him on, with a mark that is ahead of his by now.
      const followers = cell.others(await cell.master()).map(({ url }) => url);
      const atAnother = operatorOf(cell, 'operator', followers.filter((url) => !met.includes(url)).slice(0, 1));
      const read = await atAnother('kv', 'get', 'order', '--json');
      expect(read.code).toBe(13);
      expect(JSON.parse(read.stdout).error).toMatchObject({
        code: 'PAXOS_CELL_ROLLED_BACK',
        facts: { frozen: { cause: 'mark-outside-history' } },
        suggestions: [expect.stringMatching(/ status$/), expect.stringMatching(/ recover plan --keep-present$/)],
      });
      await allFrozen(cell);
      // To everybody from then on, stale reads too.
      expect((await stranger('kv', 'get', 'other')).code).toBe(13);
      expect((await stranger('kv', 'get', 'other', '--stale')).code).toBe(13);
      expect((await stranger('kv', 'put', 'other', 'd')).code).toBe(13);

      await cell.killAll();
      cell.startAll();
      await allFrozen(cell);
      expect((await stranger('kv', 'get', 'other')).code).toBe(13);
      const status = await paxosctl('status', '--json');
      expect(status.code).toBe(3);
      expect(JSON.parse(status.stdout).cell).toMatchObject({
        health: 'unavailable',
        frozen: { cause: 'mark-outside-history', facts: { markRevision: 2 } },
      });
      for (const member of cell.members) {
        expect((await fetch(`${member.url}/healthz`)).status).toBe(200);
        expect((await fetch(`${member.url}/readyz`)).status).toBe(503);
      }
    });
  });

  it('goes on at a price that was shown and accepted, as a new generation that old clients are told of', {
    timeout: 90_000,
  }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const paxosctl = operatorOf(cell);
      await paxosctl('kv', 'put', 'order', 'first');
      const backup = await backUp(cell);
      for (const value of ['second', 'third']) await paxosctl('kv', 'put', 'order', value);
      await putBack(cell, backup);
      await cell.master();
      // What it has is no backup of what was acknowledged. Once that is known it may be kept, as what it is.
      const backups = ['late', 'kept'].map((name) => path.join(cell.folder, name));
      expect((await paxosctl('snapshot', 'save', `${backups[0]}`)).code).toBe(13);
      await allFrozen(cell);
      expect((await paxosctl('snapshot', 'save', `${backups[1]}`)).code).toBe(0);
      expect(backups.map((file) => existsSync(file))).toEqual([false, true]);
      // Waiting ends no freeze.
      expect((await paxosctl('wait', 'master', '--timeout', '60s')).code).toBe(13);

      const out = path.join(cell.folder, 'plan.json');
      const planned = await paxosctl('recover', 'plan', '--keep-present', '--out', out, '--json');
      expect(planned.code, planned.stderr).toBe(0);
      // Two revisions were acknowledged after the copies were made.
      expect(JSON.parse(planned.stdout).plan).toMatchObject({
        to: { generation: 2 },
        price: { revisionsAtLeast: 2, notAsked: [] },
      });
      const apply = (...flags: string[]) =>
        paxosctl('recover', 'apply', out, '--confirm', 'default', '--json', ...flags);
      const cheap = await apply('--accept-loss', '1');
      expect(cheap.code).toBe(5);
      expect((await paxosctl('recover', 'apply', out, '--confirm', 'other', '--accept-loss', '2')).code).toBe(2);
      await allFrozen(cell);

      const applied = await apply('--accept-loss', '2');
      expect(applied.code, applied.stderr).toBe(0);
      expect(JSON.parse(applied.stdout)).toMatchObject({ generation: 2, members: ['n1', 'n2', 'n3'] });
      await cell.master();
      // Of whoever holds the mark of what was given up, too; that is told to him all the same, when he reads.
      expect((await paxosctl('recover', 'verify', out)).code).toBe(0);

      const told = await paxosctl('kv', 'get', 'order', '--json');
      expect(told.code).toBe(5);
      expect(JSON.parse(told.stdout).error).toMatchObject({
        code: 'PAXOS_GENERATION_CHANGED',
        facts: { generation: 2 },
      });
      expect((await paxosctl('kv', 'get', 'order', '--accept-generation', '3')).code).toBe(5);
      const read = await paxosctl('kv', 'get', 'order', '--accept-generation', '2');
      expect([read.code, read.stdout]).toEqual([0, 'first']);
      // From then on without it, and what was kept is not held against anybody.
      expect((await paxosctl('kv', 'put', 'order', 'fourth')).code).toBe(0);
      expect((await paxosctl('kv', 'get', 'order')).stdout).toBe('fourth');
      // Done again, it is found done.
      expect((await apply('--accept-loss', '2')).code).toBe(0);
      await cell.killAll();
      cell.startAll();
      await cell.agreement();
      expect((await paxosctl('kv', 'get', 'order')).stdout).toBe('fourth');
    });
  });
});

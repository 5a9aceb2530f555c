/**
 * Going back to a backup. *Paxos Made Live* §7: a rollback that nobody had written down, by an operator who had never done it, with
 * no developer at hand: an old snapshot was used, and fifteen hours of data were lost.
 */
import { copyFileSync, existsSync, rmSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createOfflineWorld } from '../../src/adapters/offline-world.ts';
import { type RestoreOptions, restoreCell } from '../../src/operator/restore/restore.ts';
import { saveSnapshot } from '../../src/operator/snapshot-save.ts';
import { extendedSnapshot, inspectSnapshotFile, readBackup } from '../../src/runtime/snapshot-file.ts';
import { type CliResult, cli } from '../commands/run-cli.ts';
import { operatorOf } from '../support/cell-operator.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { ownStateDirectory, stopAt } from '../support/operator-in-process.ts';
import { until } from '../support/until.ts';

ownStateDirectory();
const timeoutMs = 20_000;

async function put(cell: CellProcess, value: string): Promise<void> {
  const { url } = await cell.master();
  expect((await fetch(`${url}/v1/kv/order`, { method: 'PUT', body: value })).status).toBe(200);
}

async function served(cell: CellProcess): Promise<string> {
  const { url } = await cell.master();
  return (await fetch(`${url}/v1/kv/order`)).text();
}

const errorOf = ({ stdout }: CliResult) => JSON.parse(stdout).error;

describe('incident 2: the rollback with the old snapshot, by an operator who does everything wrong (PML §7, 15 hours lost)', () => {
  it('loses nothing that was not shown and typed, and what was given up can be had back', {
    timeout: 120_000,
  }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const paxosctl = operatorOf(cell);
      const restore = (...flags: string[]) => paxosctl('cell', 'restore', 'old.snapshot', '--json', ...flags);
      expect((await paxosctl('kv', 'put', 'order', 'the day before')).code).toBe(0);
      expect((await paxosctl('snapshot', 'save', 'old.snapshot')).code).toBe(0);
      // Fifteen hours later.
      const hours = Array.from({ length: 15 }, (_, hour) => `hour ${hour + 1}`);
      const lines = hours.map((key) => JSON.stringify({ key, value: 'acknowledged' })).join('\n');
      const stdin = `${lines}\n`;
      const env = { XDG_STATE_HOME: path.join(cell.folder, 'operator'), PAXOSCTL_ENDPOINTS: cell.urls.join(',') };
      expect((await cli(['kv', 'import', '-'], { env, stdin })).code).toBe(0);
      const unharmed = async (): Promise<void> => {
        expect((await paxosctl('kv', 'get', 'hour 15')).stdout).toBe('acknowledged');
      };
      await cell.agreement();

      // Just try it: it says what it would cost, and does nothing.
      const first = await restore();
      expect(first.code).toBe(5);
      expect(errorOf(first)).toMatchObject({
        code: 'PAXOS_REFUSED',
        facts: { price: { revisionsAtLeast: 15, notAsked: [], present: { entries: 16 }, lost: { entries: 15 } } },
        suggestions: [expect.stringMatching(/ cell restore old\.snapshot --confirm default --accept-loss 15$/)],
      });
      // The name of the other data centre; a number from memory; no name.
      expect((await restore('--confirm', 'eu-west', '--accept-loss', '15')).code).toBe(2);
      expect((await restore('--confirm', 'default', '--accept-loss', '14')).code).toBe(5);
      expect((await restore('--confirm', 'default', '--accept-loss', '15', '--dry-run')).code).toBe(10);
      // Half a file.
      copyFileSync(path.join(cell.folder, 'old.snapshot'), path.join(cell.folder, 'half.snapshot'));
      truncateSync(path.join(cell.folder, 'half.snapshot'), 600);
      expect((await paxosctl('cell', 'restore', 'half.snapshot', '--confirm', 'default')).code).toBe(4);
      await unharmed();

      // "Copy the snapshot in and restart": the replica refuses what it does not know.
      const n3 = cell.member('n3');
      await n3.terminate();
      copyFileSync(path.join(cell.folder, 'old.snapshot'), path.join(n3.directory, 'snapshot-00000099'));
      expect((await n3.startAndEnd()).code).toBe(21);
      // With one member down, what only it had cannot be known.
      const down = await restore('--confirm', 'default', '--accept-loss', '15');
      expect(errorOf(down)).toMatchObject({ exitCode: 5, facts: { price: { notAsked: ['n3'] } } });
      await unharmed();
      n3.start({ 'quarantine-leftovers': true });
      await cell.agreement();

      // At last the loss is typed, as it was shown.
      const done = await restore('--confirm', 'default', '--accept-loss', '15', '--save', 'before.snapshot');
      expect(done.code, done.stdout).toBe(0);
      expect(JSON.parse(done.stdout)).toMatchObject({ generation: 2, members: ['n1', 'n2', 'n3'], foundDone: false });
      await cell.master();
      // Clients that have seen more are told, and nobody is served the older state as if it were current.
      const told = await paxosctl('kv', 'get', 'order', '--json');
      expect(errorOf(told)).toMatchObject({ code: 'PAXOS_GENERATION_CHANGED', exitCode: 5 });
      const read = await paxosctl('kv', 'get', 'order', '--accept-generation', '2');
      expect([read.code, read.stdout]).toEqual([0, 'the day before']);
      expect((await paxosctl('kv', 'get', 'hour 15')).code).toBe(6);

      // The command once more: found done, not done again.
      const again = await restore('--confirm', 'default', '--accept-loss', '15');
      expect(JSON.parse(again.stdout)).toMatchObject({ generation: 2, foundDone: true });
      // It was a mistake. All of it lies where it was saved first.
      expect((await paxosctl('kv', 'put', 'order', 'in between')).code).toBe(0);
      const back = ['cell', 'restore', 'before.snapshot', '--confirm', 'default', '--json'];
      const priced = await paxosctl(...back);
      expect(errorOf(priced)).toMatchObject({ exitCode: 5, facts: { price: { revisionsAtLeast: 1 } } });
      const undone = await paxosctl(...back, '--accept-loss', '1');
      expect(undone.code, undone.stdout).toBe(0);
      await cell.master();
      expect((await paxosctl('kv', 'get', 'hour 15', '--accept-generation', '3')).stdout).toBe('acknowledged');
      await cell.agreement();

      // And the cell mends itself as before: a disk that is lost now is made anew from the others.
      await n3.kill();
      rmSync(n3.directory, { recursive: true, force: true });
      n3.start({ rebuild: true });
      await until('the next incarnation of n3 votes', async () => (await n3.status())?.voting === true);
      await cell.agreement();
    });
  });
});

describe('a restore', () => {
  it('lifts the fence again when more would be lost by then than was typed', { timeout: 60_000 }, async () => {
    const world = await createOfflineWorld();
    const verify = (file: string) => inspectSnapshotFile(file, world);
    const extend: RestoreOptions['extend'] = (file, tail) => extendedSnapshot(file, tail, world);
    await withCell({ replicas: 3 }, async (cell) => {
      const flags = { endpoints: cell.urls, timeout: timeoutMs };
      const file = path.join(cell.folder, 'backup');
      await put(cell, 'kept');
      await saveSnapshot(flags, { file, member: undefined, overwrite: false, verify, onProgress: () => undefined });
      await put(cell, 'one more');
      await cell.agreement();
      const prices: number[] = [];
      const options = {
        backup: await readBackup(file, world),
        confirm: 'default',
        acceptLoss: 1,
        acceptUnknownLoss: [],
        dryRun: false,
        again: false,
        inPlaceOf: null,
        saveTo: path.join(cell.folder, 'saved'),
        verify,
        extend,
        // Acknowledged after the price was shown: a client that is faster than the operator.
        onPrice: async (price: { readonly revisionsAtLeast: number }) => {
          prices.push(price.revisionsAtLeast);
          if (prices.length === 1) await put(cell, 'acknowledged meanwhile');
        },
        onStep: () => undefined,
      };
      await expect(restoreCell(flags, options)).rejects.toMatchObject({ exitCode: 5, code: 'PAXOS_REFUSED' });
      expect(prices).toEqual([1, 2]);
      expect(await served(cell)).toBe('acknowledged meanwhile');
      expect(existsSync(options.saveTo)).toBe(false);
      await put(cell, 'and it goes on');
      await cell.agreement();
    });
  });

  it('is not taken for another one, of another file: that is refused, and takes its place only when asked to', {
    timeout: 60_000,
  }, async () => {
    const world = await createOfflineWorld();
    const verify = (file: string) => inspectSnapshotFile(file, world);
    const extend: RestoreOptions['extend'] = (file, tail) => extendedSnapshot(file, tail, world);
    await withCell({ replicas: 3 }, async (cell) => {
      const flags = { endpoints: cell.urls, timeout: timeoutMs };
      const backUp = async (name: string) => {
        const file = path.join(cell.folder, name);
        await put(cell, name);
        await saveSnapshot(flags, { file, member: undefined, overwrite: false, verify, onProgress: () => undefined });
        return readBackup(file, world);
      };
      const [first, second] = [await backUp('first'), await backUp('second')];
      await cell.agreement();
      const run = (backup: typeof first, more: Partial<RestoreOptions> = {}) =>
        restoreCell(flags, {
          backup,
          confirm: 'default',
          acceptLoss: 10,
          acceptUnknownLoss: [],
          dryRun: false,
          again: false,
          inPlaceOf: null,
          saveTo: path.join(cell.folder, `saved-for-${backup.revision}`),
          verify,
          extend,
          onPrice: () => undefined,
          onStep: () => undefined,
          ...more,
        });
      // Fenced, and the present saved.
      await expect(run(first, { onStep: stopAt(2).onStep })).rejects.toThrow('killed here');
      await expect(run(second)).rejects.toMatchObject({
        exitCode: 5,
        message: expect.stringMatching(/n\d is fenced for generation 2 by another recovery/),
        suggestions: expect.arrayContaining([expect.stringMatching(/cell restore FILE --again$/)]),
      });
      expect(await run(second, { again: true })).toMatchObject({ generation: 3, members: ['n1', 'n2', 'n3'] });
      expect(await served(cell)).toBe('second');
      // The first, run again, finds a cell that it knows nothing of, and its price.
      await expect(run(first, { acceptLoss: 0 })).rejects.toMatchObject({ exitCode: 5 });
      expect(await served(cell)).toBe('second');
    });
  });

  it('of a cell that was lost whole goes into one that nothing was written to, and its clients are told', {
    timeout: 90_000,
  }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const paxosctl = operatorOf(cell);
      expect((await paxosctl('kv', 'put', 'order', 'in the backup')).code).toBe(0);
      expect((await paxosctl('snapshot', 'save', 'backup')).code).toBe(0);
      expect((await paxosctl('kv', 'put', 'order', 'acknowledged since')).code).toBe(0);
      const [{ cell: lost }] = JSON.parse((await paxosctl('snapshot', 'inspect', 'backup', '--json')).stdout).snapshots;
      const restore = (...flags: string[]) => paxosctl('cell', 'restore', 'backup', '--json', ...flags);
      // While it lives nothing takes its place.
      expect((await restore('--in-place-of', lost)).code).toBe(5);
      await cell.killAll();
      for (const { directory } of cell.members) rmSync(directory, { recursive: true });
      cell.startAll();
      await cell.master();

      expect(errorOf(await restore())).toMatchObject({ code: 'PAXOS_WRONG_CELL', exitCode: 12 });
      expect((await restore('--in-place-of', 'another')).code).toBe(2);
      const priced = await restore('--in-place-of', lost);
      // What this tool has seen is all that is left to say so.
      expect(errorOf(priced)).toMatchObject({ exitCode: 5, facts: { price: { revisionsAtLeast: 1, notAsked: [] } } });
      const done = await restore('--in-place-of', lost, '--confirm', 'default', '--accept-loss', '1');
      expect(done.code, done.stdout + done.stderr).toBe(0);
      expect(JSON.parse(done.stdout)).toMatchObject({ cell: { id: lost }, generation: 2, saved: null });
      await cell.master();
      expect(errorOf(await paxosctl('kv', 'get', 'order', '--json'))).toMatchObject({
        code: 'PAXOS_GENERATION_CHANGED',
      });
      expect((await paxosctl('kv', 'get', 'order', '--accept-generation', '2')).stdout).toBe('in the backup');
      await cell.killAll();
      cell.startAll();
      expect(await served(cell)).toBe('in the backup');
      await cell.agreement();
      // Written to, it is a cell of its own.
      expect((await restore()).code).toBe(0);
    });
  });
});

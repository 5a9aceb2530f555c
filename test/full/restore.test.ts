/** `cell restore` interrupted before each of its steps, with all members killed meanwhile, one, or none. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createOfflineWorld } from '../../src/adapters/offline-world.ts';
import { type RestoreOptions, restoreCell } from '../../src/operator/restore/restore.ts';
import { saveSnapshot } from '../../src/operator/snapshot-save.ts';
import { extendedSnapshot, inspectSnapshotFile, readBackup } from '../../src/runtime/snapshot-file.ts';
import { operatorOf } from '../support/cell-operator.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { ownStateDirectory, stopAt } from '../support/operator-in-process.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
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

describe('a restore', () => {
  const running = (cell: CellProcess): ReplicaChild[] => cell.members.filter((it) => it.running);
  const allAnswer = (cell: CellProcess): Promise<unknown> =>
    until('all say what they hold', async () => {
      const found = await Promise.all(
        running(cell).map(({ url }) =>
          fetch(`${url}/v1/recover`).then(
            ({ status }) => status === 200,
            () => false,
          ),
        ),
      );
      return found.every(Boolean) || null;
    });

  it('ends the same wherever it was interrupted, and whoever was killed meanwhile', { timeout: 180_000 }, async () => {
    const world = await createOfflineWorld();
    const verify = (file: string) => inspectSnapshotFile(file, world);
    const extend: RestoreOptions['extend'] = (file, tail) => extendedSnapshot(file, tail, world);
    await withCell({ replicas: 3 }, async (cell) => {
      const flags = { endpoints: cell.urls, timeout: timeoutMs };
      let steps = 0;
      for (let step = 0; ; step++) {
        const file = path.join(cell.folder, `backup-${step}`);
        await put(cell, `kept ${step}`);
        await saveSnapshot(flags, { file, member: undefined, overwrite: false, verify, onProgress: () => undefined });
        await put(cell, `given up ${step}`);
        await cell.agreement();
        const backup = await readBackup(file, world);
        const stop = stopAt(step);
        const options = {
          backup,
          confirm: 'default',
          acceptLoss: 1,
          acceptUnknownLoss: [],
          dryRun: false,
          again: false,
          inPlaceOf: null,
          saveTo: path.join(cell.folder, `saved-${step}`),
          verify,
          extend,
          onPrice: () => undefined,
        };
        const first = await restoreCell(flags, { ...options, onStep: stop.onStep }).catch(
          ({ message }: Error) => message,
        );
        if (first === 'killed here') {
          // All of them, one, or only the program.
          if (step % 3 === 0) await cell.killAll();
          if (step % 3 === 1) await cell.member('n2').kill();
          cell.startAll();
          await allAnswer(cell);
          const second = await restoreCell(flags, { ...options, onStep: () => undefined });
          expect(second).toMatchObject({ generation: step + 2, members: ['n1', 'n2', 'n3'] });
        } else expect(first).toMatchObject({ generation: step + 2, members: ['n1', 'n2', 'n3'] });
        expect(await served(cell)).toBe(`kept ${step}`);
        // The present was saved before anything was made of the file.
        const saved = await readBackup(path.join(cell.folder, `saved-${step}`), world);
        expect([step, saved.generation, saved.revision - backup.revision]).toEqual([step, step + 1, 1]);
        // Run once more, it is found done.
        const third = await restoreCell(flags, { ...options, onStep: () => undefined });
        expect(third).toMatchObject({ generation: step + 2, foundDone: true });
        steps = step;
        if (first !== 'killed here') break;
      }
      // Fence, save, offer, make, two members, wait.
      expect(steps).toBe(7);
      await cell.agreement();
      expect(existsSync(path.join(cell.member('n1').directory, 'former'))).toBe(true);
    });
  });

  it('that is given up before anything was decided costs nothing: the present state goes on', {
    timeout: 60_000,
  }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const paxosctl = operatorOf(cell);
      const world = await createOfflineWorld();
      const file = path.join(cell.folder, 'backup');
      await put(cell, 'kept');
      expect((await paxosctl('snapshot', 'save', file)).code).toBe(0);
      await put(cell, 'not to be lost');
      await cell.agreement();
      const stop = stopAt(2);
      const options = {
        backup: await readBackup(file, world),
        confirm: 'default',
        acceptLoss: 1,
        acceptUnknownLoss: [],
        dryRun: false,
        again: false,
        inPlaceOf: null,
        saveTo: path.join(cell.folder, 'saved'),
        verify: (it: string) => inspectSnapshotFile(it, world),
        extend: (it: string, tail: Parameters<RestoreOptions['extend']>[1]) => extendedSnapshot(it, tail, world),
        onPrice: () => undefined,
        onStep: stop.onStep,
      };
      await expect(restoreCell({ endpoints: cell.urls, timeout: timeoutMs }, options)).rejects.toThrow('killed here');
      expect((await paxosctl('kv', 'get', 'order', '--timeout', '500ms')).code).toBe(3);
      const plan = path.join(cell.folder, 'plan.json');
      const planned = await paxosctl('recover', 'plan', '--keep-present', '--out', plan, '--json');
      expect(planned.code, planned.stdout).toBe(0);
      expect(JSON.parse(planned.stdout).plan.price).toMatchObject({ revisionsAtLeast: 0, notAsked: [] });
      expect((await paxosctl('recover', 'apply', plan, '--confirm', 'default')).code).toBe(0);
      expect(await served(cell)).toBe('not to be lost');
    });
  });
});

/**
 * `cell restore` of a backup that was saved while an upgrade was open: with that upgrade open still, and after it was finalized. Interrupted
 * before each of its steps, with members killed meanwhile. Nothing of the upgrade goes on: its driver, its claim and what it announced
 * are of the history that was given up (design §3 "Generations", §6); and the next upgrade is made.
 */
import path from 'node:path';
import { expect, it } from 'vitest';
import { createOfflineWorld } from '../../src/adapters/offline-world.ts';
import { type RestoreOptions, restoreCell } from '../../src/operator/restore/restore.ts';
import { saveSnapshot } from '../../src/operator/snapshot-save.ts';
import { extendedSnapshot, inspectSnapshotFile, readBackup } from '../../src/runtime/snapshot-file.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { ownStateDirectory, stopAt } from '../support/operator-in-process.ts';
import { TypedUpgrades } from '../support/typed-upgrades.ts';
import { until } from '../support/until.ts';
import { newLevel, UpgradeCell } from '../support/upgrade-cell.ts';
import { upgradePrograms } from '../support/upgrade-programs.ts';

ownStateDirectory();
const versions = ['0.2.0', '0.3.0'] as const;
/** Fence, save, offer, make, two members, wait. */
const stepsOfRestore = 7;

const programs = upgradePrograms(versions);

async function put(cell: CellProcess, value: string): Promise<void> {
  const { url } = await cell.master();
  expect((await fetch(`${url}/v1/kv/order`, { method: 'PUT', body: value })).status).toBe(200);
}

interface Journal {
  readonly level: number;
  readonly open: readonly string[];
  /** Its name; null while none is open. */
  readonly current: string | null;
  /** Attempts, with the states that they were in. */
  readonly attempts: Readonly<Record<string, string>>;
}

async function journalOf(cell: CellProcess): Promise<Journal> {
  const { url } = await cell.master();
  const { entries, level } = (await (await fetch(`${url}/v1/upgrade`)).json()) as {
    readonly level: number;
    readonly entries: readonly { readonly key: string; readonly value: string }[];
  };
  const attempts = entries
    .filter(({ key }) => key.startsWith('upgrade/attempt/'))
    .map(({ value }) => JSON.parse(value));
  return {
    level,
    open: entries.map(({ key }) => key).filter((key) => /^upgrade\/(current|claim|renewed|raise)$/.test(key)),
    current: entries.find(({ key }) => key === 'upgrade/current')?.value ?? null,
    attempts: Object.fromEntries(attempts.map(({ attempt, state }) => [attempt, state])),
  };
}

it('ends the same at every step, nothing of the upgrade goes on, and the next one is made', {
  timeout: 900_000,
}, async () => {
  const world = await createOfflineWorld();
  const verify = (file: string) => inspectSnapshotFile(file, world);
  const extend: RestoreOptions['extend'] = (file, tail) => extendedSnapshot(file, tail, world);
  await withCell({ replicas: 3 }, async (cell) => {
    const upgrade = await UpgradeCell.of(cell, ...programs.others);
    const upgrades = new TypedUpgrades(upgrade, programs.driver.program, { writers: 0 });
    const flags = { endpoints: cell.urls, timeout: 20_000 };
    try {
      for (let step = 0; step <= stepsOfRestore; step++) {
        const from = await upgrades.version();
        const to = from === versions[0] ? versions[1] : versions[0];
        // The canary runs the target, and nobody has judged it.
        expect(await upgrades.type('run', to, 'after a restart (1)')).toBe('killed');
        await upgrade.settled();
        await until('all vote', async () => (await cell.statuses()).every((status) => status?.voting === true), {
          timeoutMs: 30_000,
        });
        await put(cell, `kept ${step}`);
        const before = await journalOf(cell);
        const open = before.current ?? '';
        expect(before.attempts[open]).toBe('running');
        const file = path.join(cell.folder, `backup-${step}`);
        await saveSnapshot(flags, { file, member: undefined, overwrite: false, verify, onProgress: () => undefined });
        const ended = step % 2 === 1;
        if (ended) {
          await upgrades.done('resume', 'upgraded');
          await upgrades.done('finalize', 'finalized');
        }
        await put(cell, `given up ${step}`);
        await cell.agreement();
        const options = {
          ...{ backup: await readBackup(file, world), confirm: 'default', acceptLoss: 1, acceptUnknownLoss: [] },
          ...{ dryRun: false, again: false, inPlaceOf: null, saveTo: path.join(cell.folder, `saved-${step}`) },
          ...{ verify, extend, onPrice: () => undefined },
        };
        const stop = stopAt(step);
        const first = await restoreCell(flags, { ...options, onStep: stop.onStep }).catch(
          ({ message }: Error) => message,
        );
        if (step < stepsOfRestore) {
          expect(first).toBe('killed here');
          if (step % 3 === 0) await cell.killAll();
          if (step % 3 === 1) await cell.member('n2').kill();
          cell.startAll();
          await until('all say what they hold', async () => {
            const asked = cell.members.map(({ url }) =>
              fetch(`${url}/v1/recover`).then(
                ({ ok }) => ok,
                () => false,
              ),
            );
            return (await Promise.all(asked)).every(Boolean) || null;
          });
          expect(await restoreCell(flags, { ...options, onStep: () => undefined })).toMatchObject({
            generation: step + 2,
          });
        } else expect(first).toMatchObject({ generation: step + 2 });
        const { url } = await cell.master();
        expect(await (await fetch(`${url}/v1/kv/order`)).text()).toBe(`kept ${step}`);
        // The level is that of the backup, and what was open is history.
        const after = await journalOf(cell);
        expect(after).toEqual({ level: before.level, open: [], current: null, attempts: before.attempts });
        await cell.agreement();
        // The tool that drove the upgrades has seen what was given up.
        const told = await upgrade.run(['kv', 'get', 'order', '--accept-generation', String(step + 2)]);
        expect(told.code, told.stderr).toBe(0);
        if (!ended) {
          // By hand, as the refusal says: who ran the target goes back, and what the attempt had left is cleared.
          const mixed = await upgrade.run(['upgrade', 'run', '--to', to, '--exec', upgrade.command, '--yes']);
          expect([mixed.code, mixed.stderr]).toEqual([5, expect.stringContaining('different versions')]);
          for (const member of cell.members) {
            if ((await member.status())?.version === to) await upgrade.restart(member, upgrade.program(from), from);
          }
          await until('one version', async () => (await upgrade.versions()).every((version) => version === from));
          await until('all vote', async () => (await cell.statuses()).every((status) => status?.voting === true));
          const refused = await upgrade.run(['upgrade', 'run', '--to', to, '--exec', upgrade.command, '--yes']);
          expect([refused.code, refused.stderr]).toEqual([5, expect.stringContaining(`attempts/${open}`)]);
          const cleared = await upgrade.run(['upgrade', 'scan', '--clear', open, '--yes']);
          expect(cleared.code, cleared.stdout).toBe(0);
        }
      }
      const now = await upgrades.version();
      const last = now === versions[0] ? versions[1] : versions[0];
      await upgrades.done('run', 'upgraded', last);
      await upgrades.done('finalize', 'finalized');
      await upgrades.clean(last, 'finalized');
      expect(await journalOf(cell)).toMatchObject({ level: newLevel, open: [] });
      await upgrades.end();
    } finally {
      upgrade.close();
    }
  });
});

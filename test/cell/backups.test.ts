/** `snapshot schedule` on cells of real processes: who writes, what stays, and what happens when the directory or the master is gone. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { BackupStatusDocument } from '../../src/client/backup-status.ts';
import { Random } from '../../src/core/random.ts';
import { cli } from '../commands/run-cli.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { until } from '../support/until.ts';

let folder = '';
afterEach(() => {
  if (folder !== '') rmSync(folder, { recursive: true, force: true });
  folder = '';
});
const newFolder = (): string => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-backups-'));
  return folder;
};

async function put(cell: CellProcess, key: string): Promise<void> {
  const client = new CellClient({ urls: cell.urls, random: new Random(1) });
  const request = { method: 'PUT', path: keyPath(key), body: key, repeatable: true } as const;
  expect(await client.perform(request, 10_000)).toMatchObject({ status: 200 });
  await client.close();
}

const run = async (cell: CellProcess, ...args: string[]) => {
  const { code, stdout, stderr } = await cli([...args, '--endpoints', cell.urls.join(','), '--json']);
  return { code, stderr, json: JSON.parse(stdout === '' ? '{}' : stdout) };
};

const backups = async (cell: CellProcess): Promise<BackupStatusDocument> =>
  (await run(cell, 'snapshot', 'schedule')).json as BackupStatusDocument;

/** Instance of the last backup by the schedule; 0 before the first. */
const scheduled = async (cell: CellProcess): Promise<number> => (await backups(cell)).scheduled?.instance ?? 0;

const saved = (directory: string): string[] => readdirSync(directory).filter((name) => name.endsWith('.snapshot'));

describe('a schedule of backups', { timeout: 90_000 }, () => {
  it('is kept by members that are not master, over a lost master and a restart of all, and lets old ones go', async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const directory = newFolder();
      await put(cell, 'a');
      const set = ['snapshot', 'schedule', '--dir', directory, '--every', '1s', '--keep', '2'];
      const dry = await run(cell, ...set, '--dry-run');
      expect([dry.code, dry.json.changed, (await backups(cell)).schedule]).toEqual([10, true, null]);
      const first = await run(cell, ...set);
      expect(first.code, first.stderr).toBe(0);
      expect((await run(cell, ...set)).json.changed).toBe(false);
      await until('the first one is recorded', async () => (await scheduled(cell)) > 0);
      const { master } = (await run(cell, 'status')).json.cell;
      expect((await backups(cell)).scheduled?.where).not.toBe(master);

      const killed = await cell.master();
      await killed.kill();
      await put(cell, 'b');
      const before = await scheduled(cell);
      await until('the next master goes on with it', async () => (await scheduled(cell)) > before);
      await cell.killAll();
      cell.startAll();
      await put(cell, 'c');
      // One may have been under way when the entry came; the one after it has it.
      for (let begun = 0; begun < 2; begun++) {
        const again = await scheduled(cell);
        await until('all of them go on with it', async () => (await scheduled(cell)) > again);
      }
      expect((await run(cell, 'snapshot', 'schedule', '--stop')).json).toMatchObject({ changed: true, schedule: null });
      await until('nobody writes', async () => (await backups(cell)).running.length === 0);
      await until('two stay', () => saved(directory).length === 2);
      expect(readdirSync(directory)).toHaveLength(2);
      const last = (await backups(cell)).scheduled;
      for (const name of saved(directory)) {
        const inspected = await cli(['snapshot', 'inspect', path.join(directory, name), '--json']);
        expect(inspected.code, inspected.stderr).toBe(0);
        const [snapshot] = JSON.parse(inspected.stdout).snapshots;
        if (snapshot.instance === last?.instance) expect(snapshot).toMatchObject({ digest: last?.digest, entries: 3 });
      }
      expect(saved(directory).some((name) => last?.file.endsWith(name))).toBe(true);
      const { cell: shown } = (await run(cell, 'status')).json;
      expect(shown.backups).toMatchObject({ schedule: null, saved: { by: 'schedule', ageMs: expect.any(Number) } });
    });
  });

  it('says which member misses the directory, harms nobody, and goes on once it is there', async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const directory = path.join(newFolder(), 'mounted-later');
      await put(cell, 'a');
      expect((await run(cell, 'snapshot', 'schedule', '--dir', directory, '--every', '1s')).code).toBe(0);
      await until('each says what is missing', async () => {
        const { directories, failed } = await backups(cell);
        const missing = directories.filter(({ problem }) => problem === 'there is no such directory');
        return missing.length === 3 && failed.length === 2;
      });
      const doctor = await run(cell, 'doctor');
      expect(doctor.code).toBe(9);
      expect(JSON.stringify(doctor.json)).toContain('cannot take backups: there is no such directory');
      expect(doctor.json.checks.find(({ id }: { id: string }) => id === 'backup').level).toBe('warn');
      const status = await cli(['status', '--endpoints', cell.urls.join(',')]);
      expect(status.stdout).toMatch(/warn.*there is no such directory/);
      expect(status.stdout).toContain('tolerates 1 of 1');
      await put(cell, 'b');
      mkdirSync(directory);
      await until('it is written', async () => (await scheduled(cell)) > 0);
      await until('nobody misses anything', async () => {
        const { directories, failed } = await backups(cell);
        return failed.length === 0 && directories.every(({ problem }) => problem === null);
      });
    });
  });
});

describe('a rehearsal of a backup', { timeout: 90_000 }, () => {
  it('starts a scratch cell that holds the same, tells the cell, and leaves nothing', async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const directory = newFolder();
      for (const key of ['a', 'b', 'c']) await put(cell, key);
      const file = path.join(directory, 'saved');
      const first = await run(cell, 'snapshot', 'save', file);
      expect(first.json.told).toEqual({ told: true });
      expect(await backups(cell)).toMatchObject({ saved: { by: 'operator', entries: 3 }, rehearsed: null });
      // What the state says of a schedule is nothing to the scratch cell.
      expect((await run(cell, 'snapshot', 'schedule', '--dir', directory, '--every', '1s')).code).toBe(0);
      await until('one by the schedule', async () => (await scheduled(cell)) > 0);
      await run(cell, 'snapshot', 'schedule', '--stop');
      await until('nobody writes', async () => (await backups(cell)).running.length === 0);
      const there = saved(directory).length;
      const scratch = path.join(directory, 'scratch');
      mkdirSync(scratch);
      const rehearsed = await run(cell, 'snapshot', 'rehearse', directory, '--scratch', scratch);
      expect(rehearsed.code, rehearsed.stderr).toBe(0);
      const { instance, cell: of, restored, told } = rehearsed.json;
      expect([restored.entries, told]).toEqual([3, { told: true }]);
      expect(restored.cell).not.toBe(of);
      expect(restored.instance).toBeGreaterThan(instance);
      expect(readdirSync(scratch)).toEqual([]);
      expect(saved(directory)).toHaveLength(there);
      expect(await backups(cell)).toMatchObject({ rehearsed: { instance, tookMs: expect.any(Number) } });
      expect((await cli(['status', '--endpoints', cell.urls.join(',')])).stdout).toMatch(
        /backup +saved .*, rehearsed /,
      );

      const bytes = readFileSync(file);
      bytes[bytes.length - 100] = (bytes[bytes.length - 100] as number) ^ 1;
      writeFileSync(file, bytes);
      const bad = await run(cell, 'snapshot', 'rehearse', file, '--scratch', scratch);
      expect([bad.code, bad.json.error.code]).toEqual([4, 'PAXOS_SNAPSHOT_CORRUPT']);
      expect(readdirSync(scratch)).toEqual([]);
    });
  });
});

/** `snapshot …` against a cell of real processes: taken, listed, saved, inspected, and what is left when a save is killed. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { cli, startCli } from '../commands/run-cli.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { until } from '../support/until.ts';

let folder = '';
afterEach(() => {
  if (folder !== '') rmSync(folder, { recursive: true, force: true });
  folder = '';
});
const fileIn = (name: string): string => {
  if (folder === '') folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-save-'));
  return path.join(folder, name);
};

async function fill(cell: CellProcess, count: number, bytes: number): Promise<void> {
  const client = new CellClient({ urls: cell.urls, random: new Random(1) });
  for (let i = 0; i < count; i++) {
    const body = `v${i}`.padEnd(bytes, '.');
    const put = { method: 'PUT', path: keyPath(`k${i}`), body, repeatable: true } as const;
    expect(await client.perform(put, 10_000)).toMatchObject({ status: 200 });
  }
  await client.close();
}

const run = async (cell: CellProcess, ...args: string[]) => {
  const { code, stdout, stderr } = await cli([...args, '--endpoints', cell.urls.join(','), '--json']);
  return { code, stderr, json: JSON.parse(stdout === '' ? '{}' : stdout) };
};

describe('snapshots of a cell', () => {
  it('are taken on every member, byte for byte the same at the same instance, and listed with their age', async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      await fill(cell, 20, 1_000);
      await cell.agreement();
      const dry = await run(cell, 'snapshot', 'take', '--dry-run');
      expect([dry.code, dry.json.wouldTake.length]).toEqual([10, 3]);
      const taken = await run(cell, 'snapshot', 'take');
      expect(taken.code).toBe(0);
      expect(taken.json.snapshots.map((it: { member: string }) => it.member).sort()).toEqual(['n1', 'n2', 'n3']);
      expect(taken.json.snapshots[0]).toMatchObject({ entries: 20, generation: 1, verified: true, behind: 0 });
      // The lease is renewed by instances, so two members may have been asked at different ones.
      const digests = new Map<number, string>();
      for (const { instance, digest } of taken.json.snapshots as { instance: number; digest: string }[]) {
        expect(digests.get(instance) ?? digest).toBe(digest);
        digests.set(instance, digest);
      }

      const list = await run(cell, 'snapshot', 'list');
      expect(list.json.snapshots).toHaveLength(3);
      const people = await cli(['snapshot', 'list', '--endpoints', cell.urls.join(',')]);
      expect(people.stdout).toMatch(/MEMBER +INSTANCE +BEHIND +AGE/);
      await cell.member('n3').kill();
      const without = await run(cell, 'snapshot', 'list');
      expect(without.json.unanswered).toMatchObject([{ name: 'n3' }]);
      const some = await run(cell, 'snapshot', 'take');
      expect([some.code, some.json.error.code]).toEqual([8, 'PAXOS_CHECK_INCOMPLETE']);
    });
  });

  it('are saved from a replica that is not the master, hold what was acknowledged before, and can be inspected', async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      await fill(cell, 50, 4_000);
      const master = await cell.master();
      const file = fileIn('backup');
      const saved = await run(cell, 'snapshot', 'save', file);
      expect(saved.code, saved.stderr).toBe(0);
      expect(saved.json.snapshots[0]).toMatchObject({ entries: 50, verified: true });
      expect(saved.json.snapshots[0].member).not.toBe(master.name);
      expect(readdirSync(folder)).toEqual(['backup']);
      // Saving keeps nothing on the member.
      expect((await run(cell, 'snapshot', 'list')).json.snapshots).toEqual([]);

      const { code, stdout } = await cli(['snapshot', 'inspect', file, '--json']);
      const [found] = JSON.parse(stdout).snapshots;
      expect(code).toBe(0);
      const { instance, digest, checksum } = saved.json.snapshots[0];
      expect(found).toMatchObject({ instance, digest, checksum, entries: 50, verified: true, isDatabase: true });
      expect(found.configurations[0].members).toHaveLength(3);
      expect((await cli(['snapshot', 'inspect', file])).stdout).toContain('verified');

      const present = await run(cell, 'snapshot', 'save', file);
      expect([present.code, present.json.error.code]).toEqual([5, 'PAXOS_REFUSED']);
      expect((await run(cell, 'snapshot', 'save', file, '--overwrite', '--member', master.name)).code).toBe(0);

      const bytes = readFileSync(file);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
      writeFileSync(file, bytes);
      const bad = await cli(['snapshot', 'inspect', file, '--json']);
      expect([bad.code, JSON.parse(bad.stdout).error.code]).toEqual([4, 'PAXOS_SNAPSHOT_CORRUPT']);
      expect((await cli(['snapshot', 'inspect', fileIn('absent'), '--json'])).code).toBe(2);
    });
  });

  it('leave no half file under the name when a save is killed or its member dies: another member is asked', async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      await fill(cell, 40, 200_000);
      const file = fileIn('backup');
      const killed = startCli(['snapshot', 'save', file, '--endpoints', cell.urls.join(',')]);
      await until('it has begun', () => existsSync(folder) && readdirSync(folder).length > 0);
      killed.process.kill('SIGKILL');
      await killed.result;
      expect(existsSync(file)).toBe(false);

      const master = await cell.master();
      const [first, second] = cell.others(master) as [typeof master, typeof master];
      await first.pause();
      const saved = await run(cell, 'snapshot', 'save', file, '--timeout', '3s');
      expect(saved.code, saved.stderr).toBe(0);
      expect(saved.json.snapshots[0].member).toBe(second.name);
      await first.resume();
    });
  });
});

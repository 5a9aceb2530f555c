/** Upgrades of real processes, with what the authors of Paxos Made Live met in theirs (PML §7). */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { cli } from '../commands/run-cli.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { nodeStart } from '../support/replica-child.ts';
import { until } from '../support/until.ts';
import {
  buildNewVersion,
  newLevel,
  newVersion,
  type OtherVersion,
  oldLevel,
  oldVersion,
  UpgradeCell,
} from '../support/upgrade-cell.ts';

let other: OtherVersion;
beforeAll(async () => {
  other = await buildNewVersion();
});
afterAll(() => other.remove());

const three = { replicas: 3 };

/** Of each writer between two writes: there are some at every moment, and the processors are left to what is tried. */
const writerPauseMs = 10;

async function withUpgrade(use: (upgrade: UpgradeCell, cell: CellProcess) => Promise<void>): Promise<void> {
  await withCell(three, async (cell) => {
    const upgrade = await UpgradeCell.of(cell, other);
    try {
      await use(upgrade, cell);
    } finally {
      upgrade.close();
    }
  });
}

/** Writers until they are told to stop; afterwards every acknowledged write is read back. */
function writers(cell: CellProcess, count: number) {
  let stopping = false;
  const acknowledged = new Set<string>();
  const all = Array.from({ length: count }, async (_, writer) => {
    const client = new CellClient({ urls: cell.urls, random: new Random(`writer ${writer}`), wanders: 0 });
    for (let n = 0; !stopping; n++) {
      const key = `w/${writer}/${n}`;
      const outcome = await client.perform({ method: 'PUT', path: keyPath(key), body: key, repeatable: true }, 20_000);
      if (outcome.kind === 'answer' && outcome.status === 200) acknowledged.add(key);
      await sleep(writerPauseMs);
    }
    await client.close();
  });
  return {
    acknowledged,
    stop: async (): Promise<readonly string[]> => {
      stopping = true;
      await Promise.all(all);
      const reader = new CellClient({ urls: cell.urls, random: new Random('reader'), wanders: 0 });
      const lost: string[] = [];
      for (const key of acknowledged) {
        const found = await reader.perform({ method: 'GET', path: keyPath(key), repeatable: true }, 20_000);
        if (found.kind !== 'answer' || found.body !== key) lost.push(key);
      }
      await reader.close();
      return lost;
    },
  };
}

describe('an upgrade of real processes', () => {
  it('under writers loses nothing; finalized, the old version does not start any more', {
    timeout: 90_000,
  }, async () => {
    await withUpgrade(async (upgrade, cell) => {
      const load = writers(cell, 4);
      await until('there is something to lose', () => load.acknowledged.size > 20);
      const ran = await upgrade.upgrade(undefined, '20s');
      expect(ran.code, ran.stderr).toBe(0);
      expect(await load.stop()).toEqual([]);
      expect(await upgrade.versions()).toEqual([newVersion, newVersion, newVersion]);
      // What an open attempt has on the members belongs there.
      const during = await upgrade.run(['upgrade', 'scan', '--json']);
      expect([during.code, JSON.parse(during.stdout)], during.stderr).toMatchObject([
        0,
        { open: expect.stringMatching(/^u-/), members: Array.from({ length: 3 }, () => ({ folders: [{}] })) },
      ]);
      const finalized = await upgrade.run(['upgrade', 'finalize', '--soak', '1ms', '--yes']);
      expect(finalized.code, finalized.stderr).toBe(0);
      const scan = await upgrade.run(['upgrade', 'scan', '--json']);
      expect(scan.code, scan.stderr).toBe(0);
      const scans: { member: string; verifiedBy: string }[] = JSON.parse(scan.stdout).members;
      expect(scans.map(({ member }) => member)).toEqual(['n1', 'n2', 'n3']);
      expect(scans.every(({ member, verifiedBy }) => verifiedBy !== member)).toBe(true);
      // What was cleared is no warning any more, and not only after a while.
      expect((await cell.statuses()).map((status) => status?.leftovers)).toEqual([[], [], []]);
      // The tool of the version from before says of a backup of now that it is not for it.
      const file = path.join(cell.folder, `of level ${newLevel}`);
      expect((await upgrade.run(['snapshot', 'save', file])).code).toBe(0);
      const rehearsed = await upgrade.run(['snapshot', 'rehearse', file]);
      expect([rehearsed.code, rehearsed.stderr]).toEqual([5, expect.stringContaining(`is of level ${newLevel}`)]);
      const member = cell.member('n2');
      await until('n2 has written the level down', async () => (await member.status())?.level === newLevel);
      await member.terminate();
      member.program = nodeStart;
      expect(await member.startAndEnd()).toMatchObject({ code: 22 });
      const replayed = await cli(['replay', member.directory]);
      expect([replayed.code, replayed.stderr]).toEqual([22, expect.stringContaining(`is of level ${newLevel}`)]);
      expect(member.log()).toContain(`level ${newLevel}`);
      member.program = upgrade.program(newVersion);
      member.start();
      await cell.agreement();
    });
  });
});

/** What everybody says that the level is. */
const levels = async (cell: CellProcess): Promise<readonly (number | undefined)[]> =>
  (await cell.statuses()).map((status) => status?.level);

describe('a cell that is formed', () => {
  it('by two versions begins at the level of the older one, and is raised once all run the newer', {
    timeout: 90_000,
  }, async () => {
    await withCell({ replicas: 3, programOf: (at) => (at === 0 ? undefined : other.program) }, async (cell) => {
      const upgrade = await UpgradeCell.of(cell, other);
      try {
        await cell.master();
        await until('all say it', async () => (await levels(cell)).every((level) => level === oldLevel));
        const old = cell.member('n1');
        await old.terminate();
        old.program = other.program;
        old.start();
        await cell.agreement();
        const ran = await upgrade.upgrade(undefined, '20s');
        expect(ran.code, ran.stderr).toBe(0);
        const finalized = await upgrade.run(['upgrade', 'finalize', '--soak', '1ms', '--yes']);
        expect(finalized.code, finalized.stderr).toBe(0);
        await until('the level is raised', async () => (await levels(cell)).every((level) => level === newLevel));
        const again = await upgrade.upgrade();
        expect(again.code).toBe(5);
        expect(again.stderr).toContain('already');
      } finally {
        upgrade.close();
      }
    });
  });

  it('by a version that does not speak level 1 any more begins at its own, over restarts and for who joins', {
    timeout: 90_000,
  }, async () => {
    const later = await buildNewVersion('0.3.0', { min: newLevel, max: newLevel + 1 });
    try {
      await withCell({ replicas: 3, programOf: () => later.program }, async (cell) => {
        await cell.master();
        const client = new CellClient({ urls: cell.urls, random: new Random('formed later'), wanders: 0 });
        const put = { method: 'PUT', path: keyPath('k'), body: 'v', repeatable: true } as const;
        expect(await client.perform(put, 20_000)).toMatchObject({ status: 200 });
        const joined = await cell.newcomer('n4');
        joined.program = later.program;
        joined.start();
        const upgrade = await UpgradeCell.of(cell, later);
        const added = await upgrade.run(['members', 'add', 'n4', '--url', joined.url], '20s');
        upgrade.close();
        expect(added.code, added.stderr).toBe(0);
        await cell.killAll();
        cell.startAll();
        if (!joined.running) joined.start();
        await cell.agreement();
        await until('all say it', async () => (await levels(cell)).every((level) => level === newLevel + 1));
        await until('n4 says it', async () => (await joined.status())?.level === newLevel + 1);
        expect(await client.perform({ ...put, method: 'GET', body: '' }, 20_000)).toMatchObject({ body: 'v' });
        await client.close();
        // The version before does not speak that level, and leaves everything as it is.
        const member = cell.member('n2');
        await member.terminate();
        member.program = other.program;
        expect(await member.startAndEnd()).toMatchObject({ code: 22 });
        member.program = later.program;
        member.start();
        await cell.agreement();
      });
    } finally {
      later.remove();
    }
  });
});

describe('Paxos Made Live §7', () => {
  it('a program that is missing on a member (no. 6), the leftovers of that upgrade, and the second try months later (no. 3)', {
    timeout: 90_000,
  }, async () => {
    await withUpgrade(async (upgrade, cell) => {
      const load = writers(cell, 2);
      const failed = await upgrade.upgrade('program-that-nobody-installed {name} {version}', '3s');
      expect(failed.code, failed.stderr).toBe(5);
      expect(failed.stderr).toContain('was not restarted');
      expect(failed.stderr).toContain('not found');
      expect(await upgrade.versions()).toEqual([oldVersion, oldVersion, oldVersion]);

      const second = await upgrade.upgrade();
      expect(second.code).toBe(5);
      expect(second.stderr).toContain('upgrade abort');
      const aborted = await upgrade.run(['upgrade', 'abort', '--yes']);
      expect(aborted.code, aborted.stderr).toBe(0);

      // What no abort can know of: an operator's own copy of a snapshot, left where attempts keep their files.
      const left = path.join(cell.member('n3').directory, 'attempts', 'u-march');
      mkdirSync(left, { recursive: true });
      writeFileSync(path.join(left, 'snapshot-00000001'), 'as the cell was in March');
      const refused = await upgrade.upgrade();
      expect(refused.code).toBe(5);
      expect(refused.stderr).toContain('u-march');
      expect(await upgrade.versions()).toEqual([oldVersion, oldVersion, oldVersion]);

      expect((await upgrade.run(['upgrade', 'scan', '--clear', 'u-march', '--yes'])).code).toBe(0);
      const ran = await upgrade.upgrade(undefined, '20s');
      expect(ran.code, ran.stderr).toBe(0);
      expect(await load.stop()).toEqual([]);
      const history = JSON.parse((await upgrade.run(['upgrade', 'history', '--json'])).stdout);
      expect(history.attempts.map(({ state }: { state: string }) => state)).toEqual(['aborted-clean', 'upgraded']);
    });
  });
});

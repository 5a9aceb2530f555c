/**
 * What happened to the authors of *Paxos Made Live* in operators' hands (§7), on real processes, with somebody at the keyboard who does
 * everything wrong. Each ends with nothing lost that was acknowledged.
 */
import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { Counters } from '../support/counters.ts';
import { nodeStart, type ReplicaChild } from '../support/replica-child.ts';
import { until } from '../support/until.ts';
import {
  buildNewVersion,
  honestRestart,
  newVersion,
  type OtherVersion,
  oldVersion,
  UpgradeCell,
} from '../support/upgrade-cell.ts';

let other: OtherVersion;
beforeAll(async () => {
  other = await buildNewVersion();
});
afterAll(() => other.remove());

async function withUpgrade(use: (upgrade: UpgradeCell, cell: CellProcess) => Promise<void>): Promise<void> {
  await withCell({ replicas: 3 }, async (cell) => {
    const upgrade = await UpgradeCell.of(cell, other);
    try {
      await use(upgrade, cell);
    } finally {
      upgrade.close();
    }
  });
}

async function goesOn(load: Counters): Promise<void> {
  const { total } = load;
  await until('writes go on', () => load.total >= total + 50, { timeoutMs: 30_000 });
}

const allVote = (cell: CellProcess): Promise<unknown> =>
  until('everybody votes', async () => (await cell.statuses()).every((status) => status?.voting === true), {
    timeoutMs: 30_000,
  });

/** Its directory goes aside by renaming, which keeps it what it is, and a copy of `from` takes its place. */
async function putOld(member: ReplicaChild, from: string): Promise<() => void> {
  if (member.running) await member.terminate();
  const aside = `${member.directory}-aside`;
  renameSync(member.directory, aside);
  cpSync(from, member.directory, { recursive: true, preserveTimestamps: true });
  return () => {
    rmSync(member.directory, { recursive: true });
    renameSync(aside, member.directory);
  };
}

describe('incident 2: a rollback with an old snapshot, by an operator who does everything wrong', () => {
  it('is refused, or changes nothing, at each thing that is tried; the right command loses nothing', {
    timeout: 240_000,
  }, async () => {
    await withUpgrade(async (upgrade, cell) => {
      const load = new Counters(cell.urls, 3, 10);
      await goesOn(load);
      // Fifteen hours ago: a snapshot, and copies of all directories.
      const old = path.join(cell.folder, 'old.snapshot');
      expect((await upgrade.run(['snapshot', 'save', old])).code).toBe(0);
      for (const member of cell.members) {
        await member.terminate();
        cpSync(member.directory, `${cell.folder}/old-${member.name}`, { recursive: true, preserveTimestamps: true });
        member.start();
        await allVote(cell);
      }
      await goesOn(load);
      expect((await upgrade.upgrade(undefined, '20s')).code).toBe(0);
      await goesOn(load);
      const member = cell.member('n2');

      // The old snapshot over a living cell, without having read what it says.
      const restore = ['cell', 'restore', old, '--confirm', 'default'];
      for (const flags of [[], ['--accept-loss', '1'], ['--yes']]) {
        const refused = await upgrade.run([...restore, ...flags]);
        expect([2, 5], refused.stderr).toContain(refused.code);
      }
      await goesOn(load);

      // The snapshot file into the directory of a member.
      await member.terminate();
      cpSync(old, path.join(member.directory, 'old.snapshot'));
      expect(await member.startAndEnd()).toMatchObject({ code: 21 });
      expect(member.log()).toContain('old.snapshot');
      rmSync(path.join(member.directory, 'old.snapshot'));

      // The old directory under the old program, at one member.
      const back = await putOld(member, `${cell.folder}/old-n2`);
      member.program = nodeStart;
      expect(await member.startAndEnd()).toMatchObject({ code: 20 });
      back();
      member.start();
      await allVote(cell);
      await goesOn(load);

      // A restart command that puts the old directory there, in a rollback of the tool itself.
      let undo: (() => void) | null = null;
      upgrade.restart = async (it, program, version) => {
        if (version === oldVersion && undo === null) {
          undo = await putOld(it, `${cell.folder}/old-${it.name}`);
          it.program = program;
          it.start();
          it.expectEnd(true);
        } else await honestRestart(it, program, version);
      };
      const fooled = await upgrade.run(['upgrade', 'rollback', '--yes'], '5s');
      expect([5, 8], fooled.stderr).toContain(fooled.code);
      await goesOn(load);
      upgrade.restart = honestRestart;
      const fenced = cell.members.find(({ running }) => !running);
      (undo as (() => void) | null)?.();
      if (fenced !== undefined) {
        fenced.start();
        await allVote(cell);
      }

      // What should have been typed.
      const rolled = await upgrade.run(['upgrade', 'rollback', '--yes'], '20s');
      expect(rolled.code, rolled.stderr).toBe(0);
      expect(await upgrade.versions()).toEqual([oldVersion, oldVersion, oldVersion]);
      expect((await upgrade.run(['upgrade', 'abort', '--yes'], '20s')).code).toBe(0);
      await goesOn(load);
      expect(await load.stop()).toEqual([]);
      await cell.agreement();
    });
  });

  it('with all directories put back at once is found out by the first who remembers; nothing is lost', {
    timeout: 120_000,
  }, async () => {
    await withUpgrade(async (upgrade, cell) => {
      expect((await upgrade.run(['kv', 'put', 'order', 'fifteen hours ago'])).code).toBe(0);
      for (const member of cell.members) await member.terminate();
      for (const member of cell.members) {
        cpSync(member.directory, `${cell.folder}/old-${member.name}`, { recursive: true, preserveTimestamps: true });
      }
      cell.startAll();
      await cell.master();
      expect((await upgrade.upgrade(undefined, '20s')).code).toBe(0);
      expect((await upgrade.run(['kv', 'put', 'order', 'now'])).code).toBe(0);

      const undo: (() => void)[] = [];
      for (const member of cell.members) await member.terminate();
      for (const member of cell.members) {
        undo.push(await putOld(member, `${cell.folder}/old-${member.name}`));
        member.program = nodeStart;
      }
      cell.startAll();
      const read = await upgrade.run(['kv', 'get', 'order'], '15s');
      expect(read.code, `${read.stdout}${read.stderr}`).toBe(13);
      expect(read.stdout).not.toContain('fifteen hours ago');

      // The directories that were moved aside are what they were.
      await cell.killAll();
      for (const [i, member] of cell.members.entries()) {
        undo[i]?.();
        member.program = upgrade.program(newVersion);
      }
      cell.startAll();
      await allVote(cell);
      expect((await upgrade.run(['kv', 'get', 'order'])).stdout).toContain('now');
      expect((await upgrade.run(['upgrade', 'abort', '--yes'], '20s')).code).toBe(0);
      expect((await upgrade.run(['kv', 'get', 'order'])).stdout).toContain('now');
    });
  });
});

describe('incidents 3 and 6: a program that is missing, what the failed upgrade has left, and the second try months later', () => {
  it('find what was left, in the directory and beside it, before anything of it is read', {
    timeout: 180_000,
  }, async () => {
    await withUpgrade(async (upgrade, cell) => {
      const load = new Counters(cell.urls, 3, 10);
      await goesOn(load);
      const months = path.join(cell.folder, 'march.snapshot');
      expect((await upgrade.run(['snapshot', 'save', months])).code).toBe(0);
      // No. 6: the program is not there. The script had put its own copy of the state into the directory by then.
      let tried = false;
      upgrade.restart = async (member, program, version) => {
        if (version !== newVersion) return honestRestart(member, program, version);
        if (!tried) {
          const left = path.join(member.directory, 'attempts', 'u-by-hand');
          mkdirSync(left, { recursive: true });
          cpSync(months, path.join(left, 'snapshot-00000001'));
        }
        tried = true;
      };
      const missing = await upgrade.upgrade(undefined, '3s');
      expect(missing.code, missing.stderr).toBe(5);
      expect(missing.stderr).toContain('was not restarted');
      expect(await upgrade.versions()).toEqual([oldVersion, oldVersion, oldVersion]);
      const aborted = await upgrade.run(['upgrade', 'abort', '--yes'], '10s');
      expect(aborted.code, aborted.stderr).toBe(0);
      await goesOn(load);

      // Months later.
      upgrade.restart = honestRestart;
      const second = await upgrade.upgrade();
      expect(second.code).toBe(5);
      expect(second.stderr).toContain('u-by-hand');
      expect((await upgrade.run(['upgrade', 'scan', '--clear', 'u-by-hand', '--yes'])).code).toBe(0);

      // And a file among those that a replica does read, put there by the same script on another member.
      const victim = cell.member('n3');
      upgrade.restart = async (member, program, version) => {
        if (member !== victim) return honestRestart(member, program, version);
        if (member.running) await member.terminate();
        if (version === newVersion) {
          writeFileSync(path.join(member.directory, 'snapshot-00000001'), 'as the cell was in March');
        }
        member.program = program;
        member.start();
        // With either version: what lies there does not belong.
        expect(await member.end()).toMatchObject({ code: 21 });
      };
      const stopped = await upgrade.upgrade(undefined, '4s');
      expect([5, 8], stopped.stderr).toContain(stopped.code);
      await goesOn(load);
      expect(victim.log()).toContain('snapshot-00000001');
      upgrade.restart = honestRestart;
      if (!victim.running) victim.start({ 'quarantine-leftovers': true });
      await allVote(cell);
      const resumed = await upgrade.run(['upgrade', 'resume', '--yes'], '20s');
      expect(resumed.code, resumed.stderr).toBe(0);
      expect(await upgrade.versions()).toEqual([newVersion, newVersion, newVersion]);
      expect((await upgrade.run(['upgrade', 'finalize', '--soak', '1ms', '--yes'], '20s')).code).toBe(0);
      await goesOn(load);
      expect(await load.stop()).toEqual([]);
      await cell.agreement();
    });
  });
});

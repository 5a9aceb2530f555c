/** Restarts of real processes that lie: each is stopped at its step with the reason, and the cell goes on serving. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withCell } from '../support/cell-process.ts';
import { nodeStart } from '../support/replica-child.ts';
import {
  buildNewVersion,
  honestRestart,
  newVersion,
  type OtherVersion,
  type Restart,
  UpgradeCell,
} from '../support/upgrade-cell.ts';

let other: OtherVersion;
beforeAll(async () => {
  other = await buildNewVersion();
});
afterAll(() => other.remove());

const forward =
  (lie: Restart): Restart =>
  (member, program, version) =>
    version === newVersion ? lie(member, program, version) : honestRestart(member, program, version);

interface Lie {
  readonly restart: (folder: string, upgrade: UpgradeCell) => Restart;
  readonly reason: RegExp;
  /** Members that were upgraded well before it was found. */
  readonly upgraded?: number;
}

const lies: Readonly<Record<string, Lie>> = {
  'exits 0 and does nothing': { restart: () => forward(() => undefined), reason: /was not restarted/ },
  'starts the old version': {
    restart: () => forward((member) => honestRestart(member, nodeStart, '')),
    reason: /with version 0\.1\.0 instead of 0\.2\.0/,
  },
  'starts on an old copy of the directory': {
    // The fence ends it at each start, with either version: what it stands on stays the copy.
    restart: (folder) => async (member, program, version) => {
      if (version === newVersion) {
        await member.terminate();
        const copy = `${folder}/copy-of-${member.name}`;
        rmSync(member.directory, { recursive: true });
        cpSync(copy, member.directory, { recursive: true });
      } else if (member.running) await member.terminate();
      member.program = program;
      member.start();
      member.expectEnd(true);
    },
    reason: /does not answer|older copy|does not vote|is waiting|is checking|warns/,
  },
  "starts on another member's directory": {
    restart: (_, upgrade) =>
      forward(async (member, program) => {
        await member.terminate();
        member.program = program;
        const another = upgrade.cell.others(member)[0];
        member.start({ 'data-dir': another?.directory ?? '' });
        member.expectEnd(true);
      }),
    reason: /does not answer/,
  },
  'starts two processes': {
    restart: (_, upgrade) =>
      forward(async (member, program) => {
        // The old one stays; the new one cannot have the address.
        const twin = upgrade.cell.twin(member, 'twin');
        twin.program = program;
        twin.start();
        await twin.end();
      }),
    reason: /was not restarted/,
  },
  'leaves files of another attempt': {
    restart: (folder) =>
      forward(async (member, program) => {
        await honestRestart(member, program, newVersion);
        mkdirSync(`${folder}/n1/attempts/u-march`, { recursive: true });
        writeFileSync(`${folder}/n1/attempts/u-march/snapshot-00000001`, 'as the cell was in March');
      }),
    reason: /n1 attempts\/u-march: 1 files/,
    upgraded: 1,
  },
  hangs: {
    restart: () => forward(() => new Promise(() => undefined)),
    reason: /was not restarted.*did not end within/,
  },
};

describe('a restart that', () => {
  it.each(Object.entries(lies))('%s', { timeout: 120_000 }, async (_, { reason, restart, upgraded = 0 }) => {
    await withCell({ replicas: 3 }, async (cell) => {
      for (const member of cell.members) {
        await member.terminate();
        cpSync(member.directory, `${cell.folder}/copy-of-${member.name}`, { recursive: true });
        member.start();
        await cell.master();
      }
      await cell.agreement();
      const upgrade = await UpgradeCell.of(cell, other);
      try {
        upgrade.restart = restart(cell.folder, upgrade);
        const ran = await upgrade.upgrade(undefined, '4s');
        expect([5, 8], ran.stderr).toContain(ran.code);
        expect(ran.stderr).toMatch(reason);
        expect((await upgrade.run(['kv', 'put', 'still', 'serving'])).code).toBe(0);
        const versions = await upgrade.versions();
        expect(versions.filter((version) => version === newVersion)).toHaveLength(upgraded);
      } finally {
        upgrade.close();
      }
    });
  });
});

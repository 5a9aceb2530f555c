/** A cell is formed once, whatever happens to its members meanwhile; afterwards nobody forms another one by mistake. */
import { rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { withCell } from '../support/cell-process.ts';
import { directoryPrint } from '../support/directory-print.ts';
import { formUnderFire } from '../support/form-under-fire.ts';

const three = { replicas: 3 };

describe('killed at any moment of the formation', () => {
  it('the same commands form the same cell', { timeout: 90_000 }, async () => {
    const seed = process.env.PAXOSCTL_FORMATION_SEED ?? String(Date.now());
    const random = new Random(seed);
    for (let round = 0; round < 4; round++) {
      await withCell({ ...three, started: false }, (cell) => formUnderFire(cell, random)).catch((error: Error) => {
        throw new Error(`Formation ${round} of PAXOSCTL_FORMATION_SEED=${seed}: ${error.message}`, { cause: error });
      });
    }
  });
});

describe('a member of a formed cell', () => {
  it('that comes back with an empty directory has lost its disk: 20, and no second cell', async () => {
    await withCell(three, async (cell) => {
      const member = cell.member('n3');
      await member.kill();
      rmSync(member.directory, { recursive: true });
      const exit = await member.startAndEnd();
      expect(exit, member.log()).toEqual({ code: 20, signal: null });
      expect(member.log()).toContain('PAXOS_DATA_DIRECTORY_LOST');
      expect(member.log()).toContain('--rebuild');
      expect((await cell.master()).name).not.toBe('n3');
    });
  });

  it('that lost its disk together with others still cannot form a second cell', async () => {
    await withCell(three, async (cell) => {
      const lost = cell.others(cell.member('n1'));
      await Promise.all(lost.map((member) => member.kill()));
      for (const member of lost) rmSync(member.directory, { recursive: true });
      const exits = await Promise.all(lost.map((member) => member.startAndEnd()));
      expect(exits.map(({ code }) => code)).toEqual([20, 20]);
    });
  });

  it('that is started with the directory of another cell is refused with 24', async () => {
    await withCell({ replicas: 2 }, async (mine) => {
      await withCell({ replicas: 1 }, async (other) => {
        const foreign = other.member('n1');
        await foreign.terminate();
        const before = directoryPrint(foreign.directory);
        const member = mine.member('n1');
        await member.terminate();
        const exit = await member.startAndEnd({ 'data-dir': foreign.directory });
        expect(exit, member.log()).toEqual({ code: 24, signal: null });
        expect(member.log()).toContain('PAXOS_DATA_DIRECTORY_FOREIGN');
        expect(directoryPrint(foreign.directory)).toEqual(before);
        member.start();
        await mine.agreement();
      });
    });
  });

  it('that is given another list of members starts all the same, and says so', async () => {
    await withCell(three, async (cell) => {
      const member = cell.member('n2');
      await member.terminate();
      const list = `n2=${member.url},n9=http://127.0.0.1:1`;
      member.start({ cell: list });
      await cell.agreement();
      const status = await member.status();
      expect(status?.members.map(({ name }) => name)).toEqual(['n1', 'n2', 'n3']);
      expect(status?.warnings.join()).toContain('n9');
    });
  });
});

/**
 * The driver of an upgrade of real processes, ended by `kill -9` at every step: gone on with, or aborted; then more writes, and the next
 * upgrade of the same cell. The same end each time, no write lost, no read of anything older (design §6; pitfall U3; PML §7).
 *
 * PAXOSCTL_SLICE=2/5 tries each fifth place, from the second on.
 */
import { describe, expect, it } from 'vitest';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { nodeStart } from '../support/replica-child.ts';
import { say, sliceOf } from '../support/slice.ts';
import { TypedUpgrades } from '../support/typed-upgrades.ts';
import { until } from '../support/until.ts';
import { newLevel, oldLevel, oldVersion, UpgradeCell } from '../support/upgrade-cell.ts';
import { upgradePrograms } from '../support/upgrade-programs.ts';

const hour = { timeout: 3_600_000 };
const versions = ['0.2.0', '0.3.0'] as const;

const programs = upgradePrograms(versions);

const withUpgrades = (use: (upgrades: TypedUpgrades, cell: CellProcess) => Promise<void>): Promise<void> =>
  withCell({ replicas: 3 }, async (cell) => {
    const upgrade = await UpgradeCell.of(cell, ...programs.others);
    try {
      const upgrades = new TypedUpgrades(upgrade, programs.driver.program);
      await use(upgrades, cell);
      await upgrades.end();
    } finally {
      upgrade.close();
    }
  });

const other = (version: string): string => (version === versions[0] ? versions[1] : versions[0]);
/** What a failure shows: what was refused, and why. */
const reasonOf = (ended: Awaited<ReturnType<TypedUpgrades['type']>>): string =>
  ended === 'killed' ? ended : (ended.reason ?? 'no reason');

function told(what: string, places: readonly string[], reached: number, tried: number): void {
  say(`${what}: ${reached} of ${tried} places tried, ${places.length} there are`);
}

describe('a driver killed at every step', () => {
  it.each([
    ['resumed', 'resume'],
    ['aborted', 'abort'],
  ] as const)('of "upgrade run", then %s; and the next upgrade', hour, async (what, then) => {
    await withUpgrades(async (upgrades) => {
      const places = await upgrades.done('run', 'upgraded', versions[0]);
      await upgrades.done('finalize', 'finalized');
      const tried = sliceOf(places);
      let reached = 0;
      for (const place of tried) {
        const from = await upgrades.version();
        const to = other(from);
        const first = await upgrades.type('run', to, place);
        if (first === 'killed') reached++;
        else say(`not reached: ${place}: ${JSON.stringify(first)}`);
        const second = await upgrades.type(then);
        // Killed before the journal had a word of it: nothing is open.
        const began = second === 'killed' || second.reason?.includes('No upgrade is open') !== true;
        if (then === 'abort') {
          if (began) expect(second, `${place}: ${reasonOf(second)}`).toMatchObject({ code: 0, state: 'aborted-clean' });
          await upgrades.clean(from, began ? 'aborted-clean' : null);
        } else {
          if (began) expect(second, `${place}: ${reasonOf(second)}`).toMatchObject({ code: 0, state: 'upgraded' });
          else await upgrades.done('run', 'upgraded', to);
          await upgrades.done('finalize', 'finalized');
          await upgrades.clean(to, 'finalized');
        }
        await upgrades.writeOn();
      }
      const from = await upgrades.version();
      await upgrades.done('run', 'upgraded', other(from));
      await upgrades.done('finalize', 'finalized');
      await upgrades.clean(other(from), 'finalized');
      told(`upgrade run killed and ${what}`, places, reached, tried.length);
      expect(reached).toBe(tried.length);
    });
  });

  it('of "upgrade abort", and typed again; and the next upgrade', hour, async () => {
    await withUpgrades(async (upgrades) => {
      await upgrades.done('run', 'upgraded', versions[0]);
      const places = await upgrades.done('abort', 'aborted-clean');
      const tried = sliceOf(places);
      let reached = 0;
      for (const place of tried) {
        const from = await upgrades.version();
        await upgrades.done('run', 'upgraded', from === versions[0] ? versions[1] : versions[0]);
        if ((await upgrades.type('abort', '', place)) === 'killed') reached++;
        else say(`not reached: ${place}`);
        const second = await upgrades.type('abort');
        const over = second !== 'killed' && second.reason?.includes('No upgrade is open') === true;
        if (!over) expect(second, `${place}: ${reasonOf(second)}`).toMatchObject({ code: 0, state: 'aborted-clean' });
        await upgrades.clean(from, 'aborted-clean');
        await upgrades.writeOn();
      }
      told('upgrade abort killed and typed again', places, reached, tried.length);
      expect(reached).toBe(tried.length);
    });
  });

  it('of "upgrade finalize", and typed again: the old version does not start any more', hour, async () => {
    let places: readonly string[] = [];
    let tried: readonly string[] = [''];
    let reached = 0;
    // Each in a cell of its own, since a level is raised once.
    for (let i = 0; i < tried.length; i++) {
      await withUpgrades(async (upgrades, cell) => {
        await upgrades.done('run', 'upgraded', versions[0]);
        if (i === 0) {
          places = await upgrades.done('finalize', 'finalized');
          tried = ['', ...sliceOf(places)];
        } else {
          const place = tried[i] as string;
          if ((await upgrades.type('finalize', '', place)) === 'killed') reached++;
          else say(`not reached: ${place}`);
          const second = await upgrades.type('finalize');
          const over = second !== 'killed' && second.reason?.includes('No upgrade is open') === true;
          if (!over) expect(second, `${place}: ${reasonOf(second)}`).toMatchObject({ code: 0, state: 'finalized' });
        }
        await upgrades.clean(versions[0], 'finalized');
        await until('the level is in force everywhere', async () =>
          (await cell.statuses()).every((status) => status?.level === newLevel),
        );
        const member = cell.member('n2');
        await member.terminate();
        const { program } = member;
        member.program = nodeStart;
        expect(await member.startAndEnd(), oldVersion).toMatchObject({ code: 22 });
        member.program = program;
        member.start();
        await cell.agreement();
        await upgrades.done('run', 'upgraded', versions[1]);
        await upgrades.writeOn();
      });
    }
    told('upgrade finalize killed and typed again', places, reached, tried.length - 1);
    expect(reached).toBe(tried.length - 1);
  });

  it(
    'of "upgrade finalize", then aborted: called off until the level is raised, and refused from then on',
    hour,
    async () => {
      let places: readonly string[] = [];
      await withUpgrades(async (upgrades) => {
        await upgrades.done('run', 'upgraded', versions[0]);
        places = await upgrades.done('finalize', 'finalized');
      });
      await withUpgrades(async (upgrades, cell) => {
        let calledOff = 0;
        let refused = 0;
        for (const place of sliceOf(places)) {
          await upgrades.done('run', 'upgraded', versions[0]);
          expect(await upgrades.type('finalize', '', place), place).toBe('killed');
          const levels = new Set((await cell.statuses()).map((status) => status?.level));
          const ended = await upgrades.type('abort');
          await upgrades.writeOn();
          if (ended !== 'killed' && ended.code === 5) {
            // A replica that follows may say the old level still, none of them the new one where it was called off.
            if (ended.reason?.includes('No upgrade is open') !== true) await upgrades.done('finalize', 'finalized');
            await upgrades.clean(versions[0], 'finalized');
            refused++;
            break;
          }
          expect(ended, place).toMatchObject({ code: 0, state: 'aborted-clean' });
          expect(levels, place).toEqual(new Set([oldLevel]));
          await upgrades.clean(oldVersion, 'aborted-clean');
          calledOff++;
        }
        say(
          `upgrade finalize killed and called off: ${calledOff} places, of ${places.length} with those after the raise`,
        );
        expect(calledOff + refused).toBeGreaterThan(0);
      });
    },
  );
});

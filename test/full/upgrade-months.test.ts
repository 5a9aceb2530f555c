/**
 * What *Paxos Made Live* lost 30 minutes to (§7): an upgrade that failed, months of work, and the next upgrade. Simulated, over a day of the
 * cell's time with ten thousand instances and more; and by real processes, over thousands of writes. Between both the members have taken
 * snapshots again and again, have cut their logs, and were restarted, so that nothing of the first upgrade is left to them but what it wrote.
 *
 * PAXOSCTL_SLICE=2/5 tries each fifth place, from the second on.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BundledProgram, bundleProgram } from '../support/bundle-program.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { monthsAfter } from '../support/simulated-months.ts';
import { say, sliceOf } from '../support/slice.ts';
import { tunedEnv } from '../support/tuned-program.ts';
import { TypedUpgrades } from '../support/typed-upgrades.ts';
import { until } from '../support/until.ts';
import { newLevel, oldLevel, UpgradeCell } from '../support/upgrade-cell.ts';

const hour = { timeout: 3_600_000 };

const calls = [2, 6, 12, 20, 30, 45, 60, 80, 100, 120];

describe('a day of simulated time after', () => {
  it.each(sliceOf(calls.map((call, i) => [call, i % 2 === 0, i % 3 === 1 ? 'abort' : 'resume'] as const)))(
    '"upgrade run" killed at call %i (after it: %s), then %s: the next upgrade',
    hour,
    async (call, after, then) => {
      const months = { seed: `day/${call}`, kill: { call, after }, then, hours: 24, leaseMs: 30_000 };
      const { faults, instances, logFrom, operations, snapshots, violation } = await monthsAfter(months);
      expect(violation).toBeNull();
      expect(faults).toMatchObject({
        'upgrade-killed': 1,
        'upgrade-sequence': 2,
        'upgrade-at-last': 1,
        'crash-all': 4,
      });
      expect(instances).toBeGreaterThan(10_000);
      expect(logFrom).toBeGreaterThan(instances / 2);
      say(`killed at ${call}, ${then}: ${instances} instances, ${operations} operations, ${snapshots} snapshots`);
    },
  );
});

const versions = ['0.2.0', '0.3.0'] as const;
const tuning = { snapshotLogBytes: 192 * 1024, segmentBytes: 64 * 1024 };
const writesBetween = 3_000;

describe('thousands of real writes after', () => {
  let programs: Readonly<Record<string, BundledProgram>> = {};
  let driver: BundledProgram;
  beforeAll(async () => {
    const first = await bundleProgram('tuned-replica.ts', { min: 1, max: oldLevel });
    const next = await bundleProgram('tuned-replica.ts', { min: 1, max: newLevel });
    programs = { '0.1.0': first, [versions[0]]: next, [versions[1]]: next };
    driver = await bundleProgram('upgrade-driver.ts');
  });
  afterAll(() => {
    for (const program of new Set(Object.values(programs))) program.remove();
    driver?.remove();
  });

  it('"upgrade run" killed, and resumed or aborted: the next upgrade', hour, async () => {
    const env = tunedEnv({ version: '0.1.0', ...tuning });
    await withCell({ replicas: 3, programOf: () => programs['0.1.0']?.program, env }, async (cell) => {
      const upgrade = await UpgradeCell.of(cell);
      upgrade.restart = async (member, _, version) => {
        if (member.running) await member.terminate();
        member.program = programs[version]?.program ?? member.program;
        member.start({}, tunedEnv({ version, ...tuning }));
      };
      try {
        const upgrades = new TypedUpgrades(upgrade, driver.program, { writers: 4, pauseMs: 0 });
        await upgrades.done('run', 'upgraded', versions[0]);
        await upgrades.done('finalize', 'finalized');
        await stretch(cell, upgrades);
        const tried = sliceOf([
          'after the backup (1)',
          'during a restart (1)',
          'before comparing (2)',
          'after a restart (3)',
        ]);
        for (const [i, place] of tried.entries()) {
          const from = await upgrades.version();
          const to = from === versions[0] ? versions[1] : versions[0];
          expect(await upgrades.type('run', to, place), place).toBe('killed');
          const resumed = i % 2 === 0;
          if (resumed) {
            await upgrades.done('resume', 'upgraded');
            await upgrades.done('finalize', 'finalized');
          } else await upgrades.done('abort', 'aborted-clean');
          const now = resumed ? to : from;
          await upgrades.clean(now, resumed ? 'finalized' : 'aborted-clean');
          await stretch(cell, upgrades);
          expect(await upgrades.version()).toBe(now);
          const last = now === versions[0] ? versions[1] : versions[0];
          await upgrades.done('run', 'upgraded', last);
          await upgrades.done('finalize', 'finalized');
          await upgrades.clean(last, 'finalized');
        }
        const { writes } = upgrades;
        await upgrades.end();
        say(
          `${tried.length} upgrades killed, ${writesBetween} writes and more after each, ${writes} in all: none lost`,
        );
      } finally {
        upgrade.close();
      }
    });
  });
});

/** Writes, with every member killed once, until each has taken two snapshots by itself and cut its log in front of them. */
async function stretch(cell: CellProcess, upgrades: TypedUpgrades): Promise<void> {
  const env = tunedEnv({ version: await upgrades.version(), ...tuning });
  const { writes } = upgrades;
  const began = Math.max(...(await cell.statuses()).map((status) => status?.instances.applied ?? 0));
  const taken = new Map<string, Set<number>>(cell.members.map(({ name }) => [name, new Set()]));
  const look = async (): Promise<void> => {
    for (const status of await cell.statuses()) {
      const { snapshot = 0 } = status?.instances ?? {};
      if (status != null && snapshot > began) taken.get(status.name)?.add(snapshot);
    }
  };
  for (const member of cell.members) {
    await upgrades.writeOn(writesBetween / 6, 120_000);
    await look();
    await member.kill();
    member.start({}, env);
    await until(`${member.name} votes`, async () => (await member.status())?.voting === true, { timeoutMs: 30_000 });
  }
  await upgrades.writeOn(Math.max(1, writes + writesBetween - upgrades.writes), 120_000);
  await until(
    'everybody has taken two snapshots and cut the log',
    async () => {
      await look();
      const cut = (await cell.statuses()).every((status) => (status?.instances.firstRetained ?? 0) > began);
      return cut && [...taken.values()].every(({ size }) => size >= 2);
    },
    { timeoutMs: 120_000 },
  );
}

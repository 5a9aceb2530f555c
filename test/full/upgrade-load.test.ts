/** An upgrade under many writers: nothing is lost, no read goes back, and for no longer than one election no write is acknowledged. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { Counters } from '../support/counters.ts';
import { until } from '../support/until.ts';
import { buildNewVersion, newVersion, type OtherVersion, UpgradeCell } from '../support/upgrade-cell.ts';

let other: OtherVersion;
beforeAll(async () => {
  other = await buildNewVersion();
});
afterAll(() => other.remove());

const writersCount = 64;

/** For how long no write is acknowledged when the master is killed under the same load, ms. */
async function oneElection(cell: CellProcess, load: Counters): Promise<number> {
  const { name } = await cell.master();
  const { total } = load;
  load.longestGapMs = 0;
  await cell.member(name).kill();
  await until('another one is master', () => load.total > total + 10 * writersCount);
  const ms = load.longestGapMs;
  cell.member(name).start();
  return ms;
}

describe.each([3, 5])('an upgrade of %i replicas under 64 writers', (replicas) => {
  it('loses nothing and reads nothing old', { timeout: 180_000 }, async () => {
    await withCell({ replicas }, async (cell) => {
      const upgrade = await UpgradeCell.of(cell, other);
      try {
        const load = new Counters(cell.urls, writersCount);
        await until('all writers have written', () => load.begun === writersCount);
        load.longestGapMs = 0;
        const ran = await upgrade.upgrade(undefined, '60s');
        const { longestGapMs, total } = load;
        expect(ran.code, ran.stderr).toBe(0);
        const electionMs = await oneElection(cell, load);
        expect(longestGapMs, 'no longer than one election of this cell on this machine').toBeLessThanOrEqual(
          electionMs,
        );
        expect(await load.stop()).toEqual([]);
        await cell.agreement();
        expect(await upgrade.versions()).toEqual(Array.from({ length: replicas }, () => newVersion));
        process.stderr.write(
          `${replicas} replicas: ${total} writes, longest gap ${Math.round(longestGapMs)} ms, in an election ${Math.round(electionMs)} ms\n`,
        );
      } finally {
        upgrade.close();
      }
    });
  });
});

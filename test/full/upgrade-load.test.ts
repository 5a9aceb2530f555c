/** An upgrade under many writers: nothing is lost, no read goes back, and how long no write was acknowledged is told. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withCell } from '../support/cell-process.ts';
import { Counters } from '../support/counters.ts';
import { until } from '../support/until.ts';
import { buildNewVersion, newVersion, type OtherVersion, UpgradeCell } from '../support/upgrade-cell.ts';

let other: OtherVersion;
beforeAll(async () => {
  other = await buildNewVersion();
});
afterAll(() => other.remove());

const writersCount = 64;

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
        expect(await load.stop()).toEqual([]);
        expect(await upgrade.versions()).toEqual(Array.from({ length: replicas }, () => newVersion));
        process.stderr.write(`${replicas} replicas: ${total} writes, longest gap ${Math.round(longestGapMs)} ms\n`);
      } finally {
        upgrade.close();
      }
    });
  });
});

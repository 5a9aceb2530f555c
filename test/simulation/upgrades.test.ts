/** Cells that are upgraded while everything goes wrong, and cells of two versions: pitfalls U1 to U5, design §6. */
import { describe, expect, test } from 'vitest';
import { SimulatedCell } from '../../src/simulator/cell.ts';
import { calmNetwork } from '../../src/simulator/network-faults.ts';
import { monthsAfter } from '../support/simulated-months.ts';

const bare = (violation: object | null) => (violation === null ? null : { ...violation, trace: [] });

describe('cells that somebody upgrades', () => {
  test('keep what they acknowledged, and are upgraded once more at last', async () => {
    const options = { seed: 'upgrades/b/14', replicas: 3, hours: 0.006, mode: null, operators: 'upgrades' } as const;
    const { violation, faults } = await new SimulatedCell(options).run();
    expect(bare(violation)).toBeNull();
    expect(faults['upgrade-sequence']).toBeGreaterThan(0);
    expect(faults['upgrade-at-last']).toBe(1);
  });

  test('the same seed is the same run', async () => {
    const options = { seed: 'upgrades/twice', replicas: 3, hours: 0.001, mode: null, operators: 'upgrades' } as const;
    const [first, second] = [await new SimulatedCell(options).run(), await new SimulatedCell(options).run()];
    expect(second.traceHash).toBe(first.traceHash);
  });
});

describe('a cell that later versions have formed', () => {
  test.each([
    ['at the level of both', [3, 3, 3]],
    ['at that of the older one, and is raised to the other by the version that all run then', [2, 3, 2]],
  ])('begins %s, and is upgraded from there', async (_, programs) => {
    // In which the operators leave three voters: two are not upgraded any more.
    const seed = `formed/${programs}/a`;
    const options = { seed, replicas: 3, hours: 0.003, mode: null, operators: 'upgrades' } as const;
    const { violation, faults, halts } = await new SimulatedCell({ ...options, profile: { programs } }).run();
    expect(bare(violation)).toBeNull();
    expect(faults['upgrade-at-last']).toBe(1);
    expect(halts.filter(({ code }) => code !== 'PAXOS_VERSION_REFUSED')).toEqual([]);
  });
});

describe('a long time after an upgrade that was killed', () => {
  test.each([
    ['resume', { call: 30, after: true }],
    ['abort', { call: 60, after: false }],
  ] as const)('and brought to its end by %s, the next one finds nothing of it', async (then, kill) => {
    const months = { seed: `months/${then}`, kill, then, hours: 0.2, leaseMs: 2_000 };
    const { faults, instances, logFrom, snapshots, violation } = await monthsAfter(months);
    expect(bare(violation)).toBeNull();
    // Both upgrades ended as they were to, and the one that every run makes at last.
    expect(faults).toMatchObject({ 'upgrade-killed': 1, 'upgrade-sequence': 2, 'upgrade-at-last': 1, 'crash-all': 4 });
    expect(faults[then === 'abort' ? 'upgrade-aborted' : 'upgrade-finalized']).toBe(then === 'abort' ? 1 : 2);
    // Of what the first one saw, nobody's log has anything left.
    expect(instances).toBeGreaterThan(1_500);
    expect(snapshots).toBeGreaterThan(3 * 5);
    expect(logFrom).toBeGreaterThan(instances / 2);
  });
});

/** Bit by member: 1 runs the next version. */
const mixes = Array.from({ length: 8 }, (_, mix) => [0, 1, 2].map((bit) => 1 + ((mix >> bit) & 1)));

/** What the seed draws for another lease would be too slow for this one. */
const network = { ...calmNetwork, delayMsMin: 0.2, delayMsMean: 1 };
const quick = { leaseMs: 200, network, flushMeanMs: 0.5, timerLatenessMs: 1, clockStepMs: 0 };

/** Nothing but crashes, cuts and moves of mastership, and often. */
const faultEveryMs = { crash: 4_000, partition: 5_000, 'isolate-master': 6_000, pause: 6_000, 'hand-over': 1_500 };

describe('a mix of two versions', () => {
  test.each(mixes)('%i, %i, %i goes on under faults', async (...programs) => {
    const profile = { operated: true, programs, faultEveryMs, ...quick };
    const cell = new SimulatedCell({ seed: `mix/${programs}`, replicas: 3, hours: 0.002, mode: null, profile });
    const { violation, operations, faults } = await cell.run();
    expect(bare(violation)).toBeNull();
    expect(operations).toBeGreaterThan(100);
    expect(faults['hand-over']).toBeGreaterThan(0);
  });
});

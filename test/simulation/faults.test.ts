import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { catalogue } from '../../src/errors/catalogue.ts';
import { type CellOptions, type CellReport, SimulatedCell } from '../../src/simulator/cell.ts';
import { SimulatedDisk } from '../../src/simulator/disk.ts';
import { faultClasses } from '../../src/simulator/fault-classes.ts';
import { type FaultKind, faultCatalogue, faultKinds, swarmKinds } from '../../src/simulator/faults/catalogue.ts';
import { bytesOf, filesOf, flipBit } from '../../src/simulator/faults/damage.ts';
import { definitionOf } from '../../src/simulator/faults/definitions.ts';

const explain = ({ violation }: CellReport): string =>
  violation === null
    ? 'sound'
    : [violation.property, violation.message, JSON.stringify(violation.facts), ...violation.trace.slice(-40)].join(
        '\n',
      );

/** Only these kinds, each every so many leases. */
const struckBy = (kinds: readonly FaultKind[], leases: number, options: Partial<CellOptions>): Promise<CellReport> =>
  new SimulatedCell({
    ...{ seed: 1, replicas: 5, hours: 0.2 / 60, mode: null, operationsMin: 20, operators: 'never', ...options },
    profile: {
      ...{ leaseMs: 200, clockStepMs: 0, segmentBytes: 65_536, snapshotLogBytes: 6_000, flushMeanMs: 0.2 },
      faultEveryMs: Object.fromEntries(kinds.map((kind) => [kind, leases * 200])),
    },
  }).run();

const ofClass = (wanted: string): FaultKind[] => swarmKinds.filter((kind) => faultCatalogue[kind].class === wanted);

describe('the catalogue of faults', () => {
  test('has a definition for every kind, a class that reports show, and a row in the documentation', () => {
    const text = readFileSync(new URL('../../docs/TESTING.md', import.meta.url), 'utf8');
    const shown = Object.values(faultClasses).flat();
    for (const kind of faultKinds) {
      expect(definitionOf(kind), kind).toHaveProperty('strike');
    }
    expect(faultKinds.filter((kind) => !text.includes(`\`${kind}\``))).toEqual([]);
    for (const kind of swarmKinds) expect(shown).toContain(kind);
  });
});

describe('damage to disks', () => {
  test('mends nothing: what has rotted stays rotten when the same place is hit again, also after a loss of power', () => {
    const random = new Random('rot');
    let disk = new SimulatedDisk({ schedule: () => undefined, random });
    const good = Buffer.from('a promise');
    disk.plant('promise-a', good);
    for (let times = 1; times <= 4; times++) {
      for (const file of filesOf(disk, 'promise-a')) {
        flipBit(file, 0.5, 2);
        expect(bytesOf(file.inode).equals(good), `${times}`).toBe(false);
      }
      disk = disk.crash({ writes: 'lost' });
    }
  });

  test('ends in a named error or in nothing at all, and the rest of the cell goes on', async () => {
    const damage = faultKinds.filter((kind) => faultCatalogue[kind].expects === 'survives or halts');
    const kinds: FaultKind[] = [...damage, 'promise-copies-bad', 'promise-copy-bad', 'newest-snapshot-bad', 'crash'];
    const halts: CellReport['halts'][number][] = [];
    for (const seed of [1, 2]) {
      const struck = kinds.filter((kind) => swarmKinds.includes(kind));
      const report = await struckBy(struck, 12, { seed, hours: 0.1 / 60 });
      expect(explain(report)).toBe('sound');
      halts.push(...report.halts);
    }
    expect(halts.length).toBeGreaterThan(1);
    for (const { code, item } of halts) {
      expect(Object.keys(catalogue)).toContain(code);
      expect(item).not.toBe('');
    }
  }, 60_000);
});

describe('damage where it costs evidence', () => {
  test('is repaired from the others, or waits for them', async () => {
    const kinds: FaultKind[] = ['bare-majority', 'left-behind', 'lost-write', 'damaged-again', 'deep-check'];
    const report = await struckBy([...kinds, 'bit-rot'], 10, { seed: 5, hours: 0.4 / 60 });
    expect(explain(report)).toBe('sound');
    for (const kind of kinds) expect(report.faults[kind] ?? 0, kind).toBeGreaterThan(0);
  }, 60_000);
});

describe('mistakes of operators', () => {
  test('are refused by name, and change nothing', async () => {
    const kinds = [...ofClass('operator'), ...ofClass('upgrade')];
    const report = await struckBy([...kinds, 'partition'], 8, {});
    expect(explain(report)).toBe('sound');
    for (const kind of kinds) expect(report.faults[kind] ?? 0, kind).toBeGreaterThan(0);
  }, 60_000);
});

describe('members that are replaced', () => {
  test('come back as new incarnations, under crashes and damage', async () => {
    const report = await struckBy(['replace-member', 'crash', 'isolate-master', 'bit-rot'], 10, {
      seed: 4,
      hours: 1 / 60,
    });
    expect(explain(report)).toBe('sound');
    expect(report.faults['replace-member'] ?? 0).toBeGreaterThan(1);
  }, 60_000);
});

describe('a cell that is beyond repair', () => {
  test.each([1, 2, 3, 4, 5])(
    'halts, and says what is lost, unless good copies of everything are left (seed %i)',
    async (seed) => {
      const report = await struckBy(['crash', 'partition'], 20, { seed, hours: 0.05 / 60, mode: 'beyond-repair' });
      expect(explain(report)).toBe('sound');
      const lost = report.strikes.at(-1);
      // Logs alone are repaired as far as anybody can tell what was in them; the helix leaves two good copies of each item.
      const least = lost?.kind === 'helix' || lost?.kind === 'all-logs-damaged' ? 0 : 3;
      expect(report.halts.length).toBeGreaterThanOrEqual(least);
      expect(faultCatalogue[lost?.kind as FaultKind]).toHaveProperty('only', 'beyond-repair');
    },
    60_000,
  );
});

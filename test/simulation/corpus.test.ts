/**
 * Schedules that once showed a bug, each a file in `corpus/`: what is fixed stays fixed. `paxosctl simulate --scenario FILE` runs
 * one of them; docs/TESTING.md tells how to add one.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { SimulatedCell } from '../../src/simulator/cell.ts';
import { cellOf, formatScenario, parseScenario } from '../../src/simulator/scenario.ts';

const folder = path.join(import.meta.dirname, 'corpus');
const files = readdirSync(folder).filter((file) => file.endsWith('.json'));

describe('the corpus', () => {
  test.each(files)(
    '%s',
    async (file) => {
      const text = readFileSync(path.join(folder, file), 'utf8');
      const scenario = parseScenario(text);
      expect(formatScenario(scenario), 'written as the tool writes it').toBe(text);
      const { violation } = await new SimulatedCell(cellOf(scenario)).run();
      const shown = violation === null ? '' : [violation.message, ...violation.trace].join('\n');
      expect(violation?.property ?? 'none', shown).toBe(scenario.expect);
    },
    60_000,
  );

  test('is there', () => {
    expect(files.length).toBeGreaterThan(0);
  });
});

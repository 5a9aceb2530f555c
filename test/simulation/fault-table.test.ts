/** The page says of each kind of fault what the simulator expects of it. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { type Expectation, faultCatalogue } from '../../src/simulator/faults/catalogue.ts';

const page = readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', 'TESTING.md'), 'utf8');
const chapter = page.split('\n## ').find((text) => text.startsWith('Faults of the simulator')) ?? '';
const rows = chapter.split('\n').filter((line) => line.startsWith('| '));

const words: Readonly<Record<Expectation, RegExp>> = {
  survives: /survives|either/,
  'survives or halts': /either/,
  halts: /halts|either/,
  refused: /refused/,
};

test.each(Object.entries(faultCatalogue))('%s stands in one row, with what is expected', (kind, { expects }) => {
  const own = rows.filter((row) => row.includes(`\`${kind}\``));
  expect(own).toHaveLength(1);
  expect(own[0]?.split(' | ').at(-1)).toMatch(words[expects]);
});

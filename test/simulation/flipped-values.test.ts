/** A sample of P-11; ten thousand are in `test/full/flipped-values.test.ts`. */
import { expect, it } from 'vitest';
import { problemOf, searchFlips } from '../support/flip-search.ts';

it('one flipped value in one of five replicas, the master too, is found within one interval, and the cell goes on', async () => {
  const seen = { cases: 0, masters: 0 };
  for await (const found of searchFlips({ seed: 'sample', cases: 60 })) {
    expect(problemOf(found), JSON.stringify(found)).toBe(null);
    seen.cases++;
    if (found.wasMaster) seen.masters++;
  }
  expect(seen.cases).toBe(60);
  expect(seen.masters).toBeGreaterThan(10);
}, 60_000);

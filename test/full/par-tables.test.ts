/** The larger of PAR's tables (FAST '18, §5.1.1): 5 replicas × 3 entries, all 32,768 patterns of corruption. */
import { expect, test } from 'vitest';
import { cellWithEntries, damagePattern, lostIn, verdict } from '../support/damaged-cell.ts';

test('5 replicas × 3 entries: 29,791 recovered, 2,977 halted with the item named', { timeout: 900_000 }, () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  let recovered = 0;
  let halted = 0;
  for (let pattern = 0; pattern < 2 ** 15; pattern++) {
    const cell = cellWithEntries({ names, entries: 3, chosenUpTo: (member) => Math.min(3, pattern % (member + 2)) });
    damagePattern(cell, pattern, 3);
    for (const member of cell.members) member.start();
    const lost = lostIn(pattern, names.length, 3);
    const expected = lost === null ? { kind: 'recovered' } : { kind: 'halted', item: lost };
    expect(verdict(cell, 3), `pattern ${pattern}`).toEqual(expected);
    if (lost === null) recovered++;
    else halted++;
  }
  expect([recovered, halted]).toEqual([29_791, 2_977]);
});

/** What simulated operators leave alone, so that a cell which does not come back has no excuse. */
import { expect, test } from 'vitest';
import { isPrudent } from '../../src/simulator/operators/prudence.ts';

const well = { ended: false, damaged: false };
const ended = { ended: true, damaged: true };
/** Answers, and will end when it is asked what it remembers. */
const unaware = { ended: false, damaged: true };

test.each([
  ['all are well', [well, well, well], true],
  ['one of four is damaged and does not know it', [well, well, well, unaware], true],
  ['two of four are', [well, well, unaware, unaware], false],
  ['two of four have ended, which the cell sees and refuses by itself', [well, well, ended, ended], true],
  ['one has ended, and the one that makes up the majority is about to', [well, well, unaware, ended], false],
  ['the one left of a cell of two is damaged', [unaware], false],
])('a member that is well is given up or kept where %s', (_what, left, prudent) => {
  expect(isPrudent(left)).toBe(prudent);
});

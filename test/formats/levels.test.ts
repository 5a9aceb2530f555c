/** What may be proposed at which level: nothing that a member at that level could not read (pitfall U5). */
import { expect, it } from 'vitest';
import type { Command } from '../../src/core/database/command.ts';
import { mayPropose } from '../../src/formats/levels.ts';

const kinds: readonly Command['kind'][] = [
  'multiop',
  'open-session',
  'close-session',
  'keep-session',
  'expire-sessions',
  'checksum',
  'system',
];

it('is everything of level 1 in a cell that was never raised', () => {
  expect(kinds.filter((kind) => !mayPropose(kind, 1))).toEqual([]);
});

it('is nothing of a newer level before that level is in force', () => {
  const needs = { ...Object.fromEntries(kinds.map((kind) => [kind, 1])), checksum: 3 } as Record<
    Command['kind'],
    number
  >;
  expect([1, 2, 3, 4].map((level) => mayPropose('checksum', level, needs))).toEqual([false, false, true, true]);
  expect(mayPropose('multiop', 1, needs)).toBe(true);
});

/** What may be proposed at which level: nothing that a member at that level could not read (pitfall U5). */
import { expect, it } from 'vitest';
import type { Command } from '../../src/core/database/command.ts';
import { mayPropose } from '../../src/formats/levels.ts';

const session = { session: 's1-0', sequence: 1 };
// biome-ignore lint/suspicious/noThenProperty: the name in the paper and in the contract.
const multiop: Command = { kind: 'multiop', multiOp: { guard: [], then: [], else: [] }, session: null, ifEpoch: null };
const checksum: Command = { kind: 'checksum', deep: false };
const ofLevel1: readonly Command[] = [
  multiop,
  { kind: 'open-session', ttlMs: 1_000 },
  { kind: 'close-session', session: 's1-0' },
  { kind: 'keep-session', session: 's1-0' },
  { kind: 'expire-sessions', sessions: [] },
  checksum,
  { kind: 'system', guard: [], writes: [], ifEpoch: null },
];
const ofLevel2: readonly Command[] = [
  { kind: 'acquire-lock', lock: 'a', mode: 'shared', lockDelayMs: 0, session },
  { kind: 'release-lock', lock: 'a', generation: 0, session },
  { ...multiop, sequencer: { lock: 'a', mode: 'shared', generation: 1 } },
];

it('is everything of level 1 in a cell that was never raised', () => {
  expect(ofLevel1.filter((command) => !mayPropose(command, 1))).toEqual([]);
});

it('is nothing of a newer level before that level is in force', () => {
  const needs = { ...Object.fromEntries(ofLevel1.map(({ kind }) => [kind, 1])), checksum: 3 } as Record<
    Command['kind'],
    number
  >;
  expect([1, 2, 3, 4].map((level) => mayPropose(checksum, level, needs))).toEqual([false, false, true, true]);
  expect(mayPropose(multiop, 1, needs)).toBe(true);
});

it('is a lock, or a write that rests on one, from level 2 on', () => {
  expect(ofLevel2.filter((command) => mayPropose(command, 1))).toEqual([]);
  expect(ofLevel2.filter((command) => !mayPropose(command, 2))).toEqual([]);
});

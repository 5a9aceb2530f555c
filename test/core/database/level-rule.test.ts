/** What may become of the cell's level: decided by every replica alike when the command is applied (design §6.5; P51, U4, U5). */
import { describe, expect, it } from 'vitest';
import type { Command } from '../../../src/core/database/command.ts';
import type { LevelRefusal } from '../../../src/core/database/level-rule.ts';
import { decodeCommandResult, encodeCommandResult } from '../../../src/formats/command-result.ts';
import { bytes, Machine, recomputed } from './support.ts';

type Writes = Readonly<Record<string, string | null>>;

/** The tests are of the entries as they are. */
function system(machine: Machine, writes: Writes, guard: readonly string[] = []): Command {
  return {
    kind: 'system',
    guard: guard.map((key) => ({ key, instance: machine.database.system.get(key)?.instance ?? (0 as never) })),
    writes: Object.entries(writes).map(([key, value]) => ({ key, value: value === null ? null : bytes(value) })),
    ifEpoch: null,
  };
}

const both = ['level', 'upgrade/raise'];

function at(level: number): Machine {
  const machine = new Machine();
  machine.mastership();
  if (level > 1) {
    machine.run(system(machine, { 'upgrade/raise': String(level) }));
    machine.run(system(machine, { level: String(level) }, both));
    machine.run(system(machine, { 'upgrade/raise': null }));
  }
  expect(machine.database.level).toBe(level);
  return machine;
}

describe('the level of the cell', () => {
  it('rises to what was announced, and then the announcement goes', () => {
    const machine = at(1);
    expect(machine.run(system(machine, { 'upgrade/raise': '3' }))).toMatchObject({ succeeded: true, refused: null });
    expect(machine.run(system(machine, { level: '3' }, both))).toMatchObject({ succeeded: true, refused: null });
    expect(machine.run(system(machine, { 'upgrade/raise': null }))).toMatchObject({ succeeded: true });
    expect(machine.database.level).toBe(3);
  });

  it.each<[string, Writes, readonly string[], string | null, LevelRefusal]>([
    ['falls', { level: '1' }, both, '2', 'not-higher'],
    ['is taken away', { level: null }, both, '3', 'not-a-level'],
    ['is set to itself', { level: '2' }, both, '2', 'not-higher'],
    ['is set to a word', { level: 'x' }, both, '3', 'not-a-level'],
    ['is set to a number with more behind it', { level: '3 ' }, both, '3', 'not-a-level'],
    ['is set to nothing', { level: '' }, both, '3', 'not-a-level'],
    ['rises while nothing was announced', { level: '9' }, both, null, 'unannounced'],
    ['rises beyond what was announced', { level: '9' }, both, '3', 'unannounced'],
    ['rises without a test of what was announced', { level: '3' }, ['level'], '3', 'unguarded'],
    ['rises without a test of itself', { level: '3' }, ['upgrade/raise'], '3', 'unguarded'],
    ['rises with its own announcement', { level: '3', 'upgrade/raise': '3' }, both, null, 'unannounced'],
    ['is announced to fall', { 'upgrade/raise': '1' }, [], null, 'not-higher'],
    ['is announced as a word', { 'upgrade/raise': 'x' }, [], null, 'not-a-level'],
  ])('never changes when it %s, and nothing else of that command happens', (_, writes, guard, announced, refused) => {
    const machine = at(2);
    if (announced !== null) machine.run(system(machine, { 'upgrade/raise': announced }));
    const before = new Map(machine.database.system);
    const result = machine.run(system(machine, { 'upgrade/claim': '{}', ...writes }, guard));
    expect(result).toMatchObject({ kind: 'system', succeeded: false, refused });
    expect(decodeCommandResult(encodeCommandResult(result))).toEqual(result);
    expect(machine.database.system).toEqual(before);
    expect(machine.database.level).toBe(2);
    expect(recomputed(machine.database.view())).toBe(machine.database.checksumHex());
  });

  it('does not rise on a test that no longer holds', () => {
    const machine = at(1);
    machine.run(system(machine, { 'upgrade/raise': '2' }));
    const raise = system(machine, { level: '2' }, both);
    // Another upgrade announced the same meanwhile.
    machine.run(system(machine, { 'upgrade/raise': '2' }));
    expect(machine.run(raise)).toMatchObject({ succeeded: false, refused: null, guard: [true, false] });
    expect(machine.database.level).toBe(1);
  });

  it('is foretold for a whole value, and nothing of it is done', () => {
    const machine = at(1);
    const announce = system(machine, { 'upgrade/raise': '4' });
    const raise: Command = {
      ...system(machine, { level: '4' }),
      guard: [
        { key: 'level', instance: 0 },
        { key: 'upgrade/raise', instance: machine.instance + 1 },
      ],
    } as Command;
    const instance = (machine.instance + 1) as never;
    expect(machine.database.levelAfter([announce, raise], instance)).toBe(4);
    expect(machine.database.levelAfter([raise], instance)).toBe(1);
    expect(machine.database.level).toBe(1);
    machine.submit(announce, raise);
    expect(machine.database.level).toBe(4);
  });
});

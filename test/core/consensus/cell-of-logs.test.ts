/** The fault-tolerant log as a whole: several replicas that agree, lose members, lose messages and go on. */
import { describe, expect, test } from 'vitest';
import { fiveReplicaCell, type LogCell, threeReplicaCell } from '../../support/log-cell.ts';

const submittedOf = (cell: LogCell, name: string): string[] =>
  [...cell.member(name).applied.values()].filter((label) => label.startsWith('['));

describe('a cell of three', () => {
  test('elects one master well under a second after its start', () => {
    const cell = threeReplicaCell();
    cell.runUntilServing(undefined, 500);
    expect(cell.members.filter((member) => member.isServing)).toHaveLength(1);
  });

  test('applies what is submitted on every replica, in one order', () => {
    const cell = threeReplicaCell();
    for (let i = 0; i < 20; i++) cell.write(`x${i}`);
    cell.runUntilEqual();
    expect(submittedOf(cell, 'a').join(' ')).toMatch(/^\[x0\]e1 \[x1\]e1 .* \[x19\]e1$/);
    expect(submittedOf(cell, 'b')).toEqual(submittedOf(cell, 'a'));
    expect(submittedOf(cell, 'c')).toEqual(submittedOf(cell, 'a'));
  });

  test('has another master, in a higher epoch and with everything acknowledged, when the first is killed', () => {
    const cell = threeReplicaCell();
    const first = cell.runUntilServing();
    cell.write('x');
    const { epoch } = first.core;
    first.crash();
    const failoverMs = cell.runUntil('another serves', () => cell.serving !== null, 1500);
    expect(failoverMs).toBeLessThan(800);
    const second = cell.runUntilServing();
    expect(second.id).not.toBe(first.id);
    expect(second.core.epoch).toBeGreaterThan(epoch);
    expect(cell.checker.appliedItems.has('x')).toBe(true);
    expect(cell.write('y')).toMatchObject({ kind: 'applied', current: true });
  });

  test.each([1, 2, 3])('goes on after %i of its members were killed and started again', (count) => {
    const cell = threeReplicaCell();
    cell.write('before');
    for (const member of cell.members.slice(0, count)) member.crash();
    cell.run(50);
    for (const member of cell.members.slice(0, count)) member.start();
    expect(cell.write('after')).toMatchObject({ kind: 'applied', current: true });
    cell.runUntilEqual();
    expect(new Set(cell.members.map((member) => member.hash)).size).toBe(1);
  });
});

test('a cell of one chooses alone', () => {
  const cell = threeReplicaCell({ names: ['a'] });
  expect(cell.write('x')).toMatchObject({ kind: 'applied' });
  cell.member('a').restart();
  expect(cell.write('y')).toMatchObject({ kind: 'applied' });
});

test('a cell of five stands two dead members, and waits for a majority when a third dies', () => {
  const cell = fiveReplicaCell();
  cell.write('x');
  cell.member('a').crash();
  cell.member('b').crash();
  expect(cell.write('y')).toMatchObject({ kind: 'applied' });
  cell.member('c').crash();
  cell.run(2000);
  expect(cell.serving).toBeNull();
  cell.member('a').start();
  expect(cell.write('z')).toMatchObject({ kind: 'applied' });
});

import { afterEach, expect, it } from 'vitest';
import { Deadlines, type Waiting } from '../../../src/runtime/http/deadlines.ts';
import { eventually } from './front.ts';

const expired: string[] = [];
let deadlines = new Deadlines(20);

afterEach(() => {
  deadlines.close();
  deadlines = new Deadlines(20);
  expired.length = 0;
});

const waiting = (name: string): Waiting => ({
  deadlineMs: 0,
  before: null,
  after: null,
  expire: () => expired.push(name),
});

it('what waits too long is ended in the order in which it began', async () => {
  for (const name of ['a', 'b', 'c']) deadlines.add(waiting(name));
  await eventually(() => expired.length === 3);
  expect(expired).toEqual(['a', 'b', 'c']);
});

it('what was answered is not ended, wherever it stood, and however often it is taken out', async () => {
  const all = ['a', 'b', 'c', 'd', 'e'].map(waiting);
  for (const it of all) deadlines.add(it);
  for (const i of [0, 2, 4, 2, 0]) deadlines.delete(all[i]!);
  deadlines.delete(waiting('never added'));
  await eventually(() => expired.length === 2);
  expect(expired).toEqual(['b', 'd']);
});

it('one that was taken out may wait again', async () => {
  const one = waiting('a');
  deadlines.add(one);
  deadlines.delete(one);
  deadlines.add(one);
  await eventually(() => expired.length === 1);
  expect(expired).toEqual(['a']);
});

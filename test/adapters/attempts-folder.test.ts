/** `attempts/` on a real disk: what blocks the next upgrade is listed, whatever it is, and can be cleared; nothing beside it can. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { attemptsFolder } from '../../src/adapters/attempts-node/attempts-folder.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-attempts-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('clears what no attempt made, as it lists it', async () => {
  mkdirSync(path.join(folder, 'attempts', 'by hand'), { recursive: true });
  writeFileSync(path.join(folder, 'attempts', 'old.tar'), 'x');
  const attempts = attemptsFolder(folder);
  for (const { attempt } of await attempts.list()) await attempts.clear(attempt);
  expect(await attempts.list()).toEqual([]);
});

it('lists no folder without a file: a generation that began has taken its state out of one', async () => {
  mkdirSync(path.join(folder, 'attempts', 'ab'.repeat(16)), { recursive: true });
  mkdirSync(path.join(folder, 'attempts', 'u-1', 'empty'), { recursive: true });
  expect(await attemptsFolder(folder).list()).toEqual([]);
  writeFileSync(path.join(folder, 'attempts', 'u-1', 'empty', 'state'), 'x');
  expect((await attemptsFolder(folder).list()).map(({ attempt }) => attempt)).toEqual(['u-1']);
});

it('lists a link as what it is, wherever it leads: today there may be nothing, and tomorrow a state', async () => {
  mkdirSync(path.join(folder, 'attempts'));
  mkdirSync(path.join(folder, 'elsewhere'));
  symlinkSync(path.join(folder, 'elsewhere'), path.join(folder, 'attempts', 'to-a-folder'));
  symlinkSync(path.join(folder, 'nowhere'), path.join(folder, 'attempts', 'to-nothing'));
  const attempts = attemptsFolder(folder);
  expect((await attempts.list()).map(({ attempt, files }) => [attempt, files.length])).toEqual([
    ['to-a-folder', 1],
    ['to-nothing', 1],
  ]);
  for (const { attempt } of await attempts.list()) await attempts.clear(attempt);
  expect(existsSync(path.join(folder, 'elsewhere'))).toBe(true);
});

it.each(['..', '.', '', '../data', 'u-1/../..', '/etc'])('clears nothing under the name %j', async (name) => {
  mkdirSync(path.join(folder, 'attempts', 'u-1'), { recursive: true });
  writeFileSync(path.join(folder, 'data'), 'x');
  await expect(attemptsFolder(folder).clear(name)).rejects.toThrow('is no name there');
  expect([path.join(folder, 'data'), path.join(folder, 'attempts', 'u-1')].every((it) => existsSync(it))).toBe(true);
});

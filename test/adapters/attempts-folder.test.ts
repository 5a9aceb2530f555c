/** `attempts/` on a real disk: what blocks the next upgrade is listed, whatever it is, and can be cleared; nothing beside it can. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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

it.each(['..', '.', '', '../data', 'u-1/../..', '/etc'])('clears nothing under the name %j', async (name) => {
  mkdirSync(path.join(folder, 'attempts', 'u-1'), { recursive: true });
  writeFileSync(path.join(folder, 'data'), 'x');
  await expect(attemptsFolder(folder).clear(name)).rejects.toThrow('is no name there');
  expect([path.join(folder, 'data'), path.join(folder, 'attempts', 'u-1')].every((it) => existsSync(it))).toBe(true);
});

/** States that `recover collect` and `cell restore` write: whole, or not there. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { keepCollected, readCollected, writeState } from '../../src/operator/recovery/collected.ts';
import { report } from '../support/recover-report.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-collected-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

it('a write that took less than it was given is gone on with', async () => {
  const probe = await open(path.join(folder, 'probe'), 'w');
  const prototype = Object.getPrototypeOf(probe) as FileHandle;
  await probe.close();
  const write = prototype.write as (bytes: Uint8Array, offset: number, length: number) => Promise<unknown>;
  vi.spyOn(prototype, 'write').mockImplementation(function (this: FileHandle, bytes: Uint8Array, offset?: number) {
    const at = offset ?? 0;
    return write.call(this, bytes, at, Math.min(3, bytes.length - at));
  } as never);
  const file = path.join(folder, 'state');
  const parts = (function* (): Generator<Uint8Array, string> {
    yield Buffer.from('the first part, ');
    yield Buffer.from('and the second');
    return 'digest';
  })();
  expect(await writeState(file, parts)).toEqual({ sha256: 'digest', bytes: 30 });
  expect(readFileSync(file, 'utf8')).toBe('the first part, and the second');
  expect(readdirSync(folder).sort()).toEqual(['probe', 'state']);
});

it('a copy with its state stays where the member that it is of can give none any more', async () => {
  const of = { report: report('n1', 30), directory: null, startable: true, notes: [] };
  writeFileSync(path.join(folder, 'n1.snapshot'), 'state');
  const state = { sha256: 'digest', bytes: 5 };
  const first = await keepCollected(folder, { ...of, state, stateFile: 'n1.snapshot' });
  expect(await keepCollected(folder, { ...of, state: null, stateFile: null })).toBe(first);
  expect(await readCollected(folder, 'cell-1')).toMatchObject([{ state, file: path.join(folder, 'n1.snapshot') }]);
});

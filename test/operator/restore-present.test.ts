/** Where `cell restore` saves what the cell holds: never over a file that somebody may need, the backup least of all. */
import { existsSync, linkSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { realWorld } from '../../src/operator/recovery/real-world.ts';
import { type PresentOptions, refuseInTheWay, savePresent } from '../../src/operator/restore/present.ts';
import type { Backup } from '../../src/operator/restore/price.ts';
import { report } from '../support/recover-report.ts';

let folder = '';
const at = (name: string): string => path.join(folder, name);
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-present-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const present = report('n1', 40);
/** Files say of themselves what they hold; nobody answers. */
const options = (): PresentOptions => ({
  backup: { file: at('old.snapshot') } as Backup,
  verify: async (file) => JSON.parse(readFileSync(file, 'utf8')),
  extend: () => Promise.reject(new Error('nothing is to be written')),
});
const holds = (more: object = {}): string =>
  JSON.stringify({ cell: 'cell-1', generation: 1, instance: 40, logChain: present.logChain, ...more });
const contentOf = (file: string): string | null => (existsSync(at(file)) ? readFileSync(at(file), 'utf8') : null);
const refused = { exitCode: 2, message: expect.stringMatching(/in the way/) };
const nobody = { endpoints: ['http://127.0.0.1:1'], timeout: 50 };
/** Somebody gives what it holds. */
const world = {
  ...realWorld,
  saveHeld: async (_cell: unknown, { file }: { readonly file: string }) => writeFileSync(file, holds()),
};
const save = (...files: readonly string[]) =>
  savePresent(nobody, { fenced: [present], beyond: [], files: files.map(at) }, options(), world);

describe('the file for the present state', () => {
  it('is not the backup itself, under whatever name', async () => {
    // As new as the present: only that it is the same file speaks against it.
    writeFileSync(at('old.snapshot'), holds());
    linkSync(at('old.snapshot'), at('other.snapshot'));
    await expect(refuseInTheWay(at('old.snapshot'), present, options())).rejects.toMatchObject(refused);
    await expect(refuseInTheWay(at('other.snapshot'), present, options())).rejects.toMatchObject(refused);
  });

  it.each([
    ['an older backup of the cell', holds({ instance: 25 })],
    ['one of another generation', holds({ generation: 2 })],
    ['one of another cell', holds({ cell: 'cell-2' })],
    ['no snapshot', 'a letter'],
  ])('is not %s', async (_what, text) => {
    writeFileSync(at('older.snapshot'), text);
    await expect(refuseInTheWay(at('older.snapshot'), present, options())).rejects.toMatchObject(refused);
  });

  it('counts as saved when it holds the very state, and is never written over when it does not', async () => {
    writeFileSync(at('saved'), holds());
    await refuseInTheWay(at('saved'), present, options());
    expect(await save('saved')).toBe(at('saved'));
    for (const other of [holds({ instance: 41 }), holds({ logChain: 'ab'.repeat(32) }), holds({ generation: 2 })]) {
      writeFileSync(at('saved'), other);
      await expect(save('saved')).rejects.toMatchObject(refused);
      expect(readFileSync(at('saved'), 'utf8')).toBe(other);
    }
  });

  it('is the next one where an earlier run has saved what the cell held then, and the same again for who comes back', async () => {
    const earlier = holds({ instance: 30 });
    for (const file of ['saved', 'saved-2']) writeFileSync(at(file), earlier);
    const files = ['saved', 'saved-2', 'saved-3', 'saved-4'];
    for (let times = 0; times < 2; times++) expect(await save(...files)).toBe(at('saved-3'));
    expect(files.map(contentOf)).toEqual([earlier, earlier, holds(), null]);
  });
});

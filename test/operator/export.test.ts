import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConditionFailedError, UnreachableError, UsageError } from '../../src/errors/index.ts';
import { type ExportOptions, type ExportSource, exportEntries } from '../../src/operator/export.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-export-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Pages of two entries; each `revision` shows the value it had then. */
class FakeSource implements ExportSource {
  revision = 7;
  readonly keys = ['a', 'b', 'c', 'd', 'e'];
  onPage: (page: number) => void = () => {};
  #pages = 0;

  async list({ after, revision }: { after: string | null; revision: number | null }) {
    this.#pages += 1;
    this.onPage(this.#pages);
    const at = revision ?? this.revision;
    const keys = this.keys.filter((key) => after === null || key > after).slice(0, 2);
    const last = keys.at(-1) ?? null;
    return {
      entries: keys.map((key) => ({ key, value: `${key}@${at}`, revision: at, createRevision: 1, version: 1 })),
      next: last === null || last === this.keys.at(-1) ? null : last,
      revision: at,
    };
  }
}

const options = (file: string, more: Partial<ExportOptions> = {}): ExportOptions => ({
  file,
  prefix: '',
  overwrite: false,
  onProgress: () => {},
  write: async () => {},
  ...more,
});

const linesOf = (file: string) =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).value);

describe('an export', () => {
  it('holds one point in time, though the database changes between its pages', async () => {
    const source = new FakeSource();
    source.onPage = () => {
      source.revision += 1;
    };
    const file = path.join(folder, 'out.ndjson');
    const result = await exportEntries(source, options(file));
    expect(result).toMatchObject({ entries: 5, revision: 8, restarts: 0 });
    expect(linesOf(file)).toEqual(['a@8', 'b@8', 'c@8', 'd@8', 'e@8']);
  });

  // The master that kept the view died: nobody has that point in time any more.
  it('starts again from a new point in time when the old one is gone, and shows nothing of the old one', async () => {
    const source = new FakeSource();
    source.onPage = (page) => {
      if (page !== 2) return;
      source.revision = 9;
      throw new ConditionFailedError('Revision 7 is no longer kept.', { code: 'PAXOS_REVISION_GONE' });
    };
    const file = path.join(folder, 'out.ndjson');
    expect(await exportEntries(source, options(file))).toMatchObject({ revision: 9, restarts: 1 });
    expect(linesOf(file)).toEqual(['a@9', 'b@9', 'c@9', 'd@9', 'e@9']);
  });

  it('that fails leaves no file and no part of one', async () => {
    const source = new FakeSource();
    source.onPage = (page) => {
      if (page === 3) throw new UnreachableError('No master.');
    };
    await expect(exportEntries(source, options(path.join(folder, 'out.ndjson')))).rejects.toThrow('No master');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('does not replace a file unless it is told to', async () => {
    const file = path.join(folder, 'out.ndjson');
    writeFileSync(file, 'precious');
    await expect(exportEntries(new FakeSource(), options(file))).rejects.toThrow(UsageError);
    expect(readFileSync(file, 'utf8')).toBe('precious');
    await exportEntries(new FakeSource(), options(file, { overwrite: true }));
    expect(linesOf(file)).toHaveLength(5);
  });

  it('to standard output prints only a whole point in time', async () => {
    const source = new FakeSource();
    source.onPage = (page) => {
      if (page === 2) throw new ConditionFailedError('Gone.', { code: 'PAXOS_REVISION_GONE' });
    };
    const written: Uint8Array[] = [];
    await exportEntries(source, options('-', { write: async (chunk) => void written.push(chunk) }));
    expect(Buffer.concat(written).toString().trim().split('\n')).toHaveLength(5);
  });

  it('into a folder that does not exist is a wrong command line', async () => {
    const file = path.join(folder, 'none', 'out.ndjson');
    await expect(exportEntries(new FakeSource(), options(file))).rejects.toThrow(UsageError);
    expect(existsSync(file)).toBe(false);
  });
});

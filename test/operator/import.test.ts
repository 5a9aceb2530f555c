import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OutcomeUnknownError, RefusedError, UsageError } from '../../src/errors/index.ts';
import { dryRunOfImport, type ImportOptions, importFile, interruptedAt } from '../../src/operator/import.ts';
import { entryLine } from '../../src/operator/ndjson.ts';
import { FakeImportTarget } from '../support/fake-import-target.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-import-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const options = (file: string, more: Partial<ImportOptions> = {}): ImportOptions => ({
  file,
  cell: 'cell-1',
  resume: false,
  onProgress: () => {},
  env: { XDG_STATE_HOME: folder },
  ...more,
});

function fileOf(count: number): string {
  const file = path.join(folder, 'entries.ndjson');
  writeFileSync(file, Array.from({ length: count }, (_, at) => entryLine(`k${at}`, Buffer.from(`v${at}`))).join(''));
  return file;
}

const dies = () => {
  throw new OutcomeUnknownError('The master died.');
};

describe('an import', () => {
  it('brings in every entry of the file once, in order', async () => {
    const target = new FakeImportTarget();
    const result = await importFile(target, options(fileOf(1234)));
    expect(result).toMatchObject({ entries: 1234, resumedFrom: 0 });
    expect(target.applied).toEqual(Array.from({ length: 1234 }, (_, at) => `k${at}`));
    expect(interruptedAt(options(path.join(folder, 'entries.ndjson')))).toBeNull();
  });

  // Killed after the batch was applied and before its answer was written down: its numbers are sent again, and nothing is
  // applied twice.
  it('that was killed in the middle of a batch goes on without leaving out or repeating an entry', async () => {
    const target = new FakeImportTarget();
    const file = fileOf(2000);
    let batches = 0;
    target.after = () => {
      batches += 1;
      if (batches === 2) dies();
    };
    await expect(importFile(target, options(file))).rejects.toThrow('500 entries of the file are in the cell');
    expect(interruptedAt(options(file))).toMatchObject({ entries: 500 });
    const result = await importFile(target, options(file, { resume: true }));
    expect(result).toMatchObject({ entries: 2000, resumedFrom: 500 });
    expect(target.applied).toEqual(Array.from({ length: 2000 }, (_, at) => `k${at}`));
    expect(target.sessions).toBe(1);
  });

  it('that is resumed after its session has expired writes only what is not there yet', async () => {
    const target = new FakeImportTarget();
    const file = fileOf(1200);
    let batches = 0;
    target.after = () => {
      batches += 1;
      if (batches === 2) dies();
    };
    await expect(importFile(target, options(file))).rejects.toThrow();
    target.expireAll();
    await importFile(target, options(file, { resume: true }));
    expect(target.applied).toHaveLength(1200);
    expect(target.sessions).toBe(2);
  });

  it('with a key twice ends with its last value, also when its session had expired between', async () => {
    const target = new FakeImportTarget();
    const file = path.join(folder, 'twice.ndjson');
    writeFileSync(file, [1, 2].map((n) => entryLine('k', Buffer.from(`v${n}`))).join(''));
    target.after = dies;
    await expect(importFile(target, options(file))).rejects.toThrow();
    target.after = () => {};
    target.expireAll();
    await importFile(target, options(file, { resume: true }));
    expect(target.values.get('k')?.toString()).toBe('v2');
    expect(target.applied).toEqual(['k', 'k']);
  });

  it('does not go on in a file that has changed, or when there is nothing to go on with', async () => {
    const target = new FakeImportTarget();
    const file = fileOf(600);
    await expect(importFile(target, options(file, { resume: true }))).rejects.toThrow(RefusedError);
    target.before = dies;
    await expect(importFile(target, options(file))).rejects.toThrow();
    appendFileSync(file, entryLine('more', Buffer.from('x')));
    await expect(importFile(target, options(file, { resume: true }))).rejects.toThrow('has changed');
  });

  it('into another cell starts from the beginning', async () => {
    const file = fileOf(600);
    const first = new FakeImportTarget();
    first.after = dies;
    await expect(importFile(first, options(file))).rejects.toThrow();
    expect(interruptedAt(options(file, { cell: 'cell-2' }))).toBeNull();
  });

  it.each([
    ['{"key":"a"}', 'exactly one of value and valueBase64'],
    ['{"key":"a","value":"x","valueBase64":"eA=="}', 'exactly one'],
    ['{"key":"a","value":5}', 'exactly one'],
    ['{"value":"x"}', 'no key'],
    ['["a","x"]', 'no object'],
    ['{"key":"a","valueBase64":"e"}', 'not base64'],
    ['{key:"a"}', 'Line 2'],
  ])('names the line %s that is no entry, and has brought in what stands before it', async (line, what) => {
    const target = new FakeImportTarget();
    const file = path.join(folder, 'bad.ndjson');
    writeFileSync(file, `${entryLine('good', Buffer.from('x'))}${line}\n${entryLine('after', Buffer.from('x'))}`);
    const failure = importFile(target, options(file));
    await expect(failure).rejects.toMatchObject({
      exitCode: 2,
      outcome: 'unknown',
      facts: { entriesDone: 1, line: 2 },
    });
    await expect(failure).rejects.toThrow('1 entry before it is in the cell');
    await expect(failure).rejects.toThrow(what);
    await expect(failure).rejects.toThrow('Line 2');
    expect(target.applied).toEqual(['good']);
  });

  it('goes on with --resume after the line that was no entry has been mended, and only if nothing before it changed', async () => {
    const target = new FakeImportTarget();
    const file = path.join(folder, 'mended.ndjson');
    const [good, last] = ['good', 'last'].map((key) => entryLine(key, Buffer.from('x')));
    writeFileSync(file, `${good}nonsense\n${last}`);
    await expect(importFile(target, options(file))).rejects.toThrow('Line 2');
    writeFileSync(file, `${good?.replace('x', 'y')}${last}`);
    await expect(importFile(target, options(file, { resume: true }))).rejects.toThrow('has changed');
    writeFileSync(file, `${good}${entryLine('mended', Buffer.from('x'))}${last}`);
    expect(await importFile(target, options(file, { resume: true }))).toMatchObject({ entries: 3, resumedFrom: 1 });
    expect(target.applied).toEqual(['good', 'mended', 'last']);
  });

  it('as a dry run reads the whole file, says whether anything would change, and writes nothing', async () => {
    const target = new FakeImportTarget();
    const file = fileOf(700);
    expect(await dryRunOfImport(target, options(file))).toMatchObject({ entries: 700, wouldChange: true });
    expect(target.applied).toEqual([]);
    expect(target.sessions).toBe(0);
    await importFile(target, options(file));
    expect(await dryRunOfImport(target, options(file))).toMatchObject({ entries: 700, wouldChange: false });
    appendFileSync(file, 'nonsense\n');
    await expect(dryRunOfImport(target, options(file))).rejects.toThrow('Line 701');
  });

  it('takes bytes that are not UTF-8, empty lines and a last line without its end', async () => {
    const target = new FakeImportTarget();
    const file = path.join(folder, 'odd.ndjson');
    writeFileSync(file, `${entryLine('bytes', Buffer.from([0xff, 0x00]))}\n\r\n{"key":"last","value":"\u2028ü"}`);
    expect(await importFile(target, options(file))).toMatchObject({ entries: 2 });
    expect(target.values.get('last')?.toString()).toBe('\u2028ü');
  });

  it('of a file that does not exist is a wrong command line', async () => {
    await expect(importFile(new FakeImportTarget(), options(path.join(folder, 'none')))).rejects.toThrow(UsageError);
  });
});

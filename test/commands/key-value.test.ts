/** The commands that use a cell, against three real replicas that are started once for all of them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { entryLine } from '../../src/operator/ndjson.ts';
import { freeBasePort } from '../support/free-ports.ts';
import { type CliResult, cli, type RunningCli, startCli } from './run-cli.ts';

let folder: string;
let cell: RunningCli;
let endpoints: string;

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-kv-'));
  const basePort = await freeBasePort(3);
  endpoints = [1, 2, 3].map((at) => `http://127.0.0.1:${basePort + at}`).join(',');
  const flags = ['--data-dir', path.join(folder, 'cell'), '--base-port', String(basePort)];
  cell = startCli(['cell', 'start', ...flags], { env: { XDG_STATE_HOME: folder } });
  const { code, stderr } = await run('wait', 'healthy');
  expect(code, stderr).toBe(0);
});

afterAll(async () => {
  cell.process.kill('SIGINT');
  await cell.result;
  rmSync(folder, { recursive: true, force: true });
});

const environment = () => ({ PAXOSCTL_ENDPOINTS: endpoints, XDG_STATE_HOME: folder });
const run = (...args: string[]): Promise<CliResult> => cli(args, { env: environment() });
const document = async (...args: string[]) => JSON.parse((await run(...args, '--json')).stdout);

describe('kv', () => {
  it('gives back what was put, byte for byte, from an argument and from standard input', async () => {
    expect((await run('kv', 'put', 'argument', ' spaced \n')).code).toBe(0);
    expect((await run('kv', 'get', 'argument')).stdout).toBe(' spaced \n');
    const bytes = Buffer.from([0xff, 0x00, 0x0a, 0x20]);
    expect((await cli(['kv', 'put', 'input'], { env: environment(), stdin: bytes })).code).toBe(0);
    expect(await document('kv', 'get', 'input')).toMatchObject({ key: 'input', valueBase64: bytes.toString('base64') });
  });

  it('takes keys that look like paths, flags or nothing but dots', async () => {
    for (const key of ['a/b c', '..', '%2F', 'ü😀', '--json']) {
      expect((await run('kv', 'put', '--', key, `value of ${key}`)).stderr).toBe('');
      expect((await run('kv', 'get', '--', key)).stdout).toBe(`value of ${key}`);
    }
  });

  it('writes under conditions, and ends with 6 when they do not hold', async () => {
    const { revision } = await document('kv', 'put', 'cas', '1', '--if-absent');
    expect((await run('kv', 'put', 'cas', '2', '--if-absent')).code).toBe(6);
    expect((await run('kv', 'put', 'cas', '2', '--if-revision', String(revision + 1))).code).toBe(6);
    expect((await run('kv', 'put', 'cas', '2', '--if-revision', String(revision))).code).toBe(0);
    expect(await document('kv', 'get', 'cas')).toMatchObject({ value: '2', createRevision: revision, version: 2 });
    expect((await run('kv', 'get', 'absent')).code).toBe(6);
    expect((await run('kv', 'delete', 'absent')).code).toBe(6);
  });

  it('says what a dry run would change, with 10, and changes nothing', async () => {
    expect((await run('kv', 'put', 'dry', 'x', '--dry-run')).code).toBe(10);
    expect((await run('kv', 'get', 'dry')).code).toBe(6);
    expect((await run('kv', 'put', 'dry', 'x', '--dry-run', '--if-revision', '1')).code).toBe(6);
  });

  it('lists and deletes below a prefix', async () => {
    for (const key of ['p/b', 'p/a', 'q']) await run('kv', 'put', key, key);
    const list = await document('kv', 'list', '--prefix', 'p/');
    expect(list.entries.map(({ key }: { key: string }) => key)).toEqual(['p/a', 'p/b']);
    expect(list.next).toBeNull();
    expect((await document('kv', 'list', '--prefix', 'p/', '--limit', '1')).next).toBe('p/a');
    expect((await run('kv', 'list', '--prefix', 'p/', '--keys-only')).stdout).toBe('p/a\np/b\n');
    expect((await run('kv', 'delete', '--prefix', 'p/', '--dry-run')).code).toBe(10);
    expect(await document('kv', 'delete', '--prefix', 'p/', '--yes')).toMatchObject({ deleted: 2 });
    expect((await document('kv', 'list', '--prefix', 'p/')).entries).toEqual([]);
    expect((await run('kv', 'get', 'q')).stdout).toBe('q');
  });
});

describe('multiop', () => {
  it('runs then or else, and the exit code says which', async () => {
    const file = path.join(folder, 'multiop.json');
    const body = {
      guard: [{ key: 'm', test: 'absent' }],
      // biome-ignore lint/suspicious/noThenProperty: guard, then, else are the names of the contract.
      then: [{ op: 'put', key: 'm', value: '1' }],
      else: [{ op: 'get', key: 'm' }],
    };
    writeFileSync(file, JSON.stringify(body));
    expect((await run('multiop', '--file', file, '--dry-run')).code).toBe(10);
    expect((await run('multiop', '--file', file)).code).toBe(0);
    const second = await run('multiop', '--file', file, '--json');
    expect(JSON.parse(second.stdout)).toMatchObject({
      succeeded: false,
      guard: [false],
      results: [{ op: 'get', value: '1' }],
    });
    expect(second.code).toBe(6);
    const wrong = await cli(['multiop', '--file', '-'], { env: environment(), stdin: '{"them":[]}' });
    expect(wrong.code).toBe(2);
  });
});

describe('master', () => {
  it('is handed over to the replica that was named', async () => {
    const before = await document('master', 'status');
    const to = ['n1', 'n2', 'n3'].find((name) => name !== before.master.name) ?? '';
    expect((await run('master', 'transfer', '--to', to, '--dry-run')).code).toBe(10);
    expect(await document('master', 'transfer', '--to', to)).toMatchObject({
      from: before.master.name,
      to,
      dryRun: false,
    });
    const after = await document('master', 'status');
    expect(after.master.name).toBe(to);
    expect(after.epoch).toBeGreaterThan(before.epoch);
    expect((await run('master', 'transfer', '--to', 'n9')).code).toBe(5);
  });
});

describe('bench', () => {
  it('shows what the cell does and leaves nothing behind', async () => {
    const before = (await document('kv', 'list', '--limit', '1000')).entries.length;
    const { rows, cleanedUp } = await document('bench', '--op', 'mixed', '--connections', '4', '--duration', '300ms');
    expect(rows[0]).toMatchObject({ operation: 'mixed', loop: 'closed', connections: 4, errors: {}, unknown: 0 });
    expect(rows[0].operations).toBeGreaterThan(0);
    expect(cleanedUp).toBeGreaterThan(0);
    const open = await document('bench', '--op', 'batch', '--rate', '500', '--connections', '4', '--duration', '300ms');
    expect(open.rows[0]).toMatchObject({ loop: 'open', rate: 500, operations: 200, unsent: 0, refused: 0 });
    expect((await document('kv', 'list', '--limit', '1000')).entries).toHaveLength(before);
  });
});

describe('kv import and export', () => {
  // A program that starts this one gives it a socket for standard input, a shell gives it a pipe or a file.
  it('reads standard input, whatever it is, and the end of a file that has no last line break', async () => {
    const lines = `${entryLine('stdin/1', Buffer.from('one'))}{"key":"stdin/2","value":"two"}`;
    const { code, stderr } = await cli(['kv', 'import', '-'], { env: environment(), stdin: lines });
    expect(code, stderr).toBe(0);
    expect((await run('kv', 'list', '--prefix', 'stdin/', '--keys-only')).stdout).toBe('stdin/1\nstdin/2\n');
    const wrong = await run('kv', 'import', folder);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('it is a folder')]);
  });

  // What it is all for: the master dies half-way, nothing is lost, nothing comes twice.
  it('bring every entry in once and out again, though the master is killed half-way', async () => {
    const count = 6000;
    const input = path.join(folder, 'input.ndjson');
    const output = path.join(folder, 'output.ndjson');
    const keys = Array.from({ length: count }, (_, at) => `import/${String(at).padStart(6, '0')}`);
    writeFileSync(input, keys.map((key) => entryLine(key, Buffer.from(`value of ${key}`))).join(''));
    const importing = startCli(['kv', 'import', input, '--json'], { env: environment() });
    const some = async () => (await document('kv', 'list', '--prefix', 'import/', '--limit', '1')).entries.length;
    await expect.poll(some, { timeout: 10_000 }).toBe(1);
    const { master } = await document('master', 'status');
    process.kill(Number(readFileSync(path.join(folder, 'cell', `${master.name}.pid`), 'utf8')), 'SIGKILL');
    const { code, stdout, stderr } = await importing.result;
    expect(JSON.parse(stdout), stderr).toMatchObject({ entries: count, resumedFrom: 0 });
    expect(code).toBe(0);
    expect((await document('kv', 'export', output, '--prefix', 'import/')).entries).toBe(count);
    expect(readFileSync(output, 'utf8')).toBe(readFileSync(input, 'utf8'));
    const { entries } = await document('kv', 'list', '--prefix', 'import/', '--limit', String(count));
    expect(entries.filter(({ version }: { version: number }) => version !== 1)).toEqual([]);
    expect((await run('wait', 'healthy')).code).toBe(0);
    expect((await run('wait', 'checksums-agree')).code).toBe(0);
    expect((await run('kv', 'export', output, '--prefix', 'import/')).code).toBe(2);
  });
});

describe('cell forget', () => {
  it('forgets the cell that was met at an endpoint', async () => {
    const endpoint = endpoints.split(',')[0] ?? '';
    const { cell: status } = await document('status');
    await run('kv', 'list');
    expect(await document('cell', 'forget', endpoint)).toEqual({ forgotten: status.id });
    expect((await run('cell', 'forget', endpoint)).code).toBe(6);
  });
});

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freeBasePort } from '../support/free-ports.ts';
import { isAlive } from './processes.ts';
import { cli, type RunningCli, startCli } from './run-cli.ts';

interface UpDocument {
  readonly master: string;
  readonly directory: string;
  readonly members: readonly { readonly name: string; readonly url: string; readonly pid: number }[];
}

let folder: string;
let basePort: number;
let running: RunningCli | null = null;
let pids: number[] = [];

beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-cell-'));
  basePort = await freeBasePort(3);
  pids = [];
});

afterEach(async () => {
  running?.process.kill('SIGINT');
  await running?.result;
  running = null;
  for (const pid of pids) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const flags = () => ['--data-dir', path.join(folder, 'cell'), '--base-port', String(basePort)];

/** Starts a cell and waits until it says that it is up. */
async function up(...more: string[]): Promise<UpDocument> {
  running = startCli(['cell', 'start', '--json', ...flags(), ...more]);
  const { output } = running;
  await expect.poll(() => output().stdout, { timeout: 25_000 }).toMatch(/\n\}\n$/);
  const document = JSON.parse(output().stdout) as UpDocument;
  pids = document.members.map(({ pid }) => pid);
  return document;
}

const pidOf = (name: string) => Number(readFileSync(path.join(folder, 'cell', `${name}.pid`), 'utf8'));

describe('cell start', () => {
  it('brings a cell up that serves, and Ctrl-C stops every replica', async () => {
    const { members, master } = await up();
    expect(members.map(({ name, url }) => [name, url])).toEqual(
      [1, 2, 3].map((at) => [`n${at}`, `http://127.0.0.1:${basePort + at}`]),
    );
    expect(members.map(({ name }) => name)).toContain(master);
    const waited = await cli(['wait', 'healthy', '--endpoints', members[0]?.url ?? '']);
    expect(waited.code, waited.stderr).toBe(0);
    running?.process.kill('SIGINT');
    expect((await running?.result)?.code).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);
  });

  // `npm start` in a terminal: the terminal sends Ctrl-C to every process of its group, and npm passes its own on.
  it('takes a Ctrl-C that arrives several times for one, and still stops in order', async () => {
    await up();
    running?.process.kill('SIGINT');
    await expect.poll(() => running?.output().stderr, { interval: 5 }).toContain('Stopping');
    running?.process.kill('SIGINT');
    const { code, stderr } = (await running?.result) ?? {};
    expect(code).toBe(0);
    expect(stderr).not.toContain('SIGKILL');
    expect(pids.filter(isAlive)).toEqual([]);
  });

  it('starts a replica again that was killed', async () => {
    const { members, master } = await up();
    process.kill(pidOf(master), 'SIGKILL');
    await expect.poll(() => pidOf(master), { timeout: 10_000 }).not.toBe(members.find((it) => it.name === master)?.pid);
    pids.push(pidOf(master));
    const waited = await cli(['wait', `caught-up=${master}`, '--endpoints', members.map(({ url }) => url).join(',')]);
    expect(waited.code, waited.stderr).toBe(0);
  });

  // Killed like this, the parent can stop nobody: its children notice that the channel to it ended.
  it('leaves no replica behind when it is killed itself', async () => {
    await up();
    running?.process.kill('SIGKILL');
    await running?.result;
    running = null;
    await expect.poll(() => pids.filter(isAlive), { timeout: 15_000 }).toEqual([]);
  });

  it('brings the same cell up again, and refuses to start it in another shape', async () => {
    const first = await up();
    const url = first.members[0]?.url ?? '';
    const before = JSON.parse((await cli(['status', '--json', '--endpoints', url])).stdout);
    running?.process.kill('SIGINT');
    await running?.result;
    const { code, stdout } = await cli(['cell', 'start', '--json', ...flags(), '--replicas', '5']);
    expect(JSON.parse(stdout).error.message).toContain('was formed with --replicas 3');
    expect(code).toBe(5);
    await up();
    const after = JSON.parse((await cli(['status', '--json', '--endpoints', url])).stdout);
    expect(after.cell.id).toBe(before.cell.id);
    expect(after.cell.epoch).toBeGreaterThan(before.cell.epoch);
  });

  it('starts nothing when one of its ports is in use', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(basePort + 2, '127.0.0.1', resolve));
    const { code, stdout } = await cli(['cell', 'start', '--json', ...flags()]);
    server.close();
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'PAXOS_ADDRESS_IN_USE', exitCode: 27 });
    expect(code).toBe(27);
    expect(existsSync(path.join(folder, 'cell'))).toBe(false);
  });
});

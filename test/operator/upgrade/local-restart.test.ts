/** The built-in restart of a local cell: whom it asks to stop, by the number that the cell has written down. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localRestart } from '../../../src/operator/upgrade/local-restart.ts';

const own = { version: '0.2.0', command: [process.execPath, '/opt/0.2.0/bin/run.js'] };
const n1 = { name: 'n1', url: 'http://127.0.0.1:7401' };
let folder = '';
let child: ChildProcess | null = null;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-local-'));
  writeFileSync(path.join(folder, 'cell.json'), '{"replicas":3,"basePort":7400}');
});
afterEach(() => {
  child?.kill('SIGKILL');
  child = null;
  rmSync(folder, { recursive: true, force: true });
});

function runs(...args: string[]): Promise<unknown> {
  child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '--', ...args], { stdio: 'ignore' });
  writeFileSync(path.join(folder, 'n1.pid'), `${child.pid}\n`);
  return new Promise((resolve) => child?.once('exit', (_, signal) => resolve(signal)));
}

describe('the built-in restart', () => {
  it('asks the replica to stop', async () => {
    const ended = runs('node', 'start', '--name', 'n1');
    expect(await localRestart(folder, own)(n1, '0.2.0')).toContain('was asked to stop');
    expect(await ended).toBe('SIGTERM');
  });

  it.skipIf(process.platform !== 'linux')('leaves somebody else alone who has the number by now', async () => {
    void runs('node', 'start', '--name', 'n2');
    expect(await localRestart(folder, own)(n1, '0.2.0')).toContain('did not run');
    expect(child?.signalCode).toBeNull();
  });

  it('knows only versions that it was given', async () => {
    await expect(localRestart(folder, own)(n1, '0.3.0')).rejects.toMatchObject({ exitCode: 5 });
  });

  it.each([
    ['of another cell', { name: 'n1', url: 'http://127.0.0.1:7501' }],
    ['that the cell has not', { name: 'n4', url: 'http://127.0.0.1:7404' }],
  ])('leaves everything as it is for a member %s', async (_, member) => {
    void runs('node', 'start', '--name', member.name);
    const before = readdirSync(folder);
    await expect(localRestart(folder, own)(member, '0.2.0')).rejects.toMatchObject({
      exitCode: 5,
      message: expect.stringContaining('n1 at http://127.0.0.1:7401'),
    });
    expect(readdirSync(folder)).toEqual(before);
    expect(child?.signalCode).toBeNull();
  });
});

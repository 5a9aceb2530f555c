/** The built-in restart of a local cell: whom it asks to stop, by the number that the cell has written down. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localRestart } from '../../../src/operator/upgrade/local-restart.ts';

const own = { version: '0.2.0', command: [process.execPath, '/opt/0.2.0/bin/run.js'] };
let folder = '';
let child: ChildProcess | null = null;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-local-'));
  writeFileSync(path.join(folder, 'cell.json'), '{}');
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
    expect(await localRestart(folder, own)('n1', '0.2.0')).toContain('was asked to stop');
    expect(await ended).toBe('SIGTERM');
  });

  it.skipIf(process.platform !== 'linux')('leaves somebody else alone who has the number by now', async () => {
    void runs('node', 'start', '--name', 'n2');
    expect(await localRestart(folder, own)('n1', '0.2.0')).toContain('did not run');
    expect(child?.signalCode).toBeNull();
  });

  it('knows only versions that it was given', async () => {
    await expect(localRestart(folder, own)('n1', '0.3.0')).rejects.toMatchObject({ exitCode: 5 });
  });
});

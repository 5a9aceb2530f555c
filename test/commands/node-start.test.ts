import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memberNamePattern as corePattern } from '../../src/core/consensus/identity.ts';
import { UsageError } from '../../src/errors/index.ts';
import { memberNamePattern, parseListen, parseMembers, protectionOf } from '../../src/operator/start-options.ts';
import { parseEndpoint } from '../../src/render/flags.ts';
import { freeBasePort } from '../support/free-ports.ts';
import { cli, startCli } from './run-cli.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-node-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const start = (...more: string[]) => ['node', 'start', '--data-dir', path.join(folder, 'n1'), ...more];

describe('the flags of node start', () => {
  it('take the names that the core takes', () => {
    expect(memberNamePattern.source).toBe(corePattern.source);
  });

  it('list members', () => {
    expect(parseMembers('n1=http://a:1, n2=b:2', parseEndpoint)).toEqual([
      { name: 'n1', url: 'http://a:1' },
      { name: 'n2', url: 'http://b:2' },
    ]);
  });

  it.each([
    '',
    'n1',
    '=http://a:1',
    'n1=',
    'n 1=http://a:1',
    'n1=http://a:1,n1=http://b:1',
    'n1=http://a:1,n2=http://a:1',
  ])('refuse the members %j', (text) => {
    expect(() => parseMembers(text, parseEndpoint)).toThrow(UsageError);
  });

  it('name an address to listen on', () => {
    expect(parseListen('127.0.0.1:7401')).toEqual({ host: '127.0.0.1', port: 7401 });
    expect(parseListen('[::1]:0')).toEqual({ host: '::1', port: 0 });
  });

  it.each(['', '7401', ':7401', 'host', 'host:', 'host:70000', '::1:7401', 'a b:1', 'http://a:1'])(
    'refuse to listen on %j',
    (text) => {
      expect(() => parseListen(text)).toThrow(UsageError);
    },
  );

  it('want a secret where others can reach the replica', () => {
    const open = { host: '0.0.0.0', port: 7401 };
    expect(() => protectionOf(open, { secretFile: undefined, insecure: false })).toThrow('--secret-file');
    expect(protectionOf(open, { secretFile: undefined, insecure: true })).toMatchObject({ secret: null });
    const file = path.join(folder, 'secret');
    writeFileSync(file, 'short', { mode: 0o600 });
    expect(() => protectionOf(open, { secretFile: file, insecure: false })).toThrow('at least 16');
    writeFileSync(file, `${'s'.repeat(32)}\n`);
    expect(protectionOf(open, { secretFile: file, insecure: false })).toEqual({
      secret: Buffer.from('s'.repeat(32)),
      warnings: [],
    });
  });
});

describe('node start', () => {
  const cell = 'n1=http://127.0.0.1:1,n2=http://127.0.0.1:2';

  it.each([
    ['without a name', ['--listen', '127.0.0.1:0', '--cell', cell]],
    ['without members', ['--name', 'n1', '--listen', '127.0.0.1:0']],
    ['as a member that is not listed', ['--name', 'n9', '--listen', '127.0.0.1:0', '--cell', cell]],
    [
      'with --cell and --join at once',
      ['--name', 'n1', '--listen', '127.0.0.1:0', '--cell', cell, '--join', 'http://127.0.0.1:1'],
    ],
    ['with an address to join that is none', ['--name', 'n1', '--listen', '127.0.0.1:0', '--join', 'ftp://a']],
    ['on an open address without a secret', ['--name', 'n1', '--listen', '0.0.0.0:0', '--cell', cell]],
  ])('%s ends with 2 and starts nothing', async (_what, flags) => {
    const { code, stdout } = await cli([...start(...flags), '--json']);
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'PAXOS_USAGE', outcome: 'none', exitCode: 2 });
    expect(code).toBe(2);
  });

  it('on an address in use ends with 27, and a supervisor reads why in its JSON log', async () => {
    const server = createServer();
    const port = (await freeBasePort(1)) + 1;
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const { code, stderr } = await cli(start('--name', 'n1', '--listen', `127.0.0.1:${port}`, '--cell', cell));
    server.close();
    const lines = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject({ level: 'error', name: 'n1', code: 'PAXOS_ADDRESS_IN_USE', exitCode: 27 });
    expect(code).toBe(27);
  });

  it('waits for the others of its cell, and SIGTERM ends it with 0', async () => {
    const running = startCli(start('--name', 'n1', '--listen', '127.0.0.1:0', '--cell', cell));
    await expect.poll(() => running.output().stderr, { timeout: 15_000 }).toContain('waiting to form the cell');
    running.process.kill('SIGTERM');
    expect((await running.result).code).toBe(0);
  });
});

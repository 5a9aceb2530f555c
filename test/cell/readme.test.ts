/**
 * The quick start of the README, run as it stands there: the import of a real data set while the master is killed.
 *
 * Nothing in the commands is replaced. Another HOME, other ports (PAXOSCTL_BASE_PORT, PAXOSCTL_ENDPOINTS) and a folder that
 * links to the project make them leave the reader's own cell and files alone.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReplicaStatusDocument } from '../../src/formats/http-body.ts';
import { isAlive } from '../commands/processes.ts';
import { freeBasePort } from '../support/free-ports.ts';
import { until } from '../support/until.ts';

const root = path.resolve(import.meta.dirname, '../..');
const quickStart = /^## Quick start$(.*?)^## /ms.exec(readFileSync(path.join(root, 'README.md'), 'utf8'))?.[1] ?? '';
const blocks = (language: string) =>
  [...quickStart.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map((match) => match[1] ?? '');

/** The first terminal, then all that is typed into the second one. */
const [start = '', ...typed] = blocks('sh');

let folder: string;
let members: readonly string[];
let env: NodeJS.ProcessEnv;
let terminal: ChildProcess;
/** What the first terminal shows. */
let cellOutput = '';
/** The processes that ran a replica, as far as they were seen. */
const pids = new Set<number>();
/** What the second terminal shows, and the exit code of what was typed there. */
let typing: { readonly output: string; readonly code: number };

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-readme-'));
  for (const name of ['bin', 'tooling', 'package.json']) symlinkSync(path.join(root, name), path.join(folder, name));
  const basePort = await freeBasePort(3);
  members = [1, 2, 3].map((at) => `http://127.0.0.1:${basePort + at}`);
  env = {
    PATH: process.env.PATH,
    HOME: path.join(folder, 'home'),
    NO_UPDATE_NOTIFIER: '1',
    PAXOSCTL_BASE_PORT: String(basePort),
    PAXOSCTL_ENDPOINTS: members[0],
  };
  mkdirSync(path.join(folder, 'home'));

  // A process group of its own, as a terminal gives it: Ctrl-C reaches npm and everything that it started.
  terminal = spawn('bash', ['-c', start], { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [terminal.stdout, terminal.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      cellOutput += text;
    });
  }
  await until('npm start says that the cell is up', () => cellOutput.includes('Try this in another terminal'), {
    timeoutMs: 25_000,
    explain: () => cellOutput,
  });
  for (const pid of replicaPids()) pids.add(pid);

  typing = await type(`exec 2>&1\n${typed.join('\n')}`);
  for (const pid of replicaPids()) pids.add(pid);
}, 100_000);

afterAll(async () => {
  if (terminal?.exitCode === null && terminal.signalCode === null) await ctrlC();
  for (const pid of pids) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Ends at the first command that fails. */
const type = (commands: string): Promise<{ output: string; code: number }> =>
  new Promise((resolve) => {
    const options = { cwd: folder, env, timeout: 60_000 };
    execFile('bash', ['-e', '-o', 'pipefail', '-c', commands], options, (error, stdout, stderr) => {
      resolve({ output: stdout + stderr, code: error === null ? 0 : Number(error.code ?? 1) });
    });
  });

function replicaPids(): number[] {
  const cell = path.join(folder, 'home/.local/state/paxosctl/local-cells/default');
  return ['n1', 'n2', 'n3'].map((name) => Number(readFileSync(path.join(cell, `${name}.pid`), 'utf8')));
}

function ctrlC(): Promise<unknown> {
  const ended = new Promise((resolve) => terminal.once('close', resolve));
  process.kill(-(terminal.pid ?? 0), 'SIGINT');
  return ended;
}

async function status(url: string): Promise<ReplicaStatusDocument> {
  const answer = await fetch(`${url}/v1/status`);
  return (await answer.json()) as ReplicaStatusDocument;
}

/** A line with all that differs between two runs made equal: numbers, times, ids, and which member it is. */
const shape = (line: string): string =>
  line
    .replace(/\(id [0-9a-f]+,/, '(id #,')
    .replace(/[\d,.:]*\d+(ms|s|m|h|d)?(?![a-z])/g, '#')
    .replace(/#(\s*#)*/g, '#')
    .replace(/\s+/g, ' ')
    .trim();

/** The three can stand at three instances for a moment; that they agree is waited for and tested apart. */
const varies = (line: string) => line.startsWith('digest ');

describe('the quick start of the README', () => {
  it('does all that it shows, though the master is killed with kill -9 half-way through the import', () => {
    expect(typed.join('\n')).toMatch(/kill -9 \$pid; .*\| paxosctl kv import -/);
    expect(typing.code, `${typing.output}\n${cellOutput}`).toBe(0);
    expect(typing.output).toContain('the export equals the input');
    expect(typed.join('\n')).toMatch(/rm -rf \$cell\/\$other; kill -9 \$pid/);
    expect(cellOutput.match(/was ended by SIGKILL/g)).toHaveLength(2);
    expect(cellOutput.match(/role=master/g)?.length).toBeGreaterThanOrEqual(2);
  });

  it('prints what the README shows', () => {
    // Anywhere in a line: off a terminal `kv get` ends without a line break, the value being all that it prints.
    const printed = `${cellOutput}\n${typing.output}`.split('\n').map(shape).join('\n');
    const shown = blocks('text').flatMap((block) => block.split('\n'));
    expect(shown.length).toBeGreaterThan(20);
    expect(shown.filter((line) => line !== '' && !varies(line) && !printed.includes(shape(line)))).toEqual([]);
  });

  it('leaves every entry in the cell once, and one database on all replicas', async () => {
    const input = readFileSync(path.join(folder, 'mime.ndjson'), 'utf8');
    const entries = input.trimEnd().split('\n').length;
    expect(entries).toBeGreaterThan(2_000);
    // Byte for byte, in the order of the keys: as the README compares it, and once more without its commands.
    expect((await type('node bin/run.js kv export - 2>/dev/null')).output).toBe(input);
    const seen = await until('all replicas have applied the same instance', async () => {
      const all = await Promise.all(members.map(status));
      return new Set(all.map(({ checksum }) => checksum.instance)).size === 1 ? all : null;
    });
    expect(new Set(seen.map(({ checksum }) => checksum.database)).size).toBe(1);
    expect(new Set(seen.map(({ checksum }) => checksum.log)).size).toBe(1);
    // Of the incarnation that was replaced nobody speaks any more.
    expect(seen.flatMap(({ warnings }) => warnings).filter((it) => it.includes('refuses this replica'))).toEqual([]);
    // A put, a delete, and each entry once an import: one that was sent again after a kill and applied twice would count twice.
    expect(seen[0]?.revision).toBe(2 * entries + 2);
    // One of them is a later life, and has its vote.
    expect(seen[0]?.members.filter(({ incarnation, voting }) => incarnation > 1 && voting)).toHaveLength(1);
  });

  it('ends with Ctrl-C, and leaves no process behind', async () => {
    await ctrlC();
    expect(cellOutput).toContain('All replicas stopped.');
    // Three that began, and the two that were started again.
    expect(pids.size).toBe(5);
    expect([...pids].filter(isAlive)).toEqual([]);
    expect(cellOutput.match(/was ended by SIGKILL/g)).toHaveLength(2);
  });
});

/**
 * Members on different versions of Node.js, in different languages and time zones, hold one database, and each goes on from the files of
 * another (pitfall U7, invariant I14).
 *
 * `PAXOSCTL_OTHER_NODES`: executables of other versions of Node.js, separated by commas; without it all run on that of the test, and only
 * their surroundings differ.
 */
import { expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { cli } from '../commands/run-cli.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { nodeStart, type Program, ReplicaChild } from '../support/replica-child.ts';
import { until } from '../support/until.ts';

const nodes = [process.execPath, ...(process.env.PAXOSCTL_OTHER_NODES ?? '').split(',').filter((it) => it !== '')];
const surroundings = [
  { LC_ALL: 'C', TZ: 'UTC' },
  { LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8', TZ: 'Pacific/Kiritimati' },
  { LC_ALL: 'de_DE.UTF-8', LANG: 'de_DE.UTF-8', TZ: 'America/St_Johns' },
];
const replicas = surroundings.length;

const programOf = (turn: number): Program => [nodes[turn % nodes.length] as string, ...nodeStart.slice(1)];
const envOf = (turn: number) => surroundings[turn % surroundings.length] as Readonly<Record<string, string>>;

/** What sorts, folds or normalizes otherwise from one version, or one language, to the next. */
const keys = [
  ...[
    'I',
    'i',
    '\u0130',
    '\u0131',
    'SS',
    '\u00df',
    '\u1e9e',
    'e\u0301',
    '\u00e9',
    '\u212b',
    '\u00c5',
    'z',
    'Z',
    '\u00e4',
    '\u{1f512}',
    '\uffee',
  ],
  ...['9', '10', '1e3', '\u0967', '\u{1d7d8}', 'a-b', 'a b', 'a_b', 'ab', '\u{2ebf0}', '\u{1f1e6}'],
];

async function write(cell: CellProcess, client: CellClient, round: number): Promise<void> {
  for (const [at, key] of keys.entries()) {
    const request = { method: 'PUT', path: keyPath(key), body: `${round} ${key} ${at / 7}`, repeatable: true } as const;
    expect(await client.perform(request, 20_000)).toMatchObject({ status: 200 });
  }
  const gone = { method: 'DELETE', path: keyPath(keys[round] as string), repeatable: true } as const;
  expect(await client.perform(gone, 20_000)).toMatchObject({ status: 200 });
  const endpoints = ['--endpoints', cell.urls.join(',')];
  const { code, stdout, stderr } = await cli(['verify', 'checksums', '--deep', '--json', ...endpoints]);
  expect(code, stdout + stderr).toBe(0);
  const listed = await cli(['kv', 'export', '-', ...endpoints]);
  expect(listed.code, listed.stderr).toBe(0);
  const exported = listed.stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { key: string }).key);
  const left = keys.filter((key) => key !== keys[round]);
  expect(exported).toEqual(left.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
}

it(
  'members on different versions of Node.js and in different languages hold one database, and go on from files of one another',
  {
    timeout: 300_000,
  },
  () =>
    withCell({ replicas, programOf, envOf }, async (cell) => {
      const client = new CellClient({ urls: cell.urls, random: new Random(1) });
      let running: readonly ReplicaChild[] = cell.members;
      try {
        cell.startAll();
        await cell.master();
        await write(cell, client, 0);
        for (let round = 1; round < Math.max(replicas, nodes.length); round++) {
          await Promise.all(running.map((member) => (round % 2 === 0 ? member.kill() : member.terminate())));
          running = cell.members.map(
            ({ options }, at) =>
              new ReplicaChild({ ...options, program: programOf(at + round), env: { ...envOf(at + round) } }),
          );
          for (const member of running) member.start();
          await until(
            'they serve',
            async () =>
              (await Promise.all(running.map((it) => it.status()))).some((it) => it?.role === 'master') || null,
            {
              timeoutMs: 60_000,
            },
          );
          await write(cell, client, round);
        }
      } finally {
        await client.close();
        await Promise.all(running.filter((it) => it.running).map((it) => it.kill()));
      }
    }),
);

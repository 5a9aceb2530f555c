/** A replica that must not start says why, with the exit code of the contract, and leaves every file as it was. */
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { directoryPrint } from '../support/directory-print.ts';
import type { ReplicaChild } from '../support/replica-child.ts';

const one = { replicas: 1 };
const many = 40;
const valueFor = (n: number): string => `value-${n}-`.padEnd(200, String.fromCharCode(97 + (n % 26)));

/** A cell of one member that holds `many` values and was stopped cleanly. */
async function withStoppedReplica(use: (replica: ReplicaChild, cell: CellProcess) => Promise<void>): Promise<void> {
  await withCell(one, async (cell) => {
    const [replica] = cell.members as [ReplicaChild];
    const client = new CellClient({ urls: cell.urls, random: new Random(1) });
    for (let n = 0; n < many; n++) {
      await client.perform({ method: 'PUT', path: keyPath(`k${n}`), body: valueFor(n), repeatable: true }, 10_000);
    }
    await client.close();
    expect(await replica.terminate()).toEqual({ code: 0, signal: null });
    await use(replica, cell);
  });
}

/** Starts it with `flags` and requires that it ends with this code, naming this error, and that nothing was changed. */
async function expectRefusal(
  replica: ReplicaChild,
  expected: { readonly exit: number; readonly code: string },
  flags: Readonly<Record<string, string | true>> = {},
): Promise<string> {
  const before = directoryPrint(replica.directory);
  const logged = replica.log().length;
  const exit = await replica.startAndEnd(flags);
  const log = replica.log().slice(logged);
  expect(exit, log).toEqual({ code: expected.exit, signal: null });
  expect(log).toContain(expected.code);
  expect(directoryPrint(replica.directory)).toEqual(before);
  return log;
}

async function expectAllValues(cell: CellProcess): Promise<void> {
  await cell.master();
  const client = new CellClient({ urls: cell.urls, random: new Random(1) });
  for (let n = 0; n < many; n++) {
    const outcome = await client.perform({ method: 'GET', path: keyPath(`k${n}`), repeatable: true }, 10_000);
    expect(outcome).toMatchObject({ status: 200, body: valueFor(n) });
  }
  await client.close();
}

describe('a wrong command line', () => {
  const wrong: [what: string, flags: Record<string, string | true>][] = [
    ['a name that is none', { name: 'not a name' }],
    ['an address that is none', { listen: 'nowhere' }],
    ['a list of members without this one', { cell: 'n2=http://127.0.0.1:1' }],
    ['a member without an address', { cell: 'n1' }],
    ['the same member twice', { cell: 'n1=http://127.0.0.1:1,n1=http://127.0.0.1:2' }],
    ['an address that others can reach, without a secret', { listen: '0.0.0.0:0' }],
    ['an unknown flag', { 'no-such-flag': true }],
  ];
  it('exits 2 with the usage and makes no directory', async () => {
    await withCell({ replicas: 1, started: false }, async (cell) => {
      const [replica] = cell.members as [ReplicaChild];
      for (const [what, flags] of wrong) {
        const logged = replica.log().length;
        const exit = await replica.startAndEnd(flags);
        const log = replica.log().slice(logged);
        expect(exit, `${what}: ${log}`).toEqual({ code: 2, signal: null });
        expect(log, what).toContain('USAGE');
        expect(existsSync(replica.directory), what).toBe(false);
      }
    });
  });
});

describe('a data directory', () => {
  it('with a file that does not belong is refused with 21, and taken when the file is moved aside', async () => {
    await withStoppedReplica(async (replica, cell) => {
      const segment = readdirSync(replica.directory).find((name) => name.startsWith('wal-')) as string;
      const leftover = path.join(replica.directory, 'wal-00000099');
      copyFileSync(path.join(replica.directory, segment), leftover);
      writeFileSync(path.join(replica.directory, 'snapshot.bak'), 'old');
      const log = await expectRefusal(replica, { exit: 21, code: 'PAXOS_LEFTOVER_FILES' });
      expect(log).toContain('wal-00000099');
      expect(log).toContain('snapshot.bak');
      replica.start({ 'quarantine-leftovers': true });
      await expectAllValues(cell);
      const aside = path.join(replica.directory, 'quarantine');
      const [label] = readdirSync(aside) as [string];
      expect(readdirSync(path.join(aside, label)).sort()).toEqual(['snapshot.bak', 'wal-00000099']);
      await replica.terminate();
      replica.start();
      await expectAllValues(cell);
    });
  });

  it('of another member is refused with 24', async () => {
    await withStoppedReplica(async (replica) => {
      const log = await expectRefusal(
        replica,
        { exit: 24, code: 'PAXOS_DATA_DIRECTORY_FOREIGN' },
        { name: 'n2', cell: `n2=${replica.url}` },
      );
      expect(log).toContain('member n1');
    });
  });

  it('of another cell than the expected one is refused with 24, of the expected one taken', async () => {
    await withCell(one, async (cell) => {
      const [replica] = cell.members as [ReplicaChild];
      const { id } = (await replica.status())!.cell;
      await replica.terminate();
      await expectRefusal(
        replica,
        { exit: 24, code: 'PAXOS_DATA_DIRECTORY_FOREIGN' },
        { 'expect-cell': '0123456789abcdef0123456789abcdef' },
      );
      replica.start({ 'expect-cell': id as string });
      await cell.master();
    });
  });

  it('that is empty forms no new cell where another one is expected', async () => {
    await withCell({ replicas: 1, started: false }, async (cell) => {
      const [replica] = cell.members as [ReplicaChild];
      const exit = await replica.startAndEnd({ 'expect-cell': '0123456789abcdef0123456789abcdef' });
      expect(exit.code).toBe(20);
      expect(replica.log()).toContain('forbids member n1 to form a new cell');
      expect(existsSync(path.join(replica.directory, 'MANIFEST'))).toBe(false);
    });
  });

  it('with a bad byte in the middle of its log is refused with 25, and nothing is cut off', async () => {
    await withStoppedReplica(async (replica, cell) => {
      const [file, offset] = findBytes(replica.directory, valueFor(5));
      const good = readFileSync(file);
      const bad = Buffer.from(good);
      bad[offset + 20]! ^= 1;
      writeFileSync(file, bad);
      const log = await expectRefusal(replica, { exit: 25, code: 'PAXOS_DATA_CORRUPT' });
      expect(log).toContain(path.basename(file));
      writeFileSync(file, good);
      replica.start();
      await expectAllValues(cell);
    });
  });

  it('without either copy of its promise is refused with 25; with one it mends the other', async () => {
    await withStoppedReplica(async (replica, cell) => {
      const [a, b] = ['promise-a', 'promise-b'].map((name) => path.join(replica.directory, name)) as [string, string];
      const good = readFileSync(b);
      const bad = Buffer.from(good);
      bad[30]! ^= 1;
      writeFileSync(a, bad);
      rmSync(b);
      await expectRefusal(replica, { exit: 25, code: 'PAXOS_DATA_CORRUPT' });
      writeFileSync(b, good);
      replica.start();
      await expectAllValues(cell);
      await replica.terminate();
      rmSync(b);
      replica.start();
      await expectAllValues(cell);
    });
  });

  it('that another process uses is refused with 28, and that process goes on', async () => {
    await withCell(one, async (cell) => {
      const [replica] = cell.members as [ReplicaChild];
      const second = cell.twin(replica, 'second');
      const exit = await second.startAndEnd({ listen: '127.0.0.1:0' });
      expect(exit, second.log()).toEqual({ code: 28, signal: null });
      expect(second.log()).toContain('PAXOS_DATA_DIRECTORY_IN_USE');
      const client = new CellClient({ urls: cell.urls, random: new Random(1) });
      const put = await client.perform({ method: 'PUT', path: keyPath('k'), body: 'v', repeatable: false }, 10_000);
      expect(put).toMatchObject({ status: 200 });
      await client.close();
    });
  });
});

describe('an address', () => {
  it('that is in use is refused with 27, before the directory is touched', async () => {
    await withCell({ replicas: 1, started: false }, async (cell) => {
      const [replica] = cell.members as [ReplicaChild];
      const other = createServer();
      await new Promise<void>((resolve) => other.listen(replica.options.port, '127.0.0.1', resolve));
      const exit = await replica.startAndEnd();
      expect(exit, replica.log()).toEqual({ code: 27, signal: null });
      expect(replica.log()).toContain('PAXOS_ADDRESS_IN_USE');
      expect(existsSync(replica.directory)).toBe(false);
      await new Promise((resolve) => other.close(resolve));
      replica.start();
      await cell.master();
    });
  });
});

/** The log segment in which `text` stands, and where. */
function findBytes(directory: string, text: string): [file: string, offset: number] {
  for (const name of readdirSync(directory).filter((entry) => entry.startsWith('wal-'))) {
    const file = path.join(directory, name);
    const offset = readFileSync(file).indexOf(text);
    if (offset >= 0) return [file, offset];
  }
  throw new Error(`${text} stands nowhere in ${directory}.`);
}

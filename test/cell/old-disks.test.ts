/**
 * Data directories that are not what a member last acknowledged: put back from a copy, copied elsewhere, used by two processes.
 * Real replicas, real files. Source: design §4 (fence, copied directories, witness); pitfalls P22, O2, O6.
 */
import { cpSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import type { ReplicaStatus } from '../../src/runtime/http/service.ts';
import { cli } from '../commands/run-cli.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { freePorts } from '../support/free-ports.ts';
import { ReplicaChild } from '../support/replica-child.ts';
import { until } from '../support/until.ts';

const three = { replicas: 3 };

async function write(cell: CellProcess, count: number, label: string): Promise<void> {
  const client = new CellClient({ urls: cell.urls, random: new Random(label) });
  for (let n = 0; n < count; n++) {
    const put = { method: 'PUT', path: keyPath(`${label}/${n}`), body: label, repeatable: true } as const;
    expect(await client.perform(put, 20_000)).toMatchObject({ status: 200 });
  }
  await client.close();
}

const copyOf = (directory: string, label: string): string => {
  const copy = `${directory}.${label}`;
  cpSync(directory, copy, { recursive: true, preserveTimestamps: true });
  return copy;
};

/** As a restore of a whole volume does it: what tells a copy from the original comes back as it was. */
function putBack(copy: string, directory: string): void {
  for (const name of readdirSync(directory))
    if (name !== 'IDENTITY') rmSync(path.join(directory, name), { recursive: true });
  const filter = (from: string): boolean => path.basename(from) !== 'IDENTITY';
  cpSync(copy, directory, { recursive: true, preserveTimestamps: true, filter });
}

const is = (replica: ReplicaChild, what: string, holds: (status: ReplicaStatus) => boolean): Promise<ReplicaStatus> => {
  let seen: ReplicaStatus | null = null;
  return until(
    `${replica.name} ${what}`,
    async () => {
      seen = await replica.status();
      return seen !== null && holds(seen) ? seen : null;
    },
    { timeoutMs: 20_000, explain: () => `${JSON.stringify(seen)}\n${replica.log().slice(-1_500)}` },
  );
};

/** What it had applied; 0 of one that has ended with the exit code of an old disk. */
const frozenOrOld = (replica: ReplicaChild): Promise<number> =>
  until(`${replica.name} is frozen or has ended`, async () => {
    if (!replica.running) {
      expect(await replica.end()).toEqual({ code: 20, signal: null });
      return 0;
    }
    const status = await replica.status();
    return status?.role === 'frozen' ? status.instances.applied : null;
  });

const votes = (replica: ReplicaChild): Promise<ReplicaStatus> => is(replica, 'votes', ({ voting }) => voting);

async function followerOf(cell: CellProcess): Promise<ReplicaChild> {
  const master = await cell.master();
  return cell.others(master)[0] as ReplicaChild;
}

describe('a data directory that was put back from an older copy', () => {
  it('is found out by whoever remembers, at every start, and rebuilt only when asked', async () => {
    await withCell(three, async (cell) => {
      await write(cell, 5, 'before');
      const replica = await followerOf(cell);
      await replica.terminate();
      const old = copyOf(replica.directory, 'old');
      replica.start();
      await votes(replica);
      await write(cell, 20, 'after');
      await replica.kill();
      putBack(old, replica.directory);

      const exit = await replica.startAndEnd();
      expect(exit, replica.log().slice(-2_000)).toEqual({ code: 20, signal: null });
      const log = replica.log();
      expect(log).toContain('PAXOS_DATA_ROLLED_BACK');
      expect(log).toMatch(/n\d remembers flush \d+ of boot \d+ \([0-9a-f]{8}\)/);
      expect(log).toContain(`paxosctl members rebuild ${replica.name}`);
      // It is written down: also alone it knows what it is.
      const again = cell.twin(replica, 'alone');
      expect(await again.startAndEnd({ cell: `${replica.name}=${replica.url}` })).toEqual({ code: 20, signal: null });
      await write(cell, 5, 'without it');

      // Found by the others once it runs: the next incarnation begins in the same process, and checks itself like any other.
      putBack(old, replica.directory);
      replica.start({ rebuild: true });
      const status = await votes(replica);
      expect(status.incarnation).toBeGreaterThan(1);
      await cell.agreement();
      const checked = await cli(['verify', 'checksums', '--endpoints', cell.urls.join(',')]);
      expect(checked.code, checked.stdout).toBe(0);
    });
  });

  it('of two of three, while the third was away, freezes the cell when it returns: nothing is overwritten', async () => {
    await withCell(three, async (cell) => {
      await write(cell, 3, 'common');
      const { instance: common } = await cell.agreement();
      for (const member of cell.members) await member.terminate();
      const [n1, n2, n3] = cell.members as [ReplicaChild, ReplicaChild, ReplicaChild];
      const copies = [n1, n2].map((member) => copyOf(member.directory, 'old'));
      cell.startAll();
      await cell.master();
      await write(cell, 20, 'acknowledged');
      const { instance } = await cell.agreement();
      await cell.killAll();
      for (const [i, member] of [n1, n2].entries()) putBack(copies[i] as string, member.directory);
      for (const member of [n1, n2]) member.start();
      // They know of nothing better, and go on from there.
      await cell.master();
      await write(cell, 3, 'other history');
      for (const member of [n1, n2]) member.expectEnd(true);
      n3.start();
      const frozen = await is(n3, 'is frozen', ({ role }) => role === 'frozen');
      // That the very last one is chosen may not have been written down before it was killed; that it was accepted was.
      expect(frozen.instances.applied).toBeGreaterThanOrEqual(instance - 2);
      // The first of the old ones that is told may have ended before anybody knew that there are two.
      const ends = await Promise.all([n1, n2].map(frozenOrOld));
      // Both branches are kept: whoever has the files can tell from where on they are two histories.
      await cell.killAll();
      const replayed = await cli(['replay', n1.directory, n3.directory, '--json']);
      expect(replayed.code, replayed.stderr).toBe(4);
      const { ok, difference, directories } = JSON.parse(replayed.stdout);
      expect({ ok, what: difference.what }).toEqual({ ok: false, what: 'log' });
      expect(difference.logChains[0]).not.toBe(difference.logChains[1]);
      expect(difference.instance).toBeGreaterThan(common);
      expect(difference.instance).toBeLessThanOrEqual(instance);
      expect(directories.map(({ instance: end }: { instance: number }) => end)).toEqual([
        expect.toSatisfy((end) => end >= (ends[0] as number) - 2),
        expect.toSatisfy((end) => end >= instance - 2),
      ]);
      const alike = await cli(['replay', n1.directory, n2.directory, '--json']);
      expect(alike.code, alike.stdout).toBe(0);
    });
  }, 60_000);

  it('is found out by a witness on other storage, where nobody else is there to remember', async () => {
    await withCell({ replicas: 1, started: false }, async (cell) => {
      const [replica] = cell.members as [ReplicaChild];
      const witness = { witness: path.join(cell.folder, 'elsewhere', 'n1.witness') };
      replica.start(witness);
      await cell.master();
      await replica.terminate();
      const old = copyOf(replica.directory, 'old');
      replica.start(witness);
      await cell.master();
      await write(cell, 5, 'acknowledged');
      await replica.terminate();
      const newest = copyOf(replica.directory, 'newest');
      putBack(old, replica.directory);
      const exit = await replica.startAndEnd(witness);
      expect(exit, replica.log().slice(-2_000)).toEqual({ code: 20, signal: null });
      expect(replica.log()).toContain('n1.witness remembers');
      putBack(newest, replica.directory);
      replica.start(witness);
      await cell.master();
    });
  });
});

describe('a data directory that was copied', () => {
  it('votes when all others have confirmed that nothing is missing in it, and from then on like any other', async () => {
    await withCell(three, async (cell) => {
      await write(cell, 5, 'before');
      const replica = await followerOf(cell);
      const other = cell.others(await cell.master(), replica)[0] as ReplicaChild;
      await replica.terminate();
      await other.terminate();
      renameSync(copyOf(replica.directory, 'moved'), `${replica.directory}.new`);
      renameSync(replica.directory, `${replica.directory}.gone`);
      renameSync(`${replica.directory}.new`, replica.directory);
      replica.start();
      const waiting = await is(replica, 'says why it does not vote', ({ warnings }) =>
        warnings.some((warning) => warning.includes('--moved')),
      );
      expect(waiting).toMatchObject({ role: 'checking', voting: false });
      other.start();
      await votes(replica);
      await until('the copy is known', () => replica.log().includes('all other members have confirmed'));
      await other.terminate();
      await replica.terminate();
      replica.start();
      await votes(replica);
      expect((await replica.status())?.warnings.join()).not.toContain('--moved');
    });
  });

  it('of a cell of one votes only when an operator vouches for it, by the boot that its log names', async () => {
    await withCell({ replicas: 1 }, async (cell) => {
      const [replica] = cell.members as [ReplicaChild];
      await write(cell, 3, 'before');
      await replica.terminate();
      const copy = copyOf(replica.directory, 'copy');
      rmSync(replica.directory, { recursive: true });
      renameSync(copy, replica.directory);
      replica.start({ moved: 'another-boot' });
      const { warnings, voting } = await is(replica, 'is checking', ({ role }) => role === 'checking');
      expect(voting).toBe(false);
      const [, boot] = /--moved ([0-9a-f]{32})/.exec(warnings.join(' ')) ?? [];
      await replica.terminate();
      replica.start({ moved: boot as string });
      await votes(replica);
      await write(cell, 3, 'after');
      await replica.terminate();
      replica.start();
      await cell.master();
    });
  });

  it('and used by a second process of the same member: peers turn the second away and tell of it, and the first goes on', async () => {
    await withCell(three, async (cell) => {
      await write(cell, 5, 'before');
      const replica = await followerOf(cell);
      await replica.terminate();
      const copy = copyOf(replica.directory, 'second');
      replica.start();
      await votes(replica);
      const [port] = (await freePorts(1)) as [number];
      const second = new ReplicaChild({
        ...replica.options,
        port,
        directory: copy,
        logFile: path.join(cell.folder, 'second.log'),
      });
      second.start();
      const refused = await is(second, 'is turned away', ({ warnings }) =>
        warnings.some((warning) => warning.includes('PAXOS_PEER_TWICE')),
      );
      expect(refused).toMatchObject({ role: 'checking', voting: false });
      // The second is at no address that anybody asks: those who turn it away tell of it.
      const says = `a second process runs as ${replica.name} from 127.0.0.1`;
      const told = async (...words: string[]): Promise<boolean> => {
        const { stdout } = await cli([...words, '--endpoints', cell.urls.join(',')]);
        return stdout.includes(says);
      };
      await until('status and doctor tell of it', async () => (await told('status')) && (await told('doctor')), {
        timeoutMs: 60_000,
      });
      await write(cell, 5, 'after');
      expect(await replica.status()).toMatchObject({ voting: true });
      expect(await second.status()).toMatchObject({ voting: false });
      await second.kill();
      await until('nobody tells of it any more', async () => !(await told('doctor')), { timeoutMs: 40_000 });
    });
  });
});

describe('a restart', () => {
  it('brings the vote back in well under a second where the others are there', async () => {
    await withCell(three, async (cell) => {
      const tookMs: number[] = [];
      for (let round = 0; round < 3; round++) {
        const replica = await followerOf(cell);
        await replica.kill();
        const logged = replica.log().length;
        replica.start();
        await votes(replica);
        const lines = replica
          .log()
          .slice(logged)
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line));
        const [started, connected] = [/replica started/, /connected to a peer/].map((text) =>
          lines.find(({ msg }) => text.test(msg)),
        );
        tookMs.push(Date.parse(connected.time) - Date.parse(started.time));
      }
      expect(Math.min(...tookMs), `${tookMs}`).toBeLessThan(500);
    });
  });
});

/**
 * What is at stake: a replica whose memory changed goes on serving, voting and teaching (P30), the master too, and a check that
 * says "equal" of somebody who was not asked (I15). Real processes; one bit of one value is changed behind the replica's back.
 */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Random } from '../../src/core/random.ts';
import type { ChecksumsDocument } from '../../src/operator/verify-checksums.ts';
import { cli } from '../commands/run-cli.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { Hooks } from '../support/hooks/hooks.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { buildTunedReplica, type TunedProgram, tunedEnv } from '../support/tuned-program.ts';
import { until } from '../support/until.ts';

let tuned: TunedProgram;
beforeAll(async () => {
  tuned = await buildTunedReplica();
});
afterAll(() => tuned.remove());
vi.setConfig({ testTimeout: 90_000 });

const settings = (more: Partial<Parameters<typeof tunedEnv>[0]> = {}) => ({
  replicas: 3,
  programOf: () => tuned.program,
  env: tunedEnv({ checkEveryMs: 0, ...more }),
});

async function withClient(cell: CellProcess, use: (client: CellClient) => Promise<void>): Promise<void> {
  const client = new CellClient({ urls: cell.urls, random: new Random(1) });
  try {
    await use(client);
  } finally {
    await client.close();
  }
}

async function put(client: CellClient, key: string, body: string): Promise<void> {
  const request = { method: 'PUT', path: keyPath(key), body, repeatable: true } as const;
  expect(await client.perform(request, 10_000)).toMatchObject({ status: 200 });
}

async function verify(cell: CellProcess, ...args: string[]): Promise<{ code: number; document: ChecksumsDocument }> {
  const endpoints = cell.urls.join(',');
  const { code, stdout, stderr } = await cli(['verify', 'checksums', '--json', '--endpoints', endpoints, ...args]);
  expect(stdout, stderr).not.toBe('');
  return { code: code as number, document: JSON.parse(stdout) };
}

const verdicts = ({ members }: ChecksumsDocument) => Object.fromEntries(members.map((it) => [it.name, it.verdict]));

/** Waits until `member` is well again: it votes, and its database is that of the others. */
const isBack = (member: ReplicaChild): Promise<boolean> =>
  until('it takes part again', async () => (await member.status())?.voting === true || null, { timeoutMs: 20_000 });

/** What was kept of a database that was not right. */
function evidenceOf(member: ReplicaChild): Record<string, unknown>[] {
  const folder = path.join(member.directory, 'quarantine');
  const files = existsSync(folder) ? readdirSync(folder) : [];
  return files.map((file) => JSON.parse(readFileSync(path.join(folder, file), 'utf8')));
}

describe('verify checksums', () => {
  it('ends with 0 only when every configured member agrees, and with 8 when one cannot be asked', async () => {
    await withCell(settings(), async (cell) => {
      await withClient(cell, async (client) => {
        for (let n = 0; n < 50; n++) await put(client, `k${n}`, `v${n}`);
      });
      const all = await verify(cell);
      expect(all).toMatchObject({ code: 0, document: { ok: true, verdict: 'agree', differences: [] } });
      const [first] = all.document.members;
      expect(all.document.members).toHaveLength(3);
      for (const member of all.document.members) {
        expect(member).toMatchObject({ verdict: 'agrees', instance: all.document.instance, entries: 50 });
        expect(member.checksum).toBe(first?.checksum);
      }

      const [follower] = cell.others(await cell.master()) as [ReplicaChild];
      await follower.kill();
      const fewer = await verify(cell, '--timeout', '10s');
      expect(fewer).toMatchObject({ code: 8, document: { ok: false, verdict: 'incomplete' } });
      expect(verdicts(fewer.document)[follower.name]).toBe('no-answer');

      // Its files change while they are read.
      const running = cell.others(follower)[0] as ReplicaChild;
      expect(await cli(['replay', running.directory])).toMatchObject({
        code: 28,
        stderr: expect.stringContaining('in use'),
      });

      // What their directories make of the log, without any cell.
      await cell.killAll();
      const [n1, n2] = cell.members.map(({ directory }) => directory) as [string, string];
      const replayed = await cli(['replay', n1, n2, '--json']);
      expect(replayed.code, replayed.stderr).toBe(0);
      const { directories, compared, difference } = JSON.parse(replayed.stdout);
      expect(difference).toBe(null);
      expect(compared).toMatchObject({ from: 0 });
      // What a killed process had on its disk as chosen may be behind what it had applied.
      expect(compared.to).toBeGreaterThan(0);
      expect(directories[0]).toMatchObject({ directory: n1, member: { name: 'n1' }, checksum: expect.any(String) });
      expect((await cli(['replay', cell.folder, '--json'])).code).toBe(2);
    });
  });

  it('ends with 4, names the member and the key, and that member is set aside and rebuilt', async () => {
    await withCell(settings(), async (cell) => {
      await withClient(cell, async (client) => {
        for (let n = 0; n < 300; n++) await put(client, `k${n}`, `v${n}`);
      });
      for (const which of ['follower', 'master'] as const) {
        const master = await cell.master();
        const odd = which === 'master' ? master : (cell.others(master)[0] as ReplicaChild);
        const { epoch } = (await master.status())!;
        await new Hooks(odd).order({ do: 'flip-value', key: 'k7' });
        const { code, document } = await verify(cell, '--values');
        expect(code, JSON.stringify(document)).toBe(4);
        expect(document).toMatchObject({ verdict: 'differ', forked: false, decidedBy: 'majority' });
        expect(verdicts(document)).toEqual(
          Object.fromEntries(cell.members.map(({ name }) => [name, name === odd.name ? 'differs' : 'agrees'])),
        );
        expect(document.differences).toHaveLength(1);
        const text = (value: string | undefined) => Buffer.from(value ?? '', 'base64').toString();
        const [difference] = document.differences;
        expect(difference).toMatchObject({
          member: odd.name,
          key: 'k7',
          has: { sound: false },
          otherHas: { sound: true },
        });
        expect(text(difference?.has?.valueBase64)).toBe('w7');
        expect(text(difference?.otherHas?.valueBase64)).toBe('v7');

        // It comes back by itself: a follower costs nobody the mastership, a master does not keep it.
        await isBack(odd);
        await cell.agreement();
        expect(await verify(cell)).toMatchObject({ code: 0 });
        const now = (await (await cell.master()).status())!;
        expect(now.epoch > epoch).toBe(which === 'master');
        expect(odd.log()).toContain('set aside');
        expect(evidenceOf(odd).at(-1)).toMatchObject({ by: 'majority', more: { rotten: [{ key: 'k7' }] } });
      }
    });
  });
});

describe('verify checksums --deep', () => {
  it('names what is damaged in a running cell, repairs it, and the members come back from their disks with everything', async () => {
    await withCell(settings(), async (cell) => {
      const many = 60;
      await withClient(cell, async (client) => {
        for (let n = 0; n < many; n++) await put(client, `k${n}`, `v${n}`.repeat(100));
      });
      expect(await verify(cell, '--deep')).toMatchObject({ code: 0, document: { deep: true, repaired: [] } });
      const master = await cell.master();
      const [other, third] = cell.others(master) as [ReplicaChild, ReplicaChild];
      expect((await cli(['snapshot', 'take', '--endpoints', cell.urls.join(','), '--member', third.name])).code).toBe(
        0,
      );
      // The same stretch of the log on all three: no disk of the cell has it any more.
      const logs = [master, other, third].map((member) => scribble(member, 'wal-', 8_192));
      const promise = scribble(other, 'promise-', 0);
      const snapshot = scribble(third, 'snapshot-', 600);

      const { code, document } = await verify(cell, '--deep');

      expect(code, JSON.stringify(document)).toBe(0);
      expect(document).toMatchObject({ ok: true, verdict: 'agree' });
      for (const { files } of document.members) expect(files).toEqual([]);
      const repaired = document.repaired.map(({ member, file }) => `${member} ${file}`).sort();
      const expected = [...logs, promise, snapshot].map(({ member, file }) => `${member} ${file}`).sort();
      // What a snapshot holds now needs no log any more: that one may have gone before it was read.
      expect(expected).toEqual(expect.arrayContaining(repaired));
      expect(repaired).toEqual(
        expect.arrayContaining([promise, snapshot, logs[0]!].map((it) => `${it.member} ${it.file}`)),
      );
      expect(await verify(cell, '--deep')).toMatchObject({ code: 0, document: { repaired: [] } });

      await cell.killAll();
      cell.startAll();
      await cell.agreement();
      for (const member of cell.members) expect(member.log()).not.toContain('the log is damaged');
      await withClient(cell, async (client) => {
        for (let n = 0; n < many; n++) {
          const read = await client.perform({ method: 'GET', path: keyPath(`k${n}`), repeatable: true }, 10_000);
          expect(read).toMatchObject({ status: 200, body: `v${n}`.repeat(100) });
        }
      });
    });
  });
});

/** Overwrites 600 bytes of the first file of `member` with this beginning. */
function scribble(member: ReplicaChild, beginning: string, offset: number): { member: string; file: string } {
  const [name] = readdirSync(member.directory)
    .filter((it) => it.startsWith(beginning))
    .sort() as [string];
  const file = openSync(path.join(member.directory, name), 'r+');
  writeSync(file, Buffer.alloc(600, 0x5a), 0, 600, offset);
  closeSync(file);
  return { member: member.name, file: name };
}

/** Three times one database differed from the others; the logs, replayed, were right (PML §6.2, §7). */
describe('incident 5: the database of one replica differs from the others', () => {
  it('finds a changed value within one interval, in the master too, while writes go on', async () => {
    await withCell(settings({ checkEveryMs: 1_000 }), async (cell) => {
      await withClient(cell, async (client) => {
        for (let n = 0; n < 50; n++) await put(client, `k${n}`, `v${n}`);
        const odd = await cell.master();
        await new Hooks(odd).order({ do: 'flip-value', key: 'k7' });
        let written = 0;
        await until('it was set aside and is back', async () => {
          await put(client, 'while', `${written++}`);
          return odd.log().includes('that of the majority again') || null;
        });
        await isBack(odd);
        await cell.agreement();
        expect(written).toBeGreaterThan(1);
        const read = await client.perform({ method: 'GET', path: keyPath('k7'), repeatable: true }, 10_000);
        expect(read).toMatchObject({ status: 200, body: 'v7' });
        await until('status says that all agree', async () => (await odd.status())?.check?.verdict === 'agree' || null);
        // It was its memory: what was wrong is kept, and its log leads to what the others have.
        expect(evidenceOf(odd).at(-1)).toMatchObject({ by: 'majority', more: { rotten: [{ key: 'k7' }] } });
        const [other] = cell.others(odd) as [ReplicaChild];
        await cell.killAll();
        const replayed = await cli(['replay', odd.directory, other.directory, '--json']);
        expect(replayed.code, replayed.stdout).toBe(0);
      });
    });
  });

  it('keeps a member set aside over restarts until it has compared: no vote, no stale read', async () => {
    await withCell(settings({ checkEveryMs: 1_000 }), async (cell) => {
      await withClient(cell, async (client) => {
        for (let n = 0; n < 50; n++) await put(client, `k${n}`, `v${n}`);
        const master = await cell.master();
        const [odd] = cell.others(master) as [ReplicaChild];
        await new Hooks(odd).order({ do: 'flip-value', key: 'k7' });
        // Its check is told to nobody, so that it stays what it is until it is stopped.
        await until('it is set aside', async () => odd.log().includes('set aside') || null);
        await odd.kill();
        await cell.killAll();
        odd.start();
        // Alone it cannot compare: whatever its disk holds, it neither votes nor answers.
        const status = await until('it is up', async () => {
          const found = await odd.status();
          return found !== null && found.role !== 'waiting' ? found : null;
        });
        const read = { method: 'GET', path: `${keyPath('k7')}?consistency=stale`, repeatable: true } as const;
        if (status.role === 'quarantined') {
          expect(status.voting).toBe(false);
          const outcome = await client.exchange(read, odd.url);
          expect(outcome.kind === 'answer' ? outcome.status : outcome.kind).not.toBe(200);
        }
        cell.startAll();
        await isBack(odd);
        await cell.agreement();
      });
    });
  });
});

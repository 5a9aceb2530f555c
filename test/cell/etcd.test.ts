/** A copy of a real etcd into a cell of real processes. Needs `etcd` (3.4 or later) on the machine; without it, it says so and passes over. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli } from '../commands/run-cli.ts';
import { withCell } from '../support/cell-process.ts';
import { freePorts } from '../support/free-ports.ts';
import { until } from '../support/until.ts';

const installed = spawnSync('etcd', ['--version']).status === 0;
if (!installed) process.stderr.write('etcd is not installed: the copy of a real one is not tried here\n');

const base64 = (text: string | Buffer): string => Buffer.from(text).toString('base64');

describe.skipIf(!installed)('a copy of a real etcd (needs etcd)', { timeout: 90_000 }, () => {
  let folder = '';
  let url = '';
  let etcd: ChildProcess | null = null;

  const ask = async (where: string, body: object): Promise<Record<string, unknown>> => {
    const response = await fetch(`${url}${where}`, { method: 'POST', body: JSON.stringify(body) });
    return (await response.json()) as Record<string, unknown>;
  };
  const put = (key: string | Buffer, value: string | Buffer, more: object = {}) =>
    ask('/v3/kv/put', { key: base64(key), value: base64(value), ...more });

  beforeAll(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-etcd-real-'));
    const [client, peer] = (await freePorts(2)) as [number, number];
    url = `http://127.0.0.1:${client}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    const flags = {
      name: 'e1',
      'data-dir': path.join(folder, 'data'),
      'listen-client-urls': url,
      'advertise-client-urls': url,
      'listen-peer-urls': peerUrl,
      'initial-advertise-peer-urls': peerUrl,
      'initial-cluster': `e1=${peerUrl}`,
    };
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
    etcd = spawn('etcd', args, { stdio: 'ignore' });
    await until('etcd answers', async () => (await ask('/v3/maintenance/status', {}).catch(() => null)) !== null);
  });

  afterAll(async () => {
    const ended = new Promise((resolve) => etcd?.once('exit', resolve));
    if (etcd?.kill('SIGKILL') === true) await ended;
    rmSync(folder, { recursive: true, force: true });
  });

  it('brings every key and byte of one revision, and is the same when it is done again', async () => {
    for (let at = 0; at < 20; at++) {
      const success = Array.from({ length: 100 }, (_, n) => ({
        requestPut: { key: base64(`bulk/${String(at * 100 + n).padStart(6, '0')}`), value: base64(`value ${at} ${n}`) },
      }));
      await ask('/v3/kv/txn', { success });
    }
    await put('app/😀', 'x');
    await put('app/ﾮ', '');
    await put('app/large', Buffer.alloc(200_000, 0xfe));
    const { ID } = await ask('/v3/lease/grant', { TTL: '600' });
    await put('app/leased', 'x', { lease: ID });
    await withCell({ replicas: 3 }, async (cell) => {
      const run = async (...args: string[]) => {
        const flags = ['--from-etcd', `http://127.0.0.1:1,${url}`, '--endpoints', cell.urls.join(','), '--json'];
        const { code, stderr, stdout } = await cli(['kv', 'import', ...flags, ...args]);
        return { code, stderr, json: JSON.parse(stdout === '' ? '{}' : stdout) };
      };
      expect(await run('--dry-run')).toMatchObject({ code: 10, json: { entries: 2_004, wouldChange: true } });
      const copied = await run();
      expect(copied.code, copied.stderr).toBe(0);
      const verified = { entries: 2_004, different: 0, others: 0 };
      expect(copied.json).toMatchObject({ entries: 2_004, leased: 1, verified });
      await put('app/leased', 'later');
      expect(await run('--prefix', 'app/')).toMatchObject({ code: 0, json: { entries: 4, verified: { others: 0 } } });

      // It forgets what the next pages would be read at: the next try takes the newest.
      const { header } = await put('bulk/000001', 'again');
      const { revision } = header as { revision: string };
      await ask('/v3/kv/compaction', { revision });
      expect((await run()).code).toBe(0);
      const old = await ask('/v3/kv/range', { key: base64('a'), range_end: base64('b'), revision: '2' });
      expect(old).toMatchObject({ code: 11, error: expect.stringContaining('compacted') });
      await put(Buffer.from([1, 0xff]), 'x');
      expect(await run()).toMatchObject({ code: 5, json: { error: { code: 'PAXOS_REFUSED', facts: { unfit: 1 } } } });
    });
  });
});

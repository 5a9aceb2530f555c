/** A client that watches a cell of real processes while masters are killed, stopped and changed. */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { connect } from '../../src/client/index.ts';
import type { WatchedChange } from '../../src/client/watch.ts';
import { cli, startCli } from '../commands/run-cli.ts';
import { operatorOf } from '../support/cell-operator.ts';
import { withCell } from '../support/cell-process.ts';
import { until } from '../support/until.ts';

const three = { replicas: 3 };

describe('a watch of a cell', () => {
  it('is told of every change once and in order, whichever masters are killed or hand over meanwhile', async () => {
    await withCell(three, async (cell) => {
      const client = connect({ endpoints: cell.urls });
      const stop = new AbortController();
      const seen: WatchedChange[] = [];
      let progress = 0;
      const onProgress = (revision: number): void => {
        progress = revision;
      };
      const watching = (async () => {
        for await (const change of client.watch({ from: 1, signal: stop.signal, onProgress })) seen.push(change);
      })();
      const written: (readonly [key: string, revision: number])[] = [];
      let writing = true;
      const session = await client.openSession();
      const writes = (async () => {
        for (let n = 0; writing; n++) {
          const { revision } = await session.put(`k${n % 7}`, String(n));
          written.push([`k${n % 7}`, revision]);
        }
      })();
      for (let round = 0; round < 3; round++) {
        const before = written.length;
        await until('writes go on', () => written.length > before + 50, { timeoutMs: 30_000 });
        const master = await cell.master();
        if (round === 1) await client.transfer();
        else await master.kill();
        const then = written.length;
        await until('writes go on under another master', () => written.length > then + 50, { timeoutMs: 30_000 });
        if (round !== 1) master.start();
        await cell.agreement();
      }
      writing = false;
      await writes;
      await until('the watch has been told of all', () => seen.length >= written.length, { timeoutMs: 30_000 });
      stop.abort();
      await watching;
      expect(seen.map(({ key, revision }) => [key, revision])).toEqual(written);
      expect(seen.map(({ revision }) => revision)).toEqual(written.map((_, at) => at + 1));
      expect(progress).toBeLessThanOrEqual(written.length);
      await session.close();
      await client.close();
    });
  });
});

describe('kv watch', () => {
  it('shows changes as they happen until Ctrl-C, says where to go on, and goes on there', async () => {
    await withCell(three, async (cell) => {
      const typed = operatorOf(cell);
      const env = { XDG_STATE_HOME: path.join(cell.folder, 'watcher'), PAXOSCTL_ENDPOINTS: cell.urls.join(',') };
      await cell.master();
      for (const value of ['red', 'green']) await typed('kv', 'put', 'config/colour', value);
      const watching = startCli(['kv', 'watch', '--prefix', 'config/', '--from', '1'], { env });
      const shown = (): string => watching.output().stdout;
      await until('the past is shown', () => shown().includes('green'));
      await typed('kv', 'put', 'other', 'x');
      await typed('kv', 'delete', 'config/colour');
      await until('the present is shown', () => shown().includes('delete'));
      watching.process.kill('SIGINT');
      const { code, stdout, stderr } = await watching.result;
      expect(stdout).toBe('1  put     config/colour  red\n2  put     config/colour  green\n4  delete  config/colour\n');
      expect([code, stderr]).toEqual([130, '3 changes; what comes behind: --after 4\n']);
      const then = ['a', 'b', 'c'].map((key) => ({ op: 'put', key: `config/${key}`, value: key }));
      await cli(['multiop', '--file', '-'], { env, stdin: JSON.stringify({ then }) });
      const first = await typed('kv', 'watch', '--prefix', 'config/', '--after', '4', '--count', '2', '--json');
      const ids = (text: string): string[] => [...text.matchAll(/"id":"([^"]+)"/g)].map(([, id]) => id as string);
      expect([first.code, ids(first.stdout)]).toEqual([0, ['5.1', '5.2']]);
      const rest = await typed('kv', 'watch', '--prefix', 'config/', '--after', '5.2', '--count', '1', '--json');
      expect(JSON.parse(rest.stdout)).toMatchObject({ op: 'put', key: 'config/c', revision: 5, id: '5' });
    });
  });

  it('ends with 6 where the cell cannot have what is asked for, with 2 for what is no id', async () => {
    await withCell(three, async (cell) => {
      await cell.master();
      const typed = operatorOf(cell);
      const beyond = await typed('kv', 'watch', '--from', '7', '--json');
      expect([beyond.code, JSON.parse(beyond.stdout).error.code]).toEqual([6, 'PAXOS_REVISION_GONE']);
      expect((await typed('kv', 'watch', '--after', 'x')).code).toBe(2);
      expect((await typed('kv', 'watch', '--after', '1', '--from', '1')).code).toBe(2);
      expect((await typed('kv', 'watch', '--count', '0')).code).toBe(2);
    });
  });
});

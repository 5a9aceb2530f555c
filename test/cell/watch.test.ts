/** A client that watches a cell of real processes while masters are killed, stopped and changed. */
import { describe, expect, it } from 'vitest';
import { connect } from '../../src/client/index.ts';
import type { WatchedChange } from '../../src/client/watch.ts';
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

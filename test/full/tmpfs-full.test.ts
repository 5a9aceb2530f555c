/** `node start` as users run it, on a file system that really is full. Mounting one takes root's rights. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { until } from '../support/until.ts';

/** Room for the segments of a start, and for the next one only while nothing else takes it. */
const megabytes = 64;

it('a really full disk: read-only first, 26 at a start, and all is there when there is room', {
  timeout: 120_000,
}, async (context) => {
  await withCell({ replicas: 1, started: false }, async (cell) => {
    const replica = cell.members[0] as CellProcess['members'][0];
    mkdirSync(replica.directory);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', replica.directory], { stdio: 'pipe' });
    } catch (error) {
      return context.skip(`this user may not mount a tmpfs: ${(error as Error).message.split('\n').at(-2)}`);
    }
    try {
      const data = path.join(replica.directory, 'data');
      const start = (): void => replica.start({ 'data-dir': data });
      start();
      await cell.master();
      const client = new CellClient({ urls: cell.urls, random: new Random(1) });
      const value = 'x'.repeat(100_000);
      let acknowledged = 0;
      const put = async () => {
        const request = { method: 'PUT', path: keyPath(`k${acknowledged}`), body: value, repeatable: false } as const;
        const outcome = await client.attempt(request, replica.url);
        if (outcome.kind === 'answer') acknowledged++;
        return outcome;
      };
      const { bavail, bsize } = statfsSync(replica.directory);
      const filler = path.join(replica.directory, 'filler');
      writeFileSync(filler, Buffer.alloc(bavail * bsize - 4096));
      const refusal = await until('a write is refused', async () => {
        const outcome = await put();
        return outcome.kind === 'answer' ? null : outcome;
      });
      expect(refusal).toMatchObject({ kind: 'none' });
      expect(await replica.status()).toMatchObject({ readOnly: true });
      await replica.kill();
      start();
      expect(await replica.end()).toEqual({ code: 26, signal: null });
      expect(replica.log()).toContain('PAXOS_DISK_FULL');
      rmSync(filler);
      start();
      await cell.master();
      for (let n = 0; n < acknowledged; n++) {
        const outcome = await client.perform({ method: 'GET', path: keyPath(`k${n}`), repeatable: true }, 10_000);
        expect(outcome).toMatchObject({ status: 200, body: value });
      }
      expect(await put()).toMatchObject({ status: 200 });
      await client.close();
      await replica.terminate();
    } finally {
      await cell.killAll();
      execFileSync('umount', ['-l', replica.directory]);
    }
  });
});

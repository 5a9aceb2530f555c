/** Locks of a cell of real processes: over failovers and restarts, and as commands. */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { cli, startCli } from '../commands/run-cli.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { until } from '../support/until.ts';

const three = { replicas: 3 };
const envOf = (cell: CellProcess, name: string): Record<string, string> => ({
  XDG_STATE_HOME: path.join(cell.folder, name),
  PAXOSCTL_ENDPOINTS: cell.urls.join(','),
});

describe('a lock of a cell', () => {
  it('stays with its session over failovers, is lost with it, and its late writes are refused', async () => {
    await withCell(three, async (cell) => {
      const [holder, waiter] = [connect({ endpoints: cell.urls }), connect({ endpoints: cell.urls })];
      const first = await holder.openSession({ ttlMs: 3_000 });
      const held = await first.acquire('leader', { lockDelayMs: 500 });
      const { sequencer } = held;
      await holder.put('k', '1', { sequencer });
      const master = await cell.master();
      await master.kill();
      await holder.put('k', 'under another master', { sequencer });
      master.start();
      await cell.agreement();
      expect(first.isLost).toBe(false);
      expect(await holder.locks.check(sequencer)).toBe(true);
      const second = await waiter.openSession({ ttlMs: 30_000 });
      await expect(second.acquire('leader')).rejects.toMatchObject({ code: 'PAXOS_LOCK_HELD' });
      // As a client that hangs: it is heard of no more, and still believes what it last knew.
      first.stop();
      const taken = await second.acquire('leader', { waitMs: 60_000 });
      expect(taken.generation).toBeGreaterThan(held.generation);
      await expect(holder.put('k', 'too late', { sequencer })).rejects.toMatchObject({
        code: 'PAXOS_SEQUENCER_INVALID',
        outcome: 'none',
      });
      expect(String((await waiter.get('k'))?.value)).toBe('under another master');
      await second.close();
      await holder.close();
      await waiter.close();
    });
  });
});

describe('the commands of locks', () => {
  it('take, show, refuse, foresee and release', async () => {
    await withCell(three, async (cell) => {
      const env = envOf(cell, 'one');
      await cell.master();
      const session = (await cli(['session', 'open', '--ttl', '5m'], { env })).stdout.trim();
      const taken = await cli(['lock', 'acquire', 'jobs/a', '--session', session], { env });
      expect(taken.stdout).toMatch(/^exclusive:\d+:jobs%2Fa\n$/);
      const refused = await cli(['lock', 'acquire', 'jobs/a', '--json'], { env });
      expect([refused.code, JSON.parse(refused.stdout).error.code]).toEqual([6, 'PAXOS_LOCK_HELD']);
      const codes = await Promise.all(
        [
          ['lock', 'acquire', 'jobs/a', '--dry-run'],
          ['lock', 'acquire', 'jobs/b', '--dry-run'],
          ['lock', 'release', 'jobs/a', '--session', session, '--dry-run'],
          ['lock', 'release', 'jobs/a', '--session', session, '--generation', '1'],
          ['lock', 'release', 'jobs/a', '--session', 'me'],
          ['lock', 'exec', 'jobs/a', '--dry-run', '--', 'true'],
          ['session', 'open', '--dry-run'],
          ['session', 'close', session, '--dry-run'],
          ['session', 'keep', 's1-9', '--dry-run'],
          ['kv', 'put', 'k', 'v', '--sequencer', taken.stdout.trim()],
        ].map(async (args) => (await cli(args, { env })).code),
      );
      expect(codes).toEqual([6, 10, 10, 6, 2, 6, 10, 10, 7, 0]);
      const waiting = startCli(['lock', 'acquire', 'jobs/a', '--wait', '1m'], { env });
      await until('it waits', () => waiting.output().stderr.includes('waiting for jobs/a'));
      waiting.process.kill('SIGINT');
      const given = await waiting.result;
      expect([given.code, given.stderr]).toEqual([130, expect.stringContaining('it was not taken')]);
      const listed = await cli(['lock', 'list'], { env });
      expect(listed.stdout).toMatch(new RegExp(`^LOCK .*\njobs/a +exclusive +${session} +[\\d,]+\n$`));
      const sessions = await cli(['session', 'list', '--json'], { env });
      expect(JSON.parse(sessions.stdout).sessions).toMatchObject([{ session, ttlMs: 300_000, locks: 1 }]);
      expect((await cli(['lock', 'release', 'jobs/a', '--session', session], { env })).stdout).toBe(
        'jobs/a: released\n',
      );
      expect((await cli(['session', 'keep', session], { env })).code).toBe(0);
      expect((await cli(['session', 'close', session], { env })).code).toBe(0);
      const gone = await cli(['session', 'keep', session], { env });
      expect([gone.code, gone.stderr]).toEqual([7, expect.stringContaining('PAXOS_SESSION_EXPIRED')]);
      expect((await cli(['lock', 'list'], { env })).stdout).toBe('no locks are held\n');
    });
  });

  it('run a program under a lock, end as it ends, and end it when the lock is lost', async () => {
    await withCell(three, async (cell) => {
      const [env, other] = [envOf(cell, 'one'), envOf(cell, 'other')];
      await cell.master();
      const script = 'console.log(process.env.PAXOSCTL_LOCK, process.env.PAXOSCTL_SEQUENCER); process.exitCode = 7';
      const ended = await cli(['lock', 'exec', 'a', '--', process.execPath, '-e', script], { env });
      expect([ended.code, ended.stdout]).toEqual([7, expect.stringMatching(/^a exclusive:\d+:a\n$/)]);
      expect((await cli(['lock', 'list'], { env })).stdout).toBe('no locks are held\n');
      expect((await cli(['lock', 'exec', 'a', '--', 'no-such-program'], { env })).code).toBe(2);

      const idle = 'console.log("runs"); setInterval(() => {}, 1000)';
      const flags = ['--ttl', '2s', '--lock-delay', '0'];
      const running = startCli(['lock', 'exec', 'a', ...flags, '--', process.execPath, '-e', idle], { env });
      await until('the program runs', () => running.output().stdout.includes('runs'));
      running.process.kill('SIGINT');
      const interrupted = await running.result;
      expect([interrupted.code, interrupted.stderr]).toEqual([130, expect.stringContaining('the lock is free')]);

      const deaf = `process.on('SIGTERM', () => console.log('asked')); ${idle}`;
      const stubborn = startCli(['lock', 'exec', 'a', ...flags, '--', process.execPath, '-e', deaf], { env });
      await until('the program runs', () => stubborn.output().stdout.includes('runs'));
      stubborn.process.kill('SIGINT');
      await until('it was asked to end', () => stubborn.output().stdout.includes('asked'));
      stubborn.process.kill('SIGINT');
      const killed = await stubborn.result;
      expect([killed.code, killed.stderr]).toEqual([130, expect.stringContaining('has ended (137); the lock is free')]);

      const hung = startCli(['lock', 'exec', 'a', ...flags, '--', process.execPath, '-e', idle], { env });
      await until('the program runs', () => hung.output().stdout.includes('runs'));
      hung.process.kill('SIGSTOP');
      const next = await cli(['lock', 'acquire', 'a', '--wait', '1m', '--json'], { env: other });
      expect(JSON.parse(next.stdout)).toMatchObject({ lock: 'a', mode: 'exclusive' });
      hung.process.kill('SIGCONT');
      const lost = await hung.result;
      expect([lost.code, lost.stderr]).toEqual([7, expect.stringContaining('PAXOS_LOCK_LOST')]);
    });
  });
});

/** A disk that fills up makes its replica read-only, loudly, before its log is hurt; with room again it goes on. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { CellClient, type CellOutcome, keyPath } from '../support/cell-client.ts';
import { withCell } from '../support/cell-process.ts';
import { buildTunedReplica, type TunedProgram, tunedEnv } from '../support/tuned-program.ts';
import { until } from '../support/until.ts';

let tuned: TunedProgram;
beforeAll(async () => {
  tuned = await buildTunedReplica();
});
afterAll(() => tuned.remove());

/** Fills the present log segment and the one that is ready after a few hundred writes. */
const small = { segmentBytes: 256 * 1024, snapshotLogBytes: 1024 * 1024 * 1024 };
const cellOf = (replicas: number, tuning = small) => ({
  replicas,
  programOf: () => tuned.program,
  env: tunedEnv(tuning),
});

class Writer {
  readonly acknowledged = new Map<string, string>();
  readonly client: CellClient;
  readonly urls: readonly string[];

  constructor(urls: readonly string[]) {
    this.urls = urls;
    this.client = new CellClient({ urls, random: new Random(1), wanders: 0 });
  }

  /** One attempt, wherever the master is. */
  async put(): Promise<CellOutcome> {
    const key = `k${this.acknowledged.size}`;
    const value = key.padEnd(8_000, '.');
    const request = { method: 'PUT', path: keyPath(key), body: value, repeatable: false } as const;
    const outcome = await this.client.attempt(request, this.urls[0] as string);
    if (outcome.kind === 'answer' && outcome.status === 200) this.acknowledged.set(key, value);
    return outcome;
  }

  async expectAll(): Promise<void> {
    for (const [key, value] of this.acknowledged) {
      const outcome = await this.client.perform({ method: 'GET', path: keyPath(key), repeatable: true }, 10_000);
      expect(outcome).toMatchObject({ status: 200, body: value });
    }
  }
}

it('the master refuses writes and serves reads while its disk is full, and takes writes again with room', async () => {
  await withCell(cellOf(3), async (cell) => {
    const master = await cell.master();
    const writer = new Writer([master.url]);
    await writer.put();
    master.tell('disk full');
    const refusal = await until('a write is refused', async () => {
      const outcome = await writer.put();
      return outcome.kind === 'answer' ? null : outcome;
    });
    expect(refusal).toMatchObject({ kind: 'none' });
    expect(refusal.kind === 'none' && refusal.why).toContain('PAXOS_READ_ONLY');
    const status = await master.status();
    expect(status).toMatchObject({ role: 'master', readOnly: true });
    expect(status?.warnings.join()).toContain('disk');
    expect(master.log()).toContain('nearly full');
    await writer.expectAll();
    master.tell('disk free');
    await until('writes are taken again', async () => (await writer.put()).kind === 'answer');
    expect(await master.status()).toMatchObject({ readOnly: false });
    await writer.expectAll();
    await cell.agreement();
    await writer.client.close();
  });
});

it('a follower whose log can grow no more ends with 26; the cell goes on, and it comes back when there is room', async () => {
  await withCell(cellOf(3), async (cell) => {
    const master = await cell.master();
    const [follower, other] = cell.others(master) as [(typeof cell.members)[0], (typeof cell.members)[0]];
    follower.tell('disk full');
    const writer = new Writer([master.url]);
    const ended = follower.end();
    let gone = false;
    void ended.then(() => {
      gone = true;
    });
    while (!gone) expect(await writer.put()).toMatchObject({ status: 200 });
    expect(await ended).toEqual({ code: 26, signal: null });
    expect(follower.log()).toContain('PAXOS_DISK_FULL');
    follower.start({}, tunedEnv({ ...small, full: true }));
    expect(await follower.end()).toEqual({ code: 26, signal: null });
    follower.start();
    await cell.agreement();
    // What it acknowledged before its end is there without the third.
    await other.kill();
    await writer.expectAll();
    await writer.client.close();
  });
});

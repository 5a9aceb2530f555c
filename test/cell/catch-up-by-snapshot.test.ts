/** The log is cut behind snapshots; a replica that missed the cut part comes back by a snapshot of another. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { ordersOf, startWith } from '../support/hooks/hooks.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { buildTunedReplica, type TunedProgram, tunedEnv } from '../support/tuned-program.ts';
import { until } from '../support/until.ts';

let tuned: TunedProgram;
beforeAll(async () => {
  tuned = await buildTunedReplica();
});
afterAll(() => tuned.remove());

interface Followed {
  readonly cell: CellProcess;
  readonly client: CellClient;
  readonly master: ReplicaChild;
  readonly follower: ReplicaChild;
  readonly other: ReplicaChild;
}

/** Three replicas that snapshot and cut their logs after so many bytes. */
function withFollower(
  sizes: { readonly snapshotLogBytes: number; readonly segmentBytes: number },
  use: (parts: Followed) => Promise<void>,
): Promise<void> {
  const env = tunedEnv({ ...sizes, limits: { retainBehindSnapshotInstances: 8 } });
  return withCell({ replicas: 3, programOf: () => tuned.program, env }, async (cell) => {
    const master = await cell.master();
    const [follower, other] = cell.others(master) as [ReplicaChild, ReplicaChild];
    const client = new CellClient({ urls: cell.urls, random: new Random(1) });
    await use({ cell, client, master, follower, other });
    await client.close();
  });
}

/** Writes another value of so many bytes with each call, over so many keys in turn. */
function putter(
  client: CellClient,
  { keys, bytes }: { readonly keys: number; readonly bytes: number },
): { readonly put: () => Promise<void>; readonly written: () => number } {
  let written = 0;
  const put = async (): Promise<void> => {
    const key = `k${written % keys}`;
    const body = `v${written++}`.padEnd(bytes, '.');
    const outcome = await client.perform({ method: 'PUT', path: keyPath(key), body, repeatable: true }, 10_000);
    expect(outcome).toMatchObject({ status: 200 });
  };
  return { put, written: () => written };
}

it('a follower that was down while the log was cut comes back by a snapshot and agrees', async () => {
  await withFollower(
    { snapshotLogBytes: 96 * 1024, segmentBytes: 64 * 1024 },
    async ({ cell, client, master, follower, other }) => {
      const { put, written } = putter(client, { keys: 50, bytes: 1_000 });
      await put();
      const { applied } = (await follower.status())!.instances;
      await follower.kill();
      await until('the others have cut what it lacks', async () => {
        await put();
        const retained = await Promise.all([master, other].map(async (member) => (await member.status())?.instances));
        return retained.every((instances) => instances !== undefined && instances.firstRetained > applied + 1);
      });
      follower.start();
      await cell.agreement();
      expect(follower.log()).toContain('fetching a snapshot');
      const status = await follower.status();
      expect(status!.instances.snapshot).toBeGreaterThan(applied);
      expect(status!.entries).toBe(Math.min(written(), 50));

      // It is as good as the others now: with the snapshot on its disk, it comes back by itself and carries the cell.
      await cell.killAll();
      follower.start();
      other.start();
      await cell.master();
      const last = await client.perform(
        { method: 'GET', path: keyPath(`k${(written() - 1) % 50}`), repeatable: true },
        10_000,
      );
      expect(last).toMatchObject({ status: 200, body: `v${written() - 1}`.padEnd(1_000, '.') });
      master.start();
      await cell.agreement();
    },
  );
});

it('a process that is killed half-way through a snapshot goes on with it when it starts again', async () => {
  await withFollower(
    { snapshotLogBytes: 512 * 1024, segmentBytes: 256 * 1024 },
    async ({ cell, client, master, follower, other }) => {
      const { put, written } = putter(client, { keys: 120, bytes: 8_000 });
      await put();
      const { applied } = (await follower.status())!.instances;
      await follower.kill();
      await until('the others have cut what it lacks', async () => {
        for (let i = 0; i < 40; i++) await put();
        const retained = await Promise.all([master, other].map(async (member) => (await member.status())?.instances));
        return written() > 120 && retained.every((it) => it !== undefined && it.firstRetained > applied + 1);
      });
      // Only whoever has the very same file can go on with it, and either of them may be asked.
      const providers = [master, other];
      await until('both have the same snapshot', async () => {
        const taken = await Promise.all(providers.map(async (member) => (await member.status())?.instances.snapshot));
        if (taken[0] === taken[1]) return true;
        const request = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
        await Promise.all(providers.map(({ url }) => fetch(`${url}/v1/snapshots`, request)));
        return false;
      });
      // Parts of 64 KiB: eight of them are here when it dies.
      startWith(follower, ordersOf({ point: 'fetch.chunk', moment: 'after', nth: 8, act: { kind: 'crash' } }));
      expect(await follower.end(30_000)).toMatchObject({ signal: 'SIGKILL' });
      follower.start();
      await cell.agreement();
      const went = /"offset":(\d+),"msg":"going on with a snapshot that is half here"/.exec(follower.log());
      expect(Number(went?.[1])).toBeGreaterThan(256 * 1024);
      expect((await follower.status())!.entries).toBe(120);
    },
  );
});

/** `recover apply` interrupted before each of its steps, with members killed meanwhile, and members that were left out. */
import { createHmac } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOfflineWorld } from '../../src/adapters/offline-world.ts';
import { decodeManifest } from '../../src/formats/manifest.ts';
import { encodePoint, markProofBytes } from '../../src/formats/position-mark.ts';
import type { RecoverReport } from '../../src/formats/recovery.ts';
import { type ApplyOptions, applyPlan } from '../../src/operator/recovery/apply.ts';
import { makePlan } from '../../src/operator/recovery/plan.ts';
import { restoreCell } from '../../src/operator/restore/restore.ts';
import { extendedSnapshot, inspectSnapshotFile, readBackup } from '../../src/runtime/snapshot-file.ts';
import { cli } from '../commands/run-cli.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { until } from '../support/until.ts';

const timeoutMs = 30_000;
let state = '';
const before = process.env.XDG_STATE_HOME;
beforeAll(() => {
  state = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-state-'));
  process.env.XDG_STATE_HOME = state;
});
afterAll(() => {
  if (before === undefined) delete process.env.XDG_STATE_HOME;
  else process.env.XDG_STATE_HOME = before;
  rmSync(state, { recursive: true, force: true });
});

const flagsOf = (cell: CellProcess) => ({ endpoints: cell.urls, timeout: timeoutMs });
const optionsFor = (more: Partial<ApplyOptions> = {}): ApplyOptions => ({
  confirm: 'default',
  acceptLoss: 1_000,
  acceptUnknownLoss: [],
  dryRun: false,
  timeoutMs,
  onStep: () => undefined,
  ...more,
});

async function put(cell: CellProcess, value: string): Promise<void> {
  const { url } = await cell.master();
  expect((await fetch(`${url}/v1/kv/order`, { method: 'PUT', body: value })).status).toBe(200);
}

/** The mark of a point that this cell has lost, as a client would bring it that saw it: genuine, by the cell's own key. */
async function lostMark(member: ReplicaChild): Promise<string> {
  const report = (await (await fetch(`${member.url}/v1/recover`)).json()) as RecoverReport;
  const { cell } = decodeManifest(readFileSync(path.join(member.directory, 'MANIFEST')));
  const root = createHmac('sha256', Buffer.from(cell.secretHex, 'hex')).update(`paxosctl root ${cell.id}`).digest();
  const key = createHmac('sha256', root).update('paxosctl position mark').digest();
  const { generation, generationId, applied } = report;
  const point = { epoch: applied.epoch + 5, epochId: 'lost', instance: applied.instance + 90 };
  const body = encodePoint({ cellId: cell.id, generation, generationId, revision: applied.revision + 7, ...point });
  const proof = createHmac('sha256', key).update(body).digest().subarray(0, markProofBytes);
  return Buffer.concat([body, proof]).toString('base64url');
}

async function freeze(cell: CellProcess): Promise<void> {
  const master = await cell.master();
  const headers = { 'Paxos-Position': await lostMark(master) };
  const running = cell.members.filter((it) => it.running);
  await until('all members are frozen', async () => {
    // Again: between two masters nobody judges it.
    await fetch(`${master.url}/v1/kv/order`, { headers });
    const statuses = await Promise.all(running.map((member) => member.status()));
    return statuses.every((it) => it?.role === 'frozen') || null;
  });
}

const served = async (cell: CellProcess): Promise<string> => {
  const { url } = await cell.master();
  return (await fetch(`${url}/v1/kv/order`)).text();
};

describe('a new generation', () => {
  it('begins the same wherever its making was interrupted, and whoever was killed meanwhile', {
    timeout: 120_000,
  }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      // One step later each time: fence, build, the two others, and the wait for all to be active.
      for (let step = 0; step < 5; step++) {
        await put(cell, `value ${step}`);
        await freeze(cell);
        const plan = await makePlan(flagsOf(cell), { branch: null });
        expect(plan.to.generation).toBe(step + 2);
        let steps = 0;
        const onStep = (): void => {
          if (steps++ === step) throw new Error('killed here');
        };
        await expect(applyPlan(plan, optionsFor({ onStep }))).rejects.toThrow('killed here');
        await cell.killAll();
        cell.startAll();
        await until('all answer again', async () => (await cell.statuses()).every((it) => it?.cell.id != null) || null);
        const { members, generation } = await applyPlan(plan, optionsFor());
        expect([members, generation]).toEqual([['n1', 'n2', 'n3'], step + 2]);
        expect(await served(cell)).toBe(`value ${step}`);
      }
      await cell.agreement();
    });
  });

  it('leaves out who was named as lost; it stops when it comes back, and keeps its files', async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      await put(cell, 'kept');
      const lost = cell.member('n3');
      await cell.agreement();
      await lost.kill();
      await freeze(cell);
      const plan = await makePlan(flagsOf(cell), { branch: null });
      expect(plan.price).toMatchObject({ revisionsAtLeast: 7, notAsked: ['n3'] });
      await expect(applyPlan(plan, optionsFor())).rejects.toMatchObject({ exitCode: 5, code: 'PAXOS_REFUSED' });
      await expect(applyPlan(plan, optionsFor({ acceptLoss: 6, acceptUnknownLoss: ['n3'] }))).rejects.toMatchObject({
        exitCode: 5,
      });
      const result = await applyPlan(plan, optionsFor({ acceptUnknownLoss: ['n3'] }));
      expect(result.members).toEqual(['n1', 'n2']);
      expect(await served(cell)).toBe('kept');
      expect((await lost.startAndEnd()).code).toBe(23);
      expect(existsSync(path.join(lost.directory, 'MANIFEST'))).toBe(true);
      expect(await served(cell)).toBe('kept');
    });
  });

  it('that began is not gone behind by the last member that is only ready for it: the others served in it, and are lost', {
    timeout: 120_000,
  }, async () => {
    const world = await createOfflineWorld();
    await withCell({ replicas: 3 }, async (cell) => {
      const env = {
        XDG_STATE_HOME: path.join(cell.folder, 'operator'),
        PAXOSCTL_ENDPOINTS: cell.urls.join(','),
        PAXOSCTL_TIMEOUT: '15s',
      };
      const file = path.join(cell.folder, 'backup');
      await put(cell, 'in the backup');
      expect((await cli(['snapshot', 'save', file], { env })).code).toBe(0);
      await put(cell, 'given up');
      await cell.agreement();
      const backup = await readBackup(file, world);
      const restoring = (onStep: (what: string) => void) =>
        restoreCell(flagsOf(cell), {
          ...optionsFor(),
          backup,
          again: false,
          inPlaceOf: null,
          saveTo: path.join(cell.folder, 'saved'),
          verify: (it) => inspectSnapshotFile(it, world),
          extend: (it, tail) => extendedSnapshot(it, tail, world),
          onPrice: () => undefined,
          onStep,
        });
      const beforeLast = (what: string): void => {
        if (what === 'bringing it to n3') throw new Error('killed here');
      };
      await expect(restoring(beforeLast)).rejects.toThrow('killed here');
      // n2 is ready by now. So it will be found, once the two others have begun and are gone.
      const n2 = cell.member('n2');
      const kept = path.join(cell.folder, 'kept');
      await n2.kill();
      cpSync(n2.directory, kept, { recursive: true, preserveTimestamps: true });
      n2.start();
      await until('n2 answers', async () => (await fetch(`${n2.url}/v1/recover`).catch(() => null))?.ok || null);
      expect(await restoring(() => undefined)).toMatchObject({ generation: 2, members: ['n1', 'n2', 'n3'] });
      await cell.killAll();
      for (const { directory } of cell.members) rmSync(directory, { recursive: true });
      cpSync(kept, n2.directory, { recursive: true, preserveTimestamps: true });

      const folder = path.join(cell.folder, 'collected');
      const offline = await cli(['recover', 'collect', '--data-dir', n2.directory, '--out', folder, '--json'], { env });
      const rows = [
        { member: 'n2', generation: 1 },
        { member: 'n2', generation: 2 },
      ];
      expect(JSON.parse(offline.stdout).collected, offline.stderr).toMatchObject(rows);
      n2.start();
      await until('n2 answers', async () => (await fetch(`${n2.url}/v1/recover`).catch(() => null))?.ok || null);
      const online = await cli(['recover', 'collect', '--out', path.join(cell.folder, 'again'), '--json'], { env });
      expect(JSON.parse(online.stdout).collected, online.stderr).toMatchObject(rows);

      const plan = await makePlan(flagsOf(cell), { branch: null, lost: ['n1', 'n3'] });
      expect(plan).toMatchObject({
        from: { generation: 1 },
        to: { generation: 3 },
        base: { member: 'n2', generation: 2, collected: false },
        price: { notAsked: ['n1', 'n2', 'n3'], unknown: expect.arrayContaining([expect.stringMatching(/copied/)]) },
      });
      const applied = await applyPlan(plan, optionsFor({ acceptUnknownLoss: ['n1', 'n2', 'n3'] }));
      expect(applied).toMatchObject({ generation: 3, members: ['n2'] });
      const read = await until('it serves', async () => {
        const answer = await fetch(`${n2.url}/v1/kv/order`).catch(() => null);
        return answer?.status === 200 ? answer.text() : null;
      });
      expect(read).toBe('in the backup');
    });
  });
});

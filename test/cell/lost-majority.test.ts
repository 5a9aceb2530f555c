/**
 * A majority that is lost for good (design §3 "Generations"): nobody but an operator can say so, and what is left is gone on from
 * only after it was shown what may be missing. Two of three disks are gone here.
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { applyPlan } from '../../src/operator/recovery/apply.ts';
import { makePlan, type RecoverPlan } from '../../src/operator/recovery/plan.ts';
import { type CliResult, cli } from '../commands/run-cli.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { ownStateDirectory, stopAt } from '../support/operator-in-process.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { until } from '../support/until.ts';

ownStateDirectory();
const timeoutMs = 20_000;

function operatorOf(cell: CellProcess): (...args: string[]) => Promise<CliResult> {
  const env = {
    XDG_STATE_HOME: path.join(cell.folder, 'operator'),
    PAXOSCTL_ENDPOINTS: cell.urls.join(','),
    PAXOSCTL_TIMEOUT: '15s',
  };
  return (...args) => cli(args, { env });
}

async function put(cell: CellProcess, value: string): Promise<void> {
  const { url } = await cell.master();
  expect((await fetch(`${url}/v1/kv/order`, { method: 'PUT', body: value })).status).toBe(200);
}

const served = async (member: ReplicaChild): Promise<string> =>
  until('it serves', async () => {
    const answer = await fetch(`${member.url}/v1/kv/order`).catch(() => null);
    return answer?.status === 200 ? answer.text() : null;
  });

const answers = (member: ReplicaChild): Promise<unknown> =>
  until(`${member.name} says what it holds`, async () => {
    const answer = await fetch(`${member.url}/v1/recover`).catch(() => null);
    return answer?.status === 200 || null;
  });

const loseDisk = (member: ReplicaChild): void => rmSync(member.directory, { recursive: true });
const errorOf = ({ stdout }: CliResult) => JSON.parse(stdout).error;

/** Both copies: what its member promised is not known any more, so that it may not vote again. */
function losePromises(member: ReplicaChild): void {
  for (const name of ['promise-a', 'promise-b']) {
    const file = path.join(member.directory, name);
    writeFileSync(file, Buffer.alloc(readFileSync(file).length, 0xff));
  }
}

describe('a cell of three that has lost two disks', () => {
  it('goes on from the third, after every wrong way was refused', { timeout: 90_000 }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const paxosctl = operatorOf(cell);
      expect((await paxosctl('kv', 'put', 'order', 'kept')).code).toBe(0);
      const plan = path.join(cell.folder, 'plan.json');
      const planning = (...flags: string[]) => paxosctl('recover', 'plan', '--out', plan, '--json', ...flags);
      // A cell that serves is never recovered, whatever is said.
      expect(await planning('--lost', 'n2,n3')).toMatchObject({ code: 5 });
      await cell.agreement();
      const [survivor, ...lost] = cell.members as [ReplicaChild, ReplicaChild, ReplicaChild];
      for (const member of lost) await member.kill();
      await answers(survivor);
      await until('the lease is over', async () => (await survivor.status())?.master === null || null);

      expect(await planning('--keep-present')).toMatchObject({ code: 5 });
      expect(await planning()).toMatchObject({ code: 2 });
      const half = await planning('--lost', 'n3');
      expect(half.code).toBe(5);
      expect(errorOf(half)).toMatchObject({ facts: { couldCome: ['n1', 'n2'], missing: ['n2'] } });
      expect(await planning('--lost', 'n2,n9')).toMatchObject({ code: 2 });
      expect(await planning('--lost', 'n1,n3')).toMatchObject({ code: 5 });
      for (const member of lost) loseDisk(member);

      const collected = await paxosctl('recover', 'collect', '--out', path.join(cell.folder, 'collected'), '--json');
      expect(collected.code, collected.stderr).toBe(8);
      expect(JSON.parse(collected.stdout)).toMatchObject({
        collected: [{ member: 'n1', revision: 1 }],
        unanswered: [{ name: 'n2' }, { name: 'n3' }],
      });
      const planned = await planning('--lost', 'n2,n3', '--collected', path.join(cell.folder, 'collected'));
      expect(planned.code, planned.stderr).toBe(0);
      expect(JSON.parse(planned.stdout).plan).toMatchObject({
        kind: 'lost-majority',
        base: { member: 'n1', collected: false, revision: 1 },
        takesPart: ['n1'],
        price: { revisionsAtLeast: 0, notAsked: ['n2', 'n3'] },
      });
      const verify = () => paxosctl('recover', 'verify', plan, '--json');
      expect((await verify()).code).toBe(8);
      const apply = (...flags: string[]) => paxosctl('recover', 'apply', plan, '--confirm', 'default', ...flags);
      expect((await apply('--accept-unknown-loss', 'n2')).code).toBe(5);
      expect((await paxosctl('recover', 'apply', plan, '--confirm', 'x', '--accept-unknown-loss', 'n2,n3')).code).toBe(
        2,
      );
      expect((await apply('--accept-unknown-loss', 'n2,n3', '--dry-run')).code).toBe(10);
      const sound = readFileSync(plan, 'utf8');
      writeFileSync(plan, sound.replace('"n2"', '"n1"'));
      expect((await apply('--accept-unknown-loss', 'n2,n3')).code).toBe(2);
      writeFileSync(plan, sound);

      const applied = await apply('--accept-unknown-loss', 'n2,n3', '--json');
      expect(applied.code, applied.stderr).toBe(0);
      expect(JSON.parse(applied.stdout)).toMatchObject({ generation: 2, members: ['n1'] });
      expect(await served(survivor)).toBe('kept');
      const verified = await verify();
      expect(verified.code, verified.stdout).toBe(0);
      expect(JSON.parse(verified.stdout)).toMatchObject({ verdict: 'done', checksums: { verdict: 'agree' } });
      expect((await paxosctl('kv', 'get', 'order')).stdout).toBe('kept');
    });
  });

  it('takes what is newer from a directory that no replica can be started on, and loses nothing then', {
    timeout: 90_000,
  }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const paxosctl = operatorOf(cell);
      const [survivor, rescued, gone] = cell.members as [ReplicaChild, ReplicaChild, ReplicaChild];
      await put(cell, 'old');
      await cell.agreement();
      await survivor.kill();
      // Acknowledged by the two that are about to be lost.
      for (const value of ['on the way', 'further', 'acknowledged']) await put(cell, value);
      for (const member of [rescued, gone]) await member.kill();
      loseDisk(gone);
      survivor.start();
      await answers(survivor);

      const folder = path.join(cell.folder, 'collected');
      const collect = () => paxosctl('recover', 'collect', '--data-dir', rescued.directory, '--out', folder, '--json');
      const planning = (...flags: string[]) =>
        paxosctl(
          'recover',
          'plan',
          '--lost',
          'n2,n3',
          '--out',
          path.join(cell.folder, 'plan.json'),
          '--json',
          ...flags,
        );
      expect((await collect()).code).toBe(0);
      // A sound directory is started: then a majority is there, and nothing is lost.
      const sound = await planning('--collected', folder);
      expect(errorOf(sound)).toMatchObject({ code: 'PAXOS_REFUSED', facts: { couldCome: ['n1', 'n2'] } });

      losePromises(rescued);
      rmSync(folder, { recursive: true });
      const collected = await collect();
      expect(JSON.parse(collected.stdout).collected).toMatchObject([{ member: 'n2', startable: false, entries: 1 }]);
      const planned = await planning('--collected', folder);
      expect(planned.code, planned.stdout).toBe(0);
      const { plan } = JSON.parse(planned.stdout) as { plan: RecoverPlan };
      expect(plan).toMatchObject({ base: { member: 'n2', collected: true }, takesPart: ['n1'] });

      // Killed before each step, the member too, and run again: the same end every time.
      const kept = path.join(cell.folder, 'kept');
      await survivor.kill();
      cpSync(survivor.directory, kept, { recursive: true, preserveTimestamps: true });
      let steps = 0;
      for (let step = 0; ; step++) {
        rmSync(survivor.directory, { recursive: true });
        cpSync(kept, survivor.directory, { recursive: true, preserveTimestamps: true });
        survivor.start();
        await answers(survivor);
        const options = { lost: ['n2', 'n3'], collected: folder, branch: null };
        const again = await makePlan({ endpoints: [survivor.url], timeout: timeoutMs }, options);
        const accepted = {
          confirm: 'default',
          acceptLoss: null,
          // Nobody is left who could say whether this copy of its directory is as new as it was.
          acceptUnknownLoss: ['n1', 'n2', 'n3'],
          dryRun: false,
          timeoutMs,
        };
        const stop = stopAt(step);
        const first = await applyPlan(again, { ...accepted, onStep: stop.onStep }).catch(
          (error: Error) => error.message,
        );
        if (first === 'killed here') {
          if (step % 2 === 0) {
            await survivor.kill();
            survivor.start();
            await answers(survivor);
          }
          await applyPlan(again, { ...accepted, onStep: () => undefined });
        } else expect(first).toMatchObject({ generation: 2, members: ['n1'] });
        expect([step, await served(survivor)]).toEqual([step, 'acknowledged']);
        await survivor.kill();
        steps = step;
        if (first !== 'killed here') break;
      }
      // Fence, offer, make, wait.
      expect(steps).toBe(4);
    });
  });
});

/**
 * Members whose snapshots are all bad, with the log before them cut (pitfalls D17): one of them gets its state from whoever has it, also when
 * all others were rebuilt since the cell was formed; when nobody has it, that is said, nothing is made up, and the files put back are enough.
 */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { withCell } from '../support/cell-process.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { until } from '../support/until.ts';

const program = path.resolve(import.meta.dirname, '../../bin/run.js');

function paxosctl(endpoints: readonly string[], ...args: string[]): Promise<{ code: number; stdout: string }> {
  const env = { ...process.env, PAXOSCTL_ENDPOINTS: endpoints.join(',') };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env }, (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout });
    });
  });
}

const votes = (member: ReplicaChild): Promise<true> =>
  until(`${member.name} votes`, async () => (await member.status())?.voting === true, {
    explain: () => member.log().slice(-3_000),
  });

async function takeSnapshot({ url }: ReplicaChild): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${url}/v1/snapshots`, { method: 'POST', headers, body: '{}' });
  expect(answer.status, await answer.text()).toBe(200);
}

const snapshotsOf = ({ directory }: ReplicaChild): string[] =>
  readdirSync(directory)
    .filter((name) => name.startsWith('snapshot-'))
    .map((name) => path.join(directory, name));

it('one is given its state by whoever has it; where nobody has, that is said, and the files put back are enough', async () => {
  await withCell({ replicas: 3 }, async (cell) => {
    const client = new CellClient({ urls: cell.urls, random: new Random(1), carriesMarks: true });
    const put = (n: number) =>
      client.perform({ method: 'PUT', path: keyPath(`k${n}`), body: `v${n}`, repeatable: true }, 20_000);
    let written = 0;
    const writeSome = async (): Promise<void> => {
      for (let n = 0; n < 5; n++) expect(await put(written++)).toMatchObject({ status: 200 });
    };
    const [one, two, three] = cell.members as [ReplicaChild, ReplicaChild, ReplicaChild];
    await writeSome();
    for (const other of [two, three]) {
      await other.kill();
      await rm(other.directory, { recursive: true });
      other.start({ rebuild: true });
      await votes(other);
    }
    // Each start begins a segment: those before the older snapshot go.
    for (let round = 0; round < 2; round++) {
      for (const member of cell.members) {
        for (let n = 0; n < 2; n++) {
          await writeSome();
          await takeSnapshot(member);
        }
        await member.kill();
        member.start();
        await votes(member);
      }
    }
    await cell.killAll();

    // All whom it knows by its formation are no more; a master there is only with its vote.
    for (const file of snapshotsOf(one)) truncateSync(file, 100);
    for (const member of [one, two]) member.start();
    await votes(one);
    await writeSome();
    three.start();
    await votes(three);
    await cell.killAll();

    const good = new Map(cell.members.flatMap(snapshotsOf).map((file) => [file, readFileSync(file)]));
    for (const file of good.keys()) truncateSync(file, 100);
    for (const member of cell.members) member.start();
    const told = await until('status says that nobody has the state', async () => {
      const status = await paxosctl(cell.urls, 'status');
      // Before that one of them may still be opening its files.
      return /no member that answers has the state .*\(n1, n2, n3:/.test(status.stdout) ? status : null;
    });
    expect(told.code).toBe(3);
    expect(told.stdout).toMatch(/why: no member .* up to instance \d+ \(n1, n2, n3: .*paxosctl cell restore FILE\)/);
    const ready = await fetch(`${one.url}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, 'not ready: master, state\n']);
    const doctor = await paxosctl(cell.urls, 'doctor');
    expect(doctor.code).toBe(3);
    expect(doctor.stdout).toContain('rebuild nobody');
    expect(doctor.stdout).not.toContain('members rebuild');
    expect(doctor.stdout).not.toContain('snapshot take');
    expect(one.log()).toContain('the state up to here is not on this disk');
    await cell.killAll();
    const offline = await paxosctl([], 'doctor', '--data-dir', one.directory);
    expect(offline.code).toBe(4);
    expect(offline.stdout).toContain('has to come from the other members');

    for (const [file, bytes] of good) writeFileSync(file, bytes);
    for (const member of cell.members) member.start();
    for (const member of cell.members) await votes(member);
    await writeSome();
    for (let n = 0; n < written; n++) {
      const read = await client.perform({ method: 'GET', path: keyPath(`k${n}`), repeatable: true }, 20_000);
      expect(read).toMatchObject({ status: 200, body: `v${n}` });
    }
    await cell.agreement();
    await client.close();
  });
}, 90_000);

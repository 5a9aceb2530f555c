/**
 * Real files of a real member, damaged while it is down: it comes back, keeps its vote and has everything again, and the
 * master does not notice (design §4 "Repair by item"; pitfalls D3, D4, D11, D12, P16 to P18).
 */
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { until } from '../support/until.ts';

/** The segment that this member wrote to last, and how far. Groups are whole sectors, from the second sector on. */
function segmentOf({ options: { directory } }: ReplicaChild): { file: string; used: number } {
  const files = readdirSync(directory).filter((name) => name.startsWith('wal-'));
  for (const file of files
    .sort()
    .reverse()
    .map((name) => path.join(directory, name))) {
    const bytes = readFileSync(file);
    let used = bytes.length;
    while (used > 0 && bytes[used - 1] === 0) used--;
    if (used > 512) return { file, used };
  }
  throw new Error('nothing was written');
}

function change(file: string, offset: number, change: (bytes: Buffer) => void, length = 512): void {
  const bytes = readFileSync(file);
  change(bytes.subarray(offset, offset + length));
  writeFileSync(file, bytes);
}

const middle = (used: number): number => 512 + 1024 * Math.floor((used - 512) / 2048);

const damages: readonly (readonly [what: string, act: (member: ReplicaChild) => void])[] = [
  [
    'a flipped byte in a record',
    (member) => {
      const { file, used } = segmentOf(member);
      // Groups that hold more than one record are longer: this is in one whatever they are.
      const record = readFileSync(file).lastIndexOf('value ', middle(used));
      change(file, record, (bytes) => bytes.writeUInt8(bytes.readUInt8(0) ^ 0x40, 0));
    },
  ],
  [
    'a sector of zeros in the middle',
    (member) => {
      const { file, used } = segmentOf(member);
      change(file, middle(used), (bytes) => bytes.fill(0));
    },
  ],
  [
    'a segment that is cut short',
    (member) => {
      const { file, used } = segmentOf(member);
      truncateSync(file, middle(used) + 300);
    },
  ],
  ['a segment that is gone', (member) => rmSync(segmentOf(member).file)],
];

async function write(cell: CellProcess, client: CellClient, from: number): Promise<void> {
  for (let i = from; i < from + 40; i++) {
    const body = `value ${i}`;
    const outcome = await client.perform(
      { method: 'PUT', path: keyPath(`k${i % 60}`), body, repeatable: true },
      10_000,
    );
    expect(outcome).toMatchObject({ status: 200 });
  }
  cell.refuseUnexpectedEnds();
}

it('a damaged log is repaired from the others, and costs neither a vote nor the mastership', async () => {
  await withCell({ replicas: 3 }, async (cell) => {
    const client = new CellClient({ urls: cell.urls, random: new Random(1) });
    const master = await cell.master();
    const [follower, other] = cell.others(master) as [ReplicaChild, ReplicaChild];
    const { epoch } = (await master.status())!;
    let written = 0;
    for (const [what, act] of damages) {
      await write(cell, client, written);
      written += 40;
      await follower.kill();
      act(follower);
      await write(cell, client, written);
      written += 40;
      follower.start();
      await until(`it is repaired: ${what}`, async () => {
        const status = await follower.status();
        return status?.role === 'replica' && status.voting && !(status.warnings ?? []).join().includes('damaged at');
      });
      expect(follower.log(), what).toContain('the log is damaged');
      await cell.agreement();
      expect((await master.status())?.epoch, what).toBe(epoch);
      // Its vote counts: without the third member nothing is chosen but with it.
      await other.kill();
      await write(cell, client, written);
      written += 40;
      other.start();
      await cell.agreement();
    }
    await client.close();
  });
}, 120_000);

it('each of three logs damaged at another record: the cell serves again, and nobody has lost a vote (P18)', async () => {
  await withCell({ replicas: 3 }, async (cell) => {
    const client = new CellClient({ urls: cell.urls, random: new Random(2) });
    await cell.master();
    await write(cell, client, 0);
    await write(cell, client, 40);
    await cell.killAll();
    for (const [i, member] of cell.members.entries()) {
      const { file } = segmentOf(member);
      for (const group of [9 + i, 24 + i, 39 + i]) {
        change(file, 512 + group * 1024 + 130, (bytes) => bytes.writeUInt8(bytes.readUInt8(0) ^ 0x04, 0));
      }
    }
    cell.startAll();
    await cell.master();
    await cell.agreement();
    for (const member of cell.members) {
      expect((await member.status())?.voting).toBe(true);
      expect(member.log()).toContain('the log is damaged');
    }
    const last = await client.perform({ method: 'GET', path: keyPath('k19'), repeatable: true }, 10_000);
    expect(last).toMatchObject({ status: 200, body: 'value 79' });
    await client.close();
  });
}, 60_000);

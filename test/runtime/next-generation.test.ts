/** The first state of a generation as it is made of its parent's: what is restored must not change when the codec goes on. */

import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { createNodeDigest } from '../../src/adapters/digest-node/digest-node.ts';
import type { CellTimeMs, Epoch, Instance } from '../../src/core/consensus/identity.ts';
import { nextGeneration } from '../../src/core/database/next-generation.ts';
import type { DatabaseRecord } from '../../src/core/database/record.ts';
import { databaseRecordCodec } from '../../src/formats/database-record.ts';
import { DatabaseApplication } from '../../src/runtime/database-application.ts';
import { openUpgradeOf } from '../../src/runtime/open-upgrade.ts';

const rootSecret = createHash('sha256').update('root').digest();
const numbers = 2 ** 40;

/** Records of every kind but entries share one buffer in the codec: a long one reaches where the root secret lay. */
const parent: readonly DatabaseRecord[] = [
  {
    kind: 'system',
    identity: {
      cellId: 'c'.repeat(32),
      generation: 1,
      generationId: '1'.repeat(32),
      generationStart: { epoch: 0 as Epoch, instance: 0 as Instance },
      rootSecret,
    },
  },
  { kind: 'counters', revision: 7, epoch: 1 as Epoch, cellTimeMs: 9 as CellTimeMs },
  {
    kind: 'epoch',
    epoch: { epoch: 1 as Epoch, instance: 1 as Instance, id: '2'.repeat(32), owner: 'n1#1', revision: 0 },
  },
  { kind: 'system-entry', key: 'first', instance: 3 as Instance, value: Buffer.alloc(40, 'a') },
  { kind: 'system-entry', key: 'second', instance: 4 as Instance, value: Buffer.alloc(400, 'b') },
];

async function* encoded(records: Iterable<DatabaseRecord>): AsyncGenerator<Uint8Array> {
  for (const record of records) yield databaseRecordCodec.encode(record);
}

it('what was restored shares no memory with the bytes that it was read from', async () => {
  const digest = await createNodeDigest();
  const before = new DatabaseApplication({ digest });
  await before.restore(encoded(parent));
  const start = { epoch: 1 as Epoch, instance: 20 as Instance };
  const next = new DatabaseApplication({ digest });
  const view = before.view();
  await next.restore(
    encoded(nextGeneration(view.contents(), { generation: 2, generationId: '3'.repeat(32), start, numbers })),
  );
  expect(Buffer.from(next.identity?.rootSecret ?? []).toString('hex')).toBe(rootSecret.toString('hex'));
  expect(Buffer.from(next.system.get('first')?.value ?? []).toString()).toBe('a'.repeat(40));
  // What it writes is what it says: the members that load it get the same.
  const written = [...next.view().records()].map((record) => new Uint8Array(record));
  const loaded = new DatabaseApplication({ digest });
  await loaded.restore(
    (async function* () {
      yield* written;
    })(),
  );
  expect(loaded.checksumHex()).toBe(next.checksumHex());
});

it('ends the upgrade that was open and keeps what was written of it', async () => {
  const digest = await createNodeDigest();
  const before = new DatabaseApplication({ digest });
  const upgrade = ['attempt/u-1', 'claim', 'current', 'raise', 'renewed'].map((key, at): DatabaseRecord => {
    const value = key === 'raise' ? '2' : 'u-1';
    return { kind: 'system-entry', key: `upgrade/${key}`, instance: (5 + at) as Instance, value: Buffer.from(value) };
  });
  await before.restore(encoded([...parent, ...upgrade]));
  expect(openUpgradeOf(before.system, 0)).toMatchObject({ attempt: 'u-1' });
  const next = new DatabaseApplication({ digest });
  const start = { epoch: 1 as Epoch, instance: 20 as Instance };
  const view = before.view();
  await next.restore(
    encoded(nextGeneration(view.contents(), { generation: 2, generationId: '3'.repeat(32), start, numbers })),
  );
  expect([...next.system.keys()]).toEqual(['first', 'second', 'upgrade/attempt/u-1']);
  expect(openUpgradeOf(next.system, 0)).toBeNull();
  // Any member comes to this state, whichever entries of the upgrade it was that its base had.
  const without = new DatabaseApplication({ digest });
  const [attempt] = upgrade as [DatabaseRecord];
  await without.restore(encoded([...parent, attempt]));
  const again = new DatabaseApplication({ digest });
  await again.restore(
    encoded(nextGeneration(without.view().contents(), { generation: 2, generationId: '3'.repeat(32), start, numbers })),
  );
  expect(again.checksumHex()).toBe(next.checksumHex());
});

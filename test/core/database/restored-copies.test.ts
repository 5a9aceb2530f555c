/**
 * What a database keeps is its own: records come in buffers that are written over afterwards, by the next record or the next frame.
 * A `slice` of a Buffer is a view of the same bytes, and what was kept by one changed under the database (found by
 * rehearsing the backup of a cell that has a schedule).
 */
import { expect, it } from 'vitest';
import type { Instance } from '../../../src/core/consensus/identity.ts';
import type { DatabaseRecord } from '../../../src/core/database/record.ts';
import { DatabaseRestore } from '../../../src/core/database/restore.ts';
import { databaseRecordCodec } from '../../../src/formats/database-record.ts';
import { bytes, identity, Machine, ports, text } from './support.ts';

const schedule = 'every six hours '.repeat(30);

function machine(): Machine {
  const it = new Machine();
  it.database.tables.system.write(
    [
      { key: 'backup/schedule', value: bytes(schedule) },
      { key: 'drains', value: bytes('n1') },
    ],
    3 as Instance,
  );
  return it;
}

/** Each record lies where the one before it lay, as an encoder gives it that writes into one buffer. */
function restoredFromOneBuffer(records: Iterable<DatabaseRecord>) {
  const buffer = Buffer.alloc(4096);
  const restore = new DatabaseRestore(ports);
  for (const record of records) {
    const encoded = databaseRecordCodec.encode(record);
    buffer.set(encoded);
    restore.add(buffer.subarray(0, encoded.length));
    buffer.fill(0xee);
  }
  return restore.finish();
}

it('a restored database holds what was read, whatever becomes of the memory it was read from', () => {
  const before = machine();
  before.database.initialize({ ...identity, rootSecret: Buffer.alloc(32, 7) });
  const view = before.database.view();
  const restored = restoredFromOneBuffer(view.contents());
  expect(restored.checksumHex()).toBe(view.checksum);
  expect(text(restored.system.get('backup/schedule')?.value ?? new Uint8Array())).toBe(schedule);
  expect([...(restored.identity?.rootSecret ?? [])]).toEqual(Array.from({ length: 32 }, () => 7));
  // What it gives away again is what its checksum is of.
  expect(restoredFromOneBuffer(restored.view().contents()).checksumHex()).toBe(view.checksum);
});

it('a system entry that was written stays as it was when the frame that brought it is used again', () => {
  const it = machine();
  const frame = Buffer.from('finalized');
  it.database.tables.system.write([{ key: 'level', value: frame }], 4 as Instance);
  frame.fill(0xee);
  expect(text(it.database.system.get('level')?.value ?? new Uint8Array())).toBe('finalized');
});

/** Views of real databases, for tests of what is done with snapshots of them. */
import type { Epoch, Instance } from '../../src/core/consensus/identity.ts';
import { Database } from '../../src/core/database/database.ts';
import { databaseRecordCodec } from '../../src/formats/database-record.ts';
import type { SnapshotView } from '../../src/storage/snapshot-writer.ts';
import { digest } from './support.ts';

/** A database of `count` entries of 1 KiB. Equal counts, equal bytes. */
export function databaseView(count: number): SnapshotView {
  const database = new Database({ codec: databaseRecordCodec, digest });
  database.initialize({
    cellId: 'cell-1',
    generation: 1,
    generationId: '07'.repeat(16),
    generationStart: { epoch: 0 as Epoch, instance: 0 as Instance },
    rootSecret: Buffer.alloc(32, 9),
  });
  for (let i = 0; i < count; i++) {
    const key = `key ${String(i).padStart(8, '0')}`;
    const value = Buffer.alloc(1000, i);
    const entry = { kind: 'entry', key, createRevision: 1, revision: 1, version: 1, value } as const;
    const encoded = databaseRecordCodec.encode(entry);
    database.tables.entries.load(encoded, digest.entry(encoded));
  }
  const view = database.view();
  return { count: view.count, entryCount: view.entryCount, checksum: view.checksum, records: () => view.records() };
}

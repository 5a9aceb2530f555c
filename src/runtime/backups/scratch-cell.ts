/**
 * The data directory of a cell of one, made out of a backup to try it: the same contents under the identity of a cell of its own, so
 * that nobody takes it for the one that was saved (design §4 "a scratch or rehearsal restore gets a new cell id").
 */
import type { Instance } from '../../core/consensus/identity.ts';
import type { DatabaseRecord } from '../../core/database/record.ts';
import { CheckFailedError } from '../../errors/index.ts';
import { databaseRecordCodec } from '../../formats/database-record.ts';
import type { SnapshotHeader } from '../../formats/snapshot.ts';
import type { Disk } from '../../ports/disk.ts';
import type { World } from '../../ports/world.ts';
import { ReplicaStorage } from '../../storage/replica-storage.ts';
import { snapshotRecords } from '../../storage/snapshot-reader.ts';
import { snapshotParts } from '../../storage/snapshot-writer.ts';
import { DatabaseApplication } from '../database-application.ts';

export const scratchMember = 'n1';

export interface ScratchCell {
  readonly cell: string;
  /** Of the database as it was saved. */
  readonly checksum: string;
}

export interface ScratchRequest {
  readonly world: World;
  readonly version: string;
  readonly dataDir: string;
  readonly url: string;
}

/** @throws {CheckFailedError} (exit 4) when the entries of the file are not those that its checksum is of. */
export async function makeScratchCell(
  { disk, name, header }: { readonly disk: Disk; readonly name: string; readonly header: SnapshotHeader },
  { dataDir, url, version, world }: ScratchRequest,
): Promise<ScratchCell> {
  const { clocks, digest, randomness } = world;
  const newDatabase = () => new DatabaseApplication({ digest, nextTurn: (callback) => clocks.nextTurn(callback) });
  const saved = newDatabase();
  await saved.restore(snapshotRecords(disk, name));
  const checksum = saved.checksumHex();
  if (checksum !== header.checksum) {
    throw new CheckFailedError(`The entries of ${name} give checksum ${checksum}, it says ${header.checksum}.`, {
      facts: { checksum, expected: header.checksum },
    });
  }
  const hex = (length: number): string => Buffer.from(randomness.bytes(length)).toString('hex');
  const cell = { id: hex(16), name: 'rehearsal', generation: header.generation, secretHex: hex(32) };
  const state = newDatabase();
  const contents = saved.view();
  await state.restore(encoded(contents.contents(), cell.id));
  contents.close();

  const { handle } = header;
  const { alpha, driftPpm, leaseMs } = (handle.configurations[0] as (typeof handle.configurations)[number])
    .configuration;
  const members = [{ name: scratchMember, incarnation: 1, role: 'voter' as const, url }];
  const configuration = { alpha, leaseMs, driftPpm, members };
  const configurations = [{ from: (handle.instance + 1) as Instance, configuration }];
  const member = { name: scratchMember, incarnation: 1 };
  const directory = await world.openDirectory(dataDir);
  try {
    await ReplicaStorage.form(directory.disk, {
      cell,
      member,
      configurations,
      level: state.level,
      formedLevel: state.level,
    });
    const storage = await ReplicaStorage.open(directory.disk, {
      ...{ expectName: scratchMember, digest, randomness, programVersion: version },
      ...{ now: () => clocks.now().monotonicMs, wallMs: () => clocks.now().wallMs },
    });
    try {
      const view = state.view();
      const receiver = await storage.receiveSnapshot();
      const own: SnapshotHeader = {
        ...{ ...header, cellId: cell.id, level: state.level, handle: { ...handle, configurations } },
        ...{ checksum: view.checksum, records: view.count, entries: view.entryCount },
      };
      for (const part of snapshotParts({ header: own, records: view.records() }, digest)) await receiver.append(part);
      await receiver.finish();
      view.close();
    } finally {
      await storage.close();
    }
  } finally {
    await directory.release();
  }
  return { cell: cell.id, checksum };
}

async function* encoded(records: Iterable<DatabaseRecord>, cellId: string): AsyncGenerator<Uint8Array> {
  for (const record of records) {
    const own = record.kind === 'system' ? { ...record, identity: { ...record.identity, cellId } } : record;
    yield new Uint8Array(databaseRecordCodec.encode(own));
  }
}

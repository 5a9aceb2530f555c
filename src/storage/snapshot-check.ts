/**
 * Everything that can be found out about a snapshot file by reading it: its parts and their digest, its records and their
 * order, and the checksum of the database that they make. Holds one record at a time, whatever the size of the file.
 *
 * Source: contract §1 (`snapshot inspect`, `verify data-dir`); design §4. The checksum of a database is the sum of the digests of
 * its records' canonical bytes, and those are what the file holds.
 */
import { DigestSum } from '../core/database/checksum.ts';
import { compareKeys } from '../core/database/key.ts';
import { type DatabaseRecord, recordRanks } from '../core/database/record.ts';
import { FormatError } from '../formats/bytes.ts';
import { databaseRecordCodec } from '../formats/database-record.ts';
import type { DigestPort } from '../ports/digest.ts';
import type { Disk } from '../ports/disk.ts';
import { SnapshotCorruptError } from './errors.ts';
import { type SnapshotOrigin, snapshotRecords, type VerifiedSnapshot, verifySnapshot } from './snapshot-reader.ts';

export interface CheckedSnapshot extends VerifiedSnapshot {
  /** False: the records are those of another application on the log, and only their bytes were checked. */
  readonly isDatabase: boolean;
}

/** @throws {SnapshotCorruptError} for the first thing that is wrong. */
export async function checkSnapshotFile(
  disk: Disk,
  path: string,
  { digest, origin }: { readonly digest: DigestPort; readonly origin: SnapshotOrigin | null },
): Promise<CheckedSnapshot> {
  const verified = await verifySnapshot(disk, path, origin, digest);
  const { header } = verified;
  const records = new RecordCheck(digest);
  try {
    for await (const record of snapshotRecords(disk, path)) records.add(record);
    if (records.isDatabase) records.finish(header);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const { instance } = header.handle;
    throw new SnapshotCorruptError({ file: path, problem: error.message, instance }, { cause: error });
  }
  return { ...verified, isDatabase: records.isDatabase };
}

class RecordCheck {
  readonly #digest: DigestPort;
  readonly #sum = new DigestSum();
  isDatabase = true;
  #rank = -1;
  #entries = 0;
  #count = 0;
  #key: string | null = null;

  constructor(digest: DigestPort) {
    this.#digest = digest;
  }

  add(bytes: Uint8Array): void {
    this.#count++;
    if (!this.isDatabase) return;
    const record = this.#decode(bytes);
    if (record === null) {
      this.isDatabase = false;
      return;
    }
    const rank = recordRanks[record.kind];
    if (rank < this.#rank) throw new FormatError(`record ${this.#count} (${record.kind}) stands after later ones`);
    this.#rank = rank;
    if (record.kind === 'entry') this.#entry(record.key);
    this.#sum.add(this.#digest.entry(bytes));
  }

  /** Null for the first record of another application. */
  #decode(bytes: Uint8Array): DatabaseRecord | null {
    try {
      return databaseRecordCodec.decode(bytes);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      if (this.#count === 1) return null;
      throw new FormatError(`record ${this.#count}: ${error.message}`);
    }
  }

  #entry(key: string): void {
    this.#entries++;
    if (this.#key !== null && compareKeys(this.#key, key) >= 0) {
      throw new FormatError(`record ${this.#count}: entries out of order`);
    }
    this.#key = key;
  }

  finish({ checksum, entries }: VerifiedSnapshot['header']): void {
    if (this.#entries !== entries) throw new FormatError(`${this.#entries} entries instead of ${entries}`);
    const found = this.#sum.hex();
    if (found !== checksum) throw new FormatError(`its records give checksum ${found}, its header says ${checksum}`);
  }
}

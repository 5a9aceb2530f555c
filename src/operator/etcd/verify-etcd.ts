/**
 * Holds the cell against etcd at the revision that was copied, key by key: both give their keys in the order of their bytes, so one
 * walk over both finds what is missing, what differs, and what only the cell has.
 */
import { OperatorError } from '../../errors/index.ts';
import type { ListDocument } from '../../formats/http-body.ts';
import type { ExportSource } from '../export.ts';
import type { EtcdSource } from './gateway.ts';
import { readEtcd } from './read-etcd.ts';

export interface EtcdDifference {
  readonly key: string;
  readonly what: 'missing' | 'differs';
}

export interface EtcdVerdict {
  /** Of etcd, that were looked for in the cell. */
  readonly entries: number;
  readonly different: number;
  /** The first of them. */
  readonly differences: readonly EtcdDifference[];
  /** Keys with the prefix that only the cell has: they were there before, or somebody wrote them meanwhile. */
  readonly others: number;
}

interface CellEntry {
  readonly key: Buffer;
  readonly value: Buffer;
}

const pageEntries = 1_000;
const listedMax = 20;
const restartsMax = 20;

export async function verifyEtcd(
  etcd: EtcdSource,
  cell: ExportSource,
  request: {
    readonly prefix: string;
    readonly revision: number;
    readonly onProgress: (entries: number) => void;
  },
): Promise<EtcdVerdict> {
  for (let restarts = 0; ; restarts++) {
    try {
      return await walk(etcd, cell, request);
    } catch (error) {
      // The cell could not hold its own point in time long enough: a master that moved, say.
      const gone = error instanceof OperatorError && error.code === 'PAXOS_REVISION_GONE';
      if (!gone || restarts >= restartsMax) throw error;
    }
  }
}

async function walk(
  etcd: EtcdSource,
  cell: ExportSource,
  { prefix, revision, onProgress }: Parameters<typeof verifyEtcd>[2],
): Promise<EtcdVerdict> {
  const here = cellEntries(cell, prefix)[Symbol.asyncIterator]();
  let next = await here.next();
  const differences: EtcdDifference[] = [];
  let [entries, different, others] = [0, 0, 0];
  const note = (key: Buffer, what: EtcdDifference['what']): void => {
    different++;
    if (differences.length < listedMax) differences.push({ key: key.toString('utf8'), what });
  };
  for await (const { key, value } of readEtcd(etcd, { prefix, revision })) {
    while (next.done !== true && Buffer.compare(next.value.key, key) < 0) {
      others++;
      next = await here.next();
    }
    if (next.done === true || !next.value.key.equals(key)) note(key, 'missing');
    else {
      if (!next.value.value.equals(value)) note(key, 'differs');
      next = await here.next();
    }
    entries++;
    if (entries % pageEntries === 0) onProgress(entries);
  }
  for (; next.done !== true; next = await here.next()) others++;
  onProgress(entries);
  return { entries, different, differences, others };
}

/** One point in time of the cell. */
async function* cellEntries(cell: ExportSource, prefix: string): AsyncGenerator<CellEntry> {
  let revision: number | null = null;
  let after: string | null = null;
  for (;;) {
    const page: ListDocument = await cell.list({ prefix, after, revision, limit: pageEntries });
    revision ??= page.revision;
    for (const { key, value, valueBase64 } of page.entries) {
      yield {
        key: Buffer.from(key, 'utf8'),
        value: valueBase64 === undefined ? Buffer.from(value ?? '', 'utf8') : Buffer.from(valueBase64, 'base64'),
      };
    }
    if (page.next === null) return;
    after = page.next;
  }
}

/** All of etcd at one revision, in the order of the keys; pages grow and shrink so that an answer has a few megabytes. */
import { isUtf8 } from 'node:buffer';
import { CheckFailedError } from '../../errors/index.ts';
import { type EtcdEntry, type EtcdSource, PageTooLargeError } from './gateway.ts';

export interface EtcdReading {
  readonly prefix: string;
  readonly revision: number;
  /** Where to go on: behind this key. */
  readonly after?: Buffer | null;
  readonly keysOnly?: boolean;
}

const limits = { first: 64, max: 2_000, keys: 5_000 };
/** Of values: larger pages cost memory at both ends, smaller ones questions. */
const pageBytes = { grow: 512 * 1024, shrink: 2 * 1024 * 1024 };

export async function* readEtcd(source: EtcdSource, reading: EtcdReading): AsyncGenerator<EtcdEntry> {
  const { prefix, revision, keysOnly = false } = reading;
  let after = reading.after ?? null;
  let limit = keysOnly ? limits.keys : limits.first;
  for (;;) {
    let page: Awaited<ReturnType<EtcdSource['page']>>;
    try {
      page = await source.page({ prefix, after, revision, limit, keysOnly });
    } catch (error) {
      if (!(error instanceof PageTooLargeError) || limit === 1) throw error;
      limit = Math.max(1, Math.floor(limit / 4));
      continue;
    }
    yield* page.entries;
    const last = page.entries.at(-1);
    if (!page.more) return;
    // What is behind it would be missing, here and in the comparison.
    if (last === undefined) throw new CheckFailedError('etcd says that there are more keys, and gives none of them.');
    after = last.key;
    if (!keysOnly) limit = nextLimit(limit, page.entries);
  }
}

function nextLimit(limit: number, entries: readonly EtcdEntry[]): number {
  const bytes = entries.reduce((sum, { value }) => sum + value.length, 0);
  if (bytes > pageBytes.shrink) return Math.max(1, Math.floor(limit / 2));
  return bytes < pageBytes.grow ? Math.min(limits.max, limit * 2) : limit;
}

/** Of a key and a value in this cell (contract §2). */
const keyBytesMax = 1024;
export const valueBytesMax = 256 * 1024;

/** Why a key of etcd, which may be any bytes, is none here; null when it is one. */
export function unfit(key: Buffer): string | null {
  if (!isUtf8(key)) return 'it is not UTF-8';
  if (key.length > keyBytesMax) return `it has ${key.length} bytes, at most ${keyBytesMax} are allowed`;
  if (key.length === 0) return 'it is empty';
  return key[0] === 0 ? 'keys that begin with U+0000 belong to the system' : null;
}

/** For messages. */
export const shown = (key: Buffer): string =>
  isUtf8(key) ? JSON.stringify(key.subarray(0, 200).toString('utf8')) : `0x${key.subarray(0, 100).toString('hex')}`;

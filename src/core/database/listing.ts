/** Reading many entries in the order of their keys' UTF-8 bytes (contract §2). */
import type { Entry, Revision } from './command.ts';
import type { EntryView } from './entry-store.ts';
import { unpackEntry } from './entry-table.ts';
import { compareKeys } from './key.ts';
import type { DatabasePorts } from './record.ts';

export interface ListQuery {
  /** Empty for all. */
  readonly prefix: string;
  /** Only keys above this one; null for all. */
  readonly after: string | null;
  /** At most this many, from 1. */
  readonly limit: number;
  /** Stop, after at least one entry, before keys and values together pass this. */
  readonly bytesMax?: number;
}

export interface EntryList {
  readonly entries: readonly { readonly key: string; readonly entry: Entry }[];
  /** Pass as `after` to go on; null at the end. */
  readonly next: string | null;
  readonly revision: Revision;
}

export function listEntries(ports: DatabasePorts, view: EntryView, query: ListQuery, revision: Revision): EntryList {
  const { prefix, after, limit, bytesMax = Number.POSITIVE_INFINITY } = query;
  const from = after !== null && compareKeys(after, prefix) > 0 ? after : prefix;
  const entries: { key: string; entry: Entry }[] = [];
  let bytes = 0;
  for (const stored of view.from(from)) {
    const { key } = stored;
    if (key === after) continue;
    if (!key.startsWith(prefix)) break;
    bytes += key.length + stored.valueBytes;
    const last = entries.at(-1);
    if (entries.length >= limit || (last !== undefined && bytes > bytesMax)) {
      return { entries, next: last?.key ?? after, revision };
    }
    entries.push({ key, entry: unpackEntry(ports, stored) });
  }
  return { entries, next: null, revision };
}

/** `kv watch`: what becomes of each key, until somebody has seen enough. */
import type { WatchedChange } from '../client/watch.ts';
import { UsageError } from '../errors/index.ts';
import { type CellFlags, withCell } from './connect.ts';

export interface WatchFlags {
  readonly prefix: string;
  readonly from: number | undefined;
  readonly after: string | undefined;
  /** Ends after so many changes. */
  readonly count: number | undefined;
}

export interface Watched {
  changes: number;
  /** Behind which a later watch goes on; null before anything was heard. */
  seen: string | null;
}

/**
 * Keeps `watched` up to date while it goes on, so that whoever ends it, or a failure, can say where to go on.
 * @throws {UnreachableError} when nobody serves for the time of a step; {ConditionFailedError} when the cell no longer keeps what comes next.
 */
export function watchKeys(
  cell: CellFlags,
  { prefix, from, after, count = Number.POSITIVE_INFINITY }: WatchFlags,
  {
    signal,
    tell,
    watched,
  }: {
    readonly signal: AbortSignal;
    readonly tell: (change: WatchedChange) => Promise<void>;
    readonly watched: Watched;
  },
): Promise<void> {
  if (after !== undefined && !/^\d{1,16}(\.\d{1,5})?$/.test(after)) {
    throw new UsageError(`--after takes the "id" of a change, not ${JSON.stringify(after)}.`, { facts: { after } });
  }
  return withCell(cell, async (client) => {
    const changes = client.watch({
      prefix,
      ...(from === undefined ? {} : { from }),
      ...(after === undefined ? {} : { after }),
      signal,
      onProgress: (revision) => {
        watched.seen = String(revision);
      },
    });
    for await (const change of changes) {
      await tell(change);
      watched.seen = change.id;
      watched.changes += 1;
      if (watched.changes >= count) return;
    }
  });
}

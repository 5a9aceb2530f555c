/**
 * An ordered table in memory with point-in-time views. The client sessions live in one; the user's
 * entries in one of their own kind (`entry-store.ts`).
 *
 * A caller may rely on: order by the UTF-8 bytes of the keys; `view()` in O(1), unaffected by later changes, which copy
 * what they touch; values are kept by reference and never looked into.
 */
export interface StateStore<Record> {
  readonly size: number;
  get(key: string): Record | undefined;
  set(key: string, record: Record): void;
  /** False when there was none. */
  delete(key: string): boolean;
  view(): StateView<Record>;
  /** Lazily, from the first key at or above `from`. The store must not change while it is in use; a view never does. */
  from(from: string): IterableIterator<readonly [string, Record]>;
}

export type StateView<Record> = Pick<StateStore<Record>, 'size' | 'get' | 'from'>;

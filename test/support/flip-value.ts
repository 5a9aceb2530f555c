/** Memory that rots: one bit of one stored value changes, and nothing is told of it (pitfalls P-11). */
import type { StoredEntry } from '../../src/core/database/entry-table.ts';
import type { StateStore } from '../../src/core/database/state-store.ts';

/** @throws {Error} when there is no such entry, or it has no value to change. */
export function flipValue(entries: StateStore<StoredEntry>, key: string): void {
  const stored = entries.get(key);
  if (stored === undefined || stored.value.length === 0) throw new Error(`there is nothing to change in ${key}`);
  const { value } = stored;
  const flipped =
    typeof value === 'string' ? String.fromCharCode(value.charCodeAt(0) ^ 1) + value.slice(1) : value.slice();
  if (typeof flipped !== 'string') flipped[0] = (flipped[0] as number) ^ 1;
  // As if the memory of the entry had changed: its digest is the one of what was written.
  entries.set(key, { ...stored, value: flipped });
}

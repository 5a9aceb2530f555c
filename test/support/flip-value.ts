/** Memory that rots: one bit of one stored value changes, and nothing is told of it (pitfalls P-11). */
import type { EntryStore } from '../../src/core/database/entry-store.ts';

/** @throws {Error} when there is no such entry, or it has no value to change. */
export function flipValue(entries: EntryStore, key: string): void {
  const stored = entries.get(key);
  if (stored === undefined || stored.valueBytes === 0) throw new Error(`there is nothing to change in ${key}`);
  const { encoded, digest, valueBytes } = stored;
  const flipped = new Uint8Array(encoded);
  const at = flipped.length - valueBytes;
  flipped[at] = (flipped[at] as number) ^ 1;
  // As if the memory of the entry had changed: its digest is the one of what was written.
  entries.put(key, flipped, digest);
}

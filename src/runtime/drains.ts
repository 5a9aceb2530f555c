/**
 * From whom mastership is kept away, and until when: one entry of the system, so that it holds for whoever is master, over every
 * restart, and ends by itself in cell time, which no machine's clock can turn back (contract §1 `node drain`).
 *
 * Keeps: a drain is a preference and never costs availability. A drained voter votes, and one that is the only one who can lead,
 * leads until another can.
 */
import type { SystemEntry } from '../core/database/system-table.ts';

export const drainsKey = 'drains';
export const drainMsMin = 1_000;
export const drainMsMax = 24 * 3_600_000;

/** Cell time in milliseconds at which each ends, by name of the member. */
export type Drains = ReadonlyMap<string, number>;

/** Those that are not over. What cannot be read is none: a preference is not worth stopping for. */
export function drainsAt(entry: SystemEntry | undefined, cellTimeMs: number): Drains {
  if (entry === undefined) return new Map();
  try {
    const found = JSON.parse(new TextDecoder().decode(entry.value)) as Record<string, unknown>;
    const pairs = Object.entries(found).filter((it): it is [string, number] => Number.isSafeInteger(it[1]));
    return new Map(pairs.filter(([, until]) => until > cellTimeMs));
  } catch {
    return new Map();
  }
}

/** Sorted, so that the same drains are the same bytes; null when there is none. */
export function encodeDrains(drains: Drains): Uint8Array | null {
  if (drains.size === 0) return null;
  const sorted = [...drains].sort(([a], [b]) => (a < b ? -1 : 1));
  return new TextEncoder().encode(JSON.stringify(Object.fromEntries(sorted)));
}

/**
 * What a command may do to the cell's level: raise it, to what the open upgrade announced when finalizing began, and nothing else.
 *
 * Judged by every replica when the command is applied, from replicated state alone, so that all come to the same end: one that does
 * not fit does nothing. Which levels the members speak is not replicated; the master asks them before it proposes.
 * Source: design §6.5; pitfalls P51, U4, U5.
 */
import { firstLevel, levelKey, levelOf, raiseKey, type SystemCommand } from './system-entry.ts';
import type { SystemEntry } from './system-table.ts';

export const levelRefusals = [
  /** No decimal number from 1, or taken away. */
  'not-a-level',
  /** The level would fall, or stay. */
  'not-higher',
  /** Without a test of the present level and of what was announced. */
  'unguarded',
  /** No upgrade is being finalized, or it is to another level. */
  'unannounced',
] as const;
export type LevelRefusal = (typeof levelRefusals)[number];

type Entries = Pick<ReadonlyMap<string, SystemEntry>, 'get'>;

export const touchesLevel = ({ writes }: Pick<SystemCommand, 'writes'>): boolean =>
  writes.some(({ key }) => key === levelKey || key === raiseKey);

/** Null for what fits, and for a command that leaves the level alone. Whether the tests hold is not looked at. */
export function levelRefusal({ guard, writes }: SystemCommand, entries: Entries): LevelRefusal | null {
  const present = levelOf(entries.get(levelKey)?.value);
  for (const { key, value } of writes) {
    // The end of an upgrade takes the announcement away.
    if (key === raiseKey && value !== null) {
      const announced = levelOf(value);
      if (announced < firstLevel) return 'not-a-level';
      if (announced < present) return 'not-higher';
    }
    if (key !== levelKey) continue;
    const level = value === null ? 0 : levelOf(value);
    if (level < firstLevel) return 'not-a-level';
    if (level <= present) return 'not-higher';
    if (![levelKey, raiseKey].every((tested) => guard.some((test) => test.key === tested))) return 'unguarded';
    const announced = entries.get(raiseKey)?.value;
    if (announced === undefined || levelOf(announced) !== level) return 'unannounced';
  }
  return null;
}

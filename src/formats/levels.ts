/**
 * Which levels this program speaks: the formats and the behaviour that all members of a cell have agreed to use.
 *
 * The cell's level is a value in its log (`core/database/system-entry.ts`), raised by `upgrade finalize` alone. A replica refuses
 * to start on, and stops in front of, a level outside its range (design §6; pitfalls U2, U4, U5). What a newer level brings
 * is refused, here and by every reader, until the level is in force.
 */
export { firstLevel, levelKey, raiseKey } from '../core/database/system-entry.ts';

import type { Command } from '../core/database/command.ts';
import type { LevelRefusal } from '../core/database/level-rule.ts';

export interface LevelRange {
  readonly min: number;
  readonly max: number;
}

/** Whether what another program says of itself is a range. */
export function isLevels(value: unknown): value is LevelRange {
  if (typeof value !== 'object' || value === null) return false;
  const { min, max } = value as Partial<LevelRange>;
  return (
    Number.isSafeInteger(min) && Number.isSafeInteger(max) && 0 < (min as number) && (min as number) <= (max as number)
  );
}

/** Another range, when this program was built as another version of itself (docs/TESTING.md, "Two versions"). */
declare const PAXOSCTL_BUILD_LEVELS: LevelRange | undefined;

/** From this level on there are locks, and writes that rest on them. */
export const lockLevel = 2;

/** What this program can run at. Raised together with the first thing that an older program could not read. */
export const supportedLevels: LevelRange =
  typeof PAXOSCTL_BUILD_LEVELS === 'undefined' ? { min: 1, max: lockLevel } : PAXOSCTL_BUILD_LEVELS;

/** From which level on a kind of command may be proposed. */
const commandLevels: Readonly<Record<Command['kind'], number>> = {
  multiop: 1,
  'open-session': 1,
  'close-session': 1,
  'keep-session': 1,
  'expire-sessions': 1,
  'acquire-lock': lockLevel,
  'release-lock': lockLevel,
  checksum: 1,
  system: 1,
};

export const isSupported = (level: number, levels: LevelRange = supportedLevels): boolean =>
  level >= levels.min && level <= levels.max;

/**
 * The level that a cell begins at which these programs form together: the highest that all of them speak, so that none is locked out.
 * Null where there is none.
 */
export function commonLevel(ranges: readonly LevelRange[]): number | null {
  const level = Math.min(...ranges.map(({ max }) => max));
  return ranges.length > 0 && ranges.every(({ min }) => min <= level) ? level : null;
}

/** `levels 1 to 2` */
export const levelsText = ({ min, max }: LevelRange): string =>
  min === max ? `level ${min}` : `levels ${min} to ${max}`;

const refusalTexts: Readonly<Record<LevelRefusal, string>> = {
  'not-a-level': 'a level is a decimal number from 1, and is never taken away',
  'not-higher': 'a level only rises',
  unguarded: 'without tests of "level" and of "upgrade/raise" it may be raised twice',
  unannounced: 'no upgrade is being finalized that announced this level in "upgrade/raise"',
};

/** Why the level stays what it is, for people. */
export const levelRefusalText = (refusal: LevelRefusal, present: number): string =>
  `The cell stays at level ${present}: ${refusalTexts[refusal]}.`;

/** A level that this program does not speak: the replica stops in front of it, with nothing of it applied. */
export class LevelRefusedError extends Error {
  readonly level: number;
  readonly levels: LevelRange;

  constructor(level: number, levels: LevelRange) {
    super(`level ${level} is outside of ${levelsText(levels)}`);
    this.name = 'LevelRefusedError';
    this.level = level;
    this.levels = levels;
  }
}

/** Whether a command may be proposed while `level` is in force; `needs` replaces the table (tests). */
export const mayPropose = (command: Command, level: number, needs = commandLevels): boolean =>
  needs[command.kind] <= level && (command.kind !== 'multiop' || command.sequencer === undefined || lockLevel <= level);

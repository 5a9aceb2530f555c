/**
 * Versions that a simulated member can run, numbered from 1. Each speaks its own level and the one before, so that a version and the next
 * can run together, and the one before that refuses what they write once the level was raised (design §6).
 */
import type { LevelRange } from '../formats/levels.ts';

export interface Program {
  readonly version: string;
  readonly levels: LevelRange;
}

export const programOf = (number: number): Program => ({
  version: `0.${number - 1}.0`,
  levels: { min: Math.max(1, number - 1), max: number },
});

/** The number of a version. */
export const numberOf = (version: string): number => Number(version.split('.')[1]) + 1;

export const firstProgram = programOf(1);

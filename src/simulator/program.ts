/**
 * Versions that a simulated member can run, numbered from 1, each with patches of it. Each speaks its own level and the one before, so that a version and the next
 * can run together, and the one before that refuses what they write once the level was raised (design §6).
 */
import type { LevelRange } from '../formats/levels.ts';

export interface Program {
  readonly version: string;
  readonly levels: LevelRange;
}

export const programOf = (number: number, patch = 0): Program => ({
  version: `0.${number - 1}.${patch}`,
  levels: { min: Math.max(1, number - 1), max: number },
});

export function programNamed(version: string): Program {
  const [, minor = 0, patch = 0] = version.split('.').map(Number);
  return programOf(minor + 1, patch);
}

/** One that changes nothing but what it says: it speaks what this one speaks. */
export function patchOf({ levels, version }: Program): Program {
  return programOf(levels.max, Number(version.split('.')[2]) + 1);
}

/** One that does not speak `level`: of before it, or of too long after it. */
export const strangerTo = (level: number): Program => programOf(level > 1 ? level - 1 : level + 2);

export const isLater = (one: Program, other: Program): boolean =>
  one.version.localeCompare(other.version, 'en', { numeric: true }) > 0;

export const firstProgram = programOf(1);

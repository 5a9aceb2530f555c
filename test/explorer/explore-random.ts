/**
 * Many random schedules, one after the other, until one breaks a rule, enough were run, or time is up.
 *
 * A schedule depends on the seed and its own number alone: `--seed S --first N --schedules 1` runs it again.
 */
import { InvariantViolation } from '../../src/core/invariant.ts';
import { Violation } from './checker.ts';
import { type Coverage, noCoverage, stepsOf } from './coverage.ts';
import type { Profile } from './profile.ts';
import { Schedule } from './schedule.ts';
import type { Action, Rejoin } from './world.ts';

export interface RandomOptions {
  readonly seed: number | string;
  /** How many; unbounded when absent. */
  readonly schedules?: number;
  /** Stops after so many seconds of real time; never when absent. */
  readonly seconds?: number;
  /** Number of the first schedule; 0 when absent. */
  readonly first?: number;
  /** Every how manieth schedule is run, so that several processes share the work; 1 when absent. */
  readonly every?: number;
  /** Another way for lost disks to come back, to show that the explorer would notice. */
  readonly rejoin?: Rejoin;
  /** Told now and then. */
  readonly onProgress?: (sofar: RandomResult) => void;
}

export interface Failure {
  /** Number of the schedule. */
  readonly schedule: number;
  readonly seed: string;
  /** `I1 agreement`, or the invariant that the core itself found broken. */
  readonly rule: string;
  readonly message: string;
}

export interface RandomResult {
  readonly seed: string;
  readonly schedules: number;
  readonly steps: number;
  readonly seconds: number;
  readonly coverage: Coverage;
  readonly failure: Failure | null;
}

const seconds = (): number => performance.now() / 1000;

/** Schedules between two looks at the clock. */
const batch = 256;

export function exploreRandom(options: RandomOptions): RandomResult {
  const coverage = noCoverage();
  const begin = seconds();
  const { first = 0, every = 1, schedules: wanted = Number.POSITIVE_INFINITY } = options;
  const seed = String(options.seed);
  let schedules = 0;
  let toldAt = begin;
  let failure: Failure | null = null;
  const result = (): RandomResult => ({
    ...{ seed, schedules, coverage, failure },
    steps: stepsOf(coverage),
    seconds: seconds() - begin,
  });
  while (failure === null && schedules < wanted) {
    if (schedules % batch === 0) {
      const now = seconds();
      if (options.seconds !== undefined && now - begin >= options.seconds) break;
      if (now - toldAt >= 5) {
        toldAt = now;
        options.onProgress?.(result());
      }
    }
    failure = runOne(seed, first + schedules * every, coverage, options.rejoin);
    schedules++;
  }
  return result();
}

/** What is wrong, as far as it is the explored code's doing; anything else is thrown on. */
export function ruleOf(error: unknown): { readonly rule: string; readonly message: string } {
  if (error instanceof Violation) return { rule: error.rule, message: error.message };
  if (error instanceof InvariantViolation) {
    return { rule: error.message, message: `${error.message} ${JSON.stringify(error.details)}` };
  }
  // A mutated core may also simply fall over.
  if (error instanceof TypeError || error instanceof RangeError)
    return { rule: error.name, message: String(error.stack) };
  throw error;
}

function runOne(seed: string, number: number, coverage: Coverage, rejoin?: Rejoin): Failure | null {
  const schedule = new Schedule(`${seed}/${number}`, coverage, rejoin);
  try {
    schedule.run();
  } catch (error) {
    return { schedule: number, seed, ...ruleOf(error) };
  } finally {
    const { chosenCount, masterships, configurations } = schedule.world.checker;
    coverage.chosen += chosenCount;
    coverage.masterships += masterships;
    coverage.configurations += configurations;
    if (masterships > 1) coverage.contested++;
  }
  return null;
}

/** The same schedule once more, noting what happens. */
export function actionsOf(
  failure: Failure,
  rejoin?: Rejoin,
): { readonly profile: Profile; readonly actions: readonly Action[] } {
  const schedule = new Schedule(`${failure.seed}/${failure.schedule}`, noCoverage(), rejoin);
  const actions: Action[] = [];
  schedule.world.recording = actions;
  try {
    schedule.run();
  } catch (error) {
    ruleOf(error);
  }
  return { profile: schedule.profile, actions };
}

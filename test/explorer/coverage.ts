/** What happened in the schedules explored, so that a run in which nothing interesting happened is seen as such. */
export interface Coverage {
  smooth: number;
  delivered: number;
  copied: number;
  dropped: number;
  flushed: number;
  woken: number;
  passed: number;
  suspended: number;
  crashed: number;
  started: number;
  disksLost: number;
  submitted: number;
  changes: number;
  handedOver: number;
  snapshots: number;
  fetched: number;
  /** Values chosen, masterships begun, changes of membership chosen, over all schedules. */
  chosen: number;
  masterships: number;
  configurations: number;
  /** Schedules that saw two masterships or more. */
  contested: number;
  /** Moves of the core's state machines that were made, by id. */
  readonly transitions: Set<string>;
}

export const noCoverage = (): Coverage => ({
  smooth: 0,
  delivered: 0,
  copied: 0,
  dropped: 0,
  flushed: 0,
  woken: 0,
  passed: 0,
  suspended: 0,
  crashed: 0,
  started: 0,
  disksLost: 0,
  submitted: 0,
  changes: 0,
  handedOver: 0,
  snapshots: 0,
  fetched: 0,
  chosen: 0,
  masterships: 0,
  configurations: 0,
  contested: 0,
  transitions: new Set(),
});

const notSteps = ['chosen', 'masterships', 'configurations', 'contested', 'transitions'];

/** The counters by name. */
export const countsOf = (coverage: Coverage): [string, number][] =>
  Object.entries(coverage).filter((entry): entry is [string, number] => typeof entry[1] === 'number');

/** Steps of all kinds, the smooth ones included. */
export const stepsOf = (coverage: Coverage): number =>
  countsOf(coverage).reduce((sum, [name, count]) => sum + (notSteps.includes(name) ? 0 : count), 0);

/** Takes in what another run covered. */
export function addCoverage(sum: Coverage, part: Coverage): void {
  for (const [name, count] of countsOf(part)) sum[name as Exclude<keyof Coverage, 'transitions'>] += count;
  for (const id of part.transitions) sum.transitions.add(id);
}

/**
 * `paxosctl simulate`: one cell a seed, and what came of all of them in the shape of the contract.
 *
 * Keeps: the result is a function of the seeds, whatever the number of jobs. Reports are added up in the order of their
 * seeds, and what a seed behind the first violation found is left out, as if it had never been begun.
 */
import type { CellOptions, CellReport, CellViolation, SimulationMode } from './cell.ts';
import { faultClasses, operatedClasses, restoredClasses, upgradedClasses } from './fault-classes.ts';
import { destructionKinds, sequenceKind } from './faults/catalogue.ts';
import type { Operators } from './profile.ts';
import { meaningOf } from './properties.ts';
import { type CellRunner, type Pulse, runnerHere } from './runner.ts';
import { joinHashes } from './trace.ts';
import { TransitionCounts } from './transition-counts.ts';

export interface SimulationOptions {
  /** First seed; run `i` has `seed + i` when it is a number, `seed/i` when it is a text. */
  readonly seed: number | string;
  /** Null: until `more` says no. */
  readonly runs?: number | null;
  /** Null or absent: safety, healing and liveness in turn. */
  readonly mode?: SimulationMode | null;
  /** Null: drawn anew for each seed. */
  readonly replicas?: number | null;
  readonly hours?: number;
  /** Null or absent: `drawn`. */
  readonly operators?: Operators | null;
  /** In place of all these: this one run, which that command shows again. */
  readonly scenario?: { readonly cell: CellOptions; readonly replay: string };
  /** Goes on after a violation, and reports all of them. */
  readonly keepGoing?: boolean;
  /** Asked before each run. */
  readonly more?: () => boolean;
  /** Ends early; the result says what was done so far. */
  readonly signal?: AbortSignal;
  readonly runner?: CellRunner;
  /** After each run, and a few times a second where the runner has threads of its own. */
  readonly onProgress?: (progress: SimulationProgress) => void;
}

/** As runs end, in whatever order. */
export interface SimulationProgress {
  /** Runs ended. */
  readonly done: number;
  /** Ended, and parts of those under way: 2.5 when two ended and a third is halfway. */
  readonly doneParts: number;
  readonly simulatedMs: number;
  readonly operations: number;
  /** Seeds with a violation. */
  readonly violations: number;
  /** The newest of them. */
  readonly violatedSeed: number | string | null;
}

export interface SimulationViolation extends CellViolation {
  readonly seed: number | string;
  /** The property in a sentence. */
  readonly means: string;
  /** Command that shows the same violation again. */
  readonly replay: string;
  /** Command that makes it small. */
  readonly shrink: string;
}

/** The document of `simulate --json` (contract §1). */
export interface SimulationResult {
  readonly ok: boolean;
  readonly seed: number | string;
  readonly mode: string;
  /** Seeds that this is the sum of. */
  readonly runs: number;
  readonly simulatedHours: number;
  readonly events: number;
  /** Client operations answered. */
  readonly operations: number;
  /** Client operations whose fate no client learned. */
  readonly unknown: number;
  /** Operators' sequences played to their end: a command, typed again for as long as it is refused or was killed half-way. */
  readonly operatorSequences: number;
  readonly traceHash: string;
  readonly faults: Readonly<Record<string, number>>;
  /** How often each move of the replicas' state machines happened, by its id; 0 for those that never did. */
  readonly transitions: Readonly<Record<string, number>>;
  /** Kinds of fault that exist and did not strike. */
  readonly neverFired: readonly string[];
  readonly interrupted?: true;
  /** What the runs had done that an interruption ended; in none of the sums above. */
  readonly unfinished?: { readonly runs: number; readonly simulatedHours: number; readonly operations: number };
  /** That of the earliest seed. */
  readonly violation?: SimulationViolation;
  /** All of them, when the run went on. */
  readonly violations?: readonly SimulationViolation[];
}

export const simulationDefaults = { runs: 1, replicas: 5, hours: 0.05 } as const;
/** From so many seeds on, every kind of fault has to strike (pitfalls §2 rule 5). */
export const longRunSeeds = 1_000;
const hourMs = 3_600_000;

/** Every kind that can strike in this mode. */
export const faultKindsOf = (mode: SimulationMode | null, operators: Operators = 'drawn'): readonly string[] =>
  Object.entries(faultClasses)
    // What is destroyed for good is judged by the members that there were.
    .filter(([name]) => (operators !== 'never' && mode !== 'beyond-repair') || !operatedClasses.includes(name))
    .filter(([name]) => operators === 'upgrades' || !upgradedClasses.includes(name))
    .filter(([name]) => operators === 'generations' || !restoredClasses.includes(name))
    .flatMap(([, kinds]) => kinds)
    .filter((kind) => mode === 'beyond-repair' || !(destructionKinds as readonly string[]).includes(kind))
    .sort();

/** Runs seed after seed, several at a time where the runner can, and stops at the first violation. */
export async function runSimulation(options: SimulationOptions): Promise<SimulationResult> {
  return new Simulation(options).run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #runner: CellRunner;
  readonly #totals: Totals;
  /** Runs that ended before an earlier one. */
  readonly #early = new Map<number, CellReport>();
  readonly #underWay = new Map<number, { readonly abort: AbortController; pulse: Pulse }>();
  #next = 0;
  /** Added up so far: all seeds before this one. */
  #added = 0;
  /** The earliest seed with a violation. */
  #stopAt = Number.POSITIVE_INFINITY;
  #unfinished: readonly Pulse[] = [];
  #done = { runs: 0, simulatedMs: 0, operations: 0, violations: 0, violatedSeed: null as number | string | null };

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#runner = options.runner ?? runnerHere;
    this.#totals = new Totals(options);
  }

  async run(): Promise<SimulationResult> {
    const { signal } = this.#options;
    const stop = (): void => {
      this.#unfinished = this.#pulses();
      for (const { abort } of this.#underWay.values()) abort.abort();
    };
    signal?.addEventListener('abort', stop, { once: true });
    try {
      await Promise.all(Array.from({ length: this.#runner.lanes }, () => this.#lane()));
    } finally {
      signal?.removeEventListener('abort', stop);
    }
    // After an interruption there may be holes.
    for (const index of [...this.#early.keys()].sort((a, b) => a - b)) {
      if (index <= this.#stopAt) this.#totals.add(index, this.#early.get(index) as CellReport);
    }
    return { ...this.#totals.result(), ...(signal?.aborted === true ? this.#interrupted() : {}) };
  }

  #interrupted(): Pick<SimulationResult, 'interrupted' | 'unfinished'> {
    const { length: runs } = this.#unfinished;
    const { simulatedMs, operations } = sumOf(this.#unfinished);
    return { interrupted: true, unfinished: { runs, simulatedHours: simulatedMs / hourMs, operations } };
  }

  #pulses(): readonly Pulse[] {
    return [...this.#underWay.values()].map(({ pulse }) => pulse);
  }

  async #lane(): Promise<void> {
    const { runs = simulationDefaults.runs, more = () => true, signal } = this.#options;
    const wanted = (): boolean => this.#next < (runs ?? Number.POSITIVE_INFINITY) && this.#next < this.#stopAt;
    while (wanted() && more() && signal?.aborted !== true) await this.#runOne(this.#next++);
  }

  async #runOne(index: number): Promise<void> {
    const { keepGoing = false } = this.#options;
    const abort = new AbortController();
    const run = { abort, pulse: { simulatedMs: 0, operations: 0 } };
    this.#underWay.set(index, run);
    const cell = cellOptions(this.#options, index);
    const onPulse = (pulse: Pulse): void => {
      run.pulse = pulse;
      this.#progress();
    };
    const report = await this.#runner.run(cell, { signal: abort.signal, onPulse });
    this.#underWay.delete(index);
    if (report === null) return;
    const found = report.violation !== null;
    const { runs, simulatedMs, operations, violations, violatedSeed } = this.#done;
    this.#done = {
      runs: runs + 1,
      simulatedMs: simulatedMs + report.simulatedMs,
      operations: operations + report.operations,
      violations: violations + (found ? 1 : 0),
      violatedSeed: found ? cell.seed : violatedSeed,
    };
    if (found && !keepGoing && index < this.#stopAt) {
      this.#stopAt = index;
      // What comes behind is for nothing now; an earlier seed may still turn out to be the first.
      for (const [other, { abort }] of this.#underWay) if (other > index) abort.abort();
    }
    this.#early.set(index, report);
    for (let ready = this.#early.get(this.#added); ready !== undefined; ready = this.#early.get(this.#added)) {
      this.#early.delete(this.#added);
      if (this.#added <= this.#stopAt) this.#totals.add(this.#added, ready);
      this.#added++;
    }
    this.#progress();
  }

  #progress(): void {
    const { hours = simulationDefaults.hours } = this.#options;
    const { runs, simulatedMs, operations, violations, violatedSeed } = this.#done;
    const pulses = this.#pulses();
    const underWay = sumOf(pulses);
    const parts = pulses.map((pulse) => Math.min(0.99, pulse.simulatedMs / (hours * hourMs)));
    this.#options.onProgress?.({
      done: runs,
      doneParts: parts.reduce((sum, part) => sum + part, runs),
      simulatedMs: simulatedMs + underWay.simulatedMs,
      operations: operations + underWay.operations,
      violations,
      violatedSeed,
    });
  }
}

const sumOf = (pulses: readonly Pulse[]): Pulse => ({
  simulatedMs: pulses.reduce((sum, { simulatedMs }) => sum + simulatedMs, 0),
  operations: pulses.reduce((sum, { operations }) => sum + operations, 0),
});

/** The sum of runs, added in the order of their seeds. */
class Totals {
  readonly #options: SimulationOptions;
  readonly #hashes: string[] = [];
  readonly #faults: Record<string, number> = {};
  readonly #transitions = new TransitionCounts();
  readonly #violations: SimulationViolation[] = [];
  #simulatedMs = 0;
  #events = 0;
  #operations = 0;
  #unknown = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
  }

  add(index: number, report: CellReport): void {
    const { mode = null, hours = simulationDefaults.hours, operators = null } = this.#options;
    this.#hashes.push(report.traceHash);
    this.#simulatedMs += report.simulatedMs;
    this.#events += report.events;
    this.#operations += report.operations;
    this.#unknown += report.unknown;
    for (const [kind, count] of Object.entries(report.faults)) this.#faults[kind] = (this.#faults[kind] ?? 0) + count;
    this.#transitions.add(report.transitions);
    if (report.violation === null) return;
    const seed = seedOf(this.#options.seed, index);
    const { property, message, facts, atMs, trace } = report.violation;
    const { scenario } = this.#options;
    const replay =
      scenario?.replay ?? replayCommand(seed, { mode, replicas: report.profile.replicas, hours, operators });
    this.#violations.push({
      ...{ seed, property, means: meaningOf(property), message, facts, atMs, trace },
      ...{ replay, shrink: `${replay} --shrink` },
    });
  }

  result(): SimulationResult {
    const { seed, mode = null, keepGoing = false } = this.#options;
    const faults = Object.fromEntries(Object.entries(this.#faults).sort(([a], [b]) => (a < b ? -1 : 1)));
    const neverFired = faultKindsOf(mode, this.#options.operators ?? 'drawn').filter((kind) => !(faults[kind] ?? 0));
    const runs = this.#hashes.length;
    const violation = this.#violations[0] ?? this.#uncovered(neverFired);
    return {
      ok: violation === undefined,
      seed,
      mode: mode ?? 'safety, healing, liveness',
      runs,
      simulatedHours: this.#simulatedMs / hourMs,
      events: this.#events,
      operations: this.#operations,
      unknown: this.#unknown,
      operatorSequences: faults[sequenceKind] ?? 0,
      traceHash: joinHashes(this.#hashes),
      faults,
      neverFired,
      transitions: this.#transitions.toRecord(),
      ...(violation === undefined ? {} : { violation }),
      ...(keepGoing ? { violations: this.#violations } : {}),
    };
  }

  /** A long run in which a kind of fault never struck proves less than it seems to. */
  #uncovered(neverFired: readonly string[]): SimulationViolation | undefined {
    const {
      seed,
      mode = null,
      replicas = simulationDefaults.replicas,
      hours = simulationDefaults.hours,
      operators = null,
    } = this.#options;
    const runs = this.#hashes.length;
    const few = replicas !== null && replicas < 3;
    if (runs < longRunSeeds || mode === 'liveness' || few || neverFired.length === 0) return undefined;
    const replay = `${replayCommand(seed, { mode, replicas, hours, operators })} --runs ${runs}`;
    const property = 'fault-coverage';
    return {
      ...{ seed, property, means: meaningOf(property), atMs: this.#simulatedMs, trace: [], replay, shrink: replay },
      message: `${property}: in ${runs} seeds these never fired: ${neverFired.join(', ')}`,
      facts: { neverFired },
    };
  }
}

/** What run `index` is. */
export function cellOptions(options: SimulationOptions, index: number): CellOptions {
  if (options.scenario !== undefined) return options.scenario.cell;
  const { seed, mode = null, hours = simulationDefaults.hours, operators = null } = options;
  const replicas = options.replicas === undefined ? simulationDefaults.replicas : options.replicas;
  return { seed: seedOf(seed, index), replicas, hours, mode, ...(operators === null ? {} : { operators }) };
}

const seedOf = (seed: number | string, run: number): number | string => {
  if (run === 0) return seed;
  return typeof seed === 'number' ? seed + run : `${seed}/${run}`;
};

/** Shows that seed again. */
export function replayCommand(
  seed: number | string,
  options: {
    readonly mode: SimulationMode | null;
    readonly replicas: number | null;
    readonly hours: number;
    readonly operators?: Operators | null;
  },
): string {
  const { mode, replicas, hours, operators = null } = options;
  const parts = ['paxosctl simulate', `--seed ${quoted(String(seed))}`];
  if (mode !== null) parts.push(`--mode ${mode}`);
  if (replicas !== simulationDefaults.replicas) parts.push(`--replicas ${replicas ?? 'drawn'}`);
  if (hours !== simulationDefaults.hours) parts.push(`--hours ${hours}`);
  if (operators !== null) parts.push(`--operators ${operators}`);
  return parts.join(' ');
}

/** A word of a command line for a shell. */
const quoted = (text: string): string => (/^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

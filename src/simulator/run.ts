/** `paxosctl simulate`: one cell a seed, and what came of all of them in the shape of the contract. */
import { type CellReport, SimulatedCell, type SimulationMode } from './cell.ts';
import { joinHashes } from './trace.ts';
import { TransitionCounts } from './transition-counts.ts';

export interface SimulationOptions {
  /** First seed; run `i` has `seed + i` when it is a number, `seed/i` when it is a text. */
  readonly seed: number | string;
  readonly runs?: number;
  /** Null or absent: safety, healing and liveness in turn. */
  readonly mode?: SimulationMode | null;
  /** Null: drawn anew for each seed. */
  readonly replicas?: number | null;
  readonly hours?: number;
  /** After each run. */
  readonly onProgress?: (progress: SimulationProgress) => void;
}

export interface SimulationProgress {
  readonly seed: number | string;
  /** Runs ended, this one included. */
  readonly done: number;
  readonly report: CellReport;
}

export interface SimulationViolation {
  readonly seed: number | string;
  /** Name of the checker. */
  readonly property: string;
  readonly message: string;
  /** The last events before it, oldest first. */
  readonly trace: readonly string[];
  /** Shows the same violation again. */
  readonly replay: string;
}

/** The document of `simulate --json` (contract §1). */
export interface SimulationResult {
  readonly ok: boolean;
  readonly seed: number | string;
  readonly mode: string;
  readonly simulatedHours: number;
  readonly events: number;
  readonly operations: number;
  readonly traceHash: string;
  readonly faults: Readonly<Record<string, number>>;
  /** How often each move of the replicas' state machines happened, by its id; 0 for those that never did. */
  readonly transitions: Readonly<Record<string, number>>;
  readonly violation?: SimulationViolation;
}

export const simulationDefaults = { runs: 1, replicas: 5, hours: 0.05 } as const;
const hourMs = 3_600_000;

/** Runs seed after seed and stops at the first violation. */
export async function runSimulation(options: SimulationOptions): Promise<SimulationResult> {
  const { seed, mode = null, onProgress } = options;
  const { runs = simulationDefaults.runs, hours = simulationDefaults.hours } = options;
  const replicas = options.replicas === undefined ? simulationDefaults.replicas : options.replicas;
  const hashes: string[] = [];
  const faults: Record<string, number> = {};
  const transitions = new TransitionCounts();
  let simulatedMs = 0;
  let events = 0;
  let operations = 0;
  let violation: SimulationViolation | null = null;
  for (let done = 0; done < runs && violation === null; done++) {
    const runSeed = seedOf(seed, done);
    const report = await new SimulatedCell({ seed: runSeed, replicas, hours, mode }).run();
    hashes.push(report.traceHash);
    simulatedMs += report.simulatedMs;
    events += report.events;
    operations += report.operations;
    for (const [kind, count] of Object.entries(report.faults)) faults[kind] = (faults[kind] ?? 0) + count;
    transitions.add(report.transitions);
    if (report.violation !== null) {
      const replay = replayCommand(runSeed, { mode, replicas: report.profile.replicas, hours });
      violation = { seed: runSeed, ...report.violation, replay };
    }
    onProgress?.({ seed: runSeed, done: done + 1, report });
  }
  return {
    ok: violation === null,
    seed,
    mode: mode ?? 'safety, healing, liveness',
    simulatedHours: simulatedMs / hourMs,
    events,
    operations,
    traceHash: joinHashes(hashes),
    faults: Object.fromEntries(Object.entries(faults).sort(([a], [b]) => (a < b ? -1 : 1))),
    transitions: transitions.toRecord(),
    ...(violation === null ? {} : { violation }),
  };
}

const seedOf = (seed: number | string, run: number): number | string => {
  if (run === 0) return seed;
  return typeof seed === 'number' ? seed + run : `${seed}/${run}`;
};

function replayCommand(
  seed: number | string,
  options: { readonly mode: SimulationMode | null; readonly replicas: number; readonly hours: number },
): string {
  const { mode, replicas, hours } = options;
  const parts = ['paxosctl simulate', `--seed ${seed}`];
  if (mode !== null) parts.push(`--mode ${mode}`);
  if (replicas !== simulationDefaults.replicas) parts.push(`--replicas ${replicas}`);
  if (hours !== simulationDefaults.hours) parts.push(`--hours ${hours}`);
  return parts.join(' ');
}

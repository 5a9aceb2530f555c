/** `paxosctl simulate --shrink`: a failing run, made small and written down as a scenario. */

import { runSimulation, type SimulationResult } from './run.ts';
import type { CellRunner } from './runner.ts';
import { cellOf, type Scenario } from './scenario.ts';
import { type ScenarioSize, type ShrinkOptions, type Shrunk, shrink } from './shrink.ts';

export interface ShrinkRunOptions extends ShrinkOptions {
  readonly runner: CellRunner;
  /** Shows the run that is being shrunk. */
  readonly from: string;
  /** Shows the scenario once it is a file. */
  readonly replay: string;
  /** Of paxosctl. */
  readonly version: string;
}

export interface ShrinkRunResult extends SimulationResult {
  /** Absent when the run holds: then there is nothing to shrink. */
  readonly scenario?: Scenario;
  readonly shrink?: {
    readonly before: ScenarioSize;
    readonly after: ScenarioSize;
    readonly runs: number;
    readonly minimal: boolean;
  };
}

/** Events that a scenario keeps of the trace, besides its strikes. */
const keptLines = 40;

/** The result is that of the small run, which is run once more for it; of the run itself when that holds. */
export async function runShrink(options: ShrinkRunOptions): Promise<ShrinkRunResult> {
  const { scenario, runner, replay, from, signal } = options;
  const interruptible = signal === undefined ? {} : { signal };
  const shrunk = await shrink(options);
  const { seed, mode } = scenario.cell;
  const shown = shrunk === null ? { cell: cellOf(scenario), replay: from } : { cell: cellOf(shrunk.script), replay };
  if (shrunk === null) return runSimulation({ seed, mode, runner, scenario: shown, ...interruptible });
  // Even an interruption leaves the best so far, which is short.
  const result = await runSimulation({
    seed: shrunk.script.cell.seed,
    mode: shrunk.script.cell.mode,
    runner,
    scenario: shown,
  });
  const { before, size: after, runs, minimal } = shrunk;
  // It is small now.
  const violation = result.violation === undefined ? {} : { violation: { ...result.violation, shrink: replay } };
  return { ...result, ...violation, scenario: writtenDown(shrunk, options), shrink: { before, after, runs, minimal } };
}

function writtenDown({ script, report }: Shrunk, { from, version }: ShrinkRunOptions): Scenario {
  const { property, message, facts, atMs, trace } = report.violation;
  const { traceHash } = report;
  // What was thrown unexpectedly says in further lines where, in words of one machine.
  const title = message.split('\n')[0] ?? property;
  const found = { property, message: title, facts, atMs, from, version, traceHash, trace: trace.slice(-keptLines) };
  return { ...script, title, expect: property, found };
}

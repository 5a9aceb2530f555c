/** `paxosctl simulate` for people: the seed first, so that a run that never ends can be shown again too. */
import { randomInt } from 'node:crypto';
import { printable } from './escape.ts';
import { coloured, writeResult } from './output.ts';
import { runnable } from './own-name.ts';
import { startProgress } from './progress.ts';
import { counted, grouped } from './units.ts';

export interface SimulationView {
  readonly ok: boolean;
  readonly seed: number | string;
  readonly mode: string;
  readonly simulatedHours: number;
  readonly events: number;
  readonly operations: number;
  readonly traceHash: string;
  readonly faults: Readonly<Record<string, number>>;
  readonly violation?: {
    readonly property: string;
    readonly message: string;
    readonly trace: readonly string[];
    readonly replay: string;
  };
}

/** One that is easily typed again. */
export const drawSeed = (): number => randomInt(1, 1_000_000_000);

export function simulationScreen({ seed, runs, version }: { seed: number | string; runs: number; version: string }) {
  const first = printable(String(seed));
  const progress = startProgress(`Simulating seed ${first} (${counted(runs, 'run')}, paxosctl ${version})`);
  return {
    onProgress: ({ done }: { done: number }) =>
      progress.update(`Simulated ${grouped(done)} of ${counted(runs, 'run')}`),
    async done(result: SimulationView, json: boolean): Promise<void> {
      progress.stop();
      if (!json) await writeResult(simulationText(result));
    },
  };
}

export function simulationText(result: SimulationView): string {
  const { ok, violation, faults } = result;
  const kinds = Object.entries(faults).map(([kind, count]) => `${printable(kind)} ${grouped(count)}`);
  const rows: [string, string][] = [
    [
      'result',
      ok ? coloured('green', 'no violation') : coloured('red', `VIOLATION of ${printable(violation?.property ?? '')}`),
    ],
    ['seed', `${printable(String(result.seed))}  (${printable(result.mode)})`],
    ['time', `${result.simulatedHours.toFixed(3)} simulated hours, ${counted(result.events, 'event')}`],
    ['load', counted(result.operations, 'operation')],
    ['faults', kinds.join(', ') || 'none'],
    ['trace', result.traceHash],
  ];
  const text = rows.map(([label, value]) => `${coloured('dim', label.padEnd(7))} ${value}\n`).join('');
  if (!violation) return text;
  const trace = violation.trace.map((line) => `  ${printable(line)}\n`).join('');
  return `${text}\n${printable(violation.message)}\n${trace}\nTo see it again:\n  ${runnable(violation.replay)}\n`;
}

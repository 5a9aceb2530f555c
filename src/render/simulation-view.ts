/** What `paxosctl simulate` found, for people. */
import { printable, printableLines } from './escape.ts';
import { coloured } from './output.ts';
import { runnable } from './own-name.ts';
import { counted, duration, grouped } from './units.ts';

export interface SimulationView {
  readonly ok: boolean;
  readonly seed: number | string;
  readonly mode: string;
  readonly runs: number;
  readonly simulatedHours: number;
  readonly events: number;
  readonly operations: number;
  readonly unknown: number;
  /** Operators' commands played to their end, each with all its repetitions. */
  readonly operatorSequences: number;
  readonly traceHash: string;
  readonly faults: Readonly<Record<string, number>>;
  readonly neverFired: readonly string[];
  readonly interrupted?: boolean;
  readonly unfinished?: { readonly runs: number; readonly simulatedHours: number; readonly operations: number };
  /** How often each move of the replicas' state machines happened; 0 for never. */
  readonly transitions: Readonly<Record<string, number>>;
  /** Of a scenario: the property that it should violate, or `none`. */
  readonly expected?: string;
  readonly violation?: ViolationView;
  readonly violations?: readonly ViolationView[];
}

export interface ViolationView {
  readonly seed: number | string;
  readonly property: string;
  readonly means: string;
  readonly message: string;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly atMs: number;
  readonly trace: readonly string[];
  readonly replay: string;
  readonly shrink: string;
}

export interface SimulationTextOptions {
  /** Real time that it took. */
  readonly elapsedMs: number;
  /** Kinds of faults by class, in the order in which they are shown. */
  readonly faultClasses: Readonly<Record<string, readonly string[]>>;
  /** Lines of the trace before a violation. */
  readonly traceLines: number;
  /** Columns of the terminal. */
  readonly width: number;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const label = (text: string): string => coloured('dim', text.padEnd(12));

/** Simulated hours in a minute of real time. */
export const rateText = (simulatedMs: number, elapsedMs: number): string =>
  (simulatedMs / hourMs / Math.max(elapsedMs / minuteMs, 1e-6)).toFixed(1);

export function simulationText(result: SimulationView, options: SimulationTextOptions): string {
  const { elapsedMs, faultClasses, traceLines, width } = options;
  const { simulatedHours, operations, unknown, runs, violation, violations } = result;
  const times = (simulatedHours * hourMs) / Math.max(1, elapsedMs);
  const rows: [string, string][] = [
    ['result', verdict(result)],
    ...missed(result),
    ['seed', `${seedsText(result)}  (${printable(result.mode)})`],
    [
      'time',
      `${simulatedHours.toFixed(3)} simulated hours in ${duration(elapsedMs)}: ${grouped(Math.round(times))} × real time, ` +
        `${rateText(simulatedHours * hourMs, elapsedMs)} simulated hours a minute`,
    ],
    [
      'load',
      `${counted(operations + unknown, 'operation')}: ${grouped(operations)} answered, ${grouped(unknown)} unknown; ` +
        `${counted(result.events, 'event')}`,
    ],
  ];
  if (result.operatorSequences > 0) {
    rows.push(['operators', `${counted(result.operatorSequences, 'sequence')} of commands played to the end`]);
  }
  rows.push(['trace', `${result.traceHash}  (the same for the same ${runs === 1 ? 'seed' : 'seeds'})`]);
  if (result.unfinished !== undefined && result.unfinished.runs > 0) {
    const { unfinished } = result;
    rows.push([
      'not ended',
      `${counted(unfinished.runs, 'seed')}, ${unfinished.simulatedHours.toFixed(3)} simulated hours and ${counted(unfinished.operations, 'operation')} into it; not counted above`,
    ]);
  }
  const parts = [
    rows.map(([name, value]) => `${label(name)} ${value}\n`).join(''),
    faultsText(result, faultClasses, width),
    transitionsText(result),
    ...(violations ?? (violation ? [violation] : [])).map((each) => violationText(each, traceLines)),
  ];
  return parts.filter((part) => part !== '').join('\n');
}

/** A scenario that does not show any more what it is there for. */
function missed({ expected = 'none', violation, interrupted }: SimulationView): [string, string][] {
  if (expected === 'none' || violation?.property === expected || interrupted === true) return [];
  return [['expected', coloured('yellow', `a violation of ${printable(expected)}, which this run does not show`)]];
}

function verdict({ ok, violation, violations, interrupted }: SimulationView): string {
  const early = interrupted ? ' so far: interrupted' : '';
  if (ok) return coloured('green', 'no violation') + early;
  if ((violations?.length ?? 0) > 1) return coloured('red', `${grouped(violations?.length ?? 0)} VIOLATIONS`) + early;
  return coloured('red', `VIOLATION of ${printable(violation?.property ?? '')}`) + early;
}

function seedsText({ seed, runs }: SimulationView): string {
  const first = printable(String(seed));
  if (runs === 0) return `none ended, from ${first} on`;
  if (runs === 1) return first;
  const last = typeof seed === 'number' ? String(seed + runs - 1) : `${first}/${runs - 1}`;
  return `${first} … ${last}: ${grouped(runs)} seeds`;
}

/** A grid a class: what struck how often, and what never did. */
function faultsText(
  { faults, neverFired, runs }: SimulationView,
  classes: SimulationTextOptions['faultClasses'],
  width: number,
): string {
  const known = new Set(Object.values(classes).flat());
  const others = Object.keys(faults).filter((kind) => !known.has(kind));
  const all: [string, readonly string[]][] = [...Object.entries(classes), ['other', others]];
  const lines = all.flatMap(([name, kinds]) => {
    const fired = kinds.filter((kind) => (faults[kind] ?? 0) > 0);
    return grid(
      name,
      fired.map((kind) => [kind.replace(/^network-/, ''), grouped(faults[kind] ?? 0)]),
      width,
    );
  });
  if (lines.length === 0) return '';
  // One seed has about half of the kinds on: what is missing there says nothing.
  const missing = runs > 1 && neverFired.length > 0 ? wrapped('never', neverFired.map(printable), width, 'yellow') : [];
  return `${coloured('bold', 'Faults that struck')}\n${[...lines, ...missing].map((line) => `${line}\n`).join('')}`;
}

function transitionsText({ transitions, runs }: SimulationView): string {
  const entries = Object.entries(transitions);
  if (entries.length === 0) return '';
  const never = entries.filter(([, count]) => count === 0).map(([name]) => `  ${printable(name)}\n`);
  const head = `${coloured('bold', 'Moves of the state machines')}: ${entries.length - never.length} of ${entries.length}`;
  // One seed alone reaches about half of them.
  return runs < 2 || never.length === 0 ? `${head}\n` : `${head}; never:\n${never.join('')}`;
}

export function violationText(violation: ViolationView, traceLines: number): string {
  const { property, means, message, facts, trace, atMs, seed, replay, shrink } = violation;
  const sentence = printableLines(message.replace(`${property}: `, ''));
  const shownFacts = Object.entries(facts).map(
    ([name, value]) => `${label('')} ${printable(name)}: ${factText(value)}\n`,
  );
  const shown = trace.slice(-traceLines);
  const last =
    shown.length > 0 ? `\n${coloured('bold', `The last ${shown.length} events before it`)}\n${traceText(shown)}` : '';
  return (
    `${coloured('red', `VIOLATION of ${printable(property)}`)} at ${grouped(Math.round(atMs))} ms of seed ${printable(String(seed))}\n` +
    `${label('means')} ${printable(means)}\n` +
    `${label('found')} ${sentence}\n` +
    `${shownFacts.join('')}${last}\n` +
    `To see it again:\n  ${runnable(replay)}\n` +
    (shrink === replay ? '' : `To make it small:\n  ${runnable(shrink)}\n`)
  );
}

const factText = (value: unknown): string =>
  printable(typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined')).replaceAll('\\\\', '\\');

/** Faults stand out, and so does the end. */
function traceText(lines: readonly string[]): string {
  return lines
    .map((line) => {
      const text = printable(line).replaceAll('\\\\', '\\');
      return `${/ fault: | dies | starts | healed/.test(text) ? coloured('yellow', text) : text}\n`;
    })
    .join('');
}

/** Names and numbers under each other, as many beside each other as fit. */
function grid(title: string, cells: readonly (readonly [string, string])[], width: number): string[] {
  const nameWidth = Math.max(...cells.map(([name]) => name.length), 16);
  const countWidth = Math.max(...cells.map(([, count]) => count.length), 7);
  const each = nameWidth + 1 + countWidth;
  const perLine = Math.max(1, Math.floor((width - 13 + 2) / (each + 2)));
  const lines: string[] = [];
  for (let at = 0; at < cells.length; at += perLine) {
    const row = cells
      .slice(at, at + perLine)
      .map(([name, count]) => `${name.padEnd(nameWidth)} ${count.padStart(countWidth)}`);
    lines.push(`${label(at === 0 ? title : '')} ${row.join('  ')}`);
  }
  return lines;
}

function wrapped(title: string, words: readonly string[], width: number, colour: 'yellow'): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 2 + word.length <= width - 13) lines[lines.length - 1] = `${last}, ${word}`;
    else lines.push(word);
  }
  return lines.map((line, at) => `${label(at === 0 ? title : '')} ${coloured(colour, line)}`);
}

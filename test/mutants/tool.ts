/**
 * `npm run mutants`: puts each known bug back, one at a time, and says which layer of the tests finds it.
 *
 * Exit code 1 when a directed test is missing. `--help` lists the options.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { simulationModes } from '../../src/simulator/modes.ts';
import { operatorsChoices } from '../../src/simulator/profile.ts';
import { oneOf, optionsOf, usageError, wholeNumberOf } from '../../tooling/options.mjs';
import { mutants } from './index.ts';
import { bundleHunter, huntDown, runDirected, type Verdict } from './layers.ts';
import { blindness, type Hunter, type Mutant, mutateFile } from './mutant.ts';
import {
  huntersScore,
  type Layer,
  layers,
  note,
  percent,
  type Results,
  readResults,
  scoreOf,
  survivors,
  write,
} from './results.ts';

const help = `Puts each known bug back, one at a time, and says which layer of the tests finds it.

npm run mutants -- [OPTIONS]

  --only P02,P34      mutants whose names begin so
  --layer LAYER       directed, explorer or simulator; may be repeated (all)
  --seconds N         of one core, a hunt (60)
  --seed N            the first one tried (1)
  --operators HOW     simulator: never, drawn, often, upgrades or generations, as in paxosctl simulate (drawn)
  --mode MODE         simulator: safety, liveness or beyond-repair, as in paxosctl simulate (safety, healing, liveness in turn)
  --jobs N            mutants at a time (2)
  --survivors         those that no hunter has killed yet
  --missing           only what was not found before, nor looked for as long
  --write             keeps what was found: test/mutants/results.json and docs/MUTANTS.md
  --json              everything that is kept, on standard output
`;

const options = optionsOf(
  {
    only: { type: 'string' },
    layer: { type: 'string', multiple: true },
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    operators: { type: 'string' },
    mode: { type: 'string' },
    jobs: { type: 'string', default: '2' },
    survivors: { type: 'boolean', default: false },
    missing: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
  help,
);

const seconds = wholeNumberOf('seconds', options.seconds, 1, help);
const firstSeed = wholeNumberOf('seed', options.seed, 0, help);
const jobs = wholeNumberOf('jobs', options.jobs, 1, help);
oneOf('operators', options.operators, operatorsChoices, help);
oneOf('mode', options.mode, simulationModes, help);

const root = path.resolve(import.meta.dirname, '../..');
const say = (text: string): void => void process.stderr.write(`${text}\n`);

const results: Results = readResults();
const wantedLayers = (options.layer ?? [...layers]) as Layer[];
const unknownLayer = wantedLayers.find((layer) => !layers.includes(layer));
if (unknownLayer !== undefined) usageError(`There is no layer ${unknownLayer}: ${layers.join(', ')}.`, help);

function wantedMutants(): readonly Mutant[] {
  const among = options.survivors ? survivors(results) : mutants;
  const beginnings = options.only?.split(',');
  if (beginnings === undefined) return among;
  const wanted = among.filter(({ id }) => beginnings.some((beginning) => id.startsWith(beginning)));
  if (wanted.length === 0) usageError(`The name of no mutant begins with ${options.only}.`, help);
  return wanted;
}

const folder = mkdtempSync(path.join(tmpdir(), 'paxosctl-mutants-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

const clean = new Map<Hunter, Promise<string>>();
const cleanBundle = (hunter: Hunter): Promise<string> => {
  const known = clean.get(hunter) ?? bundleHunter(hunter, null, folder);
  clean.set(hunter, known);
  return known;
};

/** @throws {Error} when the sources have changed under it: a mutant that does not load would look like one that was killed. */
function mustApply(mutant: Mutant): void {
  for (const { file } of mutant.edits) mutateFile(mutant, file, readFileSync(path.join(root, file), 'utf8'));
}

async function verdictOf(mutant: Mutant, layer: Layer): Promise<Verdict | null> {
  mustApply(mutant);
  if (layer === 'directed') return runDirected(mutant, mutant.killedBy, folder);
  // Something that a hunter cannot see costs the whole time each time.
  if (blindness(mutant, layer) !== null) return null;
  const bundle = await bundleHunter(layer, mutant, folder);
  const verdict = await huntDown(
    {
      ...{ bundle, first: firstSeed, seconds },
      ...(layer === 'simulator' && options.operators !== undefined ? { operators: options.operators } : {}),
      ...(layer === 'simulator' && options.mode !== undefined ? { mode: options.mode } : {}),
    },
    await cleanBundle(layer),
    (seed, by) => say(`! ${layer} seed ${seed} fails without any mutant: ${by}`),
  );
  rmSync(bundle, { force: true });
  return verdict;
}

const textOf = (layer: Layer, verdict: Verdict | null): string => {
  if (verdict === null) return '– cannot see it';
  if (!verdict.killed) return `✗ survives ${verdict.tried} (${verdict.seconds} s)`;
  const at = layer === 'directed' ? '' : ` at ${verdict.tried}`;
  return `✓${at} (${verdict.seconds} s) ${verdict.by.split('\n')[0]?.slice(0, 110)}`;
};

async function tests(wanted: readonly Mutant[]): Promise<void> {
  const files = [...new Set(wanted.flatMap(({ killedBy }) => killedBy))];
  say(`Without any mutant: ${files.length} files of directed tests …`);
  const verdict = await runDirected(null, files, folder);
  if (verdict.killed) throw new Error(`A test fails without any mutant: ${verdict.by}`);
}

const wanted = wantedMutants();
if (wantedLayers.includes('directed')) {
  const asked = wanted.filter((mutant) => !options.missing || !isKnown(mutant, 'directed'));
  if (asked.length > 0) await tests(asked);
}
const waiting = [...wanted];
const found: { readonly mutant: Mutant; readonly layer: Layer; readonly verdict: Verdict }[] = [];
/** Into what is kept by now: other runs may have written since this one began. */
function keep(): void {
  const kept = readResults();
  for (const { mutant, layer, verdict } of found) note(kept, mutant, layer, verdict);
  write(kept);
}
function isKnown({ id }: Mutant, layer: Layer): boolean {
  const known = results[id]?.verdicts[layer];
  return known !== undefined && (known.killed || (layer !== 'directed' && known.seconds >= seconds));
}

let done = 0;
const worker = async (): Promise<void> => {
  for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
    const lines: string[] = [];
    for (const layer of wantedLayers) {
      if (options.missing && isKnown(mutant, layer)) continue;
      const verdict = await verdictOf(mutant, layer);
      if (verdict !== null) found.push({ mutant, layer, verdict });
      if (verdict !== null) note(results, mutant, layer, verdict);
      lines.push(`    ${layer.padEnd(9)} ${textOf(layer, verdict)}`);
    }
    done++;
    if (lines.length > 0) say(`${done}/${wanted.length} ${mutant.id}\n${lines.join('\n')}`);
    if (options.write) keep();
  }
};
await Promise.all(Array.from({ length: jobs }, worker));

if (options.write) keep();
for (const layer of wantedLayers) {
  const own = found.filter((it) => it.layer === layer);
  const killed = own.filter(({ verdict }) => verdict.killed);
  if (own.length > 0) say(`${layer.padEnd(22)} ${percent({ killed: killed.length, of: own.length })} in this run`);
}
say('With what is kept of earlier runs:');
const { all, seen } = huntersScore(results);
for (const layer of layers) say(`${layer.padEnd(22)} ${percent(scoreOf(results, layer))}`);
say(`${'explorer or simulator'.padEnd(22)} ${percent(all)}; of those that one of them can see ${percent(seen)}`);
const unkilled = wanted.filter(
  ({ id }) => wantedLayers.includes('directed') && results[id]?.verdicts.directed?.killed !== true,
);
if (unkilled.length > 0) say(`No directed test kills ${unkilled.map(({ id }) => id).join(', ')}.`);
if (options.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
process.exitCode = unkilled.length > 0 ? 1 : 0;

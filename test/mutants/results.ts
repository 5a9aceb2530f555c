/** What the last runs found, kept with the code, and the document that is made of it. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { mutants, notYet } from './index.ts';
import type { Verdict } from './layers.ts';
import { blindness, type Hunter, type Mutant } from './mutant.ts';

const root = path.resolve(import.meta.dirname, '../..');
const resultsFile = path.join(root, 'test/mutants/results.json');
const documentFile = path.join(root, 'docs/MUTANTS.md');

export const layers = ['directed', 'explorer', 'simulator'] as const;
export type Layer = (typeof layers)[number];
export const hunters: readonly Hunter[] = ['explorer', 'simulator'];

export interface Result {
  /** Of what the mutant changes: other edits, another mutant. */
  readonly mutant: string;
  readonly verdicts: Partial<Record<Layer, Verdict>>;
}

export type Results = Record<string, Result>;

const stampOf = ({ edits }: Mutant): string =>
  createHash('sha256').update(JSON.stringify(edits)).digest('hex').slice(0, 12);

/** Those of mutants that are still the same. */
export function readResults(): Results {
  let all: Results;
  try {
    all = JSON.parse(readFileSync(resultsFile, 'utf8')) as Results;
  } catch {
    return {};
  }
  return Object.fromEntries(
    mutants.flatMap((mutant) => {
      const known = all[mutant.id];
      return known?.mutant === stampOf(mutant) ? [[mutant.id, known]] : [];
    }),
  );
}

/** A hunt that found nothing does not take back what an earlier one found; a longer one replaces a shorter one. */
export function note(results: Results, mutant: Mutant, layer: Layer, verdict: Verdict): void {
  const known = results[mutant.id]?.verdicts ?? {};
  const before = known[layer];
  const weaker = layer !== 'directed' && !verdict.killed && before !== undefined;
  if (weaker && (before.killed || before.seconds > verdict.seconds)) return;
  results[mutant.id] = { mutant: stampOf(mutant), verdicts: { ...known, [layer]: verdict } };
}

export interface Score {
  readonly killed: number;
  readonly of: number;
}

const isKilled = (results: Results, { id }: Mutant, layer: Layer): boolean =>
  results[id]?.verdicts[layer]?.killed === true;

export const scoreOf = (results: Results, layer: Layer): Score => ({
  killed: mutants.filter((mutant) => isKilled(results, mutant, layer)).length,
  of: mutants.length,
});

/** Killed by one of the hunters, of all and of those that one of them can see. */
export function huntersScore(results: Results): { readonly all: Score; readonly seen: Score } {
  const killed = mutants.filter((mutant) => hunters.some((hunter) => isKilled(results, mutant, hunter)));
  const seen = mutants.filter(
    (mutant) => killed.includes(mutant) || hunters.some((hunter) => blindness(mutant, hunter) === null),
  );
  return {
    all: { killed: killed.length, of: mutants.length },
    seen: { killed: killed.length, of: seen.length },
  };
}

/** Mutants that no hunter has killed though one of them should. */
export const survivors = (results: Results): readonly Mutant[] =>
  mutants.filter(
    (mutant) =>
      !hunters.some((hunter) => isKilled(results, mutant, hunter)) &&
      hunters.some((hunter) => blindness(mutant, hunter) === null),
  );

export const percent = ({ killed, of }: Score): string => `${killed} of ${of} (${Math.floor((100 * killed) / of)} %)`;

export function write(results: Results): void {
  const ordered = Object.fromEntries(mutants.flatMap(({ id }) => (results[id] ? [[id, results[id]]] : [])));
  writeFileSync(resultsFile, `${JSON.stringify(ordered, null, 2)}\n`);
  writeFileSync(documentFile, document(results));
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

const took = ({ seconds }: Verdict): string => (seconds < 1 ? 'under 1 s' : `${Math.round(seconds)} s`);

function directedText(verdict: Verdict | undefined): string {
  if (verdict === undefined) return 'not run';
  return verdict.killed ? cell(verdict.by) : '**survives**';
}

function hunterText(mutant: Mutant, hunter: Hunter, verdict: Verdict | undefined): string {
  if (verdict?.killed === true) {
    return `${foundAt(hunter, verdict)}${how(verdict)}, ${took(verdict)}: ${cell(verdict.by)}`;
  }
  const reason = blindness(mutant, hunter);
  if (reason !== null) return `– ${cell(reason)}`;
  if (verdict === undefined) return 'not run';
  return `survives ${verdict.tried}${how(verdict)} (${took(verdict)})`;
}

/** A seed of the simulator is one that `paxosctl simulate` takes; a hunt may have begun anywhere. */
function foundAt(hunter: Hunter, { seed, tried }: Verdict): string {
  if (hunter === 'explorer') return `schedule ${tried}`;
  return seed === undefined || seed === tried ? `seed ${tried}` : `seed ${seed} (${tried} tried)`;
}

const how = ({ operators, mode }: Verdict): string =>
  (operators === undefined ? '' : ` with operators \`${operators}\``) +
  (mode === undefined ? '' : ` in mode \`${mode}\``);

function document(results: Results): string {
  const { all, seen } = huntersScore(results);
  const rows = mutants.map((mutant) => {
    const verdicts = results[mutant.id]?.verdicts ?? {};
    return `| \`${mutant.id}\` | ${cell(mutant.title)} | ${directedText(verdicts.directed)} | ${hunterText(mutant, 'explorer', verdicts.explorer)} | ${hunterText(mutant, 'simulator', verdicts.simulator)} |`;
  });
  const blind = mutants.filter(
    (mutant) =>
      !hunters.some((hunter) => isKilled(results, mutant, hunter)) &&
      hunters.every((hunter) => blindness(mutant, hunter) !== null),
  );
  const left = survivors(results);
  return `# Mutants

Written by \`npm run mutants -- --write\`; the mutants themselves are \`test/mutants/*.ts\`.

How good are the tests? Each mutant is a known bug, put back on purpose: one or more for every pitfall that the code could fall
into so far, where a tired engineer would make it. A test build loads the source with the bug in it (a plugin of vitest, or of
the bundler for the hunters); the product holds none of this. Three layers are asked to find it:

- **directed**: the tests that were written for the rule. Every mutant must fall here.
- **explorer**: random schedules over the core of consensus alone, without being told which bug is in it. Most are the explorer's
  (\`npm run explore\`); every hundredth is a longer one with clocks, drift, pauses and disks that hang.
- **simulator**: whole simulated cells of any size under the standard swarm, likewise.

A schedule or seed counts only when it is clean without the mutant.

| layer | killed |
|---|---|
| directed tests | ${percent(scoreOf(results, 'directed'))} |
| explorer | ${percent(scoreOf(results, 'explorer'))} |
| simulator | ${percent(scoreOf(results, 'simulator'))} |
| explorer or simulator | ${percent(all)} |
| explorer or simulator, of those that one of them can see | ${percent(seen)} |

"schedule 12, 3 s" is the twelfth one tried, after three seconds of one core; "seed 137 (8 tried)" is the eighth of a hunt that began at 130. "–" gives the reason why a hunter cannot find
a mutant in principle.

\`\`\`
npm run mutants                                              # all of them, all layers, 60 s a hunt
npm run mutants -- --only P02,P34 --layer explorer --seconds 300
npm run mutants -- --survivors --missing --seconds 600 --jobs 2 --write
npm run mutants -- --only P22-rolled --layer simulator --seed 6          # from that seed on
npm run mutants -- --only P45,P49 --layer simulator --operators often    # members are changed all the time
npm run mutants -- --only restore-priced --layer simulator --operators generations
npm run mutants -- --only P18-damaged --layer simulator --mode beyond-repair
npm run mutants -- --help
PAXOSCTL_MUTANT=P02-accept-does-not-raise-the-promise npx vitest run test/core
\`\`\`

## All mutants

| mutant | what the code does then | killed by the directed test | explorer | simulator |
|---|---|---|---|---|
${rows.join('\n')}

## Found by directed tests alone

${
  left.length === 0
    ? 'No mutant that a hunter can see has survived.'
    : `Survived both hunters: ${left.map(({ id }) => `\`${id}\``).join(', ')}.`
}

${blind.length === 0 ? '' : `Out of sight of both, with the reasons in the table: ${blind.map(({ id }) => `\`${id}\``).join(', ')}.`}
${withoutMutant()}`;
}

/** The last section, or nothing where each pitfall has a mutant. */
function withoutMutant(): string {
  const rows = Object.entries(notYet).map(([pitfall, why]) => `| ${pitfall} | ${cell(why)} |\n`);
  if (rows.length === 0) return '';
  return `\n## Pitfalls without a mutant so far\n\n| pitfall | why |\n|---|---|\n${rows.join('')}`;
}

/**
 * A run as a file: a cell with all its sizes, and the faults that strike it, one by one. What a seed means changes whenever a
 * draw is added anywhere; a scenario keeps its faults, and goes on as a test when the bug that it showed is gone.
 *
 * Source: house style §8 ("a seed that found a bug becomes a short scenario"). JSON, versioned; unknown fields are refused, since
 * a misspelled one would be a scenario of something else.
 */
import type { CellOptions, CellViolation } from './cell.ts';
import { faultKinds } from './faults/catalogue.ts';
import type { Strike } from './faults/strike.ts';
import { simulationModes } from './modes.ts';
import { calmNetwork } from './network-faults.ts';
import { operatorsChoices, type Profile } from './profile.ts';
import { isProperty } from './properties.ts';
import { sabotages } from './sabotage.ts';

const format = 'paxosctl-scenario';
const version = 1;

export interface Scenario {
  /** What it shows, in a line. */
  readonly title: string;
  /** `none`: the bug that it once showed is gone. Otherwise the property that is violated. */
  readonly expect: string;
  readonly cell: Omit<CellOptions, 'script' | 'profile'>;
  /** What differs from the profile that the seed draws; all of it in a scenario that was shrunk. */
  readonly profile?: Partial<Profile>;
  /** In order; absent: drawn from the seed, as without a scenario. */
  readonly strikes?: readonly Strike[];
  /** What was seen when it was written down, for people. */
  readonly found?: ScenarioFinding;
}

/** A scenario that leaves nothing to be drawn but the fate of messages, disks and clients. */
export type Script = Scenario & Required<Pick<Scenario, 'profile' | 'strikes'>>;

export interface ScenarioFinding extends Pick<CellViolation, 'property' | 'message' | 'facts' | 'atMs'> {
  /** The run that it was shrunk from. */
  readonly from: string;
  /** Of paxosctl. */
  readonly version: string;
  readonly traceHash: string;
  /** The faults, and the last events before the violation. */
  readonly trace: readonly string[];
}

/** The options of a cell that runs it. */
export function cellOf({ cell, profile, strikes }: Scenario): CellOptions {
  if (strikes === undefined) return cell;
  if (profile?.network === undefined)
    return { ...cell, script: { strikes, ...(profile === undefined ? {} : { profile }) } };
  // A fault of the network that came later than the file is off in it.
  return { ...cell, script: { strikes, profile: { ...profile, network: { ...calmNetwork, ...profile.network } } } };
}

/** The file: one strike a line, so that a difference between two is readable. Ends with a line break. */
export function formatScenario({ title, expect, cell, profile, strikes, found }: Scenario): string {
  const field = (name: string, value: unknown): string => `  ${JSON.stringify(name)}: ${indented(value)}`;
  const list = (values: readonly unknown[]): string =>
    values.length === 0 ? '[]' : `[\n${values.map((value) => `    ${JSON.stringify(value)}`).join(',\n')}\n  ]`;
  const fields = [
    field('format', format),
    field('version', version),
    field('title', title),
    field('expect', expect),
    `  "cell": ${JSON.stringify(cell)}`,
    ...(profile === undefined ? [] : [field('profile', profile)]),
    ...(strikes === undefined ? [] : [`  "strikes": ${list(strikes)}`]),
    ...(found === undefined ? [] : [field('found', found)]),
  ];
  return `{\n${fields.join(',\n')}\n}\n`;
}

const indented = (value: unknown): string => JSON.stringify(value, null, 2).replaceAll('\n', '\n  ');

/**
 * Reads a file that {@link formatScenario} wrote, or somebody wrote by hand.
 *
 * @throws {ScenarioError} with what is wrong and where.
 */
export function parseScenario(text: string): Scenario {
  const top = fieldsOf('the scenario', jsonOf(text), {
    ...{ format: 'string', version: 'number', title: 'string', expect: 'string', cell: 'object' },
    ...{ 'profile?': 'object', 'strikes?': 'array', 'found?': 'object' },
  });
  if (top.format !== format)
    throw new ScenarioError(`"format" must be ${format}, and is ${JSON.stringify(top.format)}.`);
  if (top.version !== version) {
    throw new ScenarioError(`It has version ${JSON.stringify(top.version)}; this program knows version ${version}.`);
  }
  const expected = top.expect as string;
  if (expected !== 'none' && !isProperty(expected)) {
    throw new ScenarioError(`"expect" must be none or a property, and is ${JSON.stringify(expected)}.`);
  }
  const cell = fieldsOf('"cell"', top.cell, {
    ...{ seed: 'string or number', replicas: 'number or null', hours: 'number', mode: 'string or null' },
    ...{ 'operationsMin?': 'number', 'operators?': 'string', 'sabotage?': 'string' },
  });
  checkCell(cell);
  if (top.profile !== undefined && top.strikes === undefined) throw new ScenarioError('"profile" wants "strikes" too.');
  ((top.strikes ?? []) as readonly unknown[]).forEach((strike, i) => {
    const where = `strike ${i + 1}`;
    const { kind } = fieldsOf(where, strike, { atMs: 'number', kind: 'string', seed: 'string', with: 'object' });
    if (!(faultKinds as readonly unknown[]).includes(kind)) {
      throw new ScenarioError(`${where}: this version knows no fault ${JSON.stringify(kind)}.`);
    }
  });
  const { format: _, version: __, ...scenario } = top;
  return scenario as unknown as Scenario;
}

const replicasMax = 9;

/** Values that have the right type and mean nothing. */
function checkCell({ hours, replicas, operationsMin, ...words }: Readonly<Record<string, unknown>>): void {
  const wrong = (name: string, wanted: string): ScenarioError =>
    new ScenarioError(`"cell": "${name}" must be ${wanted}.`);
  if (!((hours as number) > 0)) throw wrong('hours', 'above 0');
  const count = replicas as number | null;
  if (count !== null && !(Number.isSafeInteger(count) && count >= 1 && count <= replicasMax)) {
    throw wrong('replicas', `null or a whole number from 1 to ${replicasMax}`);
  }
  if (operationsMin !== undefined && !(Number.isSafeInteger(operationsMin) && (operationsMin as number) >= 0)) {
    throw wrong('operationsMin', 'a whole number from 0');
  }
  const choices: Readonly<Record<string, readonly string[]>> = {
    mode: simulationModes,
    operators: operatorsChoices,
    sabotage: sabotages,
  };
  for (const [name, known] of Object.entries(choices)) {
    const word = words[name] as string | null | undefined;
    if (word != null && !known.includes(word)) throw wrong(name, `one of ${known.join(', ')}`);
  }
}

/** The file is no scenario that this version can run. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError';
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ScenarioError(`It is not JSON: ${(error as Error).message}.`);
  }
}

const typeOf = (value: unknown): string => {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
};

/** Checks names and types; a name with a question mark may be absent. */
function fieldsOf(where: string, value: unknown, wanted: Readonly<Record<string, string>>): Record<string, unknown> {
  if (typeOf(value) !== 'object') throw new ScenarioError(`${where} must be an object.`);
  const fields = value as Record<string, unknown>;
  for (const [name, types] of Object.entries(wanted)) {
    const field = fields[name.replace('?', '')];
    if (field === undefined && name.endsWith('?')) continue;
    if (!types.split(' or ').includes(typeOf(field))) {
      throw new ScenarioError(`${where}: "${name.replace('?', '')}" must be ${types}.`);
    }
  }
  const unknown = Object.keys(fields).filter((name) => !(name in wanted) && !(`${name}?` in wanted));
  if (unknown.length > 0) throw new ScenarioError(`${where}: no field is called ${unknown.join(', ')}.`);
  return fields;
}

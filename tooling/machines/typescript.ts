/**
 * Writes a machine as the TypeScript that the core runs: types with their meanings, the list of moves with stable ids, and
 * one function without memory. Events that nobody feeds yet, and what only they lead to, are left out: the core has no
 * code that cannot run. The text is as the formatter would have it.
 */

import path from 'node:path';
import { camel } from './camel.ts';
import type { Answer, Group, Machine, Transition, When } from './machine.ts';

const lineMax = 120;

/** `specification` is the file's path in the project; the result stands beside it. */
export function toTypeScript(machine: Machine, specification: string): string {
  const { name } = machine;
  const type = capital(name);
  const live = livePart(machine);
  const asksGuards = live.guards.length > 0;
  const parts = [
    heading(machine, specification),
    union(`${type}State`, live.states),
    union(`${type}Event`, live.events),
    ...(asksGuards ? [guards(`${type}Guards`, live.guards)] : []),
    transitionType(type, name),
    transitions(`${camel(name)}Transitions`, name, live.transitions),
    move(live, { type, name, asksGuards }),
    ...live.groups.map((group) => membership(group, type)),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** Where the generated file of a specification lies. */
export const generatedFile = (specification: string): string => specification.replace(/\.machine$/, '-machine.ts');

function livePart(machine: Machine): Machine {
  const states = machine.states.filter(({ later }) => !later);
  const names = new Set(states.map(({ name }) => name));
  return {
    ...machine,
    states,
    events: machine.events.filter(({ later }) => !later),
    transitions: machine.transitions.filter(({ later }) => !later),
    groups: machine.groups.map(({ name, states }) => ({ name, states: states.filter((state) => names.has(state)) })),
  };
}

function heading({ name, meaning }: Machine, specification: string): string {
  return comment([
    `States of the ${name} machine, and the only moves between them: ${meaning}.`,
    '',
    `Written by \`npm run machines\` from \`${path.basename(specification)}\`: change that one. Source: PML §6.1; the section of each move stands beside it.`,
  ]);
}

/** A doc comment of these paragraphs, in lines of at most 120 characters. */
function comment(paragraphs: readonly string[]): string {
  const lines = paragraphs.flatMap((paragraph) => wrap(paragraph, lineMax - 3));
  return `/**\n${lines.map((line) => ` * ${line}`.trimEnd()).join('\n')}\n */`;
}

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1] as string;
    if (last === '') lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function union(type: string, cases: readonly { readonly name: string; readonly meaning: string }[]): string {
  const lines = cases.map(({ name, meaning }) => `  /** ${sentence(meaning)} */\n  | '${name}'`);
  return `export type ${type} =\n${lines.join('\n')};`;
}

function guards(type: string, list: Machine['guards']): string {
  const lines = list.map(({ name, meaning }) => `  /** ${sentence(meaning)} */\n  readonly ${camel(name)}: boolean;`);
  return `export interface ${type} {\n${lines.join('\n')}\n}`;
}

const transitionType = (type: string, machine: string): string =>
  `export interface ${type}Transition {
  /** The same as long as the names in it are. */
  readonly id: string;
  readonly machine: '${machine}';
  readonly from: ${type}State;
  readonly event: ${type}Event;
  readonly to: ${type}State;
  /** Where the papers or the design ask for it. */
  readonly section: string;
}`;

function transitions(name: string, machine: string, list: readonly Transition[]): string {
  const rows = list.map(({ id, from, event, to, section }) => object({ id, machine, from, event, to, section }));
  return `/** Every move, in the order of the specification. */\nexport const ${name} = [\n${rows.join('\n')}\n] as const satisfies readonly ${capital(machine)}Transition[];`;
}

function object(fields: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(fields).map(([key, value]) => `${key}: ${literal(value)}`);
  const line = `  { ${pairs.join(', ')} },`;
  return line.length <= lineMax ? line : `  {\n${pairs.map((pair) => `    ${pair},`).join('\n')}\n  },`;
}

const literal = (text: string): string =>
  text.includes("'") && !text.includes('"') ? `"${text}"` : `'${text.replace(/[\\']/g, '\\$&')}'`;

// --- the function -----------------------------------------------------------------------------------------------------

interface Names {
  readonly type: string;
  readonly name: string;
  readonly asksGuards: boolean;
}

function move(machine: Machine, { type, name, asksGuards }: Names): string {
  const ofEvent = `event: ${type}Event`;
  const ofGuards = `guards: ${type}Guards`;
  const answer = `${type}Answer`;
  const states = machine.states.map((state) => {
    const cases = casesOf(machine, state.name);
    return { name: state.name, cases, asks: cases.some((line) => line.includes('guards.')) };
  });
  const dispatch = states.map(
    (state) =>
      `    case '${state.name}':\n      return ${inState(state.name)}(${state.asks ? 'event, guards' : 'event'});`,
  );
  const parameters = [`state: ${type}State`, ofEvent, ...(asksGuards ? [ofGuards] : [])];
  const functions = states.map(({ name: state, cases, asks }) => {
    const body = cases.map((line) => `    ${line}`).join('\n');
    const head = signature(`function ${inState(state)}`, asks ? [ofEvent, ofGuards] : [ofEvent], answer);
    return `${head}\n  switch (event) {\n${body}\n  }\n}`;
  });
  return [
    `/** A move, nothing, or: it cannot happen there, and whoever fed it is wrong. */\nexport type ${answer} = ${type}Transition | 'ignored' | 'impossible';`,
    [
      '/** What `event` does in `state`. */',
      signature(`export function ${camel(name)}Move`, parameters, answer),
      '  switch (state) {',
      ...dispatch,
      '  }',
      '}',
    ].join('\n'),
    ...functions,
  ].join('\n\n');
}

const inState = (state: string): string => `when${capital(state)}`;

function signature(name: string, parameters: readonly string[], result: string): string {
  const line = `${name}(${parameters.join(', ')}): ${result} {`;
  if (line.length <= lineMax) return line;
  return `${name}(\n${parameters.map((it) => `  ${it},`).join('\n')}\n): ${result} {`;
}

/** Events with the same answer share a `return`; in the order of their first event. */
function casesOf(machine: Machine, state: string): string[] {
  const groups = new Map<string, { readonly events: string[]; readonly lines: readonly string[] }>();
  for (const { name: event } of machine.events) {
    const lines = answerLines(machine, machine.answers.get(state)?.get(event) ?? []);
    const key = lines.join('\n');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { events: [event], lines });
    else group.events.push(event);
  }
  return [...groups.values()].flatMap(({ events, lines }) => [
    ...events.map((event) => `case '${event}':`),
    ...lines.map((line) => `  ${line}`),
  ]);
}

/** The last answer needs no question: the conditions leave nothing else. */
function answerLines(machine: Machine, answers: readonly Answer[]): string[] {
  return answers.map((answer, i) => {
    const value = valueText(machine, answer);
    return i === answers.length - 1 ? `return ${value};` : `if (${question(answer.when)}) return ${value};`;
  });
}

function valueText(machine: Machine, answer: Answer): string {
  if (answer.kind !== 'transition') return `'${answer.kind}'`;
  const at = machine.transitions.findIndex(({ id }) => id === answer.id);
  return `${camel(machine.name)}Transitions[${at}]`;
}

function question(when: When): string {
  if (when.kind !== 'when') return 'true';
  return when.literals.map(({ name, negated }) => `${negated ? '!' : ''}guards.${camel(name)}`).join(' && ');
}

function membership({ name, states }: Group, type: string): string {
  const tests = states.map((state) => `state === '${state}'`);
  const head = `export const is${capital(name)} = (state: ${type}State): boolean =>`;
  const line = `${head} ${tests.join(' || ')};`;
  const tail = `  ${tests.join(' || ')};`;
  if (line.length <= lineMax) return line;
  return tail.length <= lineMax ? `${head}\n${tail}` : `${head}\n  ${tests.join(' ||\n  ')};`;
}

// --- words ------------------------------------------------------------------------------------------------------------

const capital = (name: string): string => camel(name).replace(/^./, (letter) => letter.toUpperCase());

const sentence = (text: string): string => `${text.replace(/^./, (letter) => letter.toUpperCase())}.`;

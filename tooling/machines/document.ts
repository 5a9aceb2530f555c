/** Writes a machine as a page for people: its diagram in Mermaid, and everything of it in tables. */
import path from 'node:path';
import { type Machine, type Transition, whenText } from './machine.ts';

/** `specification` is the file's path in the project. */
export function toDocument(machine: Machine, specification: string): string {
  const { name, meaning } = machine;
  const parts = [
    `# The ${name} machine`,
    `${capital(meaning)}. Written by \`npm run machines\` from [\`${specification}\`](../../${specification}); a change of it is a change of that file.`,
    ...(hasLater(machine)
      ? [
          '*Later* stands at what no runtime feeds yet: it is specified and checked, and not part of the code that runs.',
        ]
      : []),
    `\`\`\`mermaid\n${diagram(machine)}\n\`\`\``,
    '## States',
    table(
      ['state', 'means', ''],
      machine.states.map((state) => [code(state.name), state.meaning, stateMarks(state)]),
    ),
    '## Events',
    table(
      ['event', 'means', ''],
      machine.events.map((event) => [code(event.name), event.meaning, event.later ? 'later' : '']),
    ),
    ...(machine.guards.length === 0
      ? []
      : [
          '## Guards',
          table(
            ['guard', 'means'],
            machine.guards.map((guard) => [code(guard.name), guard.meaning]),
          ),
        ]),
    '## Transitions',
    table(
      ['from', 'event', 'when', 'to', 'source', ''],
      machine.transitions.map((it) => [
        code(it.from),
        code(it.event),
        whenText(it.when),
        code(it.to),
        it.section,
        it.later ? 'later' : '',
      ]),
    ),
    '## What moves nothing',
    'An *ignored* event is expected there and changes nothing. An *impossible* one is a bug of whoever feeds it: the replica stops.',
    table(['event', 'ignored in', 'impossible in', 'why'], still(machine)),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** Where the page of a specification lies. */
export const documentFile = (specification: string): string =>
  `docs/machines/${path.basename(specification, '.machine')}.md`;

const hasLater = ({ events }: Machine): boolean => events.some(({ later }) => later);

function stateMarks({ initial, final, later }: Machine['states'][number]): string {
  return [initial ? 'initial' : '', final ? 'final' : '', later ? 'later' : '']
    .filter((mark) => mark !== '')
    .join(', ');
}

function diagram(machine: Machine): string {
  const { states } = machine;
  const later = states.filter((state) => state.later).map(({ name }) => id(name));
  return [
    'stateDiagram-v2',
    ...states.filter(({ name }) => id(name) !== name).map(({ name }) => `  state "${name}" as ${id(name)}`),
    ...states.filter(({ initial }) => initial).map(({ name }) => `  [*] --> ${id(name)}`),
    ...arrows(machine.transitions),
    ...states.filter(({ final }) => final).map(({ name }) => `  ${id(name)} --> [*]`),
    ...(later.length === 0 ? [] : ['  classDef later stroke-dasharray: 5 5', `  class ${later.join(',')} later`]),
  ].join('\n');
}

/** One arrow for all that leads from one state to another, or the picture would be a tangle. */
function arrows(transitions: readonly Transition[]): string[] {
  const labels = new Map<string, string[]>();
  for (const { from, to, event, when, later } of transitions) {
    const ends = `  ${id(from)} --> ${id(to)}`;
    const condition = whenText(when);
    const label = `${event}${condition === '' ? '' : ` [${condition}]`}${later ? ' (later)' : ''}`;
    labels.set(ends, [...(labels.get(ends) ?? []), label]);
  }
  return [...labels].map(([ends, list]) => `${ends}: ${list.join(', ')}`);
}

/** Mermaid takes no hyphen in the name of a state. */
const id = (name: string): string => name.replace(/-/g, '_');

function still({ states, events, answers }: Machine): string[][] {
  return events.flatMap(({ name: event }) => {
    const reasons = new Map<string, { readonly ignored: string[]; readonly impossible: string[] }>();
    for (const { name: state } of states) {
      for (const answer of answers.get(state)?.get(event) ?? []) {
        if (answer.kind === 'transition') continue;
        const found = reasons.get(answer.reason) ?? { ignored: [], impossible: [] };
        reasons.set(answer.reason, found);
        const condition = whenText(answer.when);
        found[answer.kind].push(condition === '' ? code(state) : `${code(state)} [${condition}]`);
      }
    }
    return [...reasons].map(([why, { ignored, impossible }]) => [
      code(event),
      inWords(ignored),
      inWords(impossible),
      why,
    ]);
  });
}

const inWords = (names: readonly string[]): string => names.join(', ');

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replace(/\|/g, '\\|')).join(' | ')} |`;
  return [line(columns), `|${columns.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

const code = (text: string): string => `\`${text}\``;

const capital = (text: string): string => text.replace(/^./, (letter) => letter.toUpperCase());

/** What is written of a specification: it says the same, all of it, and nothing that nobody can run. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { coordinatorMove, coordinatorTransitions } from '../../src/core/consensus/coordinator-machine.ts';
import { participationMove, participationTransitions } from '../../src/core/consensus/participation-machine.ts';
import { allTransitions, type Transition } from '../../src/core/consensus/transition.ts';
import { camel } from '../../tooling/machines/camel.ts';
import { differences, orphans } from '../../tooling/machines/drift.ts';
import { compile, generate } from '../../tooling/machines/generate.ts';
import type { Answer, Machine, When } from '../../tooling/machines/machine.ts';

import { door } from './door.ts';

const root = path.resolve(import.meta.dirname, '..', '..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

type Guards = Readonly<Record<string, boolean>>;
type Move = (state: string, event: string, guards: Guards) => Transition | 'ignored' | 'impossible';

const machines: readonly [file: string, move: Move, transitions: readonly Transition[]][] = [
  ['src/core/consensus/coordinator.machine', coordinatorMove as Move, coordinatorTransitions],
  ['src/core/consensus/participation.machine', participationMove as unknown as Move, participationTransitions],
];

/** What the specification itself says, by another way than the code that is written of it. */
function answerOf(machine: Machine, state: string, event: string, guards: Guards): Answer | undefined {
  const answers = machine.answers.get(state)?.get(event) ?? [];
  const holds = (when: When): boolean =>
    when.kind === 'always' ||
    (when.kind === 'when' && when.literals.every(({ name, negated }) => guards[name] !== negated));
  return answers.find(({ when }) => holds(when)) ?? answers.find(({ when }) => when.kind === 'otherwise');
}

/** Every combination of them. */
function* cases(guards: readonly string[]): Generator<Guards> {
  for (let bits = 0; bits < 2 ** guards.length; bits++) {
    yield Object.fromEntries(guards.map((name, i) => [name, (bits & (1 << i)) !== 0]));
  }
}

const inCode = (guards: Guards): Guards =>
  Object.fromEntries(Object.entries(guards).map(([name, value]) => [camel(name), value]));

describe.each(machines)('the code of %s', (file, move, transitions) => {
  const machine = compile({ file, text: read(file) });
  const states = machine.states.filter(({ later }) => !later);
  const events = machine.events.filter(({ later }) => !later);

  test('answers every event in every state, under every condition, as the specification says', () => {
    for (const { name: state } of states) {
      for (const { name: event } of events) {
        for (const guards of cases(machine.guards.map(({ name }) => name))) {
          const wanted = answerOf(machine, state, event, guards);
          const found = move(state, event, inCode(guards));
          if (wanted?.kind === 'transition') expect(found).toMatchObject({ id: wanted.id, from: state, event });
          else expect(found, `${state} ${event}`).toBe(wanted?.kind);
        }
      }
    }
  });

  test('holds every move that can happen, and none that waits for a feature', () => {
    const live = machine.transitions.filter(({ later }) => !later);
    expect(transitions.map(({ id, from, event, to, section }) => ({ id, from, event, to, section }))).toEqual(
      live.map(({ id, from, event, to, section }) => ({ id, from, event, to, section })),
    );
  });

  test('fits on one screen as a specification', () => {
    expect(read(file).trimEnd().split('\n').length).toBeLessThanOrEqual(60);
  });
});

test('ids of moves are unique over all machines', () => {
  const ids = allTransitions.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

describe('a small machine', () => {
  const [code, page] = generate({ file: 'src/door.machine', text: door });

  test('is written beside its specification, and as a page', () => {
    expect([code?.file, page?.file]).toEqual(['src/door-machine.ts', 'docs/machines/door.md']);
  });

  test('asks a guard only where it is needed', () => {
    expect(code?.text).toContain(
      [
        'function whenClosed(event: DoorEvent, guards: DoorGuards): DoorAnswer {',
        '  switch (event) {',
        "    case 'push':",
        '      return doorTransitions[1];',
        "    case 'turn':",
        '      if (guards.fitting) return doorTransitions[2];',
        "      return 'ignored';",
      ].join('\n'),
    );
    expect(code?.text).toContain('function whenGone(event: DoorEvent): DoorAnswer {');
  });

  test('has no code for what nobody feeds yet, and says so on its page', () => {
    expect(code?.text).not.toContain('repair');
    expect(page?.text).toContain('| `open` | `repair` |  | `closed` | P01 | later |');
  });

  test('is drawn with one arrow from state to state', () => {
    expect(page?.text).toContain(
      [
        'stateDiagram-v2',
        '  [*] --> open',
        '  open --> closed: push, repair (later)',
        '  closed --> open: push',
        '  closed --> locked: turn [fitting]',
        '  locked --> closed: turn [fitting]',
        '  open --> gone: remove',
        '  closed --> gone: remove',
        '  locked --> gone: remove',
        '  gone --> [*]',
      ].join('\n'),
    );
  });
});

describe('generated files', () => {
  const generated = generate({ file: 'src/door.machine', text: door });
  const text = (file: string): string => generated.find((it) => it.file === file)?.text ?? '';

  test('that are what their specification says are let pass', () => {
    expect(differences(generated, text)).toEqual([]);
  });

  test('that no specification stands behind any more are named', () => {
    const files = ['src/door-machine.ts', 'src/gate-machine.ts', 'docs/machines/gate.md'];
    expect(orphans(generated, files)).toEqual([
      'src/gate-machine.ts: no specification stands behind it; give it another name, or remove it',
      'docs/machines/gate.md: no specification stands behind it; give it another name, or remove it',
    ]);
  });

  test('that were changed by hand, or forgotten, are named with the line', () => {
    const changed = (file: string): string => {
      if (file.endsWith('.md')) throw new Error('no such file');
      return text(file).replace("| 'closed'", "| 'shut'");
    };
    const line = text('src/door-machine.ts').split('\n').indexOf("  | 'closed'") + 1;
    expect(differences(generated, changed)).toEqual([
      `src/door-machine.ts:${line}: not what its specification says; run: npm run machines`,
      'docs/machines/door.md:1: not what its specification says; run: npm run machines',
    ]);
  });
});

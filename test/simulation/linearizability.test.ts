import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { checkLinearizable } from '../../src/simulator/checkers/linearizability.ts';
import type { Answer, Move, OperationRecord } from '../../src/simulator/history.ts';

// Histories are written as lines of [from, to, what, answer]; an answer of undefined is an unknown outcome.

type Line = readonly [from: number, to: number, move: Move, answer: Answer | undefined | 'none'];

const key = 'k';
const put = (value: string): Move => ({ kind: 'change', when: [], steps: [{ op: 'put', key, value }], otherwise: [] });
const erase: Move = { kind: 'change', when: [], steps: [{ op: 'delete', key }], otherwise: [] };
const cas = (is: string | null, value: string): Move => ({
  kind: 'change',
  when: [{ key, is }],
  steps: [{ op: 'put', key, value }],
  otherwise: [{ op: 'get', key }],
});
const get: Move = { kind: 'read', key };
const done = (...steps: (boolean | string | null)[]): Answer => ({ kind: 'change', succeeded: true, steps });
const failed = (seen: string | null): Answer => ({ kind: 'change', succeeded: false, steps: [seen] });
const saw = (value: string | null): Answer => ({ kind: 'read', value });

const verdict = (...lines: Line[]): string =>
  checkLinearizable(
    lines.map(
      ([invokedMs, returnedMs, move, answer], i): OperationRecord => ({
        id: i + 1,
        client: `c${i}`,
        object: 'k',
        move,
        command: null,
        invokedMs,
        floor: 0,
        returnedMs,
        outcome: answer === undefined ? 'unknown' : answer === 'none' ? 'none' : 'ok',
        answer: answer === undefined || answer === 'none' ? null : answer,
        position: null,
      }),
    ),
  ).kind;

describe('sound histories', () => {
  test.each<[string, Line[]]>([
    ['nothing at all', []],
    [
      'one after the other',
      [
        [0, 1, put('a'), done(true)],
        [2, 3, get, saw('a')],
        [4, 5, erase, done(true)],
        [6, 7, get, saw(null)],
      ],
    ],
    [
      'an answer that does not tell whether the key was there before',
      [
        [0, 1, put('a'), done()],
        [2, 3, put('b'), done()],
        [4, 5, get, saw('b')],
      ],
    ],
    [
      'a read beside a write sees either',
      [
        [0, 9, put('a'), done(true)],
        [1, 2, get, saw(null)],
        [3, 4, get, saw('a')],
      ],
    ],
    [
      'a write of unknown outcome that happened late',
      [
        [0, 1, put('a'), undefined],
        [2, 3, get, saw(null)],
        [4, 5, get, saw('a')],
      ],
    ],
    [
      'a write of unknown outcome that never happened',
      [
        [0, 1, put('a'), undefined],
        [2, 3, get, saw(null)],
      ],
    ],
    [
      'a compare-and-swap that failed on what was there',
      [
        [0, 1, put('a'), done(true)],
        [2, 3, cas('b', 'c'), failed('a')],
      ],
    ],
    [
      'two writes at once, told apart by what they found',
      [
        [0, 5, put('a'), done(false)],
        [1, 4, put('b'), done(true)],
        [6, 7, get, saw('a')],
      ],
    ],
    [
      'an answer of none without effect',
      [
        [0, 1, put('a'), 'none'],
        [2, 3, get, saw(null)],
      ],
    ],
  ])('%s', (_name, lines) => {
    expect(verdict(...lines)).toBe('linearizable');
  });
});

describe('broken histories', () => {
  test.each<[string, Line[]]>([
    ['a read of what was never written', [[0, 1, get, saw('x')]]],
    [
      'a stale read after an acknowledged write',
      [
        [0, 1, put('a'), done(true)],
        [2, 3, get, saw(null)],
      ],
    ],
    [
      'a lost write whose answer told nothing but that it was done',
      [
        [0, 1, put('a'), done()],
        [2, 3, put('b'), done()],
        [4, 5, get, saw('a')],
      ],
    ],
    [
      'a lost write',
      [
        [0, 1, put('a'), done(true)],
        [2, 3, put('b'), done(false)],
        [4, 5, get, saw('a')],
      ],
    ],
    [
      'two reads in turn that see new, then old',
      [
        [0, 9, put('a'), done(true)],
        [1, 2, get, saw('a')],
        [3, 4, get, saw(null)],
      ],
    ],
    [
      'an answer of none with an effect',
      [
        [0, 1, put('a'), 'none'],
        [2, 3, get, saw('a')],
      ],
    ],
    [
      'an effect before it was asked for',
      [
        [0, 1, get, saw('a')],
        [2, 3, put('a'), undefined],
      ],
    ],
    [
      'a write of unknown outcome that happened twice',
      [
        [0, 1, put('a'), undefined],
        [2, 3, get, saw('a')],
        [4, 5, put('b'), done(false)],
        [6, 7, get, saw('b')],
        [8, 9, get, saw('a')],
      ],
    ],
    [
      'two compare-and-swaps that both won',
      [
        [0, 1, put('a'), done(true)],
        [2, 5, cas('a', 'b'), done(false)],
        [3, 6, cas('a', 'c'), done(false)],
      ],
    ],
    [
      'a compare-and-swap that failed although it had to win',
      [
        [0, 1, put('a'), done(true)],
        [2, 3, cas('a', 'b'), failed('a')],
      ],
    ],
    [
      'a delete that found nothing where something was',
      [
        [0, 1, put('a'), done(true)],
        [2, 3, erase, done(false)],
      ],
    ],
    [
      'a put that claims to have created what was there',
      [
        [0, 1, put('a'), done(true)],
        [2, 3, put('b'), done(true)],
      ],
    ],
    [
      'a deleted value that comes back',
      [
        [0, 1, put('a'), done(true)],
        [2, 3, erase, done(true)],
        [4, 5, get, saw('a')],
      ],
    ],
  ])('%s', (_name, lines) => {
    expect(verdict(...lines)).toBe('impossible');
  });

  test('a MultiOp that was torn: half of its keys changed', () => {
    const both: Move = {
      kind: 'change',
      when: [],
      steps: [
        { op: 'put', key: 'p', value: '1' },
        { op: 'put', key: 'q', value: '2' },
      ],
      otherwise: [],
    };
    const lines: Line[] = [
      [0, 1, both, done(true, true)],
      [2, 3, { kind: 'read', key: 'p' }, saw('1')],
      [4, 5, { kind: 'read', key: 'q' }, saw(null)],
    ];
    expect(verdict(...lines)).toBe('impossible');
  });
});

describe('random histories of a correct register', () => {
  // Each operation takes effect at a drawn moment between its call and its return, so all are linearizable; one changed
  // answer must not be.
  const history = (seed: number, count: number): Line[] => {
    const random = new Random(seed);
    const drawn = Array.from({ length: count }, (_, i) => {
      const from = random.below(count * 4);
      const to = from + 1 + random.below(30);
      const move = random.pick([put(`v${i}`), get, get, erase, cas(null, `v${i}`)]);
      return { from, to, at: random.between(from, to), move, lost: random.chance(0.03) };
    });
    let value: string | null = null;
    const answers = new Map<(typeof drawn)[number], Answer>();
    for (const operation of [...drawn].sort((a, b) => a.at - b.at)) {
      const { move } = operation;
      if (move.kind === 'read') {
        answers.set(operation, saw(value));
        continue;
      }
      const succeeded = move.when.every((condition) => condition.is === value);
      const before: string | null = value;
      const step = (succeeded ? move.steps : move.otherwise)[0]!;
      if (step.op === 'put') value = step.value;
      if (step.op === 'delete') value = null;
      answers.set(operation, {
        kind: 'change',
        succeeded,
        steps: [step.op === 'get' ? before : step.op === 'put' ? before === null : before !== null],
      });
    }
    return drawn.map((one): Line => [one.from, one.to, one.move, one.lost ? undefined : answers.get(one)!]);
  };

  test('are accepted, 300 operations at a time', () => {
    for (let seed = 0; seed < 20; seed++) expect(verdict(...history(seed, 300))).toBe('linearizable');
  });

  test('are rejected when one read is made to see a value of long ago', () => {
    let rejected = 0;
    for (let seed = 0; seed < 20; seed++) {
      const lines = history(seed, 150).sort((a, b) => a[0] - b[0]);
      const at = lines.findLastIndex(([, , move, answer]) => move.kind === 'read' && answer !== undefined);
      const early = lines.find(([, , move]) => move.kind === 'change' && move.steps[0]?.op === 'put')!;
      const step = (early[2] as Extract<Move, { kind: 'change' }>).steps[0]!;
      lines[at] = [lines[at]![0], lines[at]![1], get, saw(step.op === 'put' ? step.value : null)];
      if (verdict(...lines) === 'impossible') rejected++;
    }
    expect(rejected).toBe(20);
  });
});

/** Every mistake that the compiler finds, word for word: where it is, the line, and what was expected there. */
import { describe, expect, test } from 'vitest';
import { compile } from '../../tooling/machines/generate.ts';
import { brokenDoor, door, type Edits } from './door.ts';

interface Mistake {
  readonly name: string;
  readonly edits: Edits;
  /** The whole message, line by line. */
  readonly message: readonly string[];
}

const form: readonly Mistake[] = [
  {
    name: 'an arrow of another kind',
    edits: [['  closed: push -> open', '  closed: push => open']],
    message: [
      'door.machine:24:16: unexpected "="',
      '  24 |   closed: push => open  PML §1',
      '     |                ^ expected "->", "otherwise" or "when"',
    ],
  },
  {
    name: 'a transition without its section',
    edits: [['  closed: push -> open  PML §1', '  closed: push -> open']],
    message: [
      'door.machine:24:23: unexpected end of the line',
      '  24 |   closed: push -> open',
      '     |                       ^ expected the section that it comes from',
    ],
  },
  {
    name: 'an ignored event without a reason',
    edits: [['  locked: push  it holds', '  locked: push']],
    message: [
      'door.machine:31:15: unexpected end of the line',
      '  31 |   locked: push',
      '     |               ^ expected "," or the reason',
    ],
  },
  {
    name: 'a list that ends in a comma',
    edits: [['  shut: closed, locked', '  shut: closed,']],
    message: ['door.machine:12:1: unexpected end of the line', '  12 | ', '     | ^ expected an indented line'],
  },
  {
    name: 'a section that is missing',
    edits: [
      [
        'events\n  push: somebody pushes it\n  turn: somebody turns the key\n  remove: somebody takes it away\n  repair (later): somebody mends it\n\n',
        '',
      ],
    ],
    message: [
      'door.machine:13:1: unexpected "guards"',
      '  13 | guards',
      '     | ^^^^^^ expected "events" or an indented line',
    ],
  },
  {
    name: 'a meaning that is missing',
    edits: [['  push: somebody pushes it', '  push:']],
    message: [
      'door.machine:14:8: unexpected end of the line',
      '  14 |   push:',
      '     |        ^ expected what it means',
    ],
  },
  {
    name: 'a mark that does not exist',
    edits: [['gone (final)', 'gone (end)']],
    message: [
      'door.machine:8:9: unexpected "end"',
      '  8 |   gone (end): it was taken away',
      '    |         ^^^ expected "final" or "initial"',
    ],
  },
  {
    name: 'a name that ends in a hyphen',
    edits: [['gone (final)', 'gone- (final)']],
    message: [
      'door.machine:8:7: unexpected "-"',
      '  8 |   gone- (final): it was taken away',
      '    |       ^ expected "(" or ":"',
    ],
  },
  {
    name: 'a meaning that would end the comment that is made of it',
    edits: [['  push: somebody pushes it', '  push: somebody */ pushes it']],
    message: [
      'door.machine:14:18: unexpected "*"',
      '  14 |   push: somebody */ pushes it',
      '     |                  ^ expected the end of the line',
    ],
  },
  {
    name: 'a name in capitals',
    edits: [['  locked: only', '  Locked: only']],
    message: [
      'door.machine:7:3: unexpected "Locked"',
      '  7 |   Locked: only a key opens it',
      '    |   ^^^^^^ expected a state',
    ],
  },
  {
    name: 'a rule that is not indented',
    edits: [['  closed: push -> open  PML §1', 'closed: push -> open  PML §1']],
    message: [
      'door.machine:24:1: unexpected "closed"',
      '  24 | closed: push -> open  PML §1',
      '     | ^^^^^^ expected "ignored", "impossible", an indented line or the end of the file',
    ],
  },
  {
    name: 'a condition without a guard',
    edits: [['turn when fitting -> locked', 'turn when -> locked']],
    message: [
      'door.machine:25:21: unexpected "-"',
      '  25 |   closed: turn when -> locked  PML §2',
      '     |                     ^ expected "not" or a guard',
    ],
  },
  {
    name: 'an end in the middle of a rule',
    edits: [['  elsewhere: turn  the lock is out of reach\n', '  elsewhere:']],
    message: [
      'door.machine:37:13: unexpected end of the file',
      '  37 |   elsewhere:',
      '     |             ^ expected "every event" or an event',
    ],
  },
];

const names: readonly Mistake[] = [
  {
    name: 'a state declared twice',
    edits: [['  gone (final)', '  closed: once more\n  gone (final)']],
    message: [
      'door.machine:8:3: state "closed" is declared again',
      '  8 |   closed: once more',
      '    |   ^^^^^^ expected another name: this one is declared in line 6',
    ],
  },
  {
    name: 'two states with one name in the code',
    edits: [['  gone (final)', '  half-2: one may see\n  half2: one may hear\n  gone (final)']],
    message: [
      'door.machine:9:3: state "half2" is called half2 in the code, like "half-2"',
      '  9 |   half2: one may hear',
      '    |   ^^^^^ expected another name: that one is declared in line 8',
    ],
  },
  {
    name: 'an event declared twice',
    edits: [['  remove: somebody', '  push: once more\n  remove: somebody']],
    message: [
      'door.machine:16:3: event "push" is declared again',
      '  16 |   push: once more',
      '     |   ^^^^ expected another name: this one is declared in line 14',
    ],
  },
  {
    name: 'a guard declared twice',
    edits: [['  fitting: the key fits', '  fitting: the key fits\n  fitting: once more']],
    message: [
      'door.machine:21:3: guard "fitting" is declared again',
      '  21 |   fitting: once more',
      '     |   ^^^^^^^ expected another name: this one is declared in line 20',
    ],
  },
  {
    name: 'a group declared twice',
    edits: [['  shut: closed, locked', '  shut: closed, locked\n  shut: open']],
    message: [
      'door.machine:12:3: group "shut" is declared again',
      '  12 |   shut: open',
      '     |   ^^^^ expected another name: this one is declared in line 11',
    ],
  },
  {
    name: 'a group with the name of a state',
    edits: [['  shut: closed, locked', '  shut: closed, locked\n  gone: open']],
    message: [
      'door.machine:12:3: group "gone" is declared again',
      '  12 |   gone: open',
      '     |   ^^^^ expected another name: this one is declared in line 8',
    ],
  },
  {
    name: 'a state that does not exist',
    edits: [['  closed: push -> open', '  clsed: push -> open']],
    message: [
      'door.machine:24:3: unknown state or group "clsed"',
      '  24 |   clsed: push -> open  PML §1',
      '     |   ^^^^^ expected open, closed, locked, gone or shut',
    ],
  },
  {
    name: 'a target that does not exist',
    edits: [['closed: push -> open', 'closed: push -> opened']],
    message: [
      'door.machine:24:19: unknown state "opened"',
      '  24 |   closed: push -> opened  PML §1',
      '     |                   ^^^^^^ expected open, closed, locked or gone',
    ],
  },
  {
    name: 'a group as target',
    edits: [['closed: push -> open', 'closed: push -> shut']],
    message: [
      'door.machine:24:19: "shut" is a group',
      '  24 |   closed: push -> shut  PML §1',
      '     |                   ^^^^ expected open, closed, locked or gone',
    ],
  },
  {
    name: 'an event that does not exist',
    edits: [['closed: push -> open', 'closed: pull -> open']],
    message: [
      'door.machine:24:11: unknown event "pull"',
      '  24 |   closed: pull -> open  PML §1',
      '     |           ^^^^ expected push, turn, remove or repair',
    ],
  },
  {
    name: 'a guard that does not exist',
    edits: [['closed: turn when fitting', 'closed: turn when fits']],
    message: [
      'door.machine:25:21: unknown guard "fits"',
      '  25 |   closed: turn when fits -> locked  PML §2',
      '     |                     ^^^^ expected fitting',
    ],
  },
  {
    name: 'no start',
    edits: [['  open (initial)', '  open']],
    message: [
      'door.machine:4:1: machine "door" has no start',
      '  4 | states',
      '    | ^^^^^^ expected one state marked (initial)',
    ],
  },
  {
    name: 'two starts',
    edits: [['  closed: one', '  closed (initial): one']],
    message: [
      'door.machine:6:3: state "closed" is a second start',
      '  6 |   closed (initial): one may not pass, but open it',
      '    |   ^^^^^^ expected only "open" to be marked (initial)',
    ],
  },
  {
    name: 'a transition that cites nothing',
    edits: [['closed: push -> open  PML §1', 'closed: push -> open  obviously']],
    message: [
      'door.machine:24:25: the transition cites nothing',
      '  24 |   closed: push -> open  obviously',
      '     |                         ^^^^^^^^^ expected a section: PML §5.2, design §3 or P42',
    ],
  },
];

const whole: readonly Mistake[] = [
  {
    name: 'a state that nothing reaches',
    edits: [
      ['  gone (final): it was taken away', '  gone (final): it was taken away\n  painted (final): it is red'],
      ['  gone: every', '  gone, painted: every'],
    ],
    message: [
      'door.machine:9:3: state "painted" is never reached',
      '  9 |   painted (final): it is red',
      '    |   ^^^^^^^ expected a transition to it from open, closed, gone or locked',
    ],
  },
  {
    name: 'a state without a way out',
    edits: [
      ['  locked: turn when fitting -> closed  PML §2\n', ''],
      ['  open, shut: remove', '  open, closed: remove'],
      [
        '  locked: push  it holds\n  shut: turn otherwise',
        '  locked: push, turn, remove  it holds\n  closed: turn otherwise',
      ],
    ],
    message: [
      'door.machine:7:3: state "locked" has no way out',
      '  7 |   locked: only a key opens it',
      '    |   ^^^^^^ expected a transition to another state, or the mark (final)',
    ],
  },
  {
    name: 'a final state that is left',
    edits: [
      ['  closed: push -> open  PML §1', '  closed, gone: push -> open  PML §1'],
      ['  gone: every event', '  gone: turn, remove, repair'],
    ],
    message: [
      'door.machine:8:3: state "gone" is final, but "push" leaves it',
      '  8 |   gone (final): it was taken away',
      '    |   ^^^^ expected no transition, or no (final)',
    ],
  },
  {
    name: 'an event that a state does not answer',
    edits: [['  locked: push  it holds\n', '']],
    message: [
      'door.machine:7:3: state "locked" does not say what "push" does',
      '  7 |   locked: only a key opens it',
      '    |   ^^^^^^ expected a transition, or the event under ignored or impossible',
    ],
  },
  {
    name: 'an event answered twice',
    edits: [['  locked: push  it holds', '  shut: push  it holds']],
    message: [
      'door.machine:31:9: state "closed" has two answers to "push"',
      '  31 |   shut: push  it holds',
      '     |         ^^^^ expected one answer: the other stands in line 24',
    ],
  },
  {
    name: 'an event answered twice under a condition',
    edits: [
      [
        'closed: turn when fitting -> locked  PML §2',
        'closed: turn when fitting -> locked  PML §2\n  closed: turn -> gone  PML §2',
      ],
    ],
    message: [
      'door.machine:26:11: state "closed" has two answers to "turn" when fitting',
      '  26 |   closed: turn -> gone  PML §2',
      '     |           ^^^^ expected one answer: the other stands in line 25',
    ],
  },
  {
    name: 'a case that no condition takes',
    edits: [['  shut: turn otherwise', '  closed: turn otherwise']],
    message: [
      'door.machine:26:11: state "locked" does not say what "turn" does when not fitting',
      '  26 |   locked: turn when fitting -> closed  PML §2',
      '     |           ^^^^ expected a rule for "turn" when not fitting, or otherwise',
    ],
  },
  {
    name: 'a condition that never holds',
    edits: [
      ['  shut: turn otherwise', '  closed: turn when fitting and not fitting  it cannot be\n  shut: turn otherwise'],
    ],
    message: [
      'door.machine:32:11: "fitting and not fitting" never holds for "turn" in state "closed"',
      '  32 |   closed: turn when fitting and not fitting  it cannot be',
      '     |           ^^^^ expected a condition that the other rules leave open',
    ],
  },
  {
    name: 'an otherwise that nothing is left for',
    edits: [['  shut: turn otherwise', '  closed: turn when not fitting  the wrong key\n  shut: turn otherwise']],
    message: [
      'door.machine:33:9: "otherwise" never holds for "turn" in state "closed"',
      '  33 |   shut: turn otherwise  the wrong key',
      '     |         ^^^^ expected a condition that the other rules leave open',
    ],
  },
  {
    name: 'an event that moves nothing',
    edits: [
      ['  repair (later)', '  paint: somebody has a brush\n  repair (later)'],
      ['  gone: every event', '  open, shut: paint  the colour changes, no more\n  gone: every event'],
    ],
    message: [
      'door.machine:17:3: event "paint" moves nothing',
      '  17 |   paint: somebody has a brush',
      '     |   ^^^^^ expected a transition on it, or no such event',
    ],
  },
  {
    name: 'a guard that is never asked',
    edits: [['  fitting: the key fits', '  fitting: the key fits\n  oiled: it turns easily']],
    message: [
      'door.machine:21:3: guard "oiled" is never asked',
      '  21 |   oiled: it turns easily',
      '     |   ^^^^^ expected a transition with it, or no such guard',
    ],
  },
  {
    name: 'an elsewhere that is nowhere',
    edits: [['  elsewhere: turn', '  elsewhere: push, turn']],
    message: [
      'door.machine:37:14: "push" is answered everywhere',
      '  37 |   elsewhere: push, turn  the lock is out of reach',
      '     |              ^^^^ expected an event that some state does not answer yet',
    ],
  },
];

function messageOf(text: string): string {
  try {
    compile({ file: 'door.machine', text });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'nothing is wrong';
}

test('the machine that is broken below is whole', () => {
  expect(messageOf(door)).toBe('nothing is wrong');
});

describe.each([
  ['the form', form],
  ['names', names],
  ['the whole machine', whole],
])('a mistake in %s is shown with its place and what was expected', (_what, mistakes) => {
  test.each(mistakes)('$name', ({ edits, message }) => {
    expect(messageOf(brokenDoor(edits))).toBe(message.join('\n'));
  });
});

test('all mistakes are told at once, in the order of the file', () => {
  const message = messageOf(
    brokenDoor([
      ['  closed: push -> open  PML §1', '  closed: pull -> opened  PML §1'],
      ['  open (initial)', '  open'],
    ]),
  );
  expect(message.split('\n').filter((line) => line.startsWith('door.machine'))).toEqual([
    'door.machine:4:1: machine "door" has no start',
    'door.machine:24:11: unknown event "pull"',
    'door.machine:24:19: unknown state "opened"',
  ]);
});

test('the caret stands right behind tabs and wide lists, and with the line endings of any system', () => {
  const tabs = brokenDoor([['  closed: push -> open  PML §1', ' \tclosed:\tpull -> open  PML §1']]);
  expect(messageOf(tabs)).toBe(
    [
      'door.machine:24:11: unknown event "pull"',
      '  24 |  \tclosed:\tpull -> open  PML §1',
      '     |  \t       \t^^^^ expected push, turn, remove or repair',
    ].join('\n'),
  );
  expect(messageOf(door.replace(/\n/g, '\r\n'))).toBe('nothing is wrong');
  expect(messageOf(brokenDoor([['push -> open', 'pull -> open']]).replace(/\n/g, '\r\n'))).not.toContain('\r');
});

test('an empty file lacks a machine', () => {
  expect(messageOf('')).toBe(
    ['door.machine:1:1: unexpected end of the file', '  1 | ', '    | ^ expected "machine"'].join('\n'),
  );
});

test('a list may go on in the next line after a comma', () => {
  expect(messageOf(brokenDoor([['  open, shut: remove', '  open,\n    shut: remove']]))).toBe('nothing is wrong');
});

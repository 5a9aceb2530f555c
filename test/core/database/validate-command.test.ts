/** What must hold of a command before it is proposed (pitfalls P51, P52d). */
import { expect, it } from 'vitest';
import { validateCommand, validateKey } from '../../../src/core/database/validate-command.ts';
import { multiOp, put, remove } from './support.ts';

it.each(['\ud800', 'a\udc00', '\ud83d\ud83d\ude00'])(
  'a key with half a surrogate pair (%j) is refused wherever it stands',
  (key) => {
    // UTF-8 cannot carry it: on its way through the log it would become another key than the one that is in memory.
    const commands = [
      multiOp({ guard: [{ test: 'absent', key }] }),
      multiOp({ do: [put(key)] }),
      multiOp({ otherwise: [remove(key)] }),
    ];
    expect(commands.flatMap((command) => validateCommand(command).map(({ code }) => code))).toEqual(
      Array.from({ length: 3 }, () => 'PAXOS_KEY_NOT_UTF8'),
    );
  },
);

it('a key with whole surrogate pairs is one like any other', () => {
  expect(validateKey('😀')).toBeNull();
});

/** A master ends sessions that are due, and none before it had its full time under that master (CHB §2.9; P54). */
import { expect, it } from 'vitest';
import { decodeCommand } from '../../src/formats/command.ts';
import { SessionSweep } from '../../src/runtime/session-sweep.ts';
import { Machine } from '../core/database/support.ts';

function start() {
  const machine = new Machine();
  machine.mastership();
  const session = machine.openSession(1_000);
  const asked: string[][] = [];
  const waiting: (() => void)[] = [];
  const sweep = new SessionSweep({
    database: machine.database,
    submit: (item, done) => {
      const command = decodeCommand(item);
      if (command.kind === 'expire-sessions') asked.push([...command.sessions]);
      waiting.push(done);
    },
  });
  return { machine, session, asked, waiting, at: (cellTimeMs: number) => sweep.sweep(cellTimeMs as never) };
}

it('a session is asked to end when its time is over under a master that was there all along', () => {
  const { session, asked, at } = start();
  at(0);
  at(999);
  expect(asked).toEqual([]);
  at(1_000);
  expect(asked).toEqual([[session]]);
});

it('a session has its full time under a new master, however little was left of it', () => {
  const { machine, session, asked, at } = start();
  at(0);
  machine.mastership();
  at(999);
  at(1_998);
  expect(asked).toEqual([]);
  at(1_999);
  expect(asked).toEqual([[session]]);
});

it('nothing more is asked while it is not known what came of the last', () => {
  const { session, asked, waiting, at } = start();
  at(0);
  at(1_000);
  at(2_000);
  expect(asked).toEqual([[session]]);
  waiting[0]?.();
  at(3_000);
  expect(asked).toEqual([[session], [session]]);
});

/**
 * What operators do by mistake, on real processes: pitfalls §2, O8 to O11, O13, O14. Each is refused with what to do next, or harmless.
 * O1 to O7 and O12 have tests of their own: docs/TESTING.md "Operators' mistakes" says where.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { OperatorError } from '../../src/errors/index.ts';
import type { StepOptions } from '../../src/operator/members/steps.ts';
import {
  addMember,
  promoteMember,
  rebuildMember,
  removeMember,
  replaceMember,
} from '../../src/operator/members/workflows.ts';
import { cli, startCli } from '../commands/run-cli.ts';
import { CellProcess, withCell } from '../support/cell-process.ts';
import { CountingLoad } from '../support/counting-load.ts';
import { KilledDesk, KilledHere } from '../support/killed-desk.ts';
import { membersOf, operate, plain } from '../support/membership-operator.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { until } from '../support/until.ts';

const three = ['n1 voter', 'n2 voter', 'n3 voter'];
const at = (cell: CellProcess): string[] => ['--endpoints', cell.urls.join(',')];

describe('O8: members that were told of different cells', () => {
  it('form none, say whose list is another one, and form it once they agree', { timeout: 60_000 }, async () => {
    const cell = await CellProcess.prepare({ replicas: 3 });
    try {
      const [n1, n2, n3] = cell.members as [ReplicaChild, ReplicaChild, ReplicaChild];
      n1.start();
      n2.start();
      // It was told of two.
      n3.start({ cell: n3.options.cell.replace(/n2=[^,]+,/, '') });
      for (const [who, about] of [
        [n1, 'n3'],
        [n2, 'n3'],
      ] as const) {
        await until(`${who.name} says what is wrong`, () => {
          return who.log().includes(`${about} was started with another --cell or --cell-name`);
        });
      }
      for (const { directory } of cell.members) expect(existsSync(path.join(directory, 'IDENTITY'))).toBe(false);
      await n3.terminate();
      n3.start();
      await cell.master();
    } finally {
      await cell.close();
    }
  });
});

describe('O9, O10: commands on members in the wrong order, twice, or about somebody else', () => {
  it('are refused with the next command, or find nothing to do; the membership stays', {
    timeout: 60_000,
  }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      await withCell({ replicas: 1 }, async (other) => {
        type Command = (options: StepOptions) => Promise<unknown>;
        const adds = (name: string, url: string): Command => {
          return (options) => addMember(options, { name, url, promote: true, ...plain });
        };
        const removes =
          (name: string): Command =>
          (options) =>
            removeMember(options, name, plain);
        const nowhere = 'http://127.0.0.1:9';
        const wrong: readonly (readonly [what: string, command: Command, code: string])[] = [
          // O9: remove before add, the master too, and whom nobody knows.
          ['remove before add', removes('n3'), 'PAXOS_NO_SPARE'],
          ['remove the master', removes((await cell.master()).name), 'PAXOS_NO_SPARE'],
          ['promote nobody', (options) => promoteMember(options, 'n9', plain), 'PAXOS_MEMBER_UNKNOWN'],
          ['rebuild nobody', (options) => rebuildMember(options, 'n9', plain), 'PAXOS_MEMBER_UNKNOWN'],
          [
            'replace nobody',
            (options) => replaceMember(options, { old: 'n9', name: 'n4', url: nowhere, ...plain }),
            'PAXOS_MEMBER_UNKNOWN',
          ],
          // A slip in the name of the one that comes: OLD would go, and nobody come.
          [
            'replace one voter by another',
            (options) => replaceMember(options, { old: 'n3', name: 'n2', url: cell.member('n2').url, ...plain }),
            'PAXOS_MEMBER_EXISTS',
          ],
          [
            'replace a voter by another, elsewhere',
            (options) => replaceMember(options, { old: 'n3', name: 'n2', url: nowhere, ...plain }),
            'PAXOS_MEMBER_EXISTS',
          ],
          // O10: an address of nobody, of a member, of another cell's member.
          ['add who is nowhere', adds('n4', nowhere), 'PAXOS_MEMBER_NOT_READY'],
          ['add at the address of a member', adds('n4', cell.member('n2').url), 'PAXOS_MEMBER_EXISTS'],
          ['add a member again elsewhere', adds('n1', other.member('n1').url), 'PAXOS_MEMBER_EXISTS'],
          ['add a member of another cell', adds('n4', other.member('n1').url), 'PAXOS_MEMBER_NOT_READY'],
        ];
        for (const [what, command, code] of wrong) {
          const error = await operate(cell, (options) => command({ ...options, timeoutMs: 500 })).then(
            () => null,
            (failure: unknown) => failure,
          );
          expect(error, what).toMatchObject({ code, exitCode: 5, outcome: 'none' });
          // What to do, in the message or as a command.
          const { message, suggestions } = error as OperatorError;
          expect(`${message} ${suggestions.join(' ')}`, what).toMatch(
            /paxosctl|start|members are|another|answers|voter/,
          );
        }
        expect((await cli(['members', 'replace', 'n3', 'n3', '--url', nowhere, ...at(cell)])).code).toBe(2);
        // Of a name that is no member there is nothing to remove: the command may have been run before.
        expect((await cli(['members', 'remove', 'n9', ...at(cell)])).code).toBe(0);
        expect(await membersOf(cell)).toEqual(three);
      });
    });
  });
});

describe('O11: a command that is killed half-way', () => {
  it('is typed again and comes to the same end, with kill -9 and between its calls', { timeout: 90_000 }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const load = new CountingLoad(cell.urls);
      load.start();
      const n4 = await cell.newcomer('n4');
      const words = ['members', 'add', 'n4', '--url', n4.url, ...at(cell), '--timeout', '20s'];
      // While it waits for the replica, while it waits for its vote, and once more where there is nothing left to kill.
      const first = startCli(words);
      await until('it waits', () => first.output().stderr.includes('Admitting n4'));
      first.process.kill('SIGKILL');
      await first.result;
      n4.start();
      for (const place of [
        { call: 0, after: false },
        { call: 0, after: true },
      ]) {
        const killed = operate(cell, ({ port, ...options }) => {
          const desk = new KilledDesk(port, place);
          return addMember({ ...options, port: desk }, { name: 'n4', url: n4.url, promote: true, ...plain });
        });
        await expect(killed).rejects.toBeInstanceOf(KilledHere);
      }
      expect(await cli(words)).toMatchObject({ code: 0 });
      expect(await membersOf(cell)).toEqual([...three, 'n4 voter']);
      // O9: once more, and removed twice.
      expect(JSON.parse((await cli([...words, '--json'])).stdout)).toMatchObject({ changed: false });
      n4.expectEnd(true);
      const remove = () => operate(cell, (options) => removeMember(options, 'n4', plain));
      expect([(await remove()).changed, (await remove()).changed]).toEqual([true, false]);
      expect(await n4.end(10_000)).toEqual({ code: 23, signal: null });
      expect(await load.stopAndCheck()).toEqual([]);
    });
  });
});

describe('O13, O14: files that are deleted in a data directory', () => {
  it('are missed by name, or made good from the others; nothing acknowledged is gone', {
    timeout: 120_000,
  }, async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const load = new CountingLoad(cell.urls);
      load.start();
      expect((await cli(['snapshot', 'take', ...at(cell)])).code).toBe(0);
      await until('something was written since', () => load.acknowledged > 100);
      const victim = cell.member('n3');
      const own = readdirSync(victim.directory).filter((name) =>
        /^(wal|snapshot|promise)-|^MANIFEST$|^IDENTITY$/.test(name),
      );
      const newest = own
        .filter((name) => name.startsWith('snapshot-'))
        .sort()
        .at(-1) as string;
      const log = own
        .filter((name) => name.startsWith('wal-'))
        .sort()
        .at(-1) as string;
      for (const name of new Set([newest, log, 'promise-a', 'IDENTITY', 'MANIFEST'])) {
        await victim.kill();
        if (!existsSync(path.join(victim.directory, name))) continue;
        rmSync(path.join(victim.directory, name));
        const said = victim.log().length;
        victim.start();
        victim.expectEnd(true);
        const outcome = await until(`${name} is missed, or made good`, async () => {
          if (!victim.running) return 'refused';
          return (await victim.status())?.voting === true ? 'votes' : null;
        });
        const text = victim.log().slice(said);
        if (outcome === 'votes') continue;
        // Refused by name, with the way back.
        expect(text, name).toMatch(/"exitCode":(20|21|25)/);
        expect(text, name).toContain(name);
        expect(text, name).toMatch(/members rebuild n3|node start … --rebuild/);
        victim.start({ rebuild: true, 'quarantine-leftovers': true });
        await until(`rebuilt without ${name}`, async () => (await victim.status())?.voting === true);
      }
      victim.expectEnd(false);
      expect(await load.stopAndCheck()).toEqual([]);
      expect(await membersOf(cell)).toEqual(three);
    });
  });
});

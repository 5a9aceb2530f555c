/**
 * The commands on members above real processes, killed at every call to the cell, before it and after it took effect, and typed again:
 * the same end each time (pitfall O11). `test/operator/members.test.ts` does it above a made-up cell, the simulator under faults.
 */
import { rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { StepOptions } from '../../src/operator/members/steps.ts';
import {
  addMember,
  promoteMember,
  rebuildMember,
  removeMember,
  replaceMember,
} from '../../src/operator/members/workflows.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { CountingLoad } from '../support/counting-load.ts';
import { KilledDesk, KilledHere } from '../support/killed-desk.ts';
import { membersOf, operate, plain } from '../support/membership-operator.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { until } from '../support/until.ts';

/** Calls behind these are the same ones again: is it caught up by now? */
const callsMax = 6;

interface Case {
  readonly what: string;
  /** Brings the cell to where the command begins, and returns the command. */
  prepare(cell: CellProcess): Promise<(options: StepOptions) => Promise<unknown>>;
  readonly ends: readonly string[];
  /** And back to three members. */
  after(cell: CellProcess): Promise<void>;
}

const three = ['n1 voter', 'n2 voter', 'n3 voter'];
const remove = (cell: CellProcess, name: string) => operate(cell, (options) => removeMember(options, name, plain));

async function newcomer(cell: CellProcess): Promise<ReplicaChild> {
  const n4 = await cell.newcomer('n4');
  rmSync(n4.directory, { recursive: true, force: true });
  n4.start();
  return n4;
}

let coming: ReplicaChild;

async function goes(cell: CellProcess): Promise<void> {
  coming.expectEnd(true);
  await remove(cell, 'n4');
  await coming.end(10_000);
}

const cases: readonly Case[] = [
  {
    what: 'add',
    prepare: async (cell) => {
      coming = await newcomer(cell);
      return (options) => addMember(options, { name: 'n4', url: coming.url, promote: true, ...plain });
    },
    ends: [...three, 'n4 voter'],
    after: goes,
  },
  {
    what: 'remove',
    prepare: async (cell) => {
      coming = await newcomer(cell);
      await operate(cell, (options) => addMember(options, { name: 'n4', url: coming.url, promote: true, ...plain }));
      coming.expectEnd(true);
      return (options) => removeMember(options, 'n4', plain);
    },
    ends: three,
    after: async () => void (await coming.end(10_000)),
  },
  {
    what: 'promote of a spare',
    prepare: async (cell) => {
      coming = await newcomer(cell);
      await operate(cell, (options) => addMember(options, { name: 'n4', url: coming.url, promote: false, ...plain }));
      return (options) => promoteMember(options, 'n4', plain);
    },
    ends: [...three, 'n4 voter'],
    after: goes,
  },
  {
    what: 'replace of a live member',
    prepare: async (cell) => {
      coming = await newcomer(cell);
      cell.member('n3').expectEnd(true);
      return (options) => replaceMember(options, { old: 'n3', name: 'n4', url: coming.url, ...plain });
    },
    ends: ['n1 voter', 'n2 voter', 'n4 voter'],
    after: async (cell) => {
      const n3 = cell.member('n3');
      await n3.end(10_000);
      rmSync(n3.directory, { recursive: true, force: true });
      n3.start({ join: cell.member('n1').url, cell: '' });
      await operate(cell, (options) => addMember(options, { name: 'n3', url: n3.url, promote: true, ...plain }));
      await goes(cell);
    },
  },
  {
    what: 'rebuild of a lost disk',
    prepare: async (cell) => {
      const n3 = cell.member('n3');
      await n3.kill();
      rmSync(n3.directory, { recursive: true, force: true });
      const admitted = async (): Promise<boolean> => (await membersOf(cell)).includes('n3 rebuilding');
      void until('it is admitted', admitted, { timeoutMs: 60_000 }).then(() => n3.start());
      return (options) => rebuildMember(options, 'n3', plain);
    },
    ends: three,
    after: async () => undefined,
  },
];

it.each(cases)(
  '$what, killed at every call and typed again, comes to the same end',
  { timeout: 600_000 },
  async (example) => {
    await withCell({ replicas: 3 }, async (cell) => {
      const load = new CountingLoad(cell.urls);
      load.start();
      for (let call = 0; call < callsMax; call++) {
        for (const after of [false, true]) {
          const place = `call ${call}, ${after ? 'after' : 'before'} its effect`;
          const command = await example.prepare(cell);
          const reached = await operate(cell, async (options) => {
            const desk = new KilledDesk(options.port, { call, after });
            return command({ ...options, port: desk }).then(
              () => false,
              (error: unknown) => {
                if (error instanceof KilledHere) return true;
                throw error;
              },
            );
          });
          if (reached) await operate(cell, command);
          expect([...(await membersOf(cell))].sort(), place).toEqual(example.ends);
          // Once more: nothing is left to do.
          expect(await operate(cell, command), place).toMatchObject({ changed: false });
          await example.after(cell);
        }
      }
      expect(await load.stopAndCheck()).toEqual([]);
    });
  },
);

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
import { KilledDesk, KilledHere, type KillPlace, type Step } from '../support/killed-desk.ts';
import { membersOf, operate, plain } from '../support/membership-operator.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { until } from '../support/until.ts';

/** Calls behind these are the same ones again (is it caught up by now?), but for the changes, which are tried by themselves. */
const callsMax = 8;

type Command = (options: StepOptions) => Promise<unknown>;

interface Case {
  readonly what: string;
  /** Brings the cell to where the command begins, and returns the command. */
  prepare(cell: CellProcess): Promise<Command>;
  readonly ends: readonly string[];
  /** The calls that change something: it must have been killed at each. */
  readonly changes: readonly Step[];
  /** How many changes it makes at the least. */
  readonly steps: number;
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

/** n3 takes its place again, with nothing, and n4 goes. */
async function comesBack(cell: CellProcess): Promise<void> {
  const n3 = cell.member('n3');
  rmSync(n3.directory, { recursive: true, force: true });
  n3.start({ join: cell.member('n1').url });
  await operate(cell, (options) => addMember(options, { name: 'n3', url: n3.url, promote: true, ...plain }));
  await goes(cell);
}

const adding = ({ what, promote, steps }: Pick<Case, 'what' | 'steps'> & { readonly promote: boolean }): Case => ({
  what,
  prepare: async (cell) => {
    coming = await newcomer(cell);
    return (options) => addMember(options, { name: 'n4', url: coming.url, promote, ...plain });
  },
  ends: [...three, promote ? 'n4 voter' : 'n4 learner'],
  changes: ['change'],
  steps,
  after: goes,
});

const cases: readonly Case[] = [
  adding({ what: 'add', promote: true, steps: 2 }),
  adding({ what: 'add of a spare', promote: false, steps: 1 }),
  {
    what: 'remove',
    prepare: async (cell) => {
      coming = await newcomer(cell);
      await operate(cell, (options) => addMember(options, { name: 'n4', url: coming.url, promote: true, ...plain }));
      coming.expectEnd(true);
      return (options) => removeMember(options, 'n4', plain);
    },
    ends: three,
    changes: ['remove'],
    steps: 1,
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
    changes: ['change'],
    steps: 1,
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
    changes: ['change', 'remove'],
    steps: 3,
    after: async (cell) => {
      await cell.member('n3').end(10_000);
      await comesBack(cell);
    },
  },
  {
    what: 'replace of a dead member',
    prepare: async (cell) => {
      coming = await newcomer(cell);
      await cell.member('n3').kill();
      return (options) => replaceMember(options, { old: 'n3', name: 'n4', url: coming.url, ...plain });
    },
    ends: ['n1 voter', 'n2 voter', 'n4 voter'],
    changes: ['change'],
    steps: 2,
    after: comesBack,
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
    changes: ['change'],
    steps: 2,
    after: async () => undefined,
  },
];

it.each(cases)(
  '$what, killed at every call and typed again, comes to the same end',
  { timeout: 1_800_000 },
  async (example) => {
    await withCell({ replicas: 3 }, async (cell) => {
      const load = new CountingLoad(cell.urls);
      load.start();
      const killedAt: Step[] = [];
      /** False when the command had ended before. */
      const isKilledAt = async (place: KillPlace): Promise<boolean> => {
        const command = await example.prepare(cell);
        const killed = await operate(cell, (options) => killedIn(command, options, place));
        if (killed !== null) {
          killedAt.push(killed);
          await operate(cell, command);
        }
        expect([...(await membersOf(cell))].sort(), JSON.stringify(place)).toEqual(example.ends);
        // Once more: nothing is left to do.
        expect(await operate(cell, command), JSON.stringify(place)).toMatchObject({ changed: false });
        await example.after(cell);
        return killed !== null;
      };
      for (let call = 0; call < callsMax; call++) {
        const before = await isKilledAt({ call, after: false });
        if (!(await isKilledAt({ call, after: true })) && !before) break;
      }
      for (const first of example.changes) await isKilledAt({ first, after: false });
      let changes = 0;
      while (await isKilledAt({ change: changes, after: true })) changes++;
      expect(await load.stopAndCheck()).toEqual([]);
      expect([...new Set(killedAt)]).toEqual(expect.arrayContaining([...example.changes]));
      expect(changes).toBeGreaterThanOrEqual(example.steps);
      console.info(`${example.what}: killed at ${killedAt.length} places (${counted(killedAt)}), ${changes} changes`);
    });
  },
);

/** The call at which the command was killed; null when it had ended before that. */
async function killedIn(command: Command, options: StepOptions, place: KillPlace): Promise<Step | null> {
  const desk = new KilledDesk(options.port, place);
  try {
    await command({ ...options, port: desk });
    return null;
  } catch (error) {
    if (error instanceof KilledHere) return desk.killedAt;
    throw error;
  }
}

const counted = (steps: readonly Step[]): string =>
  [...new Set(steps)].map((step) => `${step} ${steps.filter((it) => it === step).length}`).join(', ');

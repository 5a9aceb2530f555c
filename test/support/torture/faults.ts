/** What a torture run does to the replicas. Each fault lasts until its second half, which brings everybody back. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../../src/core/random.ts';
import type { CellProcess } from '../cell-process.ts';
import type { ReplicaChild } from '../replica-child.ts';

export interface Fault {
  readonly name: string;
  /** Resolves when the fault is over and all replicas have been started or thawed again; with what was drawn, if anything, to be told. */
  strike(cell: CellProcess, random: Random): Promise<unknown>;
}

const killed = async (victims: readonly ReplicaChild[], random: Random): Promise<void> => {
  await Promise.all(victims.map((victim) => victim.kill()));
  await sleep(random.below(900));
  for (const victim of random.shuffle(victims)) {
    victim.start();
    await sleep(random.below(60));
  }
};

/** Longer than a lease, so that the others may have gone on meanwhile. */
const frozen = async (cell: CellProcess, victims: readonly ReplicaChild[], random: Random): Promise<void> => {
  for (const victim of victims) victim.pause();
  await sleep(cell.leaseMs * random.between(1.1, 3.5));
  for (const victim of random.shuffle(victims)) victim.resume();
};

const stopped = async (victim: ReplicaChild, random: Random): Promise<void> => {
  const exit = await victim.terminate();
  if (exit.code !== 0) throw new Error(`${victim.name} ended its clean stop with ${JSON.stringify(exit)}.`);
  await sleep(random.below(500));
  victim.start();
};

const some = (cell: CellProcess, random: Random, count: number): ReplicaChild[] =>
  random.shuffle(cell.members).slice(0, count);

export const faults: readonly Fault[] = [
  { name: 'kill the master', strike: async (cell, random) => killed([await cell.master()], random) },
  { name: 'freeze the master', strike: async (cell, random) => frozen(cell, [await cell.master()], random) },
  { name: 'kill all', strike: (cell, random) => killed(cell.members, random) },
  { name: 'stop the master', strike: async (cell, random) => stopped(await cell.master(), random) },
  { name: 'kill a majority', strike: (cell, random) => killed(some(cell, random, cell.majority), random) },
  { name: 'freeze a majority', strike: (cell, random) => frozen(cell, some(cell, random, cell.majority), random) },
  {
    name: 'kill the master and its successor',
    strike: async (cell, random) => {
      const first = await cell.master();
      await first.kill();
      // With three members two must be up for there to be a successor.
      const second = await cell.master();
      await killed([second], random);
      first.start();
    },
  },
  {
    name: 'freeze the master, kill another',
    strike: async (cell, random) => {
      const master = await cell.master();
      master.pause();
      await killed([random.pick(cell.others(master))], random);
      await sleep(cell.leaseMs * random.between(0.5, 2));
      master.resume();
    },
  },
  {
    name: 'kill all, and one again while they come back',
    strike: async (cell, random) => {
      await killed(cell.members, random);
      await sleep(random.below(1_200));
      await killed([random.pick(cell.members)], random);
    },
  },
  {
    name: 'kill one after the other',
    strike: async (cell, random) => {
      for (const member of random.shuffle(cell.members)) await killed([member], random);
    },
  },
  { name: 'kill one', strike: (cell, random) => killed(some(cell, random, 1), random) },
  { name: 'freeze one', strike: (cell, random) => frozen(cell, some(cell, random, 1), random) },
  { name: 'stop one', strike: (cell, random) => stopped(random.pick(cell.members), random) },
  {
    name: 'freeze and kill the frozen master',
    strike: async (cell, random) => {
      const master = await cell.master();
      master.pause();
      await sleep(cell.leaseMs * random.between(0.5, 2));
      await killed([master], random);
    },
  },
];

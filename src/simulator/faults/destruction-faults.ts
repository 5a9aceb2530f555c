/**
 * All copies of something are destroyed, at a majority: what a cell cannot come back from, and must say so.
 *
 * Source: pitfalls §2 rule 3 ("beyond repair"), D16, D18. Only in the mode of that name, once, at its end.
 */
import type { Random } from '../../core/random.ts';
import type { Machine } from '../machine.ts';
import type { FaultKind } from './catalogue.ts';
import { type FileRole, filesOf, flipBit, removeFile, wipe } from './damage.ts';
import type { FaultWorld } from './world.ts';
import { fault } from './world.ts';

type Victims = { readonly members: readonly string[]; readonly downMs: number };

/** A majority at least, of these. */
function drawVictims(world: FaultWorld, random: Random, among = world.names): Victims | null {
  const least = Math.floor(world.machines.length / 2) + 1;
  if (among.length < least) return null;
  const members = random.shuffle(among).slice(0, least + random.below(among.length - least + 1));
  return { members, downMs: world.leases(random, 0.05, 2) };
}

function destroy(
  world: FaultWorld,
  { members, downMs }: Victims,
  {
    kind,
    random,
    act,
  }: { readonly kind: FaultKind; readonly random: Random; readonly act: (machine: Machine, i: number) => void },
): void {
  for (const [i, member] of members.entries()) {
    const machine = world.machine(member);
    // A new disk that nothing runs on yet holds nothing that could be lost.
    if (machine === undefined || machine.halted !== null || machine.vacant) continue;
    world.kill(machine, { writes: 'kept', names: 'kept', upMs: 0 }, random);
    act(machine, i);
    world.atlas.damaged(member, kind, kind === 'helix');
    world.note(member, kind);
    world.bootLater(machine, downMs);
  }
}

/** So often that no file with this role is left in which nothing that counts was hit. */
function spoil(machine: Machine, role: FileRole, random: Random): void {
  for (const file of filesOf(machine.disk, role)) {
    for (let i = 0; i < 40; i++) flipBit(file, (i + random.next()) / 40, random.below(8));
  }
}

export const destructionFaults = {
  'all-promises-lost': fault({
    draw: (world, random) => drawVictims(world, random),
    strike: (world, victims, random) =>
      destroy(world, victims, {
        kind: 'all-promises-lost',
        random,
        act: (machine) => {
          for (const role of ['promise-a', 'promise-b'] as const) spoil(machine, role, random);
        },
      }),
  }),

  'all-logs-damaged': fault({
    draw: (world, random) => drawVictims(world, random),
    strike: (world, victims, random) =>
      destroy(world, victims, { kind: 'all-logs-damaged', random, act: (machine) => spoil(machine, 'log', random) }),
  }),

  'all-manifests-lost': fault({
    draw: (world, random) => {
      const victims = drawVictims(world, random);
      return victims && { ...victims, missing: random.chance(0.5) };
    },
    strike: (world, { missing, ...victims }, random) =>
      destroy(world, victims, {
        kind: 'all-manifests-lost',
        random,
        act: (machine) => {
          if (!missing) return spoil(machine, 'manifest', random);
          for (const file of filesOf(machine.disk, 'manifest')) removeFile(machine.disk, file);
        },
      }),
  }),

  /** One member is left that remembers: without any, nobody could know that there was a cell, and all would wait for one. */
  'all-directories-lost': fault({
    draw: (world, random) => {
      const up = world.machines.filter(({ halted, vacant }) => halted === null && !vacant).map(({ name }) => name);
      if (up.length === 0) return null;
      const witness = random.pick(up);
      const others = world.names.filter((name) => name !== witness);
      return drawVictims(world, random, others);
    },
    strike: (world, victims, random) =>
      destroy(world, victims, { kind: 'all-directories-lost', random, act: (machine) => wipe(machine.disk) }),
  }),

  /** Item k is bad at replica k mod n. Every item has good copies, and no replica a good disk (P18). */
  helix: fault({
    draw: (world, random) => {
      if (world.machines.length < 3) return null;
      return { members: world.names, downMs: world.leases(random, 0.05, 2) };
    },
    strike: (world, victims, random) =>
      destroy(world, victims, {
        kind: 'helix',
        random,
        act: (machine, i) => {
          const files = filesOf(machine.disk, 'log');
          for (const file of files) flipBit(file, (i + random.next() / 2) / victims.members.length, random.below(8));
        },
      }),
  }),
};

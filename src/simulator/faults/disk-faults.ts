/** Disks that are slow or fail. Source: pitfalls §2, D7, D10. */
import type { FaultWorld } from './world.ts';
import { fault } from './world.ts';

type Slowness = { readonly member: string; readonly flushMs: number; readonly chance: number; readonly forMs: number };

function slow(world: FaultWorld, { member, flushMs, chance, forMs }: Slowness, kind: string): void {
  const machine = world.machine(member);
  if (machine === undefined) return;
  world.note(member, kind, flushMs);
  const { knobs } = machine.disk;
  knobs.slowFlushChance = chance;
  knobs.slowFlushMs = [flushMs / 2, flushMs];
  // A slower one that struck before may have operations under way for longer.
  machine.ailments.slowUntilMs = Math.max(machine.ailments.slowUntilMs, world.nowMs + forMs + flushMs);
  world.later(forMs, () => {
    knobs.slowFlushChance = 0;
  });
}

export const diskFaults = {
  'slow-flush': fault({
    draw: (world, random) => ({
      member: world.someone(random),
      flushMs: random.betweenLogarithmic(10, 3_000),
      chance: 0.5,
      forMs: world.leases(random, 1, 20),
    }),
    strike: (world, slowness) => slow(world, slowness, 'slow-flush'),
  }),

  'hanging-flush': fault({
    draw: (world, random) => ({
      member: world.master(random),
      flushMs: world.leases(random, 1, 20),
      chance: 1,
      forMs: world.leases(random, 1, 20),
    }),
    strike: (world, slowness) => slow(world, slowness, 'hanging-flush'),
  }),

  /** A flush or write fails; the replica must stop and come back from what is really there (P14, P15). */
  'disk-error': fault({
    draw: (world, random) => ({
      member: world.anyone(random),
      operation: random.pick(['flush', 'write'] as const),
      cacheKept: random.chance(0.5),
      skip: random.below(8),
      forMs: world.leases(random, 0.1, 2),
      how: world.drawCrash(random),
      downMs: world.leases(random, 0.05, 20),
    }),
    strike: (world, { member, operation, cacheKept, skip, forMs, how, downMs }, random) => {
      const machine = world.machine(member);
      if (machine === undefined) return;
      world.note(member, 'disk-error', operation, skip);
      const fault = cacheKept ? 'error' : 'cache-gone';
      // In a quarter of them the promise alone is hit, which is written so rarely that it must be waited for.
      const path = skip === 6 ? 'promise-a' : skip === 7 ? 'promise-b' : null;
      const disarm = machine.ailments.arm(
        path === null ? { operations: [operation], fault, skip } : { operations: [operation], path, fault, skip: 0 },
        () => world.crash(machine, how, downMs, random),
      );
      world.later(path === null ? forMs : 20 * forMs, disarm);
    },
  }),

  /** Room for very little more; later there is room again. */
  'disk-full': fault({
    draw: (world, random) => ({
      member: world.someone(random),
      roomBytes: Math.round(random.betweenLogarithmic(1, 200_000)),
      forMs: world.leases(random, 1, 40),
    }),
    strike: (world, { member, roomBytes, forMs }) => {
      const machine = world.machine(member);
      if (machine === undefined) return false;
      world.note(member, 'disk-full', roomBytes);
      machine.disk.limit(roomBytes);
      world.later(forMs, () => machine.disk.limit(null));
    },
  }),

  /**
   * An operator has files read again and repaired while the replica works (`verify checksums --deep`); as often as not the process dies
   * in the middle of it.
   */
  'deep-check': fault({
    draw: (world, random) => ({
      member: world.anyone(random),
      effects: random.chance(0.5) ? random.below(20) : null,
      how: world.drawCrash(random),
      downMs: world.leases(random, 0.05, 20),
    }),
    strike: (world, { member, effects, how, downMs }, random) => {
      const machine = world.machine(member);
      if (machine === undefined || machine.log === null) return false;
      world.note(member, 'deep-check', effects ?? '');
      machine.checkFiles();
      if (effects !== null) machine.process?.armCrash(effects, () => world.crash(machine, how, downMs, random));
    },
  }),

  /** From now on nothing can be written; after a while the file system is mounted again. */
  'read-only-disk': fault({
    draw: (world, random) => ({
      member: world.someone(random),
      forMs: world.leases(random, 1, 20),
      how: world.drawCrash(random),
      downMs: world.leases(random, 0.5, 5),
    }),
    strike: (world, { member, forMs, how, downMs }, random) => {
      const machine = world.machine(member);
      if (machine === undefined) return false;
      world.note(member, 'read-only-disk', forMs);
      const disarm = machine.ailments.arm({ operations: ['write', 'flush'], fault: 'error', skip: 0 }, () =>
        world.crash(machine, how, downMs, random),
      );
      world.later(forMs, disarm);
    },
  }),
};

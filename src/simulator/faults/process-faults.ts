/** Processes that die, stop or crawl. Source: pitfalls §2, P-1 to P-8. */

import type { Random } from '../../core/random.ts';
import type { Crash, FaultWorld } from './world.ts';
import { fault } from './world.ts';

const crashOf = (world: FaultWorld, random: Random): { readonly how: Crash; readonly downMs: number } => ({
  how: world.drawCrash(random),
  downMs: world.leases(random, 0.05, 20),
});

/** Many at once; each with a crash of its own. */
type Crashes = {
  readonly crashes: readonly { readonly member: string; readonly how: Crash; readonly downMs: number }[];
};

const drawCrashes = (world: FaultWorld, random: Random, count: number): Crashes => ({
  crashes: random
    .shuffle(world.names)
    .slice(0, count)
    .map((member) => ({ member, ...crashOf(world, random) })),
});

function crashAll(world: FaultWorld, { crashes }: Crashes, random: Random, kind: string): void {
  for (const { member, how, downMs } of crashes) {
    const machine = world.machine(member);
    if (machine === undefined || !machine.up) continue;
    world.note(member, kind, how.writes);
    world.crash(machine, how, downMs, random.fork(member));
  }
}

export const processFaults = {
  crash: fault({
    draw: (world, random) => ({ member: world.someone(random), ...crashOf(world, random) }),
    strike: (world, { member, how, downMs }, random) =>
      crashAll(world, { crashes: [{ member, how, downMs }] }, random, 'crash'),
  }),

  'crash-at-effect': fault({
    draw: (world, random) => ({ member: world.anyone(random), effects: random.below(30), ...crashOf(world, random) }),
    strike: (world, { member, effects, how, downMs }, random) => {
      const machine = world.machine(member);
      machine?.process?.armCrash(effects, () => {
        world.note(member, 'crash-at-effect', how.writes);
        world.crash(machine, how, downMs, random);
      });
    },
  }),

  'crash-majority': fault({
    draw: (world, random) => drawCrashes(world, random, Math.floor(world.machines.length / 2) + 1),
    strike: (world, crashes, random) => crashAll(world, crashes, random, 'crash-majority'),
  }),

  'crash-all': fault({
    draw: (world, random) => drawCrashes(world, random, world.machines.length),
    strike: (world, crashes, random) => crashAll(world, crashes, random, 'crash-all'),
  }),

  /**
   * Just after a change of the membership was chosen, or as it begins to govern: what a few know of it is not on their disks yet, and who
   * went may be gone (P39, P47).
   */
  'crash-at-change': fault({
    draw: (world, random) => {
      const most = world.machines.length;
      const count = random.chance(0.5) ? most : 1 + random.below(most);
      const afterMs = random.chance(0.3) ? 0 : world.leases(random, 0.001, 0.5);
      return { when: random.pick(['chosen', 'governs'] as const), afterMs, ...drawCrashes(world, random, count) };
    },
    strike: (world, { when, afterMs, crashes }, random) => {
      world.observer.atChange = {
        when,
        strike: () =>
          world.later(afterMs, () => {
            world.count('crash-at-change');
            crashAll(world, { crashes }, random, 'crash-at-change');
          }),
      };
      // Counted when there is such a change.
      return false;
    },
  }),

  /** One replica after another, every 0.5 to 3 leases. */
  'restart-storm': fault({
    draw: (world, random) => ({ left: 5 + random.below(20), member: world.anyone(random), ...crashOf(world, random) }),
    strike: (world, { member, how, downMs }, random) =>
      crashAll(world, { crashes: [{ member, how, downMs }] }, random, 'restart-storm'),
    next: (world, { left }, random) =>
      left === 1
        ? null
        : {
            afterMs: world.leases(random, 0.5, 3),
            parameters: { left: left - 1, member: world.anyone(random), ...crashOf(world, random) },
          },
  }),

  /**
   * Some lose sight of the master until they have granted it nothing any more; then those who still do restart, well
   * within a lease, and must not have forgotten (P34).
   */
  'grantor-restart': fault({
    draw: (world, random) => {
      const master = world.master(random);
      const others = random.shuffle(world.names.filter((name) => name !== master));
      const strangers = others.splice(0, Math.floor(world.machines.length / 2));
      return {
        master,
        strangers: strangers.map((member) => ({ member, forMs: world.leases(random, 3, 6) })),
        restartAfterMs: world.leases(random, 1.1, 2),
        restarts: others.map((member) => ({
          member,
          how: world.drawCrash(random),
          downMs: world.leases(random, 0.01, 0.3),
        })),
      };
    },
    strike: (world, { master, strangers, restartAfterMs, restarts }, random) => {
      const { network } = world;
      world.note(master, 'grantor-restart', strangers.map(({ member }) => member).join('+'));
      for (const { member, forMs } of strangers) {
        network.cut(master, member);
        network.cut(member, master);
        world.later(forMs, () => {
          network.mend(master, member);
          network.mend(member, master);
        });
      }
      world.later(restartAfterMs, () => crashAll(world, { crashes: restarts }, random, 'grantor-restart'));
    },
  }),

  /** And again while it comes back. */
  'crash-in-recovery': fault({
    draw: (world, random) => ({
      member: world.someone(random),
      ...crashOf(world, random),
      effects: random.below(40),
      again: crashOf(world, random),
    }),
    strike: (world, { member, how, downMs, effects, again }, random) => {
      const machine = world.machine(member);
      if (machine === undefined || machine.halted !== null) return false;
      world.note(member, 'crash-in-recovery', how.writes, effects);
      world.kill(machine, how, random);
      world.later(downMs, () => {
        if (machine.up) return;
        machine.boot();
        machine.process?.armCrash(effects, () => {
          world.count('crash-in-recovery');
          world.crash(machine, again.how, again.downMs, random.fork('again'));
        });
      });
      // Counted when the second one comes.
      return false;
    },
  }),

  /** While a snapshot is being written, read back, named, or received. */
  'crash-at-snapshot': fault({
    draw: (world, random) => ({ member: world.anyone(random), effects: random.below(12), ...crashOf(world, random) }),
    strike: (world, { member, effects, how, downMs }, random) => {
      const machine = world.machine(member);
      if (machine === undefined) return false;
      machine.atSnapshot = (process) => {
        process.armCrash(effects, () => {
          world.note(member, 'crash-at-snapshot', how.writes);
          world.count('crash-at-snapshot');
          world.crash(machine, how, downMs, random);
        });
      };
      return false;
    },
  }),

  /** The event loop stands still when a snapshot begins. */
  'stall-at-snapshot': fault({
    draw: (world, random) => ({ member: world.someone(random), forMs: world.leases(random, 0.1, 5) }),
    strike: (world, { member, forMs }) => {
      const machine = world.machine(member);
      if (machine === undefined) return false;
      machine.atSnapshot = (process) => {
        world.note(member, 'stall-at-snapshot', forMs);
        world.count('stall-at-snapshot');
        process.pause();
        world.later(forMs, () => process.resume('io'));
      };
      return false;
    },
  }),

  /** No descriptors or no memory: files cannot be opened. */
  'open-fails': fault({
    draw: (world, random) => ({
      member: world.anyone(random),
      skip: random.below(6),
      times: 1 + random.below(8),
      restart: random.chance(0.5),
      ...crashOf(world, random),
    }),
    strike: (world, { member, skip, times, restart, how, downMs }, random) => {
      const machine = world.machine(member);
      if (machine === undefined || machine.halted !== null) return false;
      world.note(member, 'open-fails', skip, times);
      machine.ailments.arm({ operations: ['open'], fault: 'error', skip, times }, () =>
        world.crash(machine, how, downMs, random),
      );
      if (restart) world.crash(machine, how, downMs, random);
    },
  }),

  /** Whatever the process asks of its disk waits behind other work. */
  'blocked-pool': fault({
    draw: (world, random) => ({ member: world.someone(random), forMs: world.leases(random, 0.5, 20) }),
    strike: (world, { member, forMs }) => {
      const machine = world.machine(member);
      if (machine === undefined) return false;
      world.note(member, 'blocked-pool', forMs);
      machine.ailments.blockUntil(world.nowMs + forMs);
    },
  }),

  pause: fault({
    draw: (world, random) => ({
      member: world.someone(random),
      forMs: world.leases(random, 0.01, 20),
      first: random.pick(['io', 'timer'] as const),
    }),
    strike: (world, { member, forMs, first }) => {
      const process = world.machine(member)?.process;
      if (process === null || process === undefined) return;
      world.note(member, 'pause', forMs);
      process.pause();
      world.later(forMs, () => process.resume(first));
    },
  }),

  'slow-process': fault({
    draw: (world, random) => ({
      member: world.someone(random),
      callbackMs: random.betweenLogarithmic(1, 2_000),
      forMs: world.leases(random, 1, 20),
    }),
    strike: (world, { member, callbackMs, forMs }) => {
      const process = world.machine(member)?.process;
      if (process === null || process === undefined) return;
      world.note(member, 'slow-process', callbackMs);
      process.slowDown(callbackMs);
      world.later(forMs, () => process.slowDown(0));
    },
  }),

  'hand-over': fault({
    draw: (world, random) => ({ member: world.master(random) }),
    strike: (world, { member }) => void world.machine(member)?.service?.transfer(null, false),
  }),

  /** Hands over if it can, then ends without a word: what an operator's restart does. */
  'graceful-stop': fault({
    draw: (world, random) => ({
      member: world.anyone(random),
      afterMs: world.leases(random, 1, 3),
      ...crashOf(world, random),
    }),
    strike: (world, { member, afterMs, how, downMs }, random) => {
      const machine = world.machine(member);
      const service = machine?.service;
      if (machine === undefined || service === null || service === undefined) return;
      world.note(member, 'graceful-stop');
      machine.draining = service;
      void service.transfer(null, false).then(() => service.drain());
      world.later(afterMs, () => {
        if (machine.service === service) world.crash(machine, how, downMs, random);
      });
    },
  }),
};

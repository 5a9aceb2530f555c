/** Clocks that drift, are set, or stand still. Source: pitfalls §2, C1, C3, C4. Keeps: drift stays within what the cell was promised. */
import { fault } from './world.ts';

const yearMs = 365 * 86_400_000;

export const clockFaults = {
  /** Any two machines stay within the promised bound of each other: each within half of it of true time. */
  'clock-drift': fault({
    draw: ({ names, profile }, random) => ({
      drifts: names.map((member) => ({ member, ppm: random.between(-profile.driftPpm / 2, profile.driftPpm / 2) })),
    }),
    strike: (world, { drifts }) => {
      for (const { member, ppm } of drifts) world.machine(member)?.clock.setDrift(ppm);
      world.note('', 'clock-drift');
    },
  }),

  'wall-jump': fault({
    draw: (world, random) => ({
      member: world.someone(random),
      byMs: random.betweenLogarithmic(1, yearMs) * (random.chance(0.5) ? 1 : -1),
    }),
    strike: (world, { member, byMs }) => {
      world.note(member, 'wall-jump', byMs);
      world.machine(member)?.clock.jumpWall(byMs);
    },
  }),

  /** The whole machine sleeps; its monotonic clock does not notice. */
  suspend: fault({
    draw: (world, random) => ({ member: world.someone(random), forMs: world.leases(random, 0.1, 20) }),
    strike: (world, { member, forMs }) => {
      const machine = world.machine(member);
      const process = machine?.process;
      if (machine === undefined || process === null || process === undefined || machine.clock.suspended) return;
      world.note(member, 'suspend', forMs);
      process.pause();
      machine.clock.suspend();
      world.later(forMs, () => {
        machine.clock.wake();
        process.resume('io');
      });
    },
  }),
};

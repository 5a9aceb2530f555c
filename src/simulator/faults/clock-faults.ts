/** Clocks that drift, are set, or stand still. Source: pitfalls §2, C1, C3, C4, C7. Keeps: drift stays within what the cell was promised. */
import { fault } from './world.ts';

const yearMs = 365 * 86_400_000;

export const clockFaults = {
  /** Any two machines stay within the promised bound of each other: each within half of it of true time. */
  'clock-drift': fault({
    draw: (world, random) => {
      const bound = world.profile.driftPpm / 2;
      const between = (): number => random.between(-bound, bound);
      if (random.chance(0.5)) return { drifts: world.names.map((member) => ({ member, ppm: between() })) };
      // One against all others, as far apart as they may be.
      const one = world.someone(random);
      const ppm = random.chance(0.5) ? -bound : bound;
      return { drifts: world.names.map((member) => ({ member, ppm: member === one ? ppm : -ppm })) };
    },
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

  /** Nobody renews the master's lease, and somebody asks it just before the end, at the end, and just after. */
  'lease-edge': fault({
    draw: (world, random) => {
      const member = world.machines.find((machine) => machine.front.believer()?.serving != null)?.name;
      return member === undefined ? null : { member, forMs: world.leases(random, 1.5, 4) };
    },
    strike: (world, { member, forMs }) => {
      const machine = world.machine(member);
      if (machine === undefined) return false;
      world.note(member, 'lease-edge');
      for (const other of world.names.filter((name) => name !== member)) {
        world.network.cut(member, other);
        world.network.cut(other, member);
        world.later(forMs, () => {
          world.network.mend(member, other);
          world.network.mend(other, member);
        });
      }
      // What was on its way may still renew it, so the end is looked for when nothing can be any more.
      const tickMs = world.profile.clockStepMs || 0.01;
      const look = (): void => {
        const leftMs = machine.front.leaseRemainingMs();
        if (leftMs === null || leftMs <= 0) return;
        for (const edgeMs of [leftMs - tickMs, leftMs, leftMs + tickMs]) {
          world.later(Math.max(0, edgeMs), () => {
            world.count('lease-edge');
            machine.front.serve({ kind: 'read', key: 'a', stale: false, mark: null }, () => undefined);
          });
        }
      };
      world.later(world.profile.leaseMs / 2, look);
      return false;
    },
  }),
};

/**
 * Upgrades: somebody types the commands, everything may go wrong; and starts of versions that must not be. Source: design §6; pitfalls
 * U1 to U5, O11; PML §7.
 */
import { isSupported } from '../../formats/levels.ts';
import { drawUpgrade, type UpgradeOrder } from '../operators/upgrade-order.ts';
import { programNamed, programOf, strangerTo } from '../program.ts';
import { fault } from './world.ts';

export const upgradeFaults = {
  'upgrade-sequence': fault({
    draw: ({ upgrades, profile }, random) =>
      upgrades === null || upgrades.busy ? null : { orders: drawUpgrade(upgrades, profile.leaseMs, random) },
    strike: (world, { orders }, random) => {
      const { upgrades } = world;
      if (upgrades === null || upgrades.busy) return false;
      void upgrades
        .perform(orders as readonly UpgradeOrder[], random, world)
        .then(() => world.count('upgrade-sequence'));
      // Counted when it is over.
      return false;
    },
  }),

  /** Somebody starts a version that does not speak the level in force, and the right one some time later. */
  'wrong-version': fault({
    draw: (world, random) => ({
      member: world.anyone(random),
      older: random.chance(0.6),
      forMs: world.leases(random, 1, 20),
    }),
    strike: (world, { member, older, forMs }, random) => {
      const machine = world.machine(member);
      const { upgrades } = world;
      if (machine?.log == null || upgrades === null) return false;
      const { level } = upgrades;
      const wrong = older ? strangerTo(level) : programOf(level + 2);
      const right = machine.program;
      if (isSupported(level, wrong.levels) || !isSupported(level, right.levels)) return false;
      world.note(member, 'wrong-version', wrong.version);
      machine.kill({ writes: 'process' }, random);
      machine.program = wrong;
      machine.restart(null, 'kept', random);
      world.later(forMs, () => {
        if (machine.program !== wrong) return;
        if (machine.halted?.code === 'PAXOS_VERSION_REFUSED') world.count('wrong-version');
        machine.program = right;
        machine.restart(null, 'kept', random.fork('right'));
      });
      // Counted when it was refused.
      return false;
    },
  }),

  /** While an upgrade is open somebody starts a member with the other of its two versions, whatever has become of it by then. */
  'other-version': fault({
    draw: (world, random) => ({ member: world.anyone(random) }),
    strike: (world, { member }, random) => {
      const machine = world.machine(member);
      const open = machine?.service?.openUpgrade() ?? null;
      if (machine === undefined || open === null || world.upgrades === null || !isVersion(open)) return false;
      const other = programNamed(machine.program.version === open.to ? open.from : open.to);
      if (!isSupported(world.upgrades.level, other.levels)) return false;
      world.note(member, 'other-version', other.version);
      machine.kill({ writes: 'process' }, random);
      machine.program = other;
      machine.restart(null, 'kept', random);
      return true;
    },
  }),
};

/** Both are told: whoever has only just opened one says neither. */
const isVersion = ({ from, to }: { readonly from: string; readonly to: string }): boolean =>
  [from, to].every((version) => /^0\.\d+\.\d+$/.test(version));

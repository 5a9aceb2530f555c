/**
 * Members that are replaced while everything else goes wrong: one logged change removes the old incarnation and admits the next one
 * without a vote, numbered by its instance; another gives it the vote. Each goes through whoever is master then.
 *
 * Source: design §3 "Membership", "Incarnations"; pitfalls P20, P44, P47, P48, N12. One at a time, as an operator would; a step that had
 * no effect is tried again, and one whose fate is not known is looked at again.
 */
import {
  type Configuration,
  type ConfigurationFrom,
  type Member,
  memberId,
} from '../../core/consensus/configuration.ts';
import { isQuorum } from '../../core/consensus/quorum.ts';
import type { Random } from '../../core/random.ts';
import { type MemberCondition, type MemberRequest, planChange } from '../../runtime/membership/plan.ts';
import type { Machine } from '../machine.ts';
import type { FaultWorld } from './world.ts';
import { fault } from './world.ts';

interface Present {
  readonly machine: Machine;
  readonly configuration: Configuration;
  /** No older one decides anything any more, and that is known, durably, to as many as decide. */
  readonly inForce: boolean;
}

interface Replacement {
  readonly machine: Machine;
  /** Of the incarnation that ends. */
  readonly old: number;
  /** It runs on until it is out (P47); otherwise its disk is gone first (P20). */
  alive: boolean;
  /** And so much longer. */
  readonly lingerMs: number;
  readonly everyMs: number;
}

/** The one who serves, and the newest configuration that it knows. */
function present(world: FaultWorld): Present | null {
  for (const machine of world.machines) {
    const { log } = machine;
    if (log === null || machine.process?.paused === true || !log.isServing()) continue;
    const newest = log.core.configurations.at(-1);
    if (newest === undefined) continue;
    const { configuration } = newest;
    return { machine, configuration, inForce: isSettled(world, newest) };
  }
  return null;
}

/**
 * Who alone knew that the last values of the old configuration are chosen may be lost: its majority would then have to decide
 * them again. A window further on everybody has that on its disk, said by the values that it accepted since.
 */
function isSettled(world: FaultWorld, { from, configuration }: ConfigurationFrom): boolean {
  const knowing = world.machines.filter(({ log }) => log !== null && log.appliedUpTo >= from + configuration.alpha);
  return isQuorum(configuration, new Set(knowing.map(({ id }) => id)));
}

/** What a replica says when the master asks it how it is; one that is down, cut off from it, or empty says nothing. */
function conditionOf(world: FaultWorld, member: Member, { machine: master }: Present): MemberCondition {
  const machine = world.machine(member.name);
  const log = machine?.vacant === true || machine?.process?.paused === true ? null : (machine?.log ?? null);
  if (log === null || log.self !== memberId(member) || log.stopped) {
    return { silent: 'it does not answer', voting: false, appliedUpTo: 0, agrees: null };
  }
  return {
    silent: null,
    voting: log.core.participation === 'voting',
    appliedUpTo: log.appliedUpTo,
    agrees: master.log?.recentDigests.agreesWith(log.recentDigests.told()) ?? null,
  };
}

/** The next step, judged as the product judges it for an operator; null when it is not to be taken now. */
function nextStep(world: FaultWorld, { machine, old }: Replacement, present: Present): Configuration | null {
  const { configuration } = present;
  const { log } = present.machine;
  const mine = configuration.members.find(({ name }) => name === machine.name);
  if (log === null || mine === undefined) return null;
  const request: MemberRequest =
    mine.incarnation === old
      ? { kind: 'rebuild', name: machine.name, incarnation: old }
      : { kind: 'promote', name: machine.name };
  const plan = planChange(request, {
    configuration,
    settled: present.inForce,
    master: log.self,
    appliedUpTo: log.appliedUpTo,
    conditions: new Map(configuration.members.map((it) => [memberId(it), conditionOf(world, it, present)])),
    notReady: null,
    upgrade: null,
    // That of those who are left one more may fail is for the atlas to see to.
    allowNoSpare: true,
  });
  return plan.kind === 'change' ? plan.configuration : null;
}

function goOn(world: FaultWorld, replacement: Replacement, random: Random): void {
  const { machine, old, everyMs } = replacement;
  const again = (): void => world.later(everyMs, () => goOn(world, replacement, random));
  const master = present(world);
  if (master === null) return again();
  const { configuration } = master;
  const mine = configuration.members.find(({ name }) => name === machine.name);
  if (mine?.incarnation !== old && replacement.alive) {
    replacement.alive = false;
    return world.later(replacement.lingerMs, () => {
      world.note(machine.name, 'retires', old);
      world.atlas.renewed(machine.name, 'replace-member');
      machine.retire(random);
      goOn(world, replacement, random);
    });
  }
  if (mine !== undefined && mine.incarnation > old && machine.vacant) {
    world.note(machine.name, 'begins anew', mine.incarnation);
    void machine.beginAnew(mine.incarnation);
    world.scheduler.settle();
  }
  const votes = mine !== undefined && mine.incarnation > old && mine.role === 'voter';
  // Until then the majorities of the one before it count, in which the new voter is none: nobody else may be lost.
  if (votes && !master.inForce) return again();
  if (votes) {
    world.note(machine.name, 'replaced', mine?.incarnation ?? 0);
    world.atlas.returned(machine.name, 'replace-member');
    world.count('replace-member');
    return world.release();
  }
  const next = nextStep(world, replacement, master);
  if (next !== null) {
    const ids = next.members.map((member) => `${memberId(member)}${member.role === 'voter' ? '' : '?'}`).join(' ');
    master.machine.log?.changeConfiguration(next, (outcome) =>
      world.note(master.machine.name, 'configuration', outcome, ids),
    );
  }
  again();
}

export const membershipFaults = {
  'replace-member': fault({
    draw: (world, random) => {
      const halted = world.machines.filter((machine) => machine.halted !== null);
      const whole = world.machines.filter((machine) => machine.halted === null && world.atlas.allows(machine.name));
      const candidates = halted.length > 0 ? halted : whole;
      if (candidates.length === 0 || world.machines.length < 3) return null;
      const machine = random.pick(candidates);
      const alive = machine.halted === null && random.chance(0.5);
      return {
        member: machine.name,
        alive,
        lingerMs: world.leases(random, 0.1, 20),
        everyMs: world.leases(random, 0.3, 3),
      };
    },
    strike: (world, { member, alive, lingerMs, everyMs }, random) => {
      const machine = world.machine(member);
      if (machine === undefined || !world.atlas.allows(member) || !world.reserve()) return false;
      const old = machine.incarnation;
      world.note(member, 'replace-member', old);
      world.atlas.damaged(member, 'replace-member');
      const runsOn = alive && machine.halted === null;
      if (!runsOn) {
        world.atlas.renewed(member, 'replace-member');
        machine.retire(random);
      }
      goOn(world, { machine, old, alive: runsOn, lingerMs, everyMs }, random);
      // Counted when it is done.
      return false;
    },
  }),
};

/**
 * Data directories in operators' hands: wiped, put back from an older copy, copied, swapped with another member's, run by a second
 * process. Source: pitfalls §2, O1, O2, O4, O6, O12, D15, D16; design §4 (fence, copied directories).
 *
 * Each counts when it has struck. What is promised supposes that somebody remembers: an older directory is put back only when all
 * other voters have on their own disks that this one was further.
 */

import type { BootHistory } from '../../core/consensus/boot-history.ts';
import { contradiction, newestBoot } from '../../core/consensus/boot-history.ts';
import { memberId } from '../../core/consensus/configuration.ts';
import type { Random } from '../../core/random.ts';
import type { Machine } from '../machine.ts';
import type { FaultWorld } from './world.ts';
import { fault } from './world.ts';

/** A voter that runs, is whole, and may be damaged now. */
function victim(world: FaultWorld, random: Random): string | null {
  const { crew } = world;
  if (crew === null) return null;
  const fit = world.machines.filter((machine) => isFit(world, machine)).map(({ name }) => name);
  return fit.length === 0 ? null : random.pick(fit);
}

export const isFit = ({ crew, atlas }: FaultWorld, machine: Machine): boolean =>
  crew?.isVoter(machine.name) === true &&
  machine.log !== null &&
  machine.log.core.participation === 'voting' &&
  !atlas.isDamaged(machine.name) &&
  atlas.allows(machine.name);

/** How often it is looked whether an older directory may be put back now. */
const patience = 300;

type Victim = { readonly member: string };
const drawVictim = (world: FaultWorld, random: Random): Victim | null => {
  const member = victim(world, random);
  return member === null ? null : { member };
};

/** What the others remember by now, and how far their disks are. */
export function witnesses(
  world: FaultWorld,
  machine: Machine,
  shown: BootHistory,
): ReadonlyMap<Machine, number> | null {
  const voters = world.observer.configuration.members.filter(
    ({ role, name }) => role === 'voter' && name !== machine.name,
  );
  const found = new Map<Machine, number>();
  for (const voter of voters) {
    const other = world.machine(voter.name);
    const storage = other?.storage;
    if (other === undefined || storage == null || other.id !== memberId(voter)) return null;
    if (storage.memory.of(machine.id).every((remembered) => contradiction(remembered, shown) === null)) return null;
    found.set(other, storage.flushNumber);
  }
  return found.size === 0 ? null : found;
}

export const directoryFaults = {
  'disk-wiped': fault({
    draw: drawVictim,
    strike: (world, { member }, random) => {
      const machine = world.machine(member);
      if (machine === undefined || !isFit(world, machine)) return false;
      world.note(member, 'disk-wiped', machine.incarnation);
      world.atlas.damaged(member, 'disk-wiped');
      machine.restart(null, 'empty', random);
      return true;
    },
  }),

  'directory-restored': fault({
    draw: (world, random) => {
      const member = victim(world, random);
      if (member === null) return null;
      return {
        member,
        afterMs: world.leases(random, 1, 50),
        everyMs: world.leases(random, 0.2, 2),
        asFiles: random.chance(0.5),
      };
    },
    strike: (world, { member, afterMs, everyMs, asFiles }, random) => {
      const machine = world.machine(member);
      const storage = machine?.storage;
      if (machine === undefined || storage == null) return false;
      const { id } = machine;
      const image = machine.disk.image.copy(asFiles);
      const shown = startedFrom(storage.history);
      world.note(member, 'directory-copied-away', newestFlush(shown));
      let seen: ReadonlyMap<Machine, number> | null = null;
      let tries = 0;
      const look = (): void => {
        if (machine.id !== id || ++tries > patience) return;
        if (!isFit(world, machine)) return world.later(everyMs, look);
        const known = witnesses(world, machine, shown);
        // Theirs to lose, as long as no flush of their own has followed.
        const durable =
          known !== null && seen !== null && [...known].every(([other, flush]) => flush > (seen?.get(other) ?? flush));
        if (!durable) {
          if (seen === null || known === null) seen = known;
          return world.later(everyMs, look);
        }
        world.note(member, 'directory-restored', newestFlush(shown), newestFlush(machine.storage?.history ?? shown));
        world.atlas.damaged(member, 'directory-restored');
        world.observer.putBack(id);
        machine.restart(null, image, random);
        world.count('directory-restored');
      };
      world.later(afterMs, look);
      return false;
    },
  }),

  'directory-copied': fault({
    draw: drawVictim,
    strike: (world, { member }, random) => {
      const machine = world.machine(member);
      if (machine === undefined || !isFit(world, machine)) return false;
      world.note(member, 'directory-copied');
      world.atlas.renewed(member, 'directory-copied');
      machine.kill({ writes: 'process' }, random);
      machine.restart(null, machine.disk.image.copy(true), random);
      return true;
    },
  }),

  'directories-swapped': fault({
    draw: (world, random) => {
      const [one, other] = world.pair(random);
      return { one, other, forMs: world.leases(random, 0.5, 5) };
    },
    strike: (world, { one, other, forMs }, random) => {
      const pair = [one, other].map((name) => world.machine(name));
      const [a, b] = pair;
      const { crew } = world;
      if (a === undefined || b === undefined || a === b || crew === null || crew.busy) return false;
      // A disk that is bad itself may be refused for that.
      if (pair.some((machine) => machine?.log == null || world.atlas.isDamaged(machine.name))) return false;
      world.note(one, 'directories-swapped', other);
      crew.swap(a, b, random);
      world.later(forMs, () => crew.swapBack(random));
      return true;
    },
  }),

  'second-process': fault({
    draw: (world, random) => {
      const member = victim(world, random);
      if (member === null) return null;
      return { member, forMs: world.leases(random, 1, 10), where: random.pick(['address', 'elsewhere'] as const) };
    },
    strike: (world, { member, forMs, where }) => {
      const machine = world.machine(member);
      if (machine === undefined || !isFit(world, machine)) return false;
      world.note(member, 'second-process', where);
      world.atlas.damaged(member, 'second-process');
      world.crew?.secondProcesses.start(machine, where, forMs);
      return true;
    },
  }),
};

/** What a start from a disk like this one will show. */
export function startedFrom(history: BootHistory): BootHistory {
  const { flush, promiseFlush } = history;
  const next = { number: newestBoot(history).number + 1, id: 'put back', began: flush, promiseFlush };
  return { boots: [...history.boots, next], flush, promiseFlush };
}

const newestFlush = ({ flush }: BootHistory): number => flush;

/**
 * Single files of a disk that go back to what they held earlier, and are good. Source: pitfalls §2, D14, D15.
 *
 * Keeps: somebody can know. Promises that went back show by the log; where that loses its end in the same time, only by the disks of others,
 * one of which has the newest promise durably (design §4: where nobody is left who remembers, an old state looks like a new one).
 */
import type { Random } from '../../core/random.ts';
import type { Machine } from '../machine.ts';
import type { FaultKind } from './catalogue.ts';
import { bytesOf, fileAt, lastShare, removeFile, restoreFile } from './damage.ts';
import { drawVictim, strikeDisk, type Victim } from './damage-faults.ts';
import { type FaultWorld, fault } from './world.ts';

export const rollbackFaults = {
  /** One copy is of an earlier day, and good: the higher one counts. */
  'promise-copies-disagree': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random, false);
      const role = random.pick(['promise-a', 'promise-b'] as const);
      return victim && { ...victim, role, ageMs: world.leases(random, 2, 100) };
    },
    strike: (world, { role, ageMs, ...victim }, random) =>
      rollBack(world, victim, { kind: 'promise-copies-disagree', random, names: [role], ageMs }),
  }),

  /** `endToo`: and while it is down the last file of its log goes, which alone on this disk would show it. */
  'promises-rolled-back': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random, false);
      return victim && { ...victim, ageMs: world.leases(random, 2, 100), endToo: random.chance(0.3) };
    },
    strike: (world, { ageMs, endToo, ...victim }, random) => {
      const kind = 'promises-rolled-back';
      const loseEnd = (): void => {
        const act = (machine: Machine): string | null => {
          const file = fileAt(machine.disk, 'log', lastShare);
          if (file !== undefined) removeFile(machine.disk, file);
          return file?.name ?? null;
        };
        strikeDisk(world, victim, { kind, random: random.fork('end'), items: true, act });
      };
      return rollBack(world, victim, {
        ...{ kind, random, names: ['promise-a', 'promise-b'], ageMs },
        struck: (isRemembered) => {
          world.atlas.forgotPromise(victim.member, isRemembered);
          if (endToo) world.later(victim.downMs / 2, loseEnd);
        },
      });
    },
  }),

  'manifest-rolled-back': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random, false);
      return victim && { ...victim, ageMs: world.leases(random, 2, 100) };
    },
    strike: (world, { ageMs, ...victim }, random) =>
      rollBack(world, victim, { kind: 'manifest-rolled-back', random, names: ['MANIFEST'], ageMs }),
  }),
};

/** Files go back to what they held `ageMs` before, all others stay as they are. */
function rollBack(
  world: FaultWorld,
  victim: Victim,
  {
    kind,
    random,
    names,
    ageMs,
    struck,
  }: {
    readonly kind: FaultKind;
    readonly random: Random;
    readonly names: readonly string[];
    readonly ageMs: number;
    /** It has struck. `isRemembered`: another voter has durably what this member promised last. */
    readonly struck?: (isRemembered: () => boolean) => void;
  },
): boolean {
  const machine = world.machine(victim.member);
  if (machine === undefined || machine.halted !== null || world.atlas.isDamaged(victim.member)) return false;
  const old = names.map((name) => {
    const node = machine.disk.image.names.get(name);
    return node === undefined || node === 'folder' ? null : { name, bytes: bytesOf(node) };
  });
  world.later(ageMs, () => {
    if (world.atlas.isDamaged(victim.member)) return;
    const act = (): string | null => {
      const changed = old.map((file) => file !== null && restoreFile(machine.disk, file.name, file.bytes));
      return changed.includes(true) ? names.join('+') : null;
    };
    const witnesses = promiseWitnesses(world, machine);
    if (!strikeDisk(world, victim, { kind, random, act })) return;
    world.count(kind);
    struck?.(() => [...witnesses].some(([{ storage }, flush]) => (storage?.flushNumber ?? 0) > flush + 1));
  });
  // Counted when it comes about.
  return false;
}

/** Voters that know what `machine` promised last, and how far their disks are: whatever is flushed after the next flush has it. */
function promiseWitnesses(world: FaultWorld, machine: Machine): ReadonlyMap<Machine, number> {
  const found = new Map<Machine, number>();
  const { id, storage } = machine;
  if (storage == null) return found;
  for (const member of world.observer.configuration.members) {
    const other = world.machine(member.name);
    if (member.role !== 'voter' || other === undefined || other === machine || other.storage == null) continue;
    const known = other.storage.memory.of(id).some(({ promiseFlush }) => promiseFlush >= storage.promiseFlush);
    if (known) found.set(other, other.storage.flushNumber);
  }
  return found;
}

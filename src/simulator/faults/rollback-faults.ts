/**
 * Single files of a disk that go back to what they held earlier, and are good. Source: pitfalls §2, D14, D15.
 *
 * Keeps: somebody can know. Promises that went back show by the log; where that loses its end in the same time, only by the disks of others,
 * one of which has the newest promise durably (design §4: where nobody is left who remembers, an old state looks like a new one).
 */
import type { Random } from '../../core/random.ts';
import { manifestOwner } from '../../formats/manifest.ts';
import { decodePromise, type PromiseCopy } from '../../formats/promise.ts';
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

  /**
   * Both, under a replica that runs: nothing but a deep check finds that before the next start. Once that has said that all files are sound,
   * they are.
   */
  'promises-put-back': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random, true);
      return victim && { ...victim, ageMs: world.leases(random, 0.3, 4) };
    },
    strike: (world, { ageMs, aliveMs, ...victim }, random) => {
      const kind = 'promises-put-back';
      const { member } = victim;
      let isSound = false;
      return rollBack(
        world,
        { ...victim, aliveMs: 0 },
        {
          ...{ kind, random, names: ['promise-a', 'promise-b'], ageMs },
          struck: (isRemembered) => world.atlas.forgotPromise(member, () => isSound || isRemembered()),
          strikes: (act, old) => {
            const machine = world.machine(member);
            if (machine?.log == null || machine.halted !== null || !world.atlas.allows(member)) return false;
            // Beside the flush of the very next promise a deep check would rightly call them sound.
            if (!old.every(({ bytes }, copy) => isOutdated(machine, bytes, copy as PromiseCopy))) return false;
            const what = act(machine);
            if (what === null) return false;
            world.atlas.damaged(member, kind);
            world.note(member, kind, what);
            machine.checkFiles(({ files }) => {
              if (files.length > 0) return;
              isSound = true;
              world.atlas.undamaged(member, kind);
              world.later(aliveMs, () => world.crash(machine, victim.how, victim.downMs, random));
            });
            return true;
          },
        },
      );
    },
  }),

  /**
   * `endToo`: and while it is down the last file of its log goes, which alone on this disk would show it. `alone`: those that remember what
   * it promised are out of its reach then, as long as there are others.
   */
  'promises-rolled-back': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random, false);
      const apart = random.fork('apart');
      const alone = apart.chance(0.5) ? world.leases(apart, 2, 20) : 0;
      const ageMs = world.leases(random, 2, 100);
      return victim && { ...victim, ageMs, endToo: random.chance(0.3) || apart.chance(0.4), alone };
    },
    strike: (world, { ageMs, alone, endToo, ...victim }, random) => {
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
        struck: (isRemembered, witnesses) => {
          world.atlas.forgotPromise(victim.member, isRemembered);
          if (endToo) world.later(victim.downMs / 2, loseEnd);
          if (endToo && alone > 0) for (const { name } of witnesses) cutOff(world, victim.member, name, alone);
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

/** So often it is looked whether the files have changed by now. */
const patience = 50;

interface OldFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** A newer promise than this one is durable at the replica that runs there. */
function isOutdated({ storage }: Machine, bytes: Buffer, copy: PromiseCopy): boolean {
  return storage != null && decodePromise(bytes, manifestOwner(storage.manifest), copy).flush < storage.promiseFlush;
}

/** Files go back to what they held `ageMs` before, or longer ago where nothing has changed since, all others stay as they are. */
function rollBack(
  world: FaultWorld,
  victim: Victim,
  {
    kind,
    random,
    names,
    ageMs,
    struck,
    strikes = (act) => strikeDisk(world, victim, { kind, random, act }),
  }: {
    readonly kind: FaultKind;
    readonly random: Random;
    readonly names: readonly string[];
    readonly ageMs: number;
    /** It has struck. `isRemembered`: another voter has durably what this member promised last. */
    readonly struck?: (isRemembered: () => boolean, witnesses: readonly Machine[]) => void;
    /** Does it, where that is not at a member that is down for it. False: there was nothing to damage. */
    readonly strikes?: (act: (machine: Machine) => string | null, old: readonly OldFile[]) => boolean;
  },
): boolean {
  const machine = world.machine(victim.member);
  if (machine === undefined || machine.halted !== null || world.atlas.isDamaged(victim.member)) return false;
  const old = names.map((name) => {
    const node = machine.disk.image.names.get(name);
    return node === undefined || node === 'folder' ? null : { name, bytes: bytesOf(node) };
  });
  const isChanged = (): boolean =>
    old.some((file) => {
      const node = file === null ? undefined : machine.disk.image.names.get(file.name);
      return node !== undefined && node !== 'folder' && file !== null && !bytesOf(node).equals(file.bytes);
    });
  const strike = (left: number): void => {
    if (world.atlas.isDamaged(victim.member)) return;
    // A master keeps the promise that it has: there is nothing to put back before the next one.
    if (!isChanged() && left > 0) return world.later(ageMs, () => strike(left - 1));
    const act = (machine: Machine): string | null => {
      const changed = old.map((file) => file !== null && restoreFile(machine.disk, file.name, file.bytes));
      return changed.includes(true) ? names.join('+') : null;
    };
    const witnesses = promiseWitnesses(world, machine);
    const there = old.filter((file) => file !== null);
    if (!strikes(act, there)) return;
    world.count(kind);
    struck?.(
      () => [...witnesses].some(([{ storage }, flush]) => (storage?.flushNumber ?? 0) > flush + 1),
      [...witnesses.keys()],
    );
  };
  world.later(ageMs, () => strike(patience));
  // Counted when it comes about.
  return false;
}

function cutOff(world: FaultWorld, one: string, other: string, forMs: number): void {
  const ways = [[one, other] as const, [other, one] as const];
  for (const [from, to] of ways) world.network.cut(from, to);
  world.later(forMs, () => {
    for (const [from, to] of ways) world.network.mend(from, to);
  });
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

/**
 * Damage to the log where it costs most: what a bare majority holds, or what only its place in the order of writes betrays.
 *
 * Source: pitfalls §2, D3, D6, D18; P16, P17, P29; PAR §3. Only copies of which a good majority is left (the atlas); a lost write only where
 * something that was written later shows that it is missing.
 */
import type { Random } from '../../core/random.ts';
import { decodeManifest } from '../../formats/manifest.ts';
import { sectorBytes } from '../disk-image.ts';
import type { Machine } from '../machine.ts';
import { bytesOf, fileAt, filesOf, flipBit, lastShare, zeroSectors } from './damage.ts';
import { drawVictim, strikeDisk } from './damage-faults.ts';
import { type FaultWorld, fault } from './world.ts';

/** The last file of the log, and how far it is written. */
interface Reach {
  readonly process: string;
  readonly file: string;
  readonly used: number;
  readonly flush: number;
}

function reachOf(machine: Machine | undefined): Reach | null {
  if (machine === undefined) return null;
  const { disk, process, storage } = machine;
  const last = fileAt(disk, 'log', lastShare);
  if (last === undefined || process === null || storage === null) return null;
  return { process: process.name, file: last.name, used: last.used, flush: storage.flushNumber };
}

/** A flush that is over was of neither the last group then, nor the one that was on its way. */
const isLater = (flush: number, then: Reach): boolean => flush > then.flush + 1;

/** What a file beside the log says was acknowledged; 0 where it does not read. */
function acknowledged(machine: Machine | undefined): number {
  if (machine === undefined) return 0;
  const { disk } = machine;
  const [manifest] = filesOf(disk, 'manifest');
  try {
    return manifest === undefined ? 0 : decodeManifest(bytesOf(manifest.inode)).flush;
  } catch {
    return 0;
  }
}

function receivedFile({ disk }: Machine): string | null {
  const [manifest] = filesOf(disk, 'manifest');
  try {
    return manifest === undefined ? null : (decodeManifest(bytesOf(manifest.inode)).received?.file ?? null);
  } catch {
    return null;
  }
}

/** Nobody who runs has what it needs next in its log. */
function isLeftBehind(world: FaultWorld, member: string): boolean {
  const next = (world.machine(member)?.log?.appliedUpTo ?? 0) + 1;
  const logs = world.machines.flatMap(({ name, log }) => (name !== member && log !== null ? [log] : []));
  return logs.length > 0 && logs.every(({ core }) => core.firstRetained > next);
}

/** How often it is looked whether it has come to that. */
const patience = 40;

/** A bit of what was written last: so many bytes before the end of the log, or behind where that was at `since`, as far as it was written since. */
function damageEnd(machine: Machine, bytes: number, bit: number, since: Reach | null = null): string | null {
  const file = fileAt(machine.disk, 'log', lastShare);
  if (file === undefined) return null;
  const behind = since !== null && since.file === file.name ? since.used + bytes : file.used;
  const at = behind < file.used ? behind : Math.max(0, file.used - bytes);
  flipBit(file, at / file.used, bit);
  return `${file.name} ${at} of ${file.used}`;
}

export function separate({ network }: FaultWorld, some: readonly string[], others: readonly string[]): void {
  for (const one of some) {
    for (const other of others) {
      network.cut(one, other);
      network.cut(other, one);
    }
  }
}

export function join({ network }: FaultWorld, some: readonly string[], others: readonly string[]): void {
  for (const one of some) {
    for (const other of others) {
      network.mend(one, other);
      network.mend(other, one);
    }
  }
}

export const evidenceFaults = {
  /**
   * What is chosen while some are cut off lies on a bare majority; all of that goes down, and one comes back to those who were cut off
   * with the end of its log damaged, or the first that it wrote without the others: where whoever was master may have another value. Nothing
   * may be chosen again by what those two have, before the others are back.
   */
  'bare-majority': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random, false);
      const { members } = world.observer.configuration;
      const names = members.filter(({ role }) => role === 'voter').map(({ name }) => name);
      if (victim === null || names.length < 3 || !names.includes(victim.member)) return null;
      const master = world.master(random);
      // Who was master and is cut off has accepted what nobody else has.
      const others = random.shuffle(names.filter((name) => name !== victim.member && name !== master));
      const candidates =
        master === victim.member ? others : random.chance(0.5) ? [master, ...others] : [...others, master];
      const absent = candidates.slice(0, Math.ceil(names.length / 2) - 1);
      return {
        ...victim,
        absent,
        cutMs: world.leases(random, 0.5, 6),
        fromEnd: drawFromEnd(random),
        first: random.fork('first').chance(0.5),
        bit: random.below(8),
        // What it says of its damage is damaged, too.
        again: random.chance(0.3) ? drawFromEnd(random) : null,
        awayMs: world.leases(random, 2, 10),
        how: world.drawCrash(random),
      };
    },
    strike: (world, { absent, cutMs, fromEnd, first, bit, again, awayMs, ...victim }, random) => {
      const present = world.names.filter((name) => !absent.includes(name));
      const since = first ? reachOf(world.machine(victim.member)) : null;
      separate(world, absent, present);
      world.note(victim.member, 'bare-majority', ...absent);
      world.later(cutMs, () => {
        join(world, absent, present);
        for (const name of present) {
          const machine = world.machine(name);
          if (name !== victim.member && machine !== undefined)
            world.crash(machine, victim.how, awayMs, random.fork(name));
        }
        const act = (machine: Machine): string | null => damageEnd(machine, fromEnd, bit, since);
        if (!strikeDisk(world, victim, { kind: 'bare-majority', random, items: true, act })) return;
        world.count('bare-majority');
        if (again === null) return;
        world.later(victim.downMs + awayMs / 4, () => {
          const second = { ...victim, downMs: victim.downMs / 4 };
          const more = (machine: Machine): string | null => damageEnd(machine, again, bit);
          strikeDisk(world, second, { kind: 'bare-majority', random: random.fork('again'), items: true, act: more });
        });
      });
      // Counted when the disk is hit.
      return false;
    },
  }),

  /**
   * One is cut off, with proposals of its own under way, until the others have cut their logs, and gets a snapshot from them. That is
   * damaged: what its own log holds below may never have been chosen (P25).
   */
  'left-behind': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random, false);
      if (victim === null || world.names.length < 3) return null;
      const master = world.master(random);
      const member = random.chance(0.7) && world.atlas.allows(master) ? master : victim.member;
      const lookMs = world.leases(random, 0.5, 2);
      return {
        ...victim,
        member,
        lookMs,
        at: random.next(),
        bit: random.below(8),
        afterMs: world.leases(random, 0.01, 2),
      };
    },
    strike: (world, { lookMs, at, bit, afterMs, ...victim }, random) => {
      const { member } = victim;
      const others = world.names.filter((name) => name !== member);
      const receivedAt = (): number => world.machine(member)?.storage?.manifest.received?.instance ?? 0;
      const before = receivedAt();
      let looks = 0;
      const whenTrue = (isSo: () => boolean, then: (isSo: boolean) => void): void => {
        const so = isSo();
        if (so || ++looks > patience) then(so);
        else world.later(lookMs, () => whenTrue(isSo, then));
      };
      const damage = (): void => {
        const act = (machine: Machine): string | null => {
          const file = filesOf(machine.disk, 'snapshot').find(({ name }) => name === receivedFile(machine));
          if (file === undefined) return null;
          flipBit(file, at, bit);
          return file.name;
        };
        if (strikeDisk(world, victim, { kind: 'left-behind', random, items: true, act })) world.count('left-behind');
      };
      separate(world, [member], others);
      world.note(member, 'left-behind');
      whenTrue(
        () => isLeftBehind(world, member),
        () => {
          join(world, [member], others);
          looks = 0;
          whenTrue(
            () => receivedAt() > before,
            (received) => received && world.later(afterMs, damage),
          );
        },
      );
      // Counted when the snapshot is hit.
      return false;
    },
  }),

  /**
   * The disk said that a write was there; what it has there is nothing (D6). Later writes of the log are there, or another file knows of them: a flush
   * of the promise alone tells nothing of the log, and a disk that lies of its last write is beyond what can be noticed.
   */
  'lost-write': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random, false);
      return (
        victim && {
          ...victim,
          sectors: 1 + random.below(6),
          rest: random.chance(0.3),
          afterMs: world.leases(random, 0.01, 4),
        }
      );
    },
    strike: (world, { sectors, rest, afterMs, ...victim }, random) => {
      const before = reachOf(world.machine(victim.member));
      if (before === null) return false;
      let looks = 0;
      let grown: Reach | null = null;
      const look = (): void => {
        const machine = world.machine(victim.member);
        const now = reachOf(machine);
        if (now?.process !== before.process || now.file !== before.file) return;
        if (now.used > before.used) grown ??= now;
        const shows = grown !== null && isLater(now.flush, grown) && (!rest || isLater(acknowledged(machine), before));
        if (!shows) return ++looks > patience ? undefined : world.later(afterMs, look);
        const act = (machine: Machine): string | null => {
          const file = filesOf(machine.disk, 'log').find(({ name }) => name === before.file);
          if (file === undefined || (rest && !isLater(acknowledged(machine), before))) return null;
          const end = Math.ceil(before.used / sectorBytes);
          if (rest) zeroSectors(file, end, Math.ceil(file.used / sectorBytes));
          else zeroSectors(file, end - sectors, end);
          return `${file.name} ${rest ? 'from' : 'before'} ${before.used}`;
        };
        if (strikeDisk(world, victim, { kind: 'lost-write', random, items: true, act })) world.count('lost-write');
      };
      world.later(afterMs, look);
      // Counted when it comes about.
      return false;
    },
  }),
};

/** In bytes: what closes a group is its last sector, and its records lie before that. */
const drawFromEnd = (random: Random): number => Math.round(random.betweenLogarithmic(200, 2_000));

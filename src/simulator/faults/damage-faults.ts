/**
 * Bytes on a disk that are not what was written there: at rest, by accident, one item at a time.
 *
 * Source: pitfalls §2, D3 to D5, D11, D12, D14, D17. Only copies of which a good majority is left (the atlas).
 * Log records and snapshots are repaired from the others; of anything else a replica comes back with everything, or ends with a
 * named error.
 */
import type { Random } from '../../core/random.ts';
import { decodeManifest } from '../../formats/manifest.ts';
import type { Machine } from '../machine.ts';
import type { FaultKind } from './catalogue.ts';
import {
  bytesOf,
  copySectors,
  type DamagedFile,
  type FileRole,
  fileAt,
  filesOf,
  flipBit,
  lastShare,
  removeFile,
  resize,
  type WrongSize,
} from './damage.ts';
import type { Crash, FaultWorld } from './world.ts';
import { fault } from './world.ts';

export type Victim = {
  readonly member: string;
  readonly how: Crash;
  readonly downMs: number;
  /** The process runs on for so long before it meets its disk again; 0: it is down when the damage comes about. */
  readonly aliveMs: number;
};

/** A new disk, on which a data directory is only about to be made, has nothing that could be damaged. */
const holdsData = (machine: Machine | undefined): boolean => machine?.halted === null && !machine.vacant;

export function drawVictim(world: FaultWorld, random: Random, alive = random.chance(0.5)): Victim | null {
  const candidates = world.names.filter((name) => world.atlas.allows(name) && holdsData(world.machine(name)));
  if (candidates.length === 0) return null;
  return {
    member: random.pick(candidates),
    how: world.drawCrash(random),
    downMs: world.leases(random, 0.05, 3),
    aliveMs: alive ? world.leases(random, 0.5, 30) : 0,
  };
}

/** Damages the disk and sees to it that a process reads it. `false`: there was nothing to damage. */
export function strikeDisk(
  world: FaultWorld,
  { member, how, downMs, aliveMs }: Victim,
  {
    kind,
    random,
    act,
    items = false,
  }: {
    readonly kind: FaultKind;
    readonly random: Random;
    readonly act: (machine: Machine) => string | null;
    /** It hits nothing but log records and snapshots. */
    readonly items?: boolean;
  },
): boolean {
  const machine = world.machine(member);
  if (machine === undefined || !holdsData(machine) || !world.atlas.allows(member)) return false;
  // Between the check of a file and its use in one start nothing rots that was good a moment before.
  if (aliveMs > 0 && machine.up && machine.log === null) return false;
  const restart = (): void => {
    world.kill(machine, how, random);
    world.bootLater(machine, downMs);
  };
  if (aliveMs === 0) restart();
  const what = act(machine);
  if (what === null) return false;
  world.atlas.damaged(member, kind, items);
  world.note(member, kind, what);
  if (aliveMs > 0) world.later(aliveMs, restart);
  return true;
}

const roles = [
  'log',
  'log',
  'log',
  'snapshot',
  'snapshot',
  'manifest',
  'promise-a',
  'promise-b',
] as const satisfies readonly FileRole[];

type Place = { readonly role: FileRole; readonly file: number; readonly at: number };
/**
 * What was written last is where damage and a crash look most alike (P17), and where what nobody has a snapshot of lies: a half of it
 * falls there, from the last bytes on.
 */
const drawPlace = (random: Random): Place => {
  const role = random.pick(roles);
  return random.chance(0.5)
    ? {
        role,
        file: random.chance(0.7) ? lastShare : random.next(),
        at: Math.min(lastShare, 1 - random.betweenLogarithmic(nearestShare, 1)),
      }
    : { role, file: random.next(), at: random.next() };
};
/** Some bytes of what a segment holds. */
const nearestShare = 1e-4;
const isItem = ({ role }: Place): boolean => role === 'log' || role === 'snapshot';
const fileOf = (machine: Machine, { role, file }: Place): DamagedFile | undefined => fileAt(machine.disk, role, file);

export const damageFaults = {
  'bit-rot': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random);
      return victim && { ...victim, place: drawPlace(random), bit: random.below(8) };
    },
    strike: (world, { place, bit, ...victim }, random) =>
      strikeDisk(world, victim, {
        kind: 'bit-rot',
        random,
        items: isItem(place),
        act: (machine) => {
          const file = fileOf(machine, place);
          if (file === undefined) return null;
          flipBit(file, place.at, bit);
          return `${file.name} ${Math.floor(place.at * file.used)}`;
        },
      }),
  }),

  'read-error': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random);
      return victim && { ...victim, place: drawPlace(random) };
    },
    strike: (world, { place, ...victim }, random) =>
      strikeDisk(world, victim, {
        kind: 'read-error',
        random,
        items: isItem(place),
        act: (machine) => {
          const file = fileOf(machine, place);
          if (file === undefined) return null;
          machine.ailments.loseSectors(file.name);
          return file.name;
        },
      }),
  }),

  'misdirected-write': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random);
      const sectors = 1 + random.below(8);
      const [from, to] = [drawPlace(random), drawPlace(random)];
      // Whole groups of one segment differ in nothing but where they belong.
      const isNear = from.role === 'log' && random.chance(0.7);
      return victim && { ...victim, from, to: isNear ? { ...from, at: to.at } : to, sectors };
    },
    strike: (world, { from, to, sectors, ...victim }, random) =>
      strikeDisk(world, victim, {
        kind: 'misdirected-write',
        random,
        items: isItem(to),
        act: (machine) => {
          const source = fileOf(machine, from);
          const target = fileOf(machine, to);
          if (source === undefined || target === undefined) return null;
          const places = { fromShare: from.at, toShare: to.at, sectors };
          return copySectors(source, target, places) ? `${source.name} over ${target.name}` : null;
        },
      }),
  }),

  'wrong-size': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random);
      const place = drawPlace(random);
      const drawn: WrongSize = random.pick(['empty', 'short', 'long', 'zero-tail', 'headless'] as const);
      // Zeros from some place in the log on look like groups that were never written: a lost write (D6).
      const size = place.role === 'log' && drawn === 'zero-tail' ? 'headless' : drawn;
      // Of the last file nothing else says how long it was.
      const isLast = size === 'headless' && place.role === 'log' && random.fork('last').chance(0.7);
      return victim && { ...victim, place: isLast ? { ...place, file: lastShare } : place, size };
    },
    strike: (world, { place, size, ...victim }, random) =>
      strikeDisk(world, victim, {
        kind: 'wrong-size',
        random,
        items: isItem(place),
        act: (machine) => {
          const file = fileOf(machine, place);
          if (file === undefined) return null;
          resize(file, size, place.at);
          return `${file.name} ${size}`;
        },
      }),
  }),

  /** Also what an operator does who tidies up (O13). */
  'missing-file': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random);
      const place = drawPlace(random);
      return victim && { ...victim, place: random.chance(0.1) ? { ...place, role: 'identity' as const } : place };
    },
    strike: (world, { place, ...victim }, random) =>
      strikeDisk(world, victim, {
        kind: 'missing-file',
        random,
        items: place.role === 'log' || place.role === 'snapshot',
        act: (machine) => {
          const file = fileOf(machine, place);
          if (file === undefined) return null;
          removeFile(machine.disk, file);
          return file.name;
        },
      }),
  }),

  'promise-copy-bad': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random, false);
      const role = random.pick(['promise-a', 'promise-b'] as const);
      return victim && { ...victim, place: { role, file: 0, at: random.next() }, bit: random.below(8) };
    },
    strike: (world, { place, bit, ...victim }, random) =>
      strikeDisk(world, victim, {
        kind: 'promise-copy-bad',
        random,
        act: (machine) => {
          const file = fileOf(machine, place);
          if (file === undefined || world.atlas.isDamaged(machine.name)) return null;
          flipBit(file, place.at, bit);
          return file.name;
        },
      }),
  }),

  /** P19: nobody may take that for "promised nothing". */
  'promise-copies-bad': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random, false);
      return victim && { ...victim, at: random.next(), bit: random.below(8) };
    },
    strike: (world, { at, bit, ...victim }, random) =>
      strikeDisk(world, victim, {
        kind: 'promise-copies-bad',
        random,
        act: (machine) => {
          // One that was about to take the place of a lost copy is as good as the copy.
          const roles = ['promise-a', 'promise-b', 'promise-to-be'] as const;
          const copies = roles.flatMap((role) => filesOf(machine.disk, role));
          for (const copy of copies) flipBit(copy, at, bit);
          return copies.length === 0 ? null : 'both';
        },
      }),
  }),

  /** The one before it and the log since then are there, whatever was cut (I19), so nothing may be missing. */
  'newest-snapshot-bad': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random, false);
      return victim && { ...victim, at: random.next(), bit: random.below(8) };
    },
    strike: (world, { at, bit, ...victim }, random) =>
      strikeDisk(world, victim, {
        kind: 'newest-snapshot-bad',
        random,
        items: true,
        act: (machine) => {
          if (world.atlas.isDamaged(machine.name)) return null;
          const newest = replaceableSnapshot(machine);
          const file = filesOf(machine.disk, 'snapshot').find(({ name }) => name === newest);
          if (file === undefined) return null;
          flipBit(file, at, bit);
          return file.name;
        },
      }),
  }),

  /** The middle of one snapshot in another: every chunk is good, and they do not belong together. */
  'snapshots-mixed': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random);
      return victim && { ...victim, at: random.next(), whole: random.chance(0.3) };
    },
    strike: (world, { at, whole, ...victim }, random) =>
      strikeDisk(world, victim, {
        kind: 'snapshots-mixed',
        random,
        items: true,
        act: (machine) => {
          const [older, newer] = filesOf(machine.disk, 'snapshot').slice(-2);
          if (older === undefined || newer === undefined) return null;
          const bytes = bytesOf(older.inode);
          const from = whole ? 0 : Math.floor(at * bytes.length);
          newer.inode.overwrite(from, bytes.subarray(from));
          return `${older.name} in ${newer.name}`;
        },
      }),
  }),
};

/** The newest snapshot, when an older one may stand in for it: never below one that came from another member. */
function replaceableSnapshot({ disk }: Machine): string | null {
  const [file] = filesOf(disk, 'manifest');
  if (file === undefined) return null;
  const { snapshots, received } = decodeManifest(bytesOf(file.inode));
  const [newest, older] = snapshots.filter(({ verified }) => verified);
  if (newest === undefined || older === undefined) return null;
  return received !== null && older.instance < received.instance ? null : newest.file;
}

/**
 * Damage to what stands in for damage: what a start or a deep check has written about something bad, or in the place of it, goes bad in turn,
 * before anybody else could give back what was lost.
 *
 * Source: pitfalls §2, D3, D5, D12; P16; PAR §3. Only copies of which a good majority is left (the atlas).
 */
import type { Random } from '../../core/random.ts';
import type { CheckedFiles } from '../../runtime/file-repair.ts';
import { sectorBytes } from '../disk-image.ts';
import type { Machine } from '../machine.ts';
import { fileAt, filesOf, flipBit, lastShare, overwriteSectors, resize } from './damage.ts';
import { drawVictim, strikeDisk, type Victim } from './damage-faults.ts';
import { join, separate } from './evidence-faults.ts';
import { type FaultWorld, fault } from './world.ts';

/** Where, in shares of what is there, and how much. */
type Blow = {
  readonly at: number;
  readonly sectors: number;
  readonly bit: number;
  readonly cut: boolean;
};

const kind = 'damaged-again';
/** How often it is looked whether the replica runs again. */
const patience = 200;
/** Of a segment's header, and of the first bytes of its first group, which say nothing of any record. */
const firstRecordAt = sectorBytes + 72;

const logFiles = (machine: Machine): readonly string[] => filesOf(machine.disk, 'log').map(({ name }) => name);

/**
 * Some groups before the last ones are gone, and not even their instances are known. What the next start writes about that is damaged before
 * anybody could be asked.
 */
function loseStatement(world: FaultWorld, victim: Victim, { at, sectors, bit }: Blow, random: Random): boolean {
  const { member, downMs } = victim;
  const others = world.names.filter((name) => name !== member);
  const groups = (machine: Machine): string | null => {
    const file = fileAt(machine.disk, 'log', lastShare);
    if (file === undefined) return null;
    const end = Math.ceil(file.used / sectorBytes) - 2 - Math.floor(6 * at);
    return overwriteSectors(file, end - sectors, end) ? `${file.name} up to sector ${end}` : null;
  };
  const statement = (machine: Machine): string | null => {
    const file = fileAt(machine.disk, 'log', lastShare);
    if (file === undefined) return null;
    const place = Math.min(firstRecordAt + Math.floor(100 * at), file.used - 1);
    flipBit(file, place / file.used, bit);
    return `${file.name} ${place}`;
  };
  if (!strikeDisk(world, victim, { kind, random, items: true, act: groups })) return false;
  // Whoever is asked gives back what is gone.
  separate(world, [member], others);
  const machine = world.machine(member);
  let looks = 0;
  const look = (): void => {
    if (machine === undefined || machine.halted !== null || ++looks > patience) return join(world, [member], others);
    if (machine.log === null) return world.later(downMs / 4, look);
    const second = { ...victim, downMs: downMs / 4 };
    if (strikeDisk(world, second, { kind, random: random.fork('again'), items: true, act: statement }))
      world.count(kind);
    world.later(downMs, () => join(world, [member], others));
  };
  world.later(downMs, look);
  // Counted when the second has struck.
  return false;
}

/** A deep check of a running replica has put a new file in the place of damaged ones; a part of that is lost. */
function loseStandIn(world: FaultWorld, victim: Victim, { at, sectors, bit, cut }: Blow, random: Random): boolean {
  const machine = world.machine(victim.member);
  if (machine?.log == null || machine.halted !== null || !world.atlas.allows(victim.member)) return false;
  const file = fileAt(machine.disk, 'log', 0);
  if (file === undefined) return false;
  flipBit(file, random.next(), bit);
  world.atlas.damaged(victim.member, kind, true);
  world.note(victim.member, kind, file.name);
  const before = new Set(logFiles(machine));
  const onChecked = ({ repaired }: CheckedFiles): void => {
    if (repaired.length === 0) return;
    const act = (struck: Machine): string | null => {
      const standIn = filesOf(struck.disk, 'log').find(({ name, used }) => !before.has(name) && used > sectorBytes);
      if (standIn === undefined) return null;
      const first = Math.floor((at * standIn.used) / sectorBytes);
      if (cut) resize(standIn, 'short', at);
      else overwriteSectors(standIn, first, first + 4 * sectors);
      return standIn.name;
    };
    if (strikeDisk(world, victim, { kind, random, items: true, act })) world.count(kind);
  };
  // Whoever is killed after the end of all faults is started by nobody.
  machine.checkFiles(world.unlessEnded(onChecked));
  return false;
}

export const recurringFaults = {
  'damaged-again': fault({
    draw: (world, random) => {
      const victim = drawVictim(world, random, false);
      const blow = { at: random.next(), sectors: 2 + random.below(14), bit: random.below(8), cut: random.chance(0.5) };
      return victim && { ...victim, blow, running: random.chance(0.5) };
    },
    strike: (world, { blow, running, ...victim }, random) =>
      (running ? loseStandIn : loseStatement)(world, victim, blow, random),
  }),
};

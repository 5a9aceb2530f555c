/**
 * The lives that are crashed: of the one replica of a small cell, and of each of three. Between them they cross everything that
 * storage does: formation, promises of several masters, groups of many sizes, segments that fill up, snapshots taken and
 * received, cut logs, flags, clean stops, kills and restarts.
 */
import { ScriptedCell, type ScriptedMember } from './cell.ts';

export interface ScriptOptions {
  readonly seed: number;
  /** Requests to persist that the replica of the small cell makes, at least; each of the three makes some. */
  readonly persists: number;
}

/** Bytes of values: within a sector, across some, apart from their header, and zeros that look like nothing written. */
const sizes = [10, 10, 40, 120, 300, 600, 1_300, 2_600, 5_200] as const;

function burst(cell: ScriptedCell, member: ScriptedMember): void {
  const { random } = cell;
  const count = random.chance(0.5) ? 1 : 1 + random.below(6);
  for (let i = 0; i < count; i++) {
    const fill = random.chance(0.15) ? 0 : 0x61 + random.below(26);
    member.put(`key ${random.below(20)}`, Buffer.alloc(random.pick(sizes), fill));
  }
}

async function work(cell: ScriptedCell, bursts: number): Promise<void> {
  for (let i = 0; i < bursts; i++) {
    await cell.until('a master', () => cell.master !== null);
    const master = cell.master as ScriptedMember;
    burst(cell, master);
    // Now and then the next ones come while these are being written.
    if (cell.random.chance(0.3)) await cell.pass(cell.random.between(0, 0.6));
    else await cell.until('answers', () => master.open === 0 || !master.serving);
  }
}

/** A cell of one. */
export async function soloLife({ seed, persists }: ScriptOptions): Promise<ScriptedCell> {
  const cell = new ScriptedCell({ seed, replicas: 1 });
  const [member] = cell.members as [ScriptedMember];
  await member.form();
  member.start();
  for (let round = 0; member.journal.persists < persists; round++) {
    await work(cell, 12);
    if (round === 2) await settled(cell, member.storage?.setFlags({ quarantined: true }));
    if (round === 3) await settled(cell, member.storage?.setFlags({ quarantined: false }));
    if (round % 4 === 1) {
      await member.stop();
      member.start();
    }
    // In the middle of whatever it was doing.
    if (round % 4 === 3) {
      burst(cell, member);
      await cell.pass(cell.random.between(0.05, 2));
      member.kill();
      member.start();
    }
  }
  await member.stop();
  return cell;
}

/** A cell of three. One is away for so long that it needs a snapshot; masters change in all ways. */
export async function trioLife({ seed, persists }: ScriptOptions): Promise<ScriptedCell> {
  const cell = new ScriptedCell({ seed, replicas: 3 });
  for (const member of cell.members) await member.form();
  for (const member of cell.members) member.start();
  const total = (): number => cell.members.reduce((sum, { journal }) => sum + journal.persists, 0);
  for (let round = 0; total() < persists || round < 4; round++) {
    await work(cell, 8);
    const master = cell.master ?? cell.members[0];
    if (master === undefined) continue;
    const other = cell.random.pick(cell.members.filter((member) => member !== master));
    switch (round % 4) {
      case 0: {
        await other.stop();
        const newest = (): number => master.storage?.snapshots()[1]?.instance ?? 0;
        const away = other.appliedUpTo;
        while (newest() <= away + 10) await work(cell, 4);
        other.start();
        await cell.until('catching up', () => other.appliedUpTo >= newest());
        break;
      }
      case 1:
        master.kill();
        await work(cell, 4);
        master.start();
        break;
      case 2:
        master.handOver();
        await cell.pass(50);
        break;
      default:
        for (const member of cell.members) member.kill();
        for (const member of cell.members) member.start();
    }
  }
  await cell.pass(200);
  for (const member of cell.members) await member.stop();
  return cell;
}

async function settled(cell: ScriptedCell, work: Promise<void> | undefined): Promise<void> {
  let done = false;
  void work?.then(() => {
    done = true;
  });
  await cell.until('a flag', () => done);
}

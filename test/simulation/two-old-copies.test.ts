/**
 * Two of three members are put back to old copies of their disks while the third, which has the acknowledged writes, is down; then
 * the third returns. Two old copies never outvote it (design §1, §5; pitfalls O1, O6): the cell is frozen, what each branch
 * wrote stays where it is, and the evidence names the old copies. `PAXOSCTL_TEST_FULL=1` plays 1,000 seeds.
 */
import { describe, expect, it } from 'vitest';
import { type Manifest, manifestOwner } from '../../src/formats/manifest.ts';
import type { DiskImage } from '../../src/simulator/disk-image.ts';
import { bytesOf } from '../../src/simulator/faults/damage.ts';
import type { Machine } from '../../src/simulator/machine.ts';
import { DataDirectory } from '../../src/storage/data-directory.ts';
import { readManifest } from '../../src/storage/manifest.ts';
import { plainly, recoverLog } from '../../src/storage/wal/recovery.ts';
import { QuietCell } from './quiet-cell.ts';

const seeds = process.env.PAXOSCTL_TEST_FULL === '1' ? 1_000 : 20;

/** Every file of the log, the snapshots and the promises, byte for byte. */
function bytesOn({ disk }: Machine): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const [name, node] of disk.image.names) {
    if (node !== 'folder' && /^(wal|snapshot)-/.test(name)) files.set(name, bytesOf(node).toString('latin1'));
  }
  return files;
}

interface Branches {
  readonly old: readonly Machine[];
  readonly third: Machine;
  /** Of the last acknowledged write, and what it wrote. */
  readonly mark: string;
  readonly value: string;
  /** Highest instance of what was acknowledged. */
  readonly applied: number;
}

async function branched(cell: QuietCell): Promise<Branches> {
  const { random, machines } = cell;
  await cell.start();
  for (let i = 0; i < 1 + random.below(6); i++) await cell.write();
  await cell.run(random.between(0, 2_000));
  const images = new Map(machines.map((machine) => [machine, machine.disk.copy().image]));
  for (let i = 0; i < random.below(6); i++) {
    if (random.chance(0.2)) {
      const machine = random.pick(machines);
      machine.kill({ writes: 'process' }, random);
      machine.boot();
    }
    await cell.write();
  }
  // The master is who hears of all disks in this network, which has no signs of life between the others; what it heard of one
  // write is durable with the next.
  const master = (): Machine | undefined => machines.find(({ log }) => log?.core.state === 'serving');
  await cell.until(() => machines.every(({ log }) => log?.core.participation === 'voting') && master() !== undefined);
  const third = master() as Machine;
  let mark = '';
  for (let i = 0; i < 2 + random.below(4); i++) {
    mark = await cell.write([third]);
    await cell.run(random.between(300, 900));
  }
  const value = String(cell.written);
  const applied = third.log?.core.appliedUpTo ?? 0;
  const old = machines.filter((machine) => machine !== third);
  third.kill({ writes: 'process' }, random);
  for (const machine of old) machine.restore(images.get(machine) as DiskImage, random);
  // Nobody is left who knows better: they may go on, in another history.
  if (random.chance(0.7)) for (let i = 0; i < 1 + random.below(8); i++) await cell.write(old);
  return { old, third, mark, value, applied };
}

describe('two old copies of three', () => {
  it.each(Array.from({ length: seeds }, (_, i) => i + 1))(
    'never outvote the one that has the acknowledged writes (seed %i)',
    async (seed) => {
      const cell = new QuietCell(seed);
      const { old, third, mark, value, applied } = await branched(cell);
      const { random, machines } = cell;
      const kept = bytesOn(third);
      third.boot();
      // The first of the old ones that meets it may be stopped before anybody knows that there are two.
      const out = ({ halted, log }: Machine): boolean =>
        halted?.code === 'PAXOS_DATA_ROLLED_BACK' || log?.frozen != null;
      const over = (): boolean => third.log?.frozen != null && machines.every(out);
      // A client that remembers may be the first who sees it.
      const marked = random.chance(0.5);
      for (let asked = 0; marked && asked < 400 && !over(); asked++) {
        const stale = random.chance(0.5);
        const reply = await cell.ask(random.pick(machines), { kind: 'read', key: 'k', stale, mark });
        // Only the third can give what this client has seen, until it meets the others.
        if (reply.kind === 'read') expect(reply.value).toBe(value);
        await cell.run(random.between(1, 100));
      }
      await cell.until(over);
      const evidence = third.log?.frozen;
      if (!marked) expect(['majority-rolled-back', 'log-fork']).toContain(evidence?.cause);
      if (evidence?.cause === 'majority-rolled-back')
        for (const { id } of old) expect(Object.keys(evidence?.facts ?? {})).toContain(id);
      for (const machine of machines) {
        if (!machine.up) continue;
        const reply = await cell.ask(machine, { kind: 'read', key: 'k', stale: true, mark: null });
        expect(reply.kind).not.toBe('read');
      }
      const after = bytesOn(third);
      // A start states the unsure end of its log again; what it does not need any more for that may be gone.
      for (const [name, bytes] of after) if (kept.has(name)) expect(bytes === kept.get(name), name).toBe(true);
      const disk = third.disk.copy({ schedule: (_, callback) => setImmediate(callback), fault: () => null });
      const manifest = (await readManifest(disk)) as Manifest;
      await DataDirectory.open(disk, manifest);
      const log = await recoverLog(disk, manifestOwner(manifest), manifest.segments, plainly(0));
      const standsFor = Math.max(0, ...manifest.snapshots.map(({ instance }) => instance));
      for (let instance = standsFor + 1; instance <= applied; instance++) expect(log.entries.has(instance)).toBe(true);
    },
    30_000,
  );
});

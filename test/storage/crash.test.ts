/**
 * A short life of one storage, killed at every single operation of its disk, kills without a loss of power among them; and
 * killed again while it recovers. Nothing acknowledged may be missing, no file unexplained. `test/crash-states` tries every
 * state that a loss of power can leave, of longer lives.
 */
import { describe, expect, it } from 'vitest';
import type { CrashOptions, DiskFault, DiskOperation, SimulatedDisk } from '../../src/simulator/disk.ts';
import {
  entry,
  formedDisk,
  handle,
  open,
  persisted,
  simulatedDisk,
  takeOptions,
  view,
  withoutTurns,
  write,
} from './support.ts';

/** Segments of few groups, so that the script crosses many. */
const small = { segmentBytes: 8 * 1024 };

interface Told {
  instance: number;
  promise: number;
  chosen: number;
  boot: number;
  snapshot: number;
}

/** What one replica was told to be durable, as it happened. */
async function life(disk: SimulatedDisk, told: Told): Promise<void> {
  let storage = await open(disk, small);
  told.boot = storage.recovered.boot.number;
  let id = 0;
  const persist = async (count: number, from: number, promised = 0): Promise<void> => {
    for (let n = from; n < from + count; n++) {
      const last = n === from + count - 1;
      id++;
      storage.persist(write(id, [entry(n, { bytes: n * 60 })], { promised: last ? promised : 0, chosenUpTo: n - 1 }));
    }
    await persisted(storage, id);
    told.instance = from + count - 1;
    told.chosen = from + count - 2;
    told.promise = Math.max(told.promise, promised);
  };
  const snapshot = async (n: number): Promise<void> => {
    await storage.takeSnapshot(handle(n), view(70 + n), takeOptions);
    told.snapshot = n;
    await storage.cut();
  };
  await persist(1, 1, 2);
  await persist(5, 2);
  await snapshot(4);
  await persist(6, 7, 5);
  await snapshot(10);
  await storage.close();
  storage = await open(disk, small);
  told.boot = storage.recovered.boot.number;
  id = 0;
  await persist(4, 13, 6);
  await snapshot(15);
  await persist(2, 17);
  await storage.close();
}

async function check(disk: SimulatedDisk, told: Told): Promise<void> {
  const storage = await open(disk, small); // throws for an unknown file or any damage
  const { recovered } = storage;
  const from = recovered.snapshot?.handle.instance ?? 0;
  const found = recovered.entries.map(({ instance }) => instance as number);
  const missing = Array.from({ length: told.instance }, (_, i) => i + 1).filter((n) => n > from && !found.includes(n));
  expect(missing).toEqual([]);
  expect(from).toBeGreaterThanOrEqual(told.snapshot);
  expect(recovered.promise.ballot.round).toBeGreaterThanOrEqual(told.promise);
  expect(recovered.chosenUpTo).toBeGreaterThanOrEqual(told.chosen);
  expect(recovered.boot.number).toBeGreaterThan(told.boot);
  expect(recovered.copied).toBe(false);
  expect(await storage.unknownFiles()).toEqual([]);
  await storage.close();
}

/** Runs `work` on a disk that is gone after its operation number `step`. False when the work ended before. */
async function killedAt(
  step: number,
  make: (fault: (operation: DiskOperation) => DiskFault | null) => Promise<SimulatedDisk>,
  work: (disk: SimulatedDisk) => Promise<unknown>,
): Promise<{ disk: SimulatedDisk; last: DiskOperation } | null> {
  let seen = 0;
  let armed = false;
  let onHalt: (operation: DiskOperation) => void = () => undefined;
  const halted = new Promise<DiskOperation>((resolve) => {
    onHalt = resolve;
  });
  const disk = await make((operation) => {
    if (!armed || ++seen !== step) return null;
    onHalt(operation);
    return 'halt';
  });
  armed = true;
  const last = await Promise.race([halted, work(disk).then(() => null)]);
  return last === null ? null : { disk, last };
}

const ways = ({ kind, bytes }: DiskOperation): CrashOptions[] => [
  { writes: 'process' },
  { writes: 'lost', names: 'random' },
  { writes: 'kept', names: 'lost' },
  { writes: 'random', names: 'random' },
  // Any sectors of what the log was writing.
  ...Array.from({ length: kind === 'write-and-flush' ? Math.min(4, Math.ceil(bytes / 512)) : 0 }, () => ({
    writes: 'torn' as const,
    names: 'lost' as const,
  })),
];

const whole = { fault: () => null };

describe('a replica killed at any operation of its disk', () => {
  it('comes back with everything acknowledged and no unknown file', { timeout: 60_000 }, async () => {
    let kinds = 0;
    for (let step = 1; ; step++) {
      const told: Told = { instance: 0, promise: 0, chosen: 0, boot: 0, snapshot: 0 };
      const killed = await killedAt(
        step,
        (fault) => formedDisk(simulatedDisk({ seed: step, fault, schedule: withoutTurns })),
        (disk) => life(disk, told),
      );
      if (killed === null) {
        expect(step).toBeGreaterThan(200);
        break;
      }
      for (const how of ways(killed.last)) {
        kinds++;
        await check(killed.disk.copy(whole).crash(how), told);
      }
    }
    expect(kinds).toBeGreaterThan(1_000);
  });

  it('and killed again at any operation of its recovery, comes back all the same', { timeout: 60_000 }, async () => {
    for (let first = 3; first < 250; first += 82) {
      const told: Told = { instance: 0, promise: 0, chosen: 0, boot: 0, snapshot: 0 };
      const killed = await killedAt(
        first,
        (fault) => formedDisk(simulatedDisk({ seed: first, fault, schedule: withoutTurns })),
        (disk) => life(disk, told),
      );
      if (killed === null) break;
      for (let second = 1; ; second++) {
        const again = await killedAt(
          second,
          async (fault) => killed.disk.copy().crash({ writes: 'random', names: 'random' }, { fault }),
          (disk) => open(disk, small).then((storage) => storage.close()),
        );
        if (again === null) break;
        for (const how of ways(again.last).slice(0, 4)) await check(again.disk.copy(whole).crash(how), told);
      }
    }
  });

  it('may be killed while it recovers as often as it likes', async () => {
    let disk = await formedDisk();
    const told: Told = { instance: 0, promise: 0, chosen: 0, boot: 0, snapshot: 0 };
    await life(disk, told);
    for (let round = 1; round < 150; round++) {
      const before = disk;
      const killed = await killedAt(
        1 + ((round * 7) % 60),
        async (fault) => before.crash({ writes: 'random', names: 'random' }, { fault }),
        (it) => open(it, small),
      );
      disk = killed?.disk ?? before.crash({ writes: 'kept', names: 'kept' }, whole);
    }
    await check(disk.crash({ writes: 'lost', names: 'lost' }, whole), told);
    const storage = await open(disk.crash({ writes: 'lost', names: 'lost' }, whole), small);
    expect(storage.stats().segments).toBeLessThan(8);
  });
});

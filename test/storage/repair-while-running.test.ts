/**
 * What is at stake: files that rot under a running replica are found by its next start at the earliest, when nothing but the disk is left.
 * A deep check finds them while memory still has everything (contract §1 `verify checksums --deep`), and must neither lose a
 * record by repairing nor call repaired what is not.
 */
import { describe, expect, it } from 'vitest';
import type { AcceptedEntry } from '../../src/core/consensus/message.ts';
import { Random } from '../../src/core/random.ts';
import { checkAndRepair, type RepairingLog } from '../../src/runtime/file-repair.ts';
import type { DiskFault, DiskOperation, SimulatedDisk } from '../../src/simulator/disk.ts';
import { ReplicaStorage } from '../../src/storage/replica-storage.ts';
import {
  entries,
  entry,
  formation,
  formedDisk,
  found,
  handle,
  kill,
  open,
  persisted,
  powerLoss,
  range,
  simulatedDisk,
  takeOptions,
  textOf,
  view,
  write,
  writeEach,
} from './support.ts';

const later = (_delayMs: number, callback: () => void): void => void setImmediate(callback);

const quiet = { error() {}, warn() {}, info() {}, debug() {} } as never;

/** The memory of a replica that has accepted `known` and forgotten what is below `from`. */
function logOf(storage: ReplicaStorage, known: () => readonly AcceptedEntry[], from = 1): RepairingLog {
  return {
    mayRepair: true,
    get memory() {
      return { from, entries: known().filter(({ instance }) => instance >= from) };
    },
    takeSnapshot: async () => {
      const last = known().at(-1)?.instance ?? 0;
      await storage.takeSnapshot(handle(last), view(10), takeOptions);
      await storage.cut();
    },
  };
}

/** Checked and repaired from such a memory. */
const checkedBy = (
  storage: ReplicaStorage,
  known: () => readonly AcceptedEntry[],
  from = 1,
): ReturnType<typeof checkAndRepair> => checkAndRepair(storage, logOf(storage, known, from), quiet);

const segmentsOf = (storage: ReplicaStorage): string[] =>
  storage.manifest.segments.map((n) => `wal-${String(n).padStart(8, '0')}`);

const texts = (from: number, to: number): string[] => range(from, to).map((n) => `value ${n}`);

async function written(count: number): Promise<{ disk: SimulatedDisk; storage: ReplicaStorage }> {
  const disk = await formedDisk();
  const storage = await open(disk);
  await writeEach(storage, entries(1, count));
  return { disk, storage };
}

describe('a deep check of a running replica', () => {
  it('names each damaged segment, and gives the log back what it has lost', async () => {
    const { disk, storage } = await written(60);
    const [first, second] = segmentsOf(storage) as [string, string];
    disk.inode(first).overwrite(1024 + 200, Buffer.alloc(900, 0x5a));
    disk.inode(second).overwrite(2048, Buffer.alloc(2_000, 0x5a));
    expect((await storage.checkFiles()).map(({ file }) => file)).toEqual([first, second]);

    const checked = await checkedBy(storage, () => entries(1, 60));

    expect(checked.files).toEqual([]);
    expect(checked.repaired.map(({ file }) => file)).toEqual([first, second]);
    expect(checked.repaired[0]?.problem).toMatch(/^damaged at offset \d+: .+/);
    const done = persisted(storage, 61);
    storage.persist(write(61, [entry(61)], { chosenUpTo: 60 }));
    await done;
    const again = await open(disk.crash(powerLoss));
    expect(again.recovered.damage).toEqual([]);
    expect(found(again, 61)).toEqual(texts(1, 61));
  });

  it('loses nothing that is written meanwhile, wherever the damage is, and accepts nothing above its promise', async () => {
    let repaired = 0;
    for (const seed of range(1, 30)) {
      const random = new Random(seed);
      const { disk, storage } = await written(40);
      for (const _ of range(1, 1 + random.below(3))) {
        const segments = segmentsOf(storage);
        const inode = disk.inode(segments[random.below(segments.length)] as string);
        inode.overwrite(random.below(14_000), Buffer.alloc(1 + random.below(3_000), random.below(256)));
      }
      const replica = new WritingReplica(storage, random);
      const crashes: SimulatedDisk[] = [];
      const log = logOf(storage, () => replica.known());
      let over = false;
      const writing = (async () => {
        while (!over || replica.writes < 60) {
          replica.write();
          if (random.below(3) === 0) crashes.push(disk.copy().crash(powerLoss));
          await replica.breath();
        }
        await replica.allSaved();
      })();
      const checked = await checkAndRepair(storage, log, quiet);
      over = true;
      await writing;
      expect(checked.files, `seed ${seed}`).toEqual([]);
      repaired += checked.repaired.length;

      const again = await open(disk.crash(powerLoss));
      expect(again.recovered.damage, `seed ${seed}`).toEqual([]);
      expect(again.recovered.entries.map(textOf), `seed ${seed}`).toEqual(replica.known().map(textOf));
      for (const crashed of crashes.slice(-5)) {
        const { promise, entries: there } = (await open(crashed)).recovered;
        for (const { ballot } of there) expect(ballot.round, `seed ${seed}`).toBeLessThanOrEqual(promise.ballot.round);
      }
    }
    expect(repaired).toBeGreaterThan(20);
  });

  it('holds no write back: each is durable while the repair waits for its turn', async () => {
    const { storage, disk } = await written(60);
    const [first, second] = segmentsOf(storage) as [string, string];
    disk.inode(first).overwrite(1024 + 200, Buffer.alloc(900, 0x5a));
    const known = entries(1, 60);
    let within = 0;
    const pause = async (): Promise<void> => {
      const it = entry(known.length + 1);
      known.push(it);
      const done = persisted(storage, it.instance);
      storage.persist(write(it.instance, [it], { chosenUpTo: it.instance - 1, promised: it.instance }));
      await done;
      if (segmentsOf(storage).includes(second)) within++;
    };
    const log = logOf(storage, () => [...known]);
    expect(await checkAndRepair(storage, log, quiet, pause)).toMatchObject({ files: [], repaired: [{ file: first }] });
    // Also while the old segments were still those of the log.
    expect(within).toBeGreaterThan(0);
    expect(found(await open(disk.crash(powerLoss)), known.length)).toEqual(texts(1, known.length));
  });

  it('leaves at every step of it, killed or without power, a log that has all it had', async () => {
    const seen = { damaged: 0, whole: 0 };
    for (const seed of range(1, 2)) {
      const random = new Random(seed);
      const copies: { disk: SimulatedDisk; saved: number }[] = [];
      let watched: WritingReplica | null = null;
      const disk = await formedDisk(
        simulatedDisk({
          fault: () => {
            if (watched !== null) copies.push({ disk: disk.copy({ fault: () => null }), saved: watched.saved });
            return null;
          },
        }),
      );
      const storage = await open(disk);
      await writeEach(storage, entries(1, 40));
      const segments = segmentsOf(storage);
      const inode = disk.inode(segments[random.below(segments.length)] as string);
      inode.overwrite(512 + random.below(10_000), Buffer.alloc(1 + random.below(3_000), 0x5a));
      const replica = new WritingReplica(storage, random);
      const bad = (await storage.checkFiles()).map(({ file }) => file);
      watched = replica;
      let over = false;
      const writing = (async () => {
        while (!over) {
          replica.write();
          await replica.breath();
        }
        await replica.allSaved();
      })();
      await storage.repairFiles(new Set(bad), () => ({ from: 1, entries: replica.known() }));
      over = true;
      await writing;
      watched = null;
      for (const [i, copy] of copies.entries()) {
        for (const mode of [powerLoss, kill]) {
          const crashed = copy.disk.crash(mode);
          const again = await open(crashed);
          const there = found(again, 40);
          for (const [at, text] of there.entries()) {
            expect(text, `seed ${seed}, step ${i}: ${at + 1}`).toMatch(/^(value \d+|\d+ of \d+|bad(@\d+)?)$/);
          }
          const { promise, entries: good, damage } = again.recovered;
          // The first forty were written without a promise, in round 1.
          for (const { ballot } of good) expect(ballot.round).toBeLessThanOrEqual(Math.max(1, promise.ballot.round));
          seen[damage.length === 0 ? 'whole' : 'damaged']++;
          // What was written behind the damage is there in any case.
          for (const it of replica.writtenUpTo(copy.saved)) {
            const same = good.find(({ instance }) => instance === it.instance);
            const isBad = again.recovered.bad.some((item) => item.instance <= it.instance && it.instance <= item.upTo);
            if (same === undefined) expect(isBad, `seed ${seed}, step ${i}: ${it.instance}`).toBe(true);
            else expect(same.ballot.round).toBeGreaterThanOrEqual(it.ballot.round);
          }
          // And the start that takes it over leaves as much to the next one.
          if (i % 8 === 0) expect(found(await open(crashed.crash(powerLoss)), 40)).toEqual(there);
        }
      }
    }
    expect(Math.min(seen.damaged, seen.whole)).toBeGreaterThan(20);
  });

  it('loses nothing unseen when what stands in for the damage is damaged itself', async () => {
    const disk = await formedDisk();
    const storage = await open(disk);
    const large = range(1, 60).map((n) => entry(n, { bytes: 20_000 }));
    await writeEach(storage, large);
    const first = segmentsOf(storage).find((name) =>
      disk
        .inode(name)
        .durable.get(512, 4)
        .some((byte) => byte !== 0),
    );
    disk.inode(first as string).overwrite(1024, Buffer.alloc(4_000, 0x5a));
    expect(await checkedBy(storage, () => large)).toMatchObject({ files: [] });
    const done = persisted(storage, 61);
    storage.persist(write(61, [entry(61)], { chosenUpTo: 60 }));
    await done;
    const standIn = segmentsOf(storage).find((name) => disk.inode(name).durable.size > 1_000_000) as string;
    const { size: length } = disk.inode(standIn).durable;
    const strike = async (act: (crashed: SimulatedDisk) => void, bad: boolean): Promise<void> => {
      const crashed = disk.crash(powerLoss);
      act(crashed);
      const there = found(await open(crashed), 61);
      for (const [at, text] of there.entries()) expect(text).toMatch(new RegExp(`^(value ${at + 1}a*|bad(@1)?)$`));
      if (bad) expect(there.some((text) => text.startsWith('bad'))).toBe(true);
    };
    await strike(() => undefined, false);
    for (let at = 0; at + 512 <= length; at += 512 * 41) {
      await strike((crashed) => crashed.inode(standIn).overwrite(at, Buffer.alloc(512)), false);
    }
    for (const from of [512, 300_000, 700_000]) {
      await strike((crashed) => crashed.inode(standIn).overwrite(from, Buffer.alloc(length - from)), true);
      await strike((crashed) => crashed.inode(standIn).overwrite(from, Buffer.alloc(280_000)), true);
      await strike((crashed) => crashed.inode(standIn).truncate(from), true);
    }
    await strike((crashed) => crashed.image.names.delete(standIn), true);
  });

  it('is found whole or with items to be repaired also where the header of what stands in for it rots, however late the log went on', async () => {
    let holds = false;
    let path = '';
    const held: (() => void)[] = [];
    const schedule = (_delayMs: number, callback: () => void): void => {
      if (holds && path === 'scratch/wal-00000002') held.push(callback);
      else setImmediate(callback);
    };
    const fault = (operation: { readonly path: string }): null => {
      ({ path } = operation);
      return null;
    };
    const disk = await formedDisk(simulatedDisk({ fault, schedule }));
    holds = true;
    // No further segment is ready: what is written meanwhile stands behind the damage in the same one.
    const storage = await open(disk);
    await writeEach(storage, entries(1, 8));
    const [segment] = segmentsOf(storage) as [string];
    disk.inode(segment).overwrite(offsetOf(disk, segment, 'value 5'), Buffer.from('rotten!'));
    const known = entries(1, 8);
    const checking = checkAndRepair(
      storage,
      logOf(storage, () => [...known]),
      quiet,
    );
    for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve));
    for (const it of entries(9, 11)) {
      known.push(it);
      const done = persisted(storage, it.instance);
      storage.persist(write(it.instance, [it], { chosenUpTo: it.instance - 1 }));
      await done;
    }
    holds = false;
    for (const callback of held.splice(0)) callback();
    expect(await checking).toMatchObject({ files: [], repaired: [{ file: segment }] });
    const [, standIn] = segmentsOf(storage) as [string, string];
    for (const act of [
      (crashed: SimulatedDisk) => crashed.inode(standIn).overwrite(0, Buffer.alloc(512)),
      (crashed: SimulatedDisk) => crashed.inode(standIn).overwrite(100, Buffer.from('rot')),
    ]) {
      const crashed = disk.copy({ fault: () => null, schedule: later }).crash(powerLoss);
      act(crashed);
      for (const [at, text] of found(await open(crashed), 11).entries()) {
        expect([`value ${at + 1}`, 'bad', 'bad@1']).toContain(text);
      }
    }
  });

  it('leaves nothing of itself on a disk that has become full', async () => {
    let full = false;
    const fault = ({ kind, path }: DiskOperation): DiskFault | null =>
      full && kind !== 'read' && path === 'scratch/MANIFEST' ? 'full' : null;
    const disk = await formedDisk(simulatedDisk({ fault }));
    const storage = await open(disk);
    await writeEach(storage, entries(1, 20));
    const [first] = segmentsOf(storage) as [string];
    disk.inode(first).overwrite(1024 + 200, Buffer.alloc(900, 0x5a));
    let pauses = 0;
    const pause = async (): Promise<void> => {
      // Where the log goes on has been named by now.
      full = ++pauses > 1;
    };
    await expect(
      storage.repairFiles(new Set([first]), () => ({ from: 1, entries: entries(1, 20) }), pause),
    ).rejects.toThrow();
    full = false;
    expect((await disk.list('scratch')).map(({ name }) => name)).toEqual([]);
    const done = persisted(storage, 21);
    storage.persist(write(21, [entry(21)], { chosenUpTo: 20 }));
    await done;
    expect(await checkedBy(storage, () => entries(1, 21))).toMatchObject({ files: [], repaired: [{ file: first }] });
  });

  it('does not write a record ahead of the promise that it waits for', async () => {
    const held: (() => void)[] = [];
    let holds = false;
    let under = 0;
    let path = '';
    const schedule = (_delayMs: number, callback: () => void): void => {
      if (holds && path.startsWith('promise-')) {
        held.push(callback);
        return;
      }
      under++;
      setImmediate(() => {
        under--;
        callback();
      });
    };
    const fault = (operation: { readonly path: string }): null => {
      ({ path } = operation);
      return null;
    };
    const disk = await formedDisk(simulatedDisk({ fault, schedule }));
    const storage = await open(disk);
    await writeEach(storage, entries(1, 8));
    const [segment] = segmentsOf(storage) as [string];
    disk.inode(segment).overwrite(offsetOf(disk, segment, 'value 8'), Buffer.from('rotten!'));
    const newer = entry(8, { round: 9, text: 'newer' });
    const done = persisted(storage, 9);
    const log = logOf(storage, () => {
      // The core has accepted it, and nothing of it is on the disk.
      holds = true;
      storage.persist(write(9, [newer], { promised: 9 }));
      return [...entries(1, 7), newer];
    });
    const checking = checkAndRepair(storage, log, quiet);
    // Everything that does not wait for the promise has been done.
    for (let quietTurns = 0; quietTurns < 20; quietTurns = held.length > 0 && under === 0 ? quietTurns + 1 : 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const before = await open(disk.copy({ fault: () => null, schedule: later }).crash(powerLoss));
    expect(before.recovered.promise.ballot.round).toBe(0);
    expect(found(before, 8).at(-1)).toBe('bad@1');

    holds = false;
    for (const callback of held) callback();
    expect(await checking).toMatchObject({ files: [], repaired: [{ file: segment }] });
    await done;
    const after = await open(disk.copy({ fault: () => null, schedule: later }).crash(powerLoss));
    expect(after.recovered.promise.ballot.round).toBe(9);
    expect(found(after, 8).at(-1)).toBe('newer');
  });

  it('leaves a log alone of which memory has forgotten a part that no snapshot holds', async () => {
    const { disk, storage } = await written(60);
    const [first] = segmentsOf(storage) as [string];
    disk.inode(first).overwrite(1024, Buffer.alloc(900, 0x5a));
    const before = disk.inode(first).durable.get(0, 16_384);
    const checked = await checkedBy(storage, () => entries(1, 60), 30);
    expect(checked).toMatchObject({ files: [{ file: first }], repaired: [] });
    expect(disk.inode(first).durable.get(0, 16_384)).toEqual(before);
    expect(segmentsOf(storage)[0]).toBe(first);
  });

  it('takes a rotten value in memory for no copy of the record', async () => {
    const { disk, storage } = await written(8);
    const [segment] = segmentsOf(storage) as [string];
    // Its identity is kept a second time, in the tail of the group.
    disk.inode(segment).overwrite(offsetOf(disk, segment, 'value 3'), Buffer.from('rotten!'));
    const rotten = entries(1, 8).map((it) => ({ ...entry(it.instance, { text: 'not this' }) }));
    expect(await checkedBy(storage, () => rotten)).toMatchObject({ repaired: [] });
    expect(await checkedBy(storage, () => entries(1, 8))).toMatchObject({ files: [] });
  });

  it.each(['promise-a', 'promise-b'])('makes %s anew, lost or damaged, and raises it afterwards', async (name) => {
    for (const lose of [true, false]) {
      const { disk, storage } = await written(3);
      const raised = persisted(storage, 4);
      storage.persist(write(4, [], { promised: 5 }));
      await raised;
      if (lose) disk.image.names.delete(name);
      else disk.inode(name).overwrite(0, Buffer.alloc(4096));
      const checked = await checkedBy(storage, () => entries(1, 3));
      expect(checked).toMatchObject({ files: [], repaired: [{ file: name }] });
      const done = persisted(storage, 5);
      storage.persist(write(5, [], { promised: 9 }));
      await done;
      const other = name === 'promise-a' ? 'promise-b' : 'promise-a';
      const crashed = disk.crash(powerLoss);
      crashed.inode(other).overwrite(0, Buffer.alloc(4096));
      expect((await open(crashed)).recovered.promise.ballot.round).toBe(9);
    }
  });

  it.each(['MANIFEST', 'promise-a', 'promise-b', 'the log'])(
    'finds an older copy of %s that was put there, and makes it new',
    async (kind) => {
      for (const asAnotherFile of [true, false]) {
        const { disk, storage } = await written(3);
        const name = kind === 'the log' ? (segmentsOf(storage)[0] as string) : kind;
        const old = disk.inode(name).durable.get(0, disk.inode(name).durable.size);
        const raised = persisted(storage, 4);
        storage.persist(write(4, [entry(4, { round: 5 })], { promised: 5, chosenUpTo: 3 }));
        await raised;
        await storage.takeSnapshot(handle(2), view(10), takeOptions);
        if (asAnotherFile) {
          // As `cp` of a backup does it: the process goes on with a file that has no name any more.
          disk.image.names.delete(name);
          disk.plant(name, old);
        } else {
          disk.inode(name).truncate(0);
          disk.inode(name).overwrite(0, old);
        }
        const known = [...entries(1, 3), entry(4, { round: 5 })];
        const checked = await checkedBy(storage, () => known);
        expect(checked).toMatchObject({ files: [], repaired: [{ file: name }] });
        const more = entry(5, { round: 9 });
        const done = persisted(storage, 5);
        storage.persist(write(5, [more], { promised: 9, chosenUpTo: 4 }));
        await done;
        const again = await open(disk.crash(powerLoss));
        expect(again.recovered).toMatchObject({ damage: [], snapshot: { handle: { instance: 2 } } });
        expect(again.recovered.promise.ballot.round).toBe(9);
        expect(found(again, 5).slice(2)).toEqual(texts(3, 5));
      }
    },
  );

  it('finds the manifest of another member, or of an earlier start, put in place of its own', async () => {
    const earlier = await formedDisk();
    await (await open(earlier)).close();
    const old = earlier.inode('MANIFEST').durable.get(0, 100_000);
    const storage = await open(earlier);
    earlier.inode('MANIFEST').truncate(0);
    earlier.inode('MANIFEST').overwrite(0, old);
    expect(await checkedBy(storage, () => [])).toMatchObject({
      files: [],
      repaired: [{ file: 'MANIFEST', problem: expect.stringMatching(/^it is of boot 1 of n1#1 .*, not of boot 2/) }],
    });
    const theirs = simulatedDisk();
    await ReplicaStorage.form(theirs, formation('n2'));
    const { disk, storage: own } = await written(2);
    disk.inode('MANIFEST').truncate(0);
    disk.inode('MANIFEST').overwrite(0, theirs.inode('MANIFEST').durable.get(0, 100_000));
    expect(await own.checkFiles()).toEqual([
      { file: 'MANIFEST', problem: expect.stringMatching(/^it is of boot 0 of n2#1 .*, not of boot 1 of n1#1/) },
    ]);
  });

  it('writes both promise copies and the manifest from memory when all of them are gone', async () => {
    const { disk, storage } = await written(3);
    for (const name of ['promise-a', 'promise-b', 'MANIFEST']) disk.inode(name).overwrite(0, Buffer.alloc(4096));
    const checked = await checkedBy(storage, () => entries(1, 3));
    expect(checked.files).toEqual([]);
    expect(checked.repaired.map(({ file }) => file)).toEqual(['MANIFEST', 'promise-a', 'promise-b']);
    expect(found(await open(disk.crash(powerLoss)), 3)).toEqual(texts(1, 3));
  });

  it('takes a snapshot anew in place of a bad one', async () => {
    for (const which of [0, 1]) {
      const { disk, storage } = await written(20);
      for (const at of [10, 15]) await storage.takeSnapshot(handle(at), view(10), takeOptions);
      const { file } = storage.snapshots()[which]!;
      disk.inode(file).overwrite(700, Buffer.from('rot'));
      const checked = await checkedBy(storage, () => entries(1, 20));
      expect(checked).toMatchObject({ files: [], repaired: [{ file }] });
      expect(storage.snapshots().map(({ instance, verified }) => [instance, verified])).toEqual([
        [20, true],
        [which === 0 ? 10 : 15, true],
      ]);
      expect((await open(disk.crash(powerLoss))).recovered.snapshot?.handle.instance).toBe(20);
    }
  });

  it('changes nothing of a member whose files are evidence', async () => {
    const { disk, storage } = await written(20);
    disk.inode('promise-a').overwrite(0, Buffer.alloc(4096));
    const frozen = { ...logOf(storage, () => entries(1, 20)), mayRepair: false };
    expect(await checkAndRepair(storage, frozen, quiet)).toMatchObject({
      files: [{ file: 'promise-a' }],
      repaired: [],
    });
  });
});

const offsetOf = (disk: SimulatedDisk, segment: string, text: string): number =>
  Buffer.from(disk.inode(segment).durable.get(0, 16_384)).indexOf(text);

/** Accepts instance after instance, and the last one at times again in a higher ballot, promised with it. */
class WritingReplica {
  writes = 40;
  readonly #storage: ReplicaStorage;
  readonly #random: Random;
  readonly #known = new Map(entries(1, 40).map((it) => [it.instance as number, it]));
  readonly #written: AcceptedEntry[] = [];
  #round = 1;
  #saved = 40;
  #whenSaved: () => void = () => undefined;
  #failed: Error | null = null;

  constructor(storage: ReplicaStorage, random: Random) {
    this.#storage = storage;
    this.#random = random;
    storage.onPersisted((id) => {
      this.#saved = id;
      this.#whenSaved();
    });
    storage.onFailed((error) => {
      this.#failed = error;
      this.#whenSaved();
    });
  }

  known(): AcceptedEntry[] {
    return [...this.#known.values()].sort((a, b) => a.instance - b.instance);
  }

  write(): void {
    const again = this.#random.below(4) === 0;
    const instance = this.#known.size + (again ? 0 : 1);
    if (again) this.#round++;
    const it = entry(instance, { round: this.#round, text: `${instance} of ${this.#round}` });
    this.#known.set(instance, it);
    this.#written.push(it);
    const options = { chosenUpTo: instance - 1, promised: again ? this.#round : 0 };
    this.#storage.persist(write(++this.writes, [it], options));
  }

  breath(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** Number of the last write that is durable. */
  get saved(): number {
    return this.#saved;
  }

  /** What the writes up to number `last` accepted, the newest of each instance. */
  writtenUpTo(last: number): readonly AcceptedEntry[] {
    return [...new Map(this.#written.slice(0, last - 40).map((it) => [it.instance as number, it])).values()];
  }

  async allSaved(): Promise<void> {
    while (this.#saved < this.writes && this.#failed === null) {
      await new Promise<void>((resolve) => {
        this.#whenSaved = resolve;
      });
    }
    if (this.#failed !== null) throw this.#failed;
  }
}

/** Data directories on simulated disks, and what a replica writes into them. */

import { createNodeDigest } from '../../src/adapters/digest-node/digest-node.ts';
import type { Configuration } from '../../src/core/consensus/configuration.ts';
import type { WriteRequest } from '../../src/core/consensus/effect.ts';
import type { CellTimeMs, Epoch, Instance, WriteId } from '../../src/core/consensus/identity.ts';
import type { SnapshotHandle } from '../../src/core/consensus/input.ts';
import type { AcceptedEntry } from '../../src/core/consensus/message.ts';
import type { Value } from '../../src/core/consensus/value.ts';
import { Random } from '../../src/core/random.ts';
import type { Disk } from '../../src/ports/disk.ts';
import { type DiskFault, type DiskOperation, SimulatedDisk } from '../../src/simulator/disk.ts';
import { ReplicaStorage, type StorageOptions } from '../../src/storage/replica-storage.ts';
import type { SnapshotView } from '../../src/storage/snapshot-writer.ts';

export const digest = await createNodeDigest();

/** The power goes: what was not flushed is lost, and so are names. */
export const powerLoss = { writes: 'lost', names: 'lost' } as const;
/** The process goes: what it has written stays. */
export const kill = { writes: 'process' } as const;

const configuration: Configuration = {
  members: ['n1', 'n2', 'n3'].map((name) => ({
    name,
    incarnation: 1,
    role: 'voter',
    url: `http://${name}.example:7400`,
  })),
  alpha: 16,
  leaseMs: 500,
  driftPpm: 500,
};

export const formation = (name = 'n1', cellId = 'cell-1') => ({
  cell: { id: cellId, name: 'test', generation: 1, secretHex: '11'.repeat(32) },
  member: { name, incarnation: 1 },
  configurations: [{ from: 1 as Instance, configuration }],
  level: 1,
});

export const value = (text: string, bytes = 0): Value => ({
  kind: 'submitted',
  epoch: 1 as Epoch,
  cellTimeMs: 5 as CellTimeMs,
  items: [Buffer.concat([Buffer.from(text), Buffer.alloc(bytes, 0x61)])],
});

export const ballot = (round: number) => ({ round, name: 'n1', incarnation: 1 });

export const entry = (n: number, { round = 1, text = `value ${n}`, bytes = 0 } = {}): AcceptedEntry => ({
  instance: n as Instance,
  ballot: ballot(round),
  value: value(text, bytes),
});

/** A write of the core; `promised` raises the promise to that round. */
export const write = (
  id: number,
  entries: readonly AcceptedEntry[],
  { promised = 0, chosenUpTo = 0 } = {},
): WriteRequest => ({
  write: id as WriteId,
  promise: promised === 0 ? null : { ballot: ballot(promised), leaseMsMax: promised * 10 },
  entries,
  chosenUpTo: chosenUpTo as Instance,
});

export const textOf = ({ value: it }: AcceptedEntry): string =>
  it.kind === 'submitted' ? Buffer.from(it.items[0] as Uint8Array).toString() : it.kind;

/** A disk whose operations answer in later turns of the event loop, as soon as possible. */
export function simulatedDisk(
  options: {
    seed?: number;
    fault?: (operation: DiskOperation) => DiskFault | null;
    onMisuse?: (what: string) => void;
    schedule?: (delayMs: number, callback: () => void) => void;
  } = {},
): SimulatedDisk {
  const { fault, onMisuse, schedule = (_delayMs, callback) => setImmediate(callback) } = options;
  return new SimulatedDisk({
    schedule,
    random: new Random(options.seed ?? 1),
    ...(fault === undefined ? {} : { fault }),
    ...(onMisuse === undefined ? {} : { onMisuse }),
  });
}

const settled = Promise.resolve();

/**
 * For {@link simulatedDisk}: an operation answers once everything that waited has gone on, without a turn of the event loop, which would ask
 * the system for news each time. For who looks at nothing but the disk.
 */
export const withoutTurns = (_delayMs: number, callback: () => void): void =>
  void settled.then(() => process.nextTick(callback));

export const storageOptions = (more: Partial<StorageOptions> = {}): StorageOptions => ({
  expectName: 'n1',
  segmentBytes: 16 * 1024,
  digest,
  randomness: { bytes: (length) => Buffer.alloc(length, 7) },
  programVersion: '0.1.0',
  now: () => 0,
  wallMs: () => 1_700_000_000_000,
  ...more,
});

export async function formedDisk(disk = simulatedDisk()): Promise<SimulatedDisk> {
  await ReplicaStorage.form(disk, formation());
  return disk;
}

export const open = (disk: Disk, more: Partial<StorageOptions> = {}): Promise<ReplicaStorage> =>
  ReplicaStorage.open(disk, storageOptions(more));

/** Resolves when `last` is reported as durable, rejects when the storage fails. */
export function persisted(storage: ReplicaStorage, last: number): Promise<void> {
  return new Promise((resolve, reject) => {
    storage.onPersisted((id) => {
      if (id >= last) resolve();
    });
    storage.onFailed(reject);
  });
}

/** Writes entries one group each and waits for all. */
export async function writeEach(storage: ReplicaStorage, entries: readonly AcceptedEntry[], from = 1): Promise<void> {
  for (const [i, it] of entries.entries()) {
    const done = persisted(storage, from + i);
    storage.persist(write(from + i, [it], { chosenUpTo: it.instance - 1 }));
    await done;
  }
}

/** What became of each instance up to `last`: its text, `bad`, `bad@ROUND` where the identity is left, or `nothing`. */
export function found(storage: ReplicaStorage, last: number): string[] {
  const { entries: good, bad } = storage.recovered;
  return range(1, last).map((n) => {
    const entryThere = good.find(({ instance }) => instance === n);
    if (entryThere !== undefined) return textOf(entryThere);
    const item = bad.filter(({ instance, upTo }) => instance <= n && n <= upTo).at(-1);
    if (item === undefined) return 'nothing';
    return item.identity === null ? 'bad' : `bad@${item.identity.ballot.round}`;
  });
}

export const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

export const entries = (from: number, to: number): AcceptedEntry[] => range(from, to).map((n) => entry(n));

export const handle = (n: number): SnapshotHandle => ({
  instance: n as Instance,
  epoch: 3 as Epoch,
  cellTimeMs: 77 as CellTimeMs,
  configurations: [{ from: 1 as Instance, configuration }],
});

export const view = (count: number, bytes = 1000): SnapshotView => ({
  count,
  checksum: 'ab'.repeat(16),
  records: function* () {
    for (let i = 0; i < count; i++) yield Buffer.from(`record ${i} `.padEnd(bytes, '.'));
  },
});

export const takeOptions = { logChain: new Uint8Array(32).fill(5), pause: () => Promise.resolve() };

export async function recordsOf(records: AsyncIterable<Uint8Array>): Promise<string[]> {
  const list: string[] = [];
  for await (const record of records) list.push(Buffer.from(record).toString());
  return list;
}

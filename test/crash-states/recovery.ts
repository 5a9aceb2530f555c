/**
 * Recovers from a disk with the production opening code, and carries out what the recovered log says on the recovered
 * snapshot, as a starting process does.
 */
import type { Configuration } from '../../src/core/consensus/configuration.ts';
import type { MonotonicMs } from '../../src/core/consensus/identity.ts';
import { replicaId } from '../../src/core/consensus/identity.ts';
import { Replica } from '../../src/core/consensus/replica.ts';
import { Random } from '../../src/core/random.ts';
import { chainBefore } from '../../src/formats/log-chain.ts';
import { DatabaseApplication } from '../../src/runtime/database-application.ts';
import { recoveredState } from '../../src/runtime/recovered-state.ts';
import { restoreFrom } from '../../src/runtime/storage-adapter.ts';
import { simulatedDigest } from '../../src/simulator/digest.ts';
import { type DiskChange, SimulatedDisk } from '../../src/simulator/disk.ts';
import type { DiskImage } from '../../src/simulator/disk-image.ts';
import { ReplicaStorage } from '../../src/storage/replica-storage.ts';
import { databaseIdentity, formationHandle, type Reference, storageOptions, valueDigest } from './cell.ts';
import { entryText, type Found } from './told.ts';

export interface Recovery {
  readonly found: Found;
  readonly disk: SimulatedDisk;
  readonly storage: ReplicaStorage;
}

/** Operations answer as soon as whoever asked lets go. */
export const diskOf = (image: DiskImage, onChange?: (change: DiskChange) => void): SimulatedDisk =>
  new SimulatedDisk(
    {
      schedule: (_delayMs, callback) => queueMicrotask(callback),
      random: new Random(1),
      ...(onChange === undefined ? {} : { onChange }),
    },
    image,
  );

/** @throws whatever makes a replica refuse its disk. */
export async function recover(disk: SimulatedDisk, name: string): Promise<Recovery> {
  const storage = await ReplicaStorage.open(disk, storageOptions(name));
  const { boot, promise, chosenUpTo, snapshot, entries, copied } = storage.recovered;
  const found: Found = {
    boot: boot.number,
    promise: promise.ballot,
    leaseMsMax: promise.leaseMsMax,
    chosenUpTo,
    snapshot: snapshot?.handle.instance ?? 0,
    entries: new Map(entries.map((entry) => [entry.instance, entryText(entry)])),
    copied,
  };
  return { found, disk, storage };
}

/** What is wrong with the state that a process would go on from; null when it is that of the script. */
export async function replayProblem(
  { storage }: Recovery,
  { name, configuration, reference }: { name: string; configuration: Configuration; reference: Reference },
): Promise<string | null> {
  const { recovered } = storage;
  const database = new DatabaseApplication({ digest: simulatedDigest });
  if (recovered.snapshot === null) database.initialize(databaseIdentity);
  else await restoreFrom(database, recovered.snapshot);
  const from = recovered.snapshot?.handle.instance ?? 0;
  const at = { monotonicMs: 5_000 as MonotonicMs, wallMs: 1_700_000_000_000, bootMs: 5_000 };
  const core = new Replica({
    self: replicaId(name, 1),
    at,
    random: new Random(1),
    recovered: recoveredState({ ...recovered, formation: formationHandle(configuration) }),
  });
  if (from > 0 && database.checksumHex() !== reference.at(from)?.checksum)
    return `the snapshot of ${from} is of no state`;
  let applied = from;
  for (const effect of core.step({ kind: 'woken', at })) {
    if (effect.kind !== 'apply') continue;
    const { instance, epoch, value, current } = effect;
    const expected = reference.at(instance);
    applied = instance;
    if (expected?.digest !== valueDigest(value)) return `instance ${instance} is not the one that was chosen`;
    database.apply({ instance, epoch, value, current, logChain: chainBefore });
    if (database.checksumHex() !== expected.checksum) return `the state at ${instance} is another`;
  }
  return applied >= recovered.chosenUpTo ? null : `applied up to ${applied}, chosen up to ${recovered.chosenUpTo}`;
}

/** What a second opening finds otherwise than the first; null when the first left everything durable. */
export function differences(first: Found, second: Found): string | null {
  const { boot, entries, promise, ...rest } = first;
  if (second.boot <= boot) return `boot ${second.boot} after ${boot}`;
  const same =
    second.entries.size === entries.size &&
    [...entries].every(([instance, text]) => second.entries.get(instance) === text);
  if (!same) return 'other entries';
  if (second.promise.round !== promise.round || second.promise.name !== promise.name) return 'another promise';
  for (const [fact, value] of Object.entries(rest)) {
    if (second[fact as keyof Found] !== value) return `another ${fact}`;
  }
  return null;
}

/**
 * A new generation of the cell on the disk of one member: its first state in an attempt directory, and how it takes the place of
 * the parent's files, which are kept in `former/`.
 *
 * Source: design §3 "Generations", §4. Keeps: nothing in an attempt directory is read unless the manifest names it; from
 * `active` on every step may be cut short anywhere and is gone on with at the next start.
 */
import { zeroBallot } from '../core/consensus/ballot.ts';
import { invariant } from '../core/invariant.ts';
import type { GenerationAttempt, GenerationStep, Manifest } from '../formats/manifest.ts';
import { encodePromise } from '../formats/promise.ts';
import type { DigestPort } from '../ports/digest.ts';
import type { Disk } from '../ports/disk.ts';
import { SnapshotCorruptError } from './errors.ts';
import {
  identityName,
  inScratch,
  isNotFound,
  promiseNames,
  root,
  scratch,
  segmentName,
  snapshotName,
  withFile,
} from './files.ts';
import { commitManifest, readManifest, stageManifest } from './manifest.ts';
import { snapshotRecords, type VerifiedSnapshot, verifySnapshot } from './snapshot-reader.ts';
import { ReceivedFile, type SnapshotSource, writeSnapshot } from './snapshot-writer.ts';

const folderOf = (generationId: string): string => `attempts/${generationId}`;
const statePath = (generationId: string): string => `${folderOf(generationId)}/state`;

/** Fenced: a generation above the present one is being made. */
export const isFenced = ({ attempt, cell }: Manifest): boolean =>
  attempt !== null && attempt.generation > cell.generation;

/**
 * With `attempt` in the place of the present one. What was ready and is not kept has left its numbers behind: others may have begun
 * it, and have handed them out.
 */
export function withAttempt(before: Manifest, attempt: GenerationAttempt | null): Manifest {
  const stepsOf = (it: GenerationAttempt | null) => [it, it?.before ?? null].flatMap((step) => step ?? []);
  const kept = stepsOf(attempt).map(({ generationId }) => generationId);
  const given = stepsOf(before.attempt).filter(({ generationId }) => !kept.includes(generationId));
  return { ...before, attempt, floor: Math.max(before.floor, ...given.map(({ state }) => state?.instance ?? 0)) };
}

/** Where a first state is made, and for whom. */
export interface StatePlace {
  readonly disk: Disk;
  readonly digest: DigestPort;
  readonly attempt: GenerationAttempt;
  /** In scratch/, of this work alone: another that was not waited for may write there still. */
  readonly scratchName: string;
  /** Whether the attempt is still the one of this member: it is given up, and begun anew, at any time. */
  readonly isPresent: () => boolean;
}

/**
 * Writes the first state of `attempt` and reads it back. Counts once the manifest says `ready`.
 * @throws {Error} with nothing in the attempt directory, when the attempt is not this member's any more.
 */
export async function writeState(place: StatePlace, source: SnapshotSource): Promise<VerifiedSnapshot> {
  await writeSnapshot(place.disk, place.scratchName, source, place.digest);
  return placeState(place, source.header.cellId);
}

/** The same from another member's stream. */
export async function receiveState(
  place: StatePlace,
  cellId: string,
  receive: (append: (chunk: Uint8Array) => Promise<void>) => Promise<unknown>,
): Promise<VerifiedSnapshot> {
  const file = await ReceivedFile.open(place.disk, place.scratchName);
  try {
    await receive((chunk) => file.append(chunk));
    await file.flush();
  } finally {
    await file.close();
  }
  return placeState(place, cellId);
}

async function placeState(
  { disk, digest, attempt, scratchName, isPresent }: StatePlace,
  cellId: string,
): Promise<VerifiedSnapshot> {
  const { generation, generationId } = attempt;
  const verified = await verifySnapshot(disk, inScratch(scratchName), { cellId, generation }, digest);
  await disk.makeDirectory('attempts');
  await disk.flushDirectory(root);
  await disk.makeDirectory(folderOf(generationId));
  await disk.flushDirectory('attempts');
  // Another state may be ready under this id by now: what was given up never takes its place.
  if (!isPresent()) {
    await disk.remove(inScratch(scratchName));
    throw new Error('the attempt that it was made for was given up meanwhile');
  }
  await disk.rename(inScratch(scratchName), statePath(generationId));
  await disk.flushDirectory(folderOf(generationId));
  await disk.flushDirectory(scratch);
  return verified;
}

/** Reads every byte of a state that is ready: it is known by its digest, whatever cell it says that it is of. @throws {SnapshotCorruptError} */
export async function verifyState(
  disk: Disk,
  { generationId, state }: GenerationStep,
  digest: DigestPort,
): Promise<VerifiedSnapshot> {
  const file = statePath(generationId);
  const found = await verifySnapshot(disk, file, null, digest);
  if (found.sha256 === state?.sha256) return found;
  throw new SnapshotCorruptError({
    file,
    problem: 'its digest is another one',
    instance: found.header.handle.instance,
  });
}

/** A state that is ready, every byte of it read. */
export interface ReadyFile extends Pick<VerifiedSnapshot, 'header' | 'bytes' | 'sha256'> {
  records(): AsyncIterable<Uint8Array>;
}

/** @throws {SnapshotCorruptError} */
export async function readyFile(disk: Disk, step: GenerationStep, digest: DigestPort): Promise<ReadyFile> {
  const { header, bytes, sha256 } = await verifyState(disk, step, digest);
  return { header, bytes, sha256, records: () => stateRecords(disk, step.generationId) };
}

/** The records of a state that is ready, each checked. */
export const stateRecords = (disk: Disk, generationId: string): AsyncIterable<Uint8Array> =>
  snapshotRecords(disk, statePath(generationId));

/** For the other members: the file itself. */
export async function openState(disk: Disk, attempt: GenerationStep) {
  const file = await disk.open(statePath(attempt.generationId), { create: false });
  return {
    bytes: attempt.state?.bytes ?? 0,
    read: (offset: number, length: number) => file.read(offset, length),
    close: () => file.close(),
  };
}

/**
 * Called before anything else of a formed directory is read: makes a generation that is decided as active the present one.
 * @throws {SnapshotCorruptError} when its state is not what was verified; nothing was changed then.
 */
export async function beginGeneration(disk: Disk, digest: DigestPort, nowMs: number): Promise<void> {
  let manifest = await readManifest(disk);
  if (manifest === null || manifest.state !== 'formed') return;
  if (manifest.move === null && manifest.attempt?.step === 'active' && isFenced(manifest)) {
    manifest = await replaceManifest(disk, manifest, { attempt: manifest.attempt, digest, nowMs });
  }
  if (manifest.move !== null) await finishMove(disk, manifest);
}

async function replaceManifest(
  disk: Disk,
  before: Manifest,
  {
    attempt,
    digest,
    nowMs,
  }: { readonly attempt: GenerationAttempt; readonly digest: DigestPort; readonly nowMs: number },
): Promise<Manifest> {
  const { generation, generationId } = attempt;
  const { member } = before;
  const found = await verifyState(disk, attempt, digest);
  const { handle, cellId } = found.header;
  invariant(found.header.generation === generation, 'the state is of the generation that begins', { generationId });
  const cell = { ...before.cell, id: cellId };
  const own = handle.configurations[0]?.configuration.members.find(({ name }) => name === member.name);
  invariant(own !== undefined, 'a member that is ready belongs to the generation', { member: member.name });
  const owner = { cellId: cell.id, member: own.name, incarnation: own.incarnation };
  const nothing = { ballot: zeroBallot, leaseMsMax: 0, flush: 0, boot: 0 };
  for (const copy of [0, 1] as const) {
    const path = `${folderOf(generationId)}/${promiseNames[copy]}`;
    await disk.remove(path);
    await withFile(disk, path, 'exclusive', async (file) => {
      await file.write(0, encodePromise(nothing, owner, copy));
      await file.flush();
    });
  }
  await disk.flushDirectory(folderOf(generationId));
  const folder = `former/generation-${cell.generation}-before-${generationId}`;
  await disk.makeDirectory(scratch);
  await disk.makeDirectory('former');
  await disk.flushDirectory(root);
  await disk.makeDirectory(folder);
  await disk.flushDirectory('former');
  const file = snapshotName(before.nextSnapshot);
  const after: Manifest = {
    ...before,
    cell: { ...cell, generation },
    member: { name: own.name, incarnation: own.incarnation },
    configurations: handle.configurations,
    // A backup may be of an earlier one.
    level: found.header.level,
    // The log begins with that state.
    formedLevel: found.header.level,
    flush: 0,
    snapshots: [
      {
        file,
        instance: handle.instance,
        bytes: found.bytes,
        sha256: found.sha256,
        createdAt: new Date(nowMs).toISOString(),
        verified: true,
      },
    ],
    received: { file, instance: handle.instance },
    receiving: null,
    segments: [],
    nextSnapshot: before.nextSnapshot + 1,
    fingerprint: await fingerprintNow(disk, before),
    flags: { frozen: false, quarantined: false, removed: false },
    freeze: null,
    // All of these are of the parent's flushes, boots and chain.
    recorded: null,
    boots: [],
    remembered: [],
    rolledBack: '',
    attempt,
    move: {
      folder,
      aside: [
        ...[...promiseNames, ...before.segments.map(segmentName)],
        ...[...before.snapshots, ...(before.receiving === null ? [] : [before.receiving])].map((it) => it.file),
      ],
      arriving: [
        ...promiseNames.map((name) => ({ from: `${folderOf(generationId)}/${name}`, to: name })),
        { from: statePath(generationId), to: file },
      ],
    },
  };
  await stageManifest(disk, after);
  await commitManifest(disk);
  return after;
}

/** Where what tells the directory from a copy is gone, that is for the next start to judge, as ever: nothing waits for it here. */
const fingerprintNow = (disk: Disk, { fingerprint }: Manifest): Promise<string> =>
  withFile(disk, identityName, false, (it) => it.fingerprint()).catch((error: unknown) => {
    if (isNotFound(error)) return fingerprint;
    throw error;
  });

/** A name that is in the folder already has left; one that is not in the attempt directory any more has arrived. */
async function finishMove(disk: Disk, manifest: Manifest): Promise<void> {
  const { folder, aside, arriving } = manifest.move as NonNullable<Manifest['move']>;
  // The manifest that was read may be only in the cache yet.
  await disk.flushDirectory(root);
  const present = await namesIn(disk, root);
  const left = await namesIn(disk, folder);
  for (const name of aside) if (present.has(name) && !left.has(name)) await disk.rename(name, `${folder}/${name}`);
  await disk.flushDirectory(folder);
  await disk.flushDirectory(root);
  for (const { from, to } of arriving) {
    const [place, name] = [from.slice(0, from.lastIndexOf('/')), from.slice(from.lastIndexOf('/') + 1)];
    if ((await namesIn(disk, place)).has(name)) await disk.rename(from, to);
    await disk.flushDirectory(place);
  }
  await disk.flushDirectory(root);
  await disk.makeDirectory(scratch);
  await stageManifest(disk, { ...manifest, move: null });
  await commitManifest(disk);
}

const namesIn = async (disk: Disk, path: string): Promise<ReadonlySet<string>> =>
  new Set((await disk.list(path)).map(({ name }) => name));

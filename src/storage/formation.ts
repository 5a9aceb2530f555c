/**
 * The two durable steps by which a data directory comes into being: `forming`, which is promised to the others, and `formed`,
 * from which on it must never be taken for a new one.
 *
 * Source: contract §1 (`node start`), design §3. Either step may be cut short anywhere and done again.
 */
import { zeroBallot } from '../core/consensus/ballot.ts';
import type { ConfigurationFrom } from '../core/consensus/configuration.ts';
import { invariant } from '../core/invariant.ts';
import { firstLevel } from '../formats/levels.ts';
import { type CellIdentity, type Manifest, type MemberIdentity, manifestOwner } from '../formats/manifest.ts';
import type { Disk } from '../ports/disk.ts';
import { DataDirectory } from './data-directory.ts';
import { identityName, identityText, inScratch, promiseNames, root, scratch, withFile, writeScratch } from './files.ts';
import { commitManifest, stageManifest } from './manifest.ts';
import { makePromiseFiles } from './promise-copies.ts';

const nothingPromised = { ballot: zeroBallot, leaseMsMax: 0, flush: 0, boot: 0 };

export interface Formation {
  readonly cell: CellIdentity;
  readonly member: MemberIdentity;
  readonly configurations: readonly ConfigurationFrom[];
  /** In force now. */
  readonly level: number;
  /** In force when the cell was formed; 1 where absent. */
  readonly formedLevel?: number;
}

/** What a data directory says about itself before it is opened. Nothing is changed by asking. */
export type Inspection =
  | { readonly state: 'empty'; readonly manifest: null }
  | { readonly state: 'forming' | 'formed'; readonly manifest: Manifest };

/** @throws {ManifestCorruptError | UnsupportedFormatError | UnknownFilesError} */
export async function inspect(disk: Disk): Promise<Inspection> {
  const manifest = await DataDirectory.read(disk);
  return manifest === null ? { state: 'empty', manifest } : { state: manifest.state, manifest };
}

/** Makes the directory durably `forming`. An earlier forming, of whatever cell, is replaced: nothing was promised in it. */
export async function writeForming(disk: Disk, formation: Formation): Promise<void> {
  const before = await inspect(disk);
  invariant(before.state !== 'formed', 'a formed data directory is never formed again');
  await disk.makeDirectory(scratch);
  await disk.flushDirectory(root);
  const manifest: Manifest = {
    formedLevel: firstLevel,
    ...formation,
    state: 'forming',
    boot: { number: 0, id: '' },
    flush: 0,
    snapshots: [],
    received: null,
    segments: [],
    nextSegment: 1,
    nextSnapshot: 1,
    retired: [],
    fingerprint: '',
    flags: { frozen: false, quarantined: false, removed: false },
    lastVersion: '',
    freeze: null,
    recorded: null,
    boots: [],
    remembered: [],
    rolledBack: '',
    attempt: null,
    floor: 0,
    move: null,
    receiving: null,
  };
  await stageManifest(disk, manifest);
  await commitManifest(disk);
}

/** From forming to formed; nothing when it is formed already. */
export async function markFormed(disk: Disk): Promise<void> {
  const { state, manifest } = await inspect(disk);
  invariant(state !== 'empty', 'only a forming data directory becomes formed');
  if (state === 'formed') return;
  // Files of an earlier attempt may be in place; the manifest decides whose they must be, so they are made anew.
  await writeScratch(disk, identityName, new TextEncoder().encode(identityText));
  await makePromiseFiles(disk, nothingPromised, manifestOwner(manifest));
  for (const name of [identityName, ...promiseNames]) await disk.rename(inScratch(name), name);
  await disk.flushDirectory(root);
  await disk.flushDirectory(scratch);
  const fingerprint = await withFile(disk, identityName, false, (file) => file.fingerprint());
  await stageManifest(disk, { ...manifest, state: 'formed', fingerprint });
  await commitManifest(disk);
}

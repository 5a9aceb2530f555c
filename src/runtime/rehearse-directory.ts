/** `node rehearse`: what a start of this version would do with a data directory, told without touching it. */
import { DataDirectoryForeignError, OperatorError, RehearsalImpossibleError } from '../errors/index.ts';
import { supportedLevels } from '../formats/levels.ts';
import type { Manifest } from '../formats/manifest.ts';
import type { Disk } from '../ports/disk.ts';
import type { World } from '../ports/world.ts';
import { inspect } from '../storage/formation.ts';
import { readingDisk } from '../storage/reading-disk.ts';
import { toOperatorError } from './directory-errors.ts';
import { type Rehearsed, refuseLevel, rehearse } from './rehearsal.ts';
import { makeRehearsal } from './replica-process.ts';

/** A replica that runs meanwhile retires files: then its new manifest is followed, so often and no more. */
const looksMax = 5;

export interface DirectoryRehearsal extends Rehearsed {
  readonly ok: true;
  readonly version: string;
  readonly levels: { readonly min: number; readonly max: number };
  /** A recorded point came out again; false where none is recorded, and only that it can be read is known. */
  readonly compared: boolean;
  readonly level: number;
}

export interface RehearseOptions {
  readonly dataDir: string;
  readonly version: string;
  /** The member that the directory must be of; anyone where null. */
  readonly expectName: string | null;
}

/**
 * Nothing is written, and the replica that may be running there is not disturbed.
 *
 * @throws {OperatorError} as `node start` would end: exit 22 when the rehearsal failed or the level is out of range.
 */
export async function rehearseDirectory(
  disk: Disk,
  world: Pick<World, 'digest' | 'clocks'>,
  options: RehearseOptions,
): Promise<DirectoryRehearsal> {
  const { dataDir: directory, expectName, version } = options;
  try {
    const { manifest, rehearsed } = await followed(disk, world, options);
    const { name } = manifest.member;
    if (expectName !== null && name !== expectName) {
      throw new DataDirectoryForeignError({ directory, what: 'member', found: name, expected: expectName });
    }
    return {
      ok: true,
      version,
      levels: supportedLevels,
      level: manifest.level,
      ...rehearsed,
      compared: rehearsed.points > 0,
    };
  } catch (error) {
    throw toOperatorError(error, directory, world.clocks.now().wallMs);
  }
}

async function followed(
  disk: Disk,
  world: Pick<World, 'digest' | 'clocks'>,
  { dataDir: directory, version }: RehearseOptions,
): Promise<{ readonly manifest: Manifest; readonly rehearsed: Rehearsed }> {
  for (let look = 1; ; look++) {
    const manifest = await formedManifest(disk, directory);
    try {
      const makeApplication = () => makeRehearsal(world, manifest);
      const rehearsed = await rehearse(disk, manifest, { directory, version, digest: world.digest, makeApplication });
      return { manifest, rehearsed };
    } catch (error) {
      // Files may go, and groups may be half written, while they are read: only what stays bad is bad.
      const isDamaged = error instanceof RehearsalImpossibleError;
      if (look >= looksMax || (error instanceof OperatorError && error.exitCode === 22 && !isDamaged)) throw error;
      const now = await formedManifest(disk, directory);
      if (look > 1 && sameFiles(manifest, now)) throw error;
    }
  }
}

const sameFiles = (a: Manifest, b: Manifest): boolean =>
  JSON.stringify([a.segments, a.snapshots]) === JSON.stringify([b.segments, b.snapshots]);

async function formedManifest(disk: Disk, directory: string): Promise<Manifest> {
  const { state, manifest } = await inspect(readingDisk(disk));
  if (state !== 'formed') {
    const message = `Data directory ${directory} is of no formed cell: there is nothing to rehearse.`;
    throw new OperatorError('PAXOS_REFUSED', message, { facts: { directory, state } });
  }
  refuseLevel(manifest, directory);
  return manifest;
}

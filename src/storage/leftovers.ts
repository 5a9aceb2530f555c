/**
 * What files that do not belong seem to be, from their own headers, so that an operator can tell a copied-in snapshot of last month
 * from a log that somebody still needs. Only for people: nothing is decided by it.
 *
 * Source: PML §7 (30 minutes lost to the leftovers of a failed upgrade); pitfalls U3, P55.
 */
import { FormatError } from '../formats/bytes.ts';
import type { Owner } from '../formats/checksum.ts';
import { decodeManifest, type Manifest, manifestBytesMax, manifestOwner } from '../formats/manifest.ts';
import { decodePromise, promiseBlockBytes } from '../formats/promise.ts';
import { decodeSegmentHeader, segmentHeaderBytes } from '../formats/wal-segment.ts';
import type { Disk } from '../ports/disk.ts';
import { SnapshotCorruptError, type UnknownFile } from './errors.ts';
import { identityName, withFile } from './files.ts';
import { readSnapshotHeader } from './snapshot-reader.ts';
import { plainly, recoverLog } from './wal/recovery.ts';

/** The same files, with {@link UnknownFile.what} said as exactly as their headers allow. */
export async function describeUnknown(
  disk: Disk,
  manifest: Manifest | null,
  files: readonly UnknownFile[],
): Promise<readonly UnknownFile[]> {
  const known = files.some(({ look }) => look === 'snapshot') ? await knownInstance(disk, manifest) : 0;
  return Promise.all(files.map(async (file) => ({ ...file, what: await whatIs(disk, manifest, file, known) })));
}

/** The highest instance that the directory itself knows as chosen. A log that cannot be read says nothing about it. */
async function knownInstance(disk: Disk, manifest: Manifest | null): Promise<number> {
  if (manifest === null) return 0;
  const newest = Math.max(0, ...manifest.snapshots.map(({ instance }) => instance));
  try {
    const log = await recoverLog(disk, manifestOwner(manifest), manifest.segments, plainly(newest));
    return Math.max(newest, log.chosenUpTo);
  } catch {
    return newest;
  }
}

async function whatIs(disk: Disk, manifest: Manifest | null, file: UnknownFile, known: number): Promise<string> {
  try {
    switch (file.look) {
      case 'snapshot':
        return await whatSnapshot(disk, manifest, file, known);
      case 'log segment':
        return whatSegment(await firstBytes(disk, file, segmentHeaderBytes), manifest);
      case 'manifest':
        return whatManifest(await firstBytes(disk, file, manifestBytesMax), manifest);
      case 'promise':
        return whatPromise(await firstBytes(disk, file, promiseBlockBytes), manifest);
      default:
        if (file.name === identityName) return 'what tells a data directory from a copy';
        return file.look === 'unknown' ? 'no file of this program' : file.look;
    }
  } catch (error) {
    if (error instanceof SnapshotCorruptError || error instanceof FormatError) return `damaged ${file.look}`;
    return file.look;
  }
}

const firstBytes = (disk: Disk, { name }: UnknownFile, bytes: number): Promise<Uint8Array> =>
  withFile(disk, name, false, (file) => file.read(0, bytes));

async function whatSnapshot(
  disk: Disk,
  manifest: Manifest | null,
  { name }: UnknownFile,
  known: number,
): Promise<string> {
  const { cellId, generation, handle } = await readSnapshotHeader(disk, name);
  const what = `snapshot of instance ${grouped(handle.instance)}`;
  if (manifest === null) return `${what} of cell ${cellId}`;
  if (cellId !== manifest.cell.id) return `${what} of another cell (${cellId})`;
  if (generation !== manifest.cell.generation) return `${what} of generation ${generation}`;
  const behind = known - handle.instance;
  return behind >= 0 ? `${what}, ${grouped(behind)} behind` : `${what}, ${grouped(-behind)} ahead`;
}

function whatSegment(header: Uint8Array, manifest: Manifest | null): string {
  const { owner, segment, boot } = decodeSegmentHeader(header);
  const whose = ownership(owner, manifest);
  return `log segment ${whose === 'this member' ? `${segment} of this member, begun in its boot ${boot}` : `of ${whose}`}`;
}

function whatManifest(bytes: Uint8Array, manifest: Manifest | null): string {
  const found = decodeManifest(bytes);
  const whose = ownership(manifestOwner(found), manifest);
  if (whose !== 'this member' || manifest === null) return `manifest of ${whose}`;
  const older = manifest.boot.number - found.boot.number;
  return `manifest of this member in its boot ${found.boot.number}${older > 0 ? `, ${grouped(older)} starts ago` : ''}`;
}

/** A promise is bound to its owner: of another one it cannot be told from a damaged one. */
function whatPromise(block: Uint8Array, manifest: Manifest | null): string {
  if (manifest === null) return 'promise';
  for (const copy of [0, 1] as const) {
    try {
      const { ballot, boot } = decodePromise(block, manifestOwner(manifest), copy);
      return `promise of this member of round ${grouped(ballot.round)}, raised in its boot ${boot}`;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  }
  return 'promise, damaged or of another member';
}

function ownership(owner: Owner, manifest: Manifest | null): string {
  const name = `${owner.member}#${owner.incarnation}`;
  if (manifest === null) return `${name} of cell ${owner.cellId}`;
  const own = manifestOwner(manifest);
  if (owner.cellId !== own.cellId) return `another cell (${name} of ${owner.cellId})`;
  if (owner.member !== own.member) return `another member (${name})`;
  return owner.incarnation === own.incarnation ? 'this member' : `another incarnation (${name})`;
}

const grouped = (value: number): string => String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',');

/** Ways to damage what lies on a simulated disk. Nothing here knows what the bytes mean, only which file they are in. */
import type { SimulatedDisk } from '../disk.ts';
import { type Inode, sectorBytes } from '../disk-image.ts';

/** What a file of a data directory is for. */
export type FileRole = 'log' | 'snapshot' | 'manifest' | 'promise-a' | 'promise-b' | 'promise-to-be' | 'identity';

const patterns: Readonly<Record<FileRole, RegExp>> = {
  log: /^wal-\d+$/,
  snapshot: /^snapshot-\d+$/,
  manifest: /^MANIFEST$/,
  'promise-a': /^promise-a$/,
  'promise-b': /^promise-b$/,
  'promise-to-be': /^scratch\/promise-[ab]$/,
  identity: /^IDENTITY$/,
};

export interface DamagedFile {
  readonly name: string;
  readonly inode: Inode;
  /** Up to the last byte that is not zero: the rest is room. */
  readonly used: number;
}

/** All files with this role, oldest first. */
export function filesOf(disk: SimulatedDisk, role: FileRole): readonly DamagedFile[] {
  const files: DamagedFile[] = [];
  for (const [name, node] of disk.image.names) {
    if (node === 'folder' || !patterns[role].test(name)) continue;
    files.push({ name, inode: node, used: node.cached.used() });
  }
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Of all files of a role, or of all bytes of one, this is the last. */
export const lastShare = 1 - Number.EPSILON;

/**
 * The file that lies at this share of the list; undefined when there is none with anything in it. The last is the last that was written
 * to: a segment of the log is made before it is needed, with nothing in it but its header.
 */
export function fileAt(disk: SimulatedDisk, role: FileRole, share: number): DamagedFile | undefined {
  const files = filesOf(disk, role).filter(({ used }) => used > 0);
  const written = share === lastShare ? files.findLast(({ used }) => used > sectorBytes) : undefined;
  return written ?? files[Math.floor(share * files.length)];
}

export const bytesOf = (inode: Inode): Buffer => inode.cached.get(0, inode.cached.size);

function usedBytes(bytes: Buffer): number {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return end;
}

/** One bit of one byte (D3), or the next that was not flipped before: a second time would mend it. */
export function flipBit({ inode, used }: DamagedFile, share: number, bit: number): void {
  let place = Math.floor(share * used) * 8 + bit;
  while (inode.flipped.has(place)) place++;
  inode.flipped.add(place);
  const at = Math.floor(place / 8);
  const byte = inode.cached.get(at, 1)[0] ?? 0;
  inode.overwrite(at, Buffer.of(byte ^ (1 << (place % 8))));
}

/** Whole sectors from one place over those of another (D5). False when that would change nothing. */
export function copySectors(
  from: DamagedFile,
  to: DamagedFile,
  places: { readonly fromShare: number; readonly toShare: number; readonly sectors: number },
): boolean {
  const sectorOf = (file: DamagedFile, share: number): number =>
    Math.floor((share * file.used) / sectorBytes) * sectorBytes;
  const source = sectorOf(from, places.fromShare);
  const target = sectorOf(to, places.toShare);
  const length = Math.min(places.sectors * sectorBytes, from.used - source, to.inode.cached.size - target);
  const bytes = from.inode.cached.get(source, length);
  // Sectors of zeros over a last group would be a write that the disk has lost (D6), which nothing on it can show.
  if (!everySectorIsUsed(bytes) || bytes.equals(to.inode.cached.get(target, length))) return false;
  to.inode.overwrite(target, bytes);
  return true;
}

function everySectorIsUsed(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += sectorBytes) {
    if (usedBytes(bytes.subarray(at, at + sectorBytes)) === 0) return false;
  }
  return bytes.length > 0;
}

/** Sectors from the first up to before the other are empty (D6); that of the header stays. */
export function zeroSectors({ inode }: DamagedFile, first: number, end: number): void {
  const from = Math.max(1, first);
  if (end > from) inode.overwrite(from * sectorBytes, Buffer.alloc((end - from) * sectorBytes));
}

/** Something else was written over sectors from the first up to before the other, as far as they are used (D5); that of the header stays. */
export function overwriteSectors({ inode, used }: DamagedFile, first: number, end: number): boolean {
  const from = Math.max(1, first);
  const upTo = Math.min(end, Math.ceil(used / sectorBytes));
  if (upTo > from) inode.overwrite(from * sectorBytes, Buffer.alloc((upTo - from) * sectorBytes, 0xa5));
  return upTo > from;
}

/** D12: what became of a file's size. */
export type WrongSize = 'empty' | 'short' | 'long' | 'zero-tail' | 'headless';

export function resize({ inode, used }: DamagedFile, how: WrongSize, share: number): void {
  const size = inode.cached.size;
  const at = Math.floor(share * used);
  switch (how) {
    case 'empty':
      return inode.truncate(0);
    case 'short':
      return inode.truncate(at);
    case 'headless':
      // What it was at the beginning and at the end is gone, and with it how long it was.
      inode.truncate(Math.max(sectorBytes, at - (at % sectorBytes)));
      return inode.overwrite(0, Buffer.alloc(sectorBytes, 0xff));
    case 'zero-tail':
      return inode.overwrite(at, Buffer.alloc(size - at));
    default:
      return inode.overwrite(size, Buffer.alloc(unevenBytes(size, 1 + Math.floor(share * 4096))));
  }
}

/** `bytes`, or one more where a file of `size` came to whole sectors: after its end was cut off, those would look as prepared. */
const unevenBytes = (size: number, bytes: number): number => ((size + bytes) % sectorBytes === 0 ? bytes + 1 : bytes);

/** The name is gone for good (D11). */
export function removeFile(disk: SimulatedDisk, { name, inode }: DamagedFile): void {
  const change = { kind: 'remove', path: name, inode } as const;
  disk.image.change(change);
  disk.image.settleNames([change]);
}

/** Puts bytes that a file once had in its place (D15). False when it has them now. */
export function restoreFile(disk: SimulatedDisk, name: string, bytes: Buffer): boolean {
  const node = disk.image.names.get(name);
  if (node !== undefined && node !== 'folder' && bytesOf(node).equals(bytes)) return false;
  disk.plant(name, bytes);
  return true;
}

/** Everything is gone (D16). */
export function wipe(disk: SimulatedDisk): void {
  const gone = [...disk.image.names].flatMap(([path, inode]) =>
    inode === 'folder' ? [] : [{ kind: 'remove', path, inode } as const],
  );
  for (const change of gone) disk.image.change(change);
  disk.image.settleNames(gone);
}

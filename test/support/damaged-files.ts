/** The files of real data directories by what they are for, and what may become of each while nobody runs on them. */
import { copyFileSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ReplicaChild } from './replica-child.ts';

export const swapped = "swapped with another member's";
export const replaced = 'replaced by an older copy';
export const damages = ['flipped', 'truncated', 'zeroed', 'removed', swapped, replaced] as const;
export type Damage = (typeof damages)[number];

/** Where groups begin. */
const headerBytes = 512;

const namesOf = (member: ReplicaChild, prefix: string): string[] =>
  readdirSync(member.directory)
    .filter((name) => name.startsWith(prefix))
    .sort();

const read = (member: ReplicaChild, name: string): Buffer => readFileSync(path.join(member.directory, name));

/** Bytes up to the last one that is not zero. */
function usedOf(bytes: Buffer): number {
  let used = bytes.length;
  while (used > 0 && bytes[used - 1] === 0) used--;
  return used;
}

const segments = (member: ReplicaChild): { written: string[]; empty: string[] } => {
  const names = namesOf(member, 'wal-');
  const isWritten = (name: string): boolean => usedOf(read(member, name)) > headerBytes;
  return { written: names.filter(isWritten), empty: names.filter((name) => !isWritten(name)) };
};

export const witnessOf = (member: ReplicaChild): string => `${member.directory}.witness`;

/** What a data directory holds, each with where it is now. A witness lies beside it. */
export const fileKinds = {
  MANIFEST: () => ['MANIFEST'],
  IDENTITY: () => ['IDENTITY'],
  'promise-a': () => ['promise-a'],
  'both promise copies': () => ['promise-a', 'promise-b'],
  'the newest log segment': (member) => segments(member).written.slice(-1),
  'an older log segment': (member) => segments(member).written.slice(-2, -1),
  'the prepared log segment': (member) => segments(member).empty.slice(-1),
  'the newest snapshot': (member) => namesOf(member, 'snapshot-').slice(-1),
  'the older snapshot': (member) => namesOf(member, 'snapshot-').slice(0, 1),
  'both snapshots': (member) => namesOf(member, 'snapshot-'),
  'the witness': (member) => [path.relative(member.directory, witnessOf(member))],
} as const satisfies Readonly<Record<string, (member: ReplicaChild) => readonly string[]>>;
export type FileKind = keyof typeof fileKinds;

/** Bytes by name, of one moment. */
export type Kept = ReadonlyMap<string, Buffer>;

/** What it holds now, of this kind. */
export function keep(member: ReplicaChild, kind: FileKind): Kept {
  const names: readonly string[] = fileKinds[kind](member);
  return new Map(
    names.filter((name) => existsSync(path.join(member.directory, name))).map((it) => [it, read(member, it)]),
  );
}

/** In place: a file keeps its inode. */
export function putBack(member: ReplicaChild, kept: Kept): void {
  for (const [name, bytes] of kept) writeFileSync(path.join(member.directory, name), bytes);
}

/**
 * Does it to every file of the kind. `other`: what another member has of it; `older`: what this one had earlier. Files that have no
 * counterpart of their name there are replaced by what stood for the same.
 */
export function inflict(member: ReplicaChild, kind: FileKind, damage: Damage, other: Kept, older: Kept): void {
  const names: readonly string[] = fileKinds[kind](member);
  if (names.length === 0) throw new Error(`${member.name} has no file that is ${kind}`);
  for (const [at, name] of names.entries()) {
    const file = path.join(member.directory, name);
    // Where it has none of that name, what is as old there, or the newest.
    const instead = (kept: Kept): Buffer =>
      kept.get(name) ?? [...kept.values()][at] ?? ([...kept.values()].at(-1) as Buffer);
    const bytes = readFileSync(file);
    const used = usedOf(bytes);
    switch (damage) {
      case 'flipped': {
        // In a log, within a record in the middle of what was written.
        const place =
          used > 4 * headerBytes ? headerBytes + 1024 * Math.floor((used - headerBytes) / 2048) + 130 : used >> 1;
        bytes.writeUInt8(bytes.readUInt8(place) ^ 0x40, place);
        writeFileSync(file, bytes);
        break;
      }
      case 'truncated':
        writeFileSync(file, bytes.subarray(0, used >> 1));
        break;
      case 'zeroed':
        writeFileSync(file, Buffer.alloc(bytes.length));
        break;
      case 'removed':
        rmSync(file);
        break;
      case swapped:
      case replaced:
        // As `cp` and `rsync` do it: another file under that name.
        rmSync(file);
        writeFileSync(file, instead(damage === replaced ? older : other));
        break;
      default:
        throw new Error(`There is no ${damage satisfies never}.`);
    }
  }
}

/** All of a directory but what tells it from a copy, and the witness; to be put back by {@link restoreAll}. */
export function saveAll(member: ReplicaChild, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  const filter = (from: string): boolean => path.basename(from) !== 'IDENTITY';
  cpSync(member.directory, folder, { recursive: true, preserveTimestamps: true, filter });
  if (existsSync(witnessOf(member))) copyFileSync(witnessOf(member), `${folder}.witness`);
}

export function restoreAll(member: ReplicaChild, folder: string): void {
  for (const name of readdirSync(member.directory))
    if (name !== 'IDENTITY') rmSync(path.join(member.directory, name), { recursive: true });
  cpSync(folder, member.directory, { recursive: true, preserveTimestamps: true });
  if (existsSync(`${folder}.witness`)) copyFileSync(`${folder}.witness`, witnessOf(member));
}

/**
 * The manifest of a data directory: what belongs to it, and everything about it that is local to one member.
 *
 * Source: design §4. Small, written whole, replaced atomically; nothing in a data directory is found by listing.
 * Format 2 is format 1 and the level that the cell was formed at; a cell that was formed at level 1 has format 1, which every version reads.
 */
import type { Boot } from '../core/consensus/boot-history.ts';
import type { ConfigurationFrom } from '../core/consensus/configuration.ts';
import type { FreezeEvidence } from '../core/consensus/freeze.ts';
import type { Remembered } from '../core/consensus/witness-memory.ts';
import { ByteReader, ByteWriter, FormatError } from './bytes.ts';
import { crc32, type Owner } from './checksum.ts';
import { readFreezeEvidence, writeFreezeEvidence } from './freeze-evidence.ts';
import { firstLevel } from './levels.ts';
import { readConfigurationsFrom, writeConfigurationsFrom } from './value.ts';
import { readBoots, readRemembered, writeBoots, writeRemembered } from './witness.ts';

export const manifestFormat = 2;
export const manifestBytesMax = 1024 * 1024;

const magic = 0x50_58_4d_46; // "PXMF"

/** Written by a version that this program does not know. */
export class UnknownManifestFormatError extends FormatError {
  readonly format: number;

  constructor(format: number) {
    super(`a manifest of unknown format ${format}`);
    this.name = 'UnknownManifestFormatError';
    this.format = format;
  }
}

export interface CellIdentity {
  readonly id: string;
  readonly name: string;
  readonly generation: number;
  /** 32 bytes as hex: what members prove to each other that they are of this cell. Never printed. */
  readonly secretHex: string;
}

export interface MemberIdentity {
  readonly name: string;
  readonly incarnation: number;
}

/** A snapshot file that belongs to the data directory. What is local to this member stands here, not in the file. */
export interface SnapshotEntry {
  readonly file: string;
  readonly instance: number;
  readonly bytes: number;
  /** Hex; SHA-256 over the SHA-256 of each part of the file (`snapshot.ts`). */
  readonly sha256: string;
  readonly createdAt: string;
  /** False once it was found to be bad: never loaded again, kept until the next snapshot as evidence. */
  readonly verified: boolean;
}

/** Of a file that is not all here yet; it counts for nothing. */
export interface UnfinishedSnapshot {
  readonly file: string;
  readonly instance: number;
  /** Of the whole file, hex: which bytes these are, whoever sends the rest. */
  readonly digest: string;
}

/** A point of this member's own history, recorded so that another version can be held against it (design §6, rehearsal). */
export interface RecordedPoint {
  readonly instance: number;
  /** Digest over the chosen values up to it, 64 hex digits. */
  readonly logChain: string;
  /** Of the database there, 32 hex digits. */
  readonly checksum: string;
}

/** States that must outlive a restart and are not the cell's to decide. */
export interface LocalFlags {
  readonly frozen: boolean;
  readonly quarantined: boolean;
  readonly removed: boolean;
}

/** How far this member is with a generation of the cell (design §3 "Generations"). */
export interface GenerationStep {
  readonly generation: number;
  readonly generationId: string;
  /** Above `cell.generation`: it neither votes nor serves until it is active, or the fence is lifted. */
  readonly step: 'fenced' | 'ready' | 'active';
  /** Digest of what was decided, hex; empty while fenced. */
  readonly decision: string;
  /** Digest of the file that it was begun for, hex; empty for none. */
  readonly source: string;
  /** The verified file in its attempt directory. */
  readonly state: { readonly instance: number; readonly bytes: number; readonly sha256: string } | null;
}

/** A new generation of the cell that is being made, or was made, here. */
export interface GenerationAttempt extends GenerationStep {
  /** What a fence has displaced, ready or active, and is put back when that is lifted: `ready` has no way back. Null else. */
  readonly before: GenerationStep | null;
}

/** Files on their way when a generation becomes active: first those of the parent leave, then the new ones come. */
export interface GenerationMove {
  readonly folder: string;
  readonly aside: readonly string[];
  readonly arriving: readonly { readonly from: string; readonly to: string }[];
}

export interface Manifest {
  readonly state: 'forming' | 'formed';
  readonly cell: CellIdentity;
  readonly member: MemberIdentity;
  /** The configuration that the cell was formed with. */
  readonly configurations: readonly ConfigurationFrom[];
  /** Formats and behaviour that all members may use. */
  readonly level: number;
  /** In force before the first instance of the log: part of the state that the log begins with. */
  readonly formedLevel: number;
  /** Number of the present start of the process and the random id that it drew; 0 and empty before the first. */
  readonly boot: { readonly number: number; readonly id: string };
  /** Highest flush number known as durable when this was written: a log that ends below it has lost its end. */
  readonly flush: number;
  /** At most two, newest first. */
  readonly snapshots: readonly SnapshotEntry[];
  /**
   * The newest snapshot that came from another member, whether or not it is still listed; null without one. Below its
   * instance this member's own log may hold values that were accepted and never chosen.
   */
  readonly received: { readonly file: string; readonly instance: number } | null;
  /** A snapshot on its way from a peer: its file holds a part of it, whole up to some chunk. Gone on with by the next process too. */
  readonly receiving: UnfinishedSnapshot | null;
  /** Log segments that belong to the log, ascending. The first and the last bound it; a number is never used again. */
  readonly segments: readonly number[];
  readonly nextSegment: number;
  readonly nextSnapshot: number;
  /** Files that no longer belong but may still lie in their place: removed at the next chance, never read. */
  readonly retired: readonly string[];
  /** Inode and birth time of a file made at formation: changes with every copy of the directory. */
  readonly fingerprint: string;
  readonly flags: LocalFlags;
  /** What froze it; null unless `flags.frozen`. */
  readonly freeze: FreezeEvidence | null;
  readonly attempt: GenerationAttempt | null;
  /** Highest number that an attempt began with which was ready here and gave way to another; never lower again. 0: none. */
  readonly floor: number;
  /** Null but for the moment in which a generation becomes active. */
  readonly move: GenerationMove | null;
  /** Version of the program that last ran on this directory; empty before the first start. */
  readonly lastVersion: string;
  /** The last one recorded; the log holds everything up to it as chosen. Null before the first. */
  readonly recorded: RecordedPoint | null;
  /** The boots of this directory, the present one last; the oldest are forgotten one day. */
  readonly boots: readonly Boot[];
  /** What this member knew of the disks of all others when this was written; the log says what it has learned since. */
  readonly remembered: readonly Remembered[];
  /** Why this directory is older than what its member acknowledged: it never votes or serves again. Empty while it is not. */
  readonly rolledBack: string;
}

export const manifestOwner = ({ cell, member }: Manifest): Owner => ({
  cellId: cell.id,
  member: member.name,
  incarnation: member.incarnation,
});

export function encodeManifest(manifest: Manifest): Buffer {
  const { formedLevel } = manifest;
  const to = new ByteWriter(1024).u32(magic).u16(formedLevel === firstLevel ? 1 : 2);
  to.u8(manifest.state === 'formed' ? 1 : 0);
  const { cell, member, boot, flags } = manifest;
  to.text(cell.id).text(cell.name).safe(cell.generation).text(cell.secretHex);
  to.text(member.name).safe(member.incarnation);
  writeConfigurationsFrom(to, manifest.configurations);
  to.u32(manifest.level).safe(boot.number).text(boot.id).safe(manifest.flush);
  to.u8(manifest.snapshots.length);
  for (const snapshot of manifest.snapshots) {
    to.text(snapshot.file).safe(snapshot.instance).safe(snapshot.bytes);
    to.text(snapshot.sha256).text(snapshot.createdAt);
    to.u8(snapshot.verified ? 1 : 0);
  }
  to.u8(manifest.received === null ? 0 : 1);
  if (manifest.received !== null) to.text(manifest.received.file).safe(manifest.received.instance);
  to.u32(manifest.segments.length);
  for (const segment of manifest.segments) to.u32(segment);
  to.u32(manifest.nextSegment).u32(manifest.nextSnapshot);
  to.u32(manifest.retired.length);
  for (const name of manifest.retired) to.text(name);
  to.text(manifest.fingerprint);
  to.u8((flags.frozen ? 1 : 0) | (flags.quarantined ? 2 : 0) | (flags.removed ? 4 : 0));
  to.text(manifest.lastVersion);
  to.u8(manifest.freeze === null ? 0 : 1);
  if (manifest.freeze !== null) writeFreezeEvidence(to, manifest.freeze);
  to.u8(manifest.recorded === null ? 0 : 1);
  if (manifest.recorded !== null) {
    to.safe(manifest.recorded.instance).text(manifest.recorded.logChain).text(manifest.recorded.checksum);
  }
  writeBoots(to, manifest.boots);
  writeRemembered(to, manifest.remembered);
  to.text(manifest.rolledBack);
  writeAttempt(to, manifest.attempt);
  to.safe(manifest.floor);
  writeMove(to, manifest.move);
  const { receiving } = manifest;
  to.u8(receiving === null ? 0 : 1);
  if (receiving !== null) to.text(receiving.file).safe(receiving.instance).text(receiving.digest);
  if (formedLevel !== firstLevel) to.u32(formedLevel);
  return Buffer.from(to.u32(crc32(to.finish())).finish());
}

/** @throws {UnknownManifestFormatError} for a newer format; {FormatError} for anything damaged. */
export function decodeManifest(bytes: Uint8Array): Manifest {
  if (bytes.length < 10) throw new FormatError(`a manifest of ${bytes.length} bytes`);
  const body = bytes.subarray(0, bytes.length - 4);
  const from = new ByteReader(body);
  if (from.u32() !== magic) throw new FormatError('not a manifest');
  if (new ByteReader(bytes.subarray(body.length)).u32() !== crc32(body)) {
    throw new FormatError('a manifest with a bad checksum');
  }
  const format = from.u16();
  if (format < 1 || format > manifestFormat) throw new UnknownManifestFormatError(format);
  const first = readBody(from);
  const manifest = { ...first, formedLevel: format === 1 ? firstLevel : from.u32() };
  from.end();
  return manifest;
}

/** The evaluation order of an object literal is that of its text, so this reads as the format does. */
function readBody(from: ByteReader): Omit<Manifest, 'formedLevel'> {
  return {
    state: from.u8() === 1 ? 'formed' : 'forming',
    cell: { id: from.text(), name: from.text(), generation: from.safe(), secretHex: from.text() },
    member: { name: from.text(), incarnation: from.safe() },
    configurations: readConfigurationsFrom(from),
    level: from.u32(),
    boot: { number: from.safe(), id: from.text() },
    flush: from.safe(),
    snapshots: repeat(from.u8(), () => ({
      file: from.text(),
      instance: from.safe(),
      bytes: from.safe(),
      sha256: from.text(),
      createdAt: from.text(),
      verified: from.u8() === 1,
    })),
    received: from.u8() === 1 ? { file: from.text(), instance: from.safe() } : null,
    segments: repeat(from.u32(), () => from.u32()),
    nextSegment: from.u32(),
    nextSnapshot: from.u32(),
    retired: repeat(from.u32(), () => from.text()),
    fingerprint: from.text(),
    flags: readFlags(from.u8()),
    lastVersion: from.text(),
    freeze: from.u8() === 1 ? readFreezeEvidence(from) : null,
    recorded: from.u8() === 1 ? { instance: from.safe(), logChain: from.text(), checksum: from.text() } : null,
    boots: readBoots(from),
    remembered: readRemembered(from),
    rolledBack: from.text(),
    attempt: readAttempt(from),
    floor: from.safe(),
    move: readMove(from),
    receiving: from.u8() === 1 ? { file: from.text(), instance: from.safe(), digest: from.text() } : null,
  };
}

const steps = ['fenced', 'ready', 'active'] as const;

function writeAttempt(to: ByteWriter, attempt: GenerationAttempt | null): void {
  writeStep(to, attempt);
  if (attempt !== null) writeStep(to, attempt.before);
}

function writeStep(to: ByteWriter, attempt: GenerationStep | null): void {
  to.u8(attempt === null ? 0 : 1);
  if (attempt === null) return;
  to.safe(attempt.generation).text(attempt.generationId).u8(steps.indexOf(attempt.step)).text(attempt.decision);
  const { state, source } = attempt;
  to.text(source);
  to.u8(state === null ? 0 : 1);
  if (state !== null) to.safe(state.instance).safe(state.bytes).text(state.sha256);
}

function readAttempt(from: ByteReader): GenerationAttempt | null {
  const attempt = readStep(from);
  return attempt === null ? null : { ...attempt, before: readStep(from) };
}

function readStep(from: ByteReader): GenerationStep | null {
  if (from.u8() !== 1) return null;
  const generation = from.safe();
  const generationId = from.text();
  const step = steps[from.u8()];
  if (step === undefined) throw new FormatError('an unknown step');
  const decision = from.text();
  const source = from.text();
  const state = from.u8() === 1 ? { instance: from.safe(), bytes: from.safe(), sha256: from.text() } : null;
  return { generation, generationId, step, decision, source, state };
}

function writeMove(to: ByteWriter, move: GenerationMove | null): void {
  to.u8(move === null ? 0 : 1);
  if (move === null) return;
  to.text(move.folder).u32(move.aside.length);
  for (const name of move.aside) to.text(name);
  to.u32(move.arriving.length);
  for (const it of move.arriving) to.text(it.from).text(it.to);
}

function readMove(from: ByteReader): GenerationMove | null {
  if (from.u8() !== 1) return null;
  const folder = from.text();
  const aside = repeat(from.u32(), () => from.text());
  return { folder, aside, arriving: repeat(from.u32(), () => ({ from: from.text(), to: from.text() })) };
}

function readFlags(bits: number): LocalFlags {
  if (bits > 7) throw new FormatError('an unknown flag');
  return { frozen: (bits & 1) !== 0, quarantined: (bits & 2) !== 0, removed: (bits & 4) !== 0 };
}

/** Grows as it reads: a wrong count ends with the bytes, not with the memory. */
function repeat<Item>(count: number, read: () => Item): Item[] {
  const items: Item[] = [];
  for (let i = 0; i < count; i++) items.push(read());
  return items;
}

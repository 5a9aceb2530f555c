/**
 * A snapshot file, format 1: header, chunks of records, trailer. Canonical: nothing in it is local to a member, so two
 * replicas at one instance write the same bytes.
 *
 * ```
 * header   magic, format, length, what the snapshot stands for, checksum
 * chunk    magic, number of records, length, records (length and bytes each), checksum      any number of times
 * trailer  magic, chunks, records, digest of the whole, checksum
 * ```
 *
 * Every checksum is seeded with that of the header and with the part's place, so parts of two snapshots never mix
 * (pitfalls D17, P55). The digest is SHA-256 over the SHA-256 of the header and of each chunk in order, so that it can be
 * computed part by part and checked by reading any part alone.
 *
 * Source: PML §5.5 (snapshot handle), design §4.
 */
import type { SnapshotHandle } from '../core/consensus/input.ts';
import { ByteReader, ByteWriter, FormatError } from './bytes.ts';
import { crc32, placeSeed } from './checksum.ts';
import { readConfigurationsFrom, writeConfigurationsFrom } from './value.ts';

export const snapshotFormat = 1;
/** A chunk is closed by the record that takes it to this size: what one flush writes while log flushes wait. */
export const chunkBytesMin = 64 * 1024;
/** Longest chunk that is read: the least plus one record of the largest size, generously. */
export const chunkBytesMax = 16 * 1024 * 1024;
export const headerPrefixBytes = 12;
export const chunkPrefixBytes = 12;
export const trailerBytes = 4 + 4 + 8 + 32 + 4;

const headerMagic = 0x50_58_53_4e; // "PXSN"
const chunkMagic = 0x50_58_53_43; // "PXSC"
const trailerMagic = 0x50_58_53_54; // "PXST"
const headerBytesMax = 1024 * 1024;

export interface SnapshotHeader {
  readonly cellId: string;
  readonly generation: number;
  readonly handle: SnapshotHandle;
  readonly level: number;
  /** 32 bytes: chain over all values chosen up to the handle's instance. */
  readonly logChain: Uint8Array;
  /** Of the database, as {@link ApplicationView.checksum} gives it. */
  readonly checksum: string;
  readonly records: number;
  /** The user's entries among the records. */
  readonly entries: number;
}

export interface SnapshotTrailer {
  readonly chunks: number;
  readonly records: number;
  readonly sha256: Uint8Array;
}

export function encodeSnapshotHeader(header: SnapshotHeader): Buffer {
  const { handle } = header;
  const to = new ByteWriter(1024).u32(headerMagic).u32(snapshotFormat).u32(0);
  to.text(header.cellId).safe(header.generation);
  to.safe(handle.instance).safe(handle.epoch).safe(handle.cellTimeMs);
  writeConfigurationsFrom(to, handle.configurations);
  to.u32(header.level).bytes(header.logChain).text(header.checksum).safe(header.records).safe(header.entries);
  to.patchU32(8, to.length + 4);
  return Buffer.from(to.u32(crc32(to.finish())).finish());
}

/** Length of the whole header, from its first {@link headerPrefixBytes}. @throws {FormatError} when it is none. */
export function snapshotHeaderBytes(prefix: Uint8Array): number {
  const from = new ByteReader(prefix);
  if (from.u32() !== headerMagic) throw new FormatError('not a snapshot');
  const format = from.u32();
  if (format !== snapshotFormat) throw new FormatError(`a snapshot of unknown format ${format}`);
  const bytes = from.u32();
  if (bytes > headerBytesMax || bytes < headerPrefixBytes + 4) throw new FormatError('an impossible header length');
  return bytes;
}

export function decodeSnapshotHeader(bytes: Uint8Array): SnapshotHeader {
  if (snapshotHeaderBytes(bytes) !== bytes.length) throw new FormatError('a snapshot header of another length');
  const body = bytes.subarray(0, bytes.length - 4);
  if (new ByteReader(bytes.subarray(body.length)).u32() !== crc32(body)) {
    throw new FormatError('a snapshot header with a bad checksum');
  }
  const from = new ByteReader(body);
  from.raw(headerPrefixBytes);
  const header = {
    cellId: from.text(),
    generation: from.safe(),
    handle: {
      instance: from.safe(),
      epoch: from.safe(),
      cellTimeMs: from.safe(),
      configurations: readConfigurationsFrom(from),
    } as unknown as SnapshotHandle,
    level: from.u32(),
    logChain: Buffer.from(from.bytes()),
    checksum: from.text(),
    records: from.safe(),
    entries: from.safe(),
  };
  from.end();
  if (header.entries > header.records) throw new FormatError('a snapshot header with more entries than records');
  return header;
}

/** Root of the seeds of all other parts. */
export const snapshotSeed = (header: Uint8Array): number => crc32(header);

/** `index` counts from 0. */
export function encodeChunk(records: readonly Uint8Array[], seed: number, index: number): Buffer {
  const bytes = records.reduce((sum, record) => sum + 4 + record.length, 0);
  const to = new ByteWriter(chunkPrefixBytes + bytes + 4).u32(chunkMagic).u32(records.length).u32(bytes);
  for (const record of records) to.bytes(record);
  const checksum = crc32(to.finish(), placeSeed(seed, 1, index));
  return to.u32(checksum).finish();
}

/** What follows: a chunk of so many bytes in all, or the trailer. @throws {FormatError} for anything else. */
export function partBytes(prefix: Uint8Array): { readonly kind: 'chunk' | 'trailer'; readonly bytes: number } {
  const from = new ByteReader(prefix);
  const magic = from.u32();
  if (magic === trailerMagic) return { kind: 'trailer', bytes: trailerBytes };
  if (magic !== chunkMagic) throw new FormatError('neither a chunk nor the end of a snapshot');
  from.u32();
  const bytes = from.u32();
  if (bytes > chunkBytesMax) throw new FormatError('an impossible chunk length');
  return { kind: 'chunk', bytes: chunkPrefixBytes + bytes + 4 };
}

/** The records of one whole chunk, as views. @throws {FormatError} */
export function decodeChunk(bytes: Uint8Array, seed: number, index: number): readonly Uint8Array[] {
  const { from, count } = openChunk(bytes, seed, index);
  const records: Uint8Array[] = [];
  for (let i = 0; i < count; i++) records.push(from.bytes());
  from.end();
  return records;
}

/** How many records one whole chunk holds, checked as {@link decodeChunk} does. @throws {FormatError} */
export function countChunk(bytes: Uint8Array, seed: number, index: number): number {
  const { from, count } = openChunk(bytes, seed, index);
  for (let i = 0; i < count; i++) from.skipBytes();
  from.end();
  return count;
}

function openChunk(
  bytes: Uint8Array,
  seed: number,
  index: number,
): { readonly from: ByteReader; readonly count: number } {
  const body = bytes.subarray(0, bytes.length - 4);
  const checksum = new ByteReader(bytes.subarray(body.length)).u32();
  if (crc32(body, placeSeed(seed, 1, index)) !== checksum) throw new FormatError(`chunk ${index} with a bad checksum`);
  const from = new ByteReader(body);
  from.u32();
  const count = from.u32();
  from.u32();
  return { from, count };
}

export function encodeTrailer(trailer: SnapshotTrailer, seed: number): Buffer {
  const to = new ByteWriter(trailerBytes).u32(trailerMagic).u32(trailer.chunks).safe(trailer.records);
  to.raw(trailer.sha256);
  return to.u32(crc32(to.finish(), placeSeed(seed, 2, 0))).finish();
}

export function decodeTrailer(bytes: Uint8Array, seed: number): SnapshotTrailer {
  if (bytes.length !== trailerBytes) throw new FormatError('a snapshot trailer of another length');
  const body = bytes.subarray(0, bytes.length - 4);
  const checksum = new ByteReader(bytes.subarray(body.length)).u32();
  if (crc32(body, placeSeed(seed, 2, 0)) !== checksum) throw new FormatError('a snapshot trailer with a bad checksum');
  const from = new ByteReader(body);
  if (from.u32() !== trailerMagic) throw new FormatError('not a snapshot trailer');
  const chunks = from.u32();
  const records = from.safe();
  return { chunks, records, sha256: Buffer.from(from.raw(32)) };
}

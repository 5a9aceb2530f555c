/**
 * Reading flush groups back (`wal-group.ts`), and saying exactly what is bad in one that does not read.
 *
 * Nothing here is trusted before its checksum, which is bound to owner, segment and offset, has been recomputed.
 */
import type { Ballot } from '../core/consensus/ballot.ts';
import { ByteReader, FormatError } from './bytes.ts';
import { crc32Of, placeSeed } from './checksum.ts';
import {
  type GroupFacts,
  type GroupPlace,
  groupHeaderBytes,
  groupMagic,
  identityBytes,
  markBytes,
  markMagic,
  type RecordIdentity,
  recordHeaderBytes,
  tailHeaderBytes,
} from './wal-group.ts';
import { sectorBytes } from './wal-segment.ts';

export interface ReadRecord extends RecordIdentity {
  /** A view into the segment's bytes. */
  readonly value: Buffer;
}

export interface ReadGroup extends GroupFacts {
  readonly offset: number;
  readonly bytes: number;
  readonly chain: number;
  readonly records: readonly ReadRecord[];
}

/** An end mark: a group was begun at `offset`. Alone it does not say that all of the group has reached the disk. */
export interface Mark {
  readonly offset: number;
  readonly bytes: number;
  readonly tailStart: number;
  readonly flush: number;
}

/** A bad record; null where even that is not known. */
export interface BadRecord {
  readonly instance: number | null;
  readonly identity: RecordIdentity | null;
}

/** What the header of a group says, whatever became of the rest. */
export interface GroupHeader extends GroupFacts {
  readonly bytes: number;
  readonly recordsEnd: number;
  readonly tailStart: number;
  readonly count: number;
  /** Sectors of the group that are zeros because that is what was written there. */
  readonly emptySectors: number;
}

/** The group at `place.offset`, or why there is none that could be used: torn, damaged, or simply nothing written. */
export function readGroup(segment: Buffer, place: GroupPlace): ReadGroup | { readonly fault: string } {
  const header = readGroupHeader(segment, place);
  if (header === null) return { fault: 'no group header' };
  const { offset } = place;
  let at = offset + groupHeaderBytes;
  let chain = crc32Of(segment, offset, at);
  const records: ReadRecord[] = [];
  for (let i = 0; i < header.count; i++) {
    const record = readRecord(segment, { ...place, offset: at }, offset + header.recordsEnd);
    if (record === null) return { fault: `record ${i + 1} of ${header.count} is bad` };
    chain = crc32Of(segment, at, at + 4, chain);
    at += recordHeaderBytes + record.ballot.name.length + record.value.length;
    records.push(record);
  }
  if (at !== offset + header.recordsEnd) return { fault: 'records that do not fill their place' };
  const marked = [header.tailStart, header.bytes].some((end) => {
    const mark = readMark(segment, place, offset + end - markBytes);
    return mark !== null && mark.offset === offset && mark.flush === header.flush;
  });
  if (!marked) return { fault: 'no end mark' };
  const { flush, boot, chosenUpTo, promiseFlush, previousChain, bytes } = header;
  return { offset, bytes, chain, records, flush, boot, chosenUpTo, promiseFlush, previousChain };
}

/** The first end mark in the sectors from `from` on, or null. */
export function findMark(segment: Buffer, place: GroupPlace, from: number): Mark | null {
  for (let at = from + sectorBytes - markBytes; at + markBytes <= segment.length; at += sectorBytes) {
    const mark = readMark(segment, place, at);
    if (mark !== null) return mark;
  }
  return null;
}

/** Which records of a damaged group are bad, as far as the second copy of their identities tells. Never empty. */
export function badRecords(segment: Buffer, place: GroupPlace, mark: Mark): readonly BadRecord[] {
  const unknown = [{ instance: null, identity: null }];
  let identities: readonly { readonly at: number; readonly identity: RecordIdentity }[];
  try {
    identities = readTail(segment, { ...place, offset: mark.offset + mark.tailStart });
  } catch (error) {
    if (error instanceof FormatError) return unknown;
    throw error;
  }
  const bad = identities.filter(
    ({ at }) => readRecord(segment, { ...place, offset: mark.offset + at }, mark.offset + mark.tailStart) === null,
  );
  // All records are good: the damage is in the header, and what cannot be placed is not known.
  if (bad.length === 0) return unknown;
  return bad.map(({ identity }) => ({ instance: identity.instance, identity }));
}

/** The header at `place.offset`, or null when none reads there. */
export function readGroupHeader(segment: Buffer, place: GroupPlace): GroupHeader | null {
  const { offset } = place;
  if (offset + groupHeaderBytes > segment.length || segment.readUInt32BE(offset) !== groupMagic) return null;
  const seed = placeSeed(place.ownerSeed, place.segment, offset);
  if (crc32Of(segment, offset + 8, offset + groupHeaderBytes, seed) !== segment.readUInt32BE(offset + 4)) return null;
  return fits(decodeHeader(segment.subarray(offset + 8, offset + groupHeaderBytes)), segment.length - offset);
}

function decodeHeader(body: Uint8Array): GroupHeader {
  const from = new ByteReader(body);
  return {
    bytes: from.u32(),
    recordsEnd: from.u32(),
    tailStart: from.u32(),
    count: from.u32(),
    flush: from.safe(),
    boot: from.safe(),
    chosenUpTo: from.safe(),
    promiseFlush: from.safe(),
    previousChain: from.u32(),
    emptySectors: from.u32(),
  };
}

function fits(header: GroupHeader, room: number): GroupHeader | null {
  const { bytes, recordsEnd, tailStart } = header;
  const ordered = groupHeaderBytes <= recordsEnd && recordsEnd + markBytes <= tailStart && tailStart < bytes;
  return ordered && bytes <= room && bytes % sectorBytes === 0 && tailStart % sectorBytes === 0 ? header : null;
}

function readRecord(segment: Buffer, place: GroupPlace, end: number): ReadRecord | null {
  const { offset } = place;
  if (offset + recordHeaderBytes > end) return null;
  const valueBytes = segment.readUInt32BE(offset + 4);
  const nameBytes = segment.readUInt8(offset + 48);
  const valueAt = offset + recordHeaderBytes + nameBytes;
  if (valueAt + valueBytes > end) return null;
  const seed = placeSeed(place.ownerSeed, place.segment, offset);
  if (crc32Of(segment, offset + 4, valueAt + valueBytes, seed) !== segment.readUInt32BE(offset)) return null;
  const identity = readIdentity(new ByteReader(segment.subarray(offset + 8, valueAt)));
  return { ...identity, value: segment.subarray(valueAt, valueAt + valueBytes) };
}

function readIdentity(from: ByteReader): RecordIdentity {
  const instance = from.safe();
  const round = from.safe();
  const incarnation = from.safe();
  const digest = [from.u32(), from.u32(), from.u32(), from.u32()] as const;
  const name = from.raw(from.u8()).toString('latin1');
  const ballot: Ballot = { round, name, incarnation };
  return { instance, ballot, digest };
}

function readMark(segment: Buffer, place: GroupPlace, at: number): Mark | null {
  if (at < 0 || at + markBytes > segment.length || segment.readUInt32BE(at) !== markMagic) return null;
  const seed = placeSeed(place.ownerSeed, place.segment, at);
  if (crc32Of(segment, at, at + 28, seed) !== segment.readUInt32BE(at + 28)) return null;
  const from = new ByteReader(segment.subarray(at + 4, at + 24));
  return { offset: from.u32(), bytes: from.u32(), tailStart: from.u32(), flush: from.safe() };
}

function readTail(
  segment: Buffer,
  place: GroupPlace,
): readonly { readonly at: number; readonly identity: RecordIdentity }[] {
  const { offset } = place;
  if (offset + tailHeaderBytes > segment.length) throw new FormatError('a tail beyond the segment');
  const bytes = segment.readUInt32BE(offset + 4);
  if (bytes < tailHeaderBytes + groupHeaderBytes || offset + bytes > segment.length) {
    throw new FormatError('a tail of an impossible length');
  }
  const seed = placeSeed(place.ownerSeed, place.segment, offset);
  if (crc32Of(segment, offset + 4, offset + bytes, seed) !== segment.readUInt32BE(offset)) {
    throw new FormatError('a tail with a bad checksum');
  }
  const { count } = decodeHeader(segment.subarray(offset + tailHeaderBytes + 8, offset + tailHeaderBytes + 64));
  const from = new ByteReader(segment.subarray(offset + tailHeaderBytes + groupHeaderBytes, offset + bytes));
  const identities: { at: number; identity: RecordIdentity }[] = [];
  for (let i = 0; i < count && from.remaining >= identityBytes; i++) {
    const at = from.u32();
    from.u32(); // the record's checksum, for comparing copies
    identities.push({ at, identity: readIdentity(from) });
  }
  return identities;
}

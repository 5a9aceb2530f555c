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
    const record = readRecord(segment, place, at, offset + header.recordsEnd);
    if (record === null) return { fault: `record ${i + 1} of ${header.count} is bad` };
    chain = crc32Of(segment, at, at + 4, chain);
    at += recordHeaderBytes + record.ballot.name.length + record.value.length;
    records.push(record);
  }
  if (at !== offset + header.recordsEnd) return { fault: 'records that do not fill their place' };
  if (!isMarked(segment, place, header, header.tailStart) && !isMarked(segment, place, header, header.bytes)) {
    return { fault: 'no end mark' };
  }
  const { flush, boot, chosenUpTo, promiseFlush, previousChain, highest, bytes } = header;
  return { offset, bytes, chain, records, flush, boot, chosenUpTo, promiseFlush, previousChain, highest };
}

/** Whether the mark that ends there, seen from the beginning of the group, is this group's. */
function isMarked(segment: Buffer, place: GroupPlace, { flush }: GroupHeader, end: number): boolean {
  const mark = readMark(segment, place, place.offset + end - markBytes);
  return mark !== null && mark.offset === place.offset && mark.flush === flush;
}

/** The first end mark in the sectors from `from` on, or null. */
export function findMark(segment: Buffer, place: GroupPlace, from: number): Mark | null {
  for (let at = from + sectorBytes - markBytes; at + markBytes <= segment.length; at += sectorBytes) {
    const mark = readMark(segment, place, at);
    if (mark !== null) return mark;
  }
  return null;
}

/** What can still be told of a group that does not read. */
export interface SalvagedGroup {
  /** Its length: what follows begins there. */
  readonly bytes: number;
  readonly facts: GroupFacts | null;
  /** Null where it cannot be computed any more. */
  readonly chain: number | null;
  /** In the order in which they were written: good records, and the identities of bad ones. */
  readonly items: readonly (ReadRecord | { readonly bad: RecordIdentity })[];
  /** It held records, perhaps, of which not even the identity is left. */
  readonly more: boolean;
}

/** The group at `place.offset` from what is left of it in any sector; null when not even its length is. */
export function salvageGroup(segment: Buffer, place: GroupPlace): SalvagedGroup | null {
  const { offset } = place;
  const header = readGroupHeader(segment, place);
  const found = findMark(segment, place, offset);
  const mark = found?.offset === offset ? found : null;
  const tailStart = header?.tailStart ?? mark?.tailStart ?? null;
  const tail = tailStart === null ? findTail(segment, place) : tailAt(segment, place, offset + tailStart);
  const bytes = header?.bytes ?? tail?.header.bytes ?? mark?.bytes ?? null;
  if (bytes === null || bytes <= 0) return null;
  if (tail !== null) return fromTail(segment, place, tail);
  if (header === null) return { bytes, facts: null, chain: null, items: [], more: true };
  const items: ReadRecord[] = [];
  let at = offset + groupHeaderBytes;
  let chain = crc32Of(segment, offset, at);
  while (items.length < header.count) {
    const record = readRecord(segment, place, at, offset + header.recordsEnd);
    if (record === null) return { bytes, facts: header, chain: null, items, more: true };
    chain = crc32Of(segment, at, at + 4, chain);
    at += recordHeaderBytes + record.ballot.name.length + record.value.length;
    items.push(record);
  }
  return { bytes, facts: header, chain, items, more: false };
}

function fromTail(segment: Buffer, place: GroupPlace, { header, headerCopy, records }: Tail): SalvagedGroup {
  const { offset } = place;
  let chain = crc32Of(headerCopy, 0, headerCopy.length);
  const items = records.map(({ at, checksum, identity }) => {
    chain = crc32Of(checksum, 0, checksum.length, chain);
    return readRecord(segment, place, offset + at, offset + header.recordsEnd) ?? { bad: identity };
  });
  return { bytes: header.bytes, facts: header, chain, items, more: records.length < header.count };
}

function tailAt(segment: Buffer, place: GroupPlace, at: number): Tail | null {
  try {
    const tail = readTail(segment, { ...place, offset: at });
    return tail?.header.tailStart === at - place.offset ? tail : null;
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

/** With header and marks gone, the tail itself says where its group begins. */
function findTail(segment: Buffer, place: GroupPlace): Tail | null {
  for (let at = place.offset + sectorBytes; at < segment.length; at += sectorBytes) {
    const tail = tailAt(segment, place, at);
    if (tail !== null) return tail;
  }
  return null;
}

/** Where, after `place.offset`, the next group begins of which anything can be told; null when there is none. */
export function nextGroup(segment: Buffer, place: GroupPlace): number | null {
  for (let at = place.offset + sectorBytes; at < segment.length; at += sectorBytes) {
    if (readGroupHeader(segment, { ...place, offset: at }) !== null) return at;
    const mark = readMark(segment, place, at + sectorBytes - markBytes);
    if (mark !== null && mark.offset > place.offset) return mark.offset;
  }
  return null;
}

/** The header at `place.offset`, or null when none reads there. */
export function readGroupHeader(segment: Buffer, place: GroupPlace): GroupHeader | null {
  const { offset } = place;
  if (offset + groupHeaderBytes > segment.length || segment.readUInt32BE(offset) !== groupMagic) return null;
  const seed = placeSeed(place.ownerSeed, place.segment, offset);
  if (crc32Of(segment, offset + 8, offset + groupHeaderBytes, seed) !== segment.readUInt32BE(offset + 4)) return null;
  return fits(decodeHeader(segment, offset + 8), segment.length - offset);
}

function decodeHeader(bytes: Buffer, at: number): GroupHeader {
  const from = new ByteReader(bytes, at);
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
    highest: from.safe(),
  };
}

function fits(header: GroupHeader, room: number): GroupHeader | null {
  const { bytes, recordsEnd, tailStart } = header;
  const ordered = groupHeaderBytes <= recordsEnd && recordsEnd + markBytes <= tailStart && tailStart < bytes;
  return ordered && bytes <= room && bytes % sectorBytes === 0 && tailStart % sectorBytes === 0 ? header : null;
}

/** The record at `offset` of the group of `place`, which ends before `end`. */
function readRecord(segment: Buffer, place: GroupPlace, offset: number, end: number): ReadRecord | null {
  if (offset + recordHeaderBytes > end) return null;
  const valueBytes = segment.readUInt32BE(offset + 4);
  const nameBytes = segment.readUInt8(offset + 48);
  const valueAt = offset + recordHeaderBytes + nameBytes;
  if (valueAt + valueBytes > end) return null;
  const seed = placeSeed(place.ownerSeed, place.segment, offset);
  if (crc32Of(segment, offset + 4, valueAt + valueBytes, seed) !== segment.readUInt32BE(offset)) return null;
  const { instance, ballot, digest } = readIdentity(new ByteReader(segment, offset + 8));
  return { instance, ballot, digest, value: segment.subarray(valueAt, valueAt + valueBytes) };
}

function readIdentity(from: ByteReader): RecordIdentity {
  const instance = from.safe();
  const round = from.safe();
  const incarnation = from.safe();
  const digest = [from.u32(), from.u32(), from.u32(), from.u32()] as const;
  const name = from.name(from.u8());
  const ballot: Ballot = { round, name, incarnation };
  return { instance, ballot, digest };
}

function readMark(segment: Buffer, place: GroupPlace, at: number): Mark | null {
  if (at < 0 || at + markBytes > segment.length || segment.readUInt32BE(at) !== markMagic) return null;
  const seed = placeSeed(place.ownerSeed, place.segment, at);
  if (crc32Of(segment, at, at + 28, seed) !== segment.readUInt32BE(at + 28)) return null;
  const from = new ByteReader(segment, at + 4);
  return { offset: from.u32(), bytes: from.u32(), tailStart: from.u32(), flush: from.safe() };
}

interface Tail {
  readonly header: GroupHeader;
  readonly headerCopy: Buffer;
  readonly records: readonly { readonly at: number; readonly checksum: Buffer; readonly identity: RecordIdentity }[];
}

/** Null where there is none: every sector behind a damaged group is tried. @throws {FormatError} for one that only its checksum calls good. */
function readTail(segment: Buffer, place: GroupPlace): Tail | null {
  const { offset } = place;
  if (offset + tailHeaderBytes > segment.length) return null;
  const bytes = segment.readUInt32BE(offset + 4);
  if (bytes < tailHeaderBytes + groupHeaderBytes || offset + bytes > segment.length) return null;
  const seed = placeSeed(place.ownerSeed, place.segment, offset);
  if (crc32Of(segment, offset + 4, offset + bytes, seed) !== segment.readUInt32BE(offset)) return null;
  const headerAt = offset + tailHeaderBytes;
  const headerCopy = segment.subarray(headerAt, headerAt + groupHeaderBytes);
  const header = decodeHeader(segment, headerAt + 8);
  const from = new ByteReader(segment.subarray(headerAt + groupHeaderBytes, offset + bytes));
  const records: { at: number; checksum: Buffer; identity: RecordIdentity }[] = [];
  for (let i = 0; i < header.count && from.remaining >= identityBytes; i++) {
    const at = from.u32();
    records.push({ at, checksum: from.raw(4), identity: readIdentity(from) });
  }
  return { header, headerCopy, records };
}

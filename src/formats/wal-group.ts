/**
 * A flush group of the write-ahead log, format 1: everything that one flush made durable together.
 *
 * ```
 * sector 0 .. a-1  header, records ................................ mark
 * sector a .. b-1  tail: the header and each record's identity again  mark
 * ```
 *
 * A group begins at a sector of its own, so writing one never touches the bytes of another. A crash keeps any subset of
 * its sectors; the others still hold the zeros of their preparation. So the header counts the sectors that are zeros by
 * intent: a group with more of them was torn, one that is bad without them is damaged. Marks and identities stand in
 * other sectors than header and records, and tell what a group was when those are gone.
 *
 * What a start found bad stands in the log from then on as a record of its own, until a later record takes its place.
 *
 * Source: design §4; PAR (FAST '18) for the second copy. docs/adr/0003-disk-formats.md and docs/adr/0011-torn-last-group.md have the
 * reasons.
 */
import type { BadItem, ValueDigest } from '../core/consensus/bad-item.ts';
import { type Ballot, zeroBallot } from '../core/consensus/ballot.ts';
import type { Instance } from '../core/consensus/identity.ts';
import type { AcceptedEntry } from '../core/consensus/message.ts';
import { ByteReader, ByteWriter, FormatError } from './bytes.ts';
import { crc32, crc32Of, placeSeed } from './checksum.ts';
import { decodeValue, encodeValue } from './value.ts';
import { sectorBytes } from './wal-segment.ts';

export const groupMagic = 0x50_58_47_52; // "PXGR"
export const markMagic = 0x50_58_4d_4b; // "PXMK"
export const groupHeaderBytes = 72;
export const markBytes = 32;
/** Without the name of the ballot's owner. */
export const recordHeaderBytes = 49;
/** Checksum and length, before the copy of the header. */
export const tailHeaderBytes = 8;
/** Without the name of the ballot's owner. */
export const identityBytes = 49;

/** Values from this size on are handed to the disk as they are; smaller ones are cheaper to copy than to list. */
const copiedValueBytesMax = 4096;
/**
 * With more large values than this, all are copied: a system takes 1024 buffers in one write at most, and the seam between two
 * writes of one group, in the middle of a sector, is no state that a torn group may be in.
 */
const valuesApartMax = 500;

/** What a record holds: a value that was accepted, or that something bad had stood at an instance, or at several. */
export type LogItem = AcceptedEntry | BadItem;

export const isBadItem = (item: LogItem): item is BadItem => 'upTo' in item;

/** In the place of the kind of a value. */
const badKind = 0xff;
const noDigest: ValueDigest = [0, 0, 0, 0];

/** What stands in a record after its identity. */
export function encodeContent(item: LogItem): Buffer {
  if (!isBadItem(item)) return encodeValue(item.value);
  return new ByteWriter(10)
    .u8(badKind)
    .u8(item.identity === null ? 0 : 1)
    .safe(item.upTo)
    .finish();
}

/** @throws {FormatError} for anything that {@link encodeContent} would not write. */
export function decodeContent({ instance: at, ballot, digest }: RecordIdentity, content: Buffer): LogItem {
  const instance = at as Instance;
  if (content[0] !== badKind) return { instance, ballot, value: decodeValue(content) };
  const from = new ByteReader(content);
  from.u8();
  const known = from.u8();
  const upTo = from.safe() as Instance;
  from.end();
  if (known > 1 || upTo < instance || (known === 1 && upTo !== instance))
    throw new FormatError('a bad item of no kind');
  return { instance, upTo, identity: known === 1 ? { ballot, digest } : null };
}

/** What is bad and unknown stands under the ballot below all. */
const ballotOf = (item: LogItem): Ballot => (isBadItem(item) ? (item.identity?.ballot ?? zeroBallot) : item.ballot);

export interface GroupFacts {
  /** Number of this flush; every durable write of promises or log takes the next one. */
  readonly flush: number;
  readonly boot: number;
  /** Everything up to this instance is chosen, and its newest entry in this log is the chosen one. */
  readonly chosenUpTo: number;
  /** Flush number of the newest promise: a promise file older than this was lost or rolled back. */
  readonly promiseFlush: number;
  /** Chain value of the group before: a stale neighbour does not fit. */
  readonly previousChain: number;
  /** No record before this group is of a later instance: how far it reaches what a bad group before this one has held. */
  readonly highest: number;
}

export interface GroupPlace {
  readonly ownerSeed: number;
  readonly segment: number;
  readonly offset: number;
}

/** What a record is, kept a second time in another sector. */
export interface RecordIdentity {
  readonly instance: number;
  readonly ballot: Ballot;
  readonly digest: ValueDigest;
}

export interface EncodedGroup {
  /** To be written one after the other. Values may be among them and must not change before they are durable. */
  readonly buffers: readonly Uint8Array[];
  readonly bytes: number;
  readonly chain: number;
}

interface GroupSizes {
  /** From the start of the group to the end of the last record. */
  readonly recordsEnd: number;
  readonly tailStart: number;
  readonly tailBytes: number;
  readonly bytes: number;
}

const roundUp = (bytes: number): number => Math.ceil(bytes / sectorBytes) * sectorBytes;

function groupSizes(entries: readonly LogItem[]): GroupSizes {
  let recordsEnd = groupHeaderBytes;
  let tailBytes = tailHeaderBytes + groupHeaderBytes;
  for (const item of entries) {
    const nameBytes = ballotOf(item).name.length;
    recordsEnd += recordHeaderBytes + nameBytes + encodeContent(item).length;
    tailBytes += identityBytes + nameBytes;
  }
  const tailStart = roundUp(recordsEnd + markBytes);
  return { recordsEnd, tailStart, tailBytes, bytes: tailStart + roundUp(tailBytes + markBytes) };
}

/** Bytes that a group of these entries takes in a segment, a multiple of the sector. */
export const groupBytes = (entries: readonly LogItem[]): number => groupSizes(entries).bytes;

export function encodeGroup(
  facts: GroupFacts,
  entries: readonly LogItem[],
  place: GroupPlace,
  digest: (bytes: Uint8Array) => ValueDigest,
): EncodedGroup {
  const sizes = groupSizes(entries);
  const values = entries.map(encodeContent);
  const large = values.filter(({ length }) => length >= copiedValueBytesMax);
  const apartFrom = large.length > valuesApartMax ? Number.POSITIVE_INFINITY : copiedValueBytesMax;
  const apart = apartFrom === copiedValueBytesMax ? large.reduce((sum, { length }) => sum + length, 0) : 0;
  const inline = Buffer.allocUnsafe(sizes.bytes - apart);
  const buffers: Uint8Array[] = [];
  const identities = Buffer.allocUnsafe(sizes.tailBytes - tailHeaderBytes - groupHeaderBytes);
  const checksums = Buffer.allocUnsafe(4 * entries.length);
  let identitiesLength = 0;
  let cut = 0; // start in `inline` of what was not yet put among the buffers
  let at = groupHeaderBytes; // in `inline`
  let offset = groupHeaderBytes; // in the group

  entries.forEach((item, i) => {
    const { instance } = item;
    const ballot = ballotOf(item);
    const value = values[i] as Buffer;
    const valueDigest = isBadItem(item) ? (item.identity?.digest ?? noDigest) : digest(value);
    const start = at;
    at = writeIdentity(inline, at + 8, { instance, ballot, digest: valueDigest });
    inline.writeUInt32BE(value.length, start + 4);
    const seed = placeSeed(place.ownerSeed, place.segment, place.offset + offset);
    let checksum: number;
    const headerEnd = at;
    if (value.length >= apartFrom) {
      checksum = crc32(value, crc32Of(inline, start + 4, headerEnd, seed));
      buffers.push(inline.subarray(cut, headerEnd), value);
      cut = headerEnd;
    } else {
      inline.set(value, at);
      at += value.length;
      checksum = crc32Of(inline, start + 4, at, seed);
    }
    inline.writeUInt32BE(checksum, start);
    checksums.writeUInt32BE(checksum, 4 * i);
    identities.writeUInt32BE(offset, identitiesLength);
    identities.writeUInt32BE(checksum, identitiesLength + 4);
    identitiesLength = writeIdentity(identities, identitiesLength + 8, { instance, ballot, digest: valueDigest });
    offset += headerEnd - start + value.length;
  });

  inline.fill(0, at, at + sizes.tailStart - sizes.recordsEnd);
  at += sizes.tailStart - sizes.recordsEnd;
  buffers.push(inline.subarray(cut));
  const header = inline.subarray(0, groupHeaderBytes);
  // Header and marks are no zeros, wherever they come to stand, so only what lies between their sectors can be.
  const emptySectors = countEmptySectors(buffers, sectorBytes, sizes.tailStart - sectorBytes);
  writeHeader(header, facts, { sizes, count: entries.length, emptySectors, place });
  const chain = crc32(checksums, crc32(header));
  const mark = { sizes, place, facts, chain };
  writeMark(inline.subarray(at - markBytes, at), mark, sizes.tailStart - markBytes);
  const tail = inline.subarray(at);
  tail.fill(0);
  tail.writeUInt32BE(sizes.tailBytes, 4);
  tail.set(header, tailHeaderBytes);
  tail.set(identities, tailHeaderBytes + groupHeaderBytes);
  const tailSeed = placeSeed(place.ownerSeed, place.segment, place.offset + sizes.tailStart);
  tail.writeUInt32BE(crc32Of(tail, 4, sizes.tailBytes, tailSeed), 0);
  writeMark(tail.subarray(tail.length - markBytes), mark, sizes.bytes - markBytes);
  return { buffers, bytes: sizes.bytes, chain };
}

/** Whole sectors of zeros between two offsets, both at a sector's beginning, of buffers that follow one another. */
function countEmptySectors(buffers: readonly Uint8Array[], from: number, to: number): number {
  let count = 0;
  let empty = true;
  let start = 0; // of the buffer, as an offset like the others
  for (const buffer of buffers) {
    let at = Math.max(0, from - start);
    while (at < buffer.length && start + at < to) {
      const end = Math.min(buffer.length, at + sectorBytes - ((start + at) % sectorBytes));
      empty = empty && isZeros(buffer, at, end);
      at = end;
      if ((start + at) % sectorBytes !== 0) continue;
      if (empty) count++;
      empty = true;
    }
    start += buffer.length;
  }
  return count;
}

const zeros = Buffer.alloc(64 * 1024);

/** Ends at the first other byte, which in most sectors is the first. */
export function isZeros(bytes: Uint8Array, from: number, to: number): boolean {
  let at = from;
  for (const end = Math.min(to, from + sectorBytes); at < end; at++) if (bytes[at] !== 0) return false;
  for (let end = at; at < to; at = end) {
    end = Math.min(to, at + zeros.length);
    if (zeros.compare(bytes, at, end, 0, end - at) !== 0) return false;
  }
  return true;
}

interface HeaderContext {
  readonly sizes: GroupSizes;
  readonly count: number;
  readonly emptySectors: number;
  readonly place: GroupPlace;
}

function writeHeader(to: Buffer, facts: GroupFacts, { sizes, count, emptySectors, place }: HeaderContext): void {
  to.writeUInt32BE(groupMagic, 0);
  to.writeUInt32BE(sizes.bytes, 8);
  to.writeUInt32BE(sizes.recordsEnd, 12);
  to.writeUInt32BE(sizes.tailStart, 16);
  to.writeUInt32BE(count, 20);
  writeSafe(to, 24, facts.flush);
  writeSafe(to, 32, facts.boot);
  writeSafe(to, 40, facts.chosenUpTo);
  writeSafe(to, 48, facts.promiseFlush);
  to.writeUInt32BE(facts.previousChain, 56);
  to.writeUInt32BE(emptySectors, 60);
  writeSafe(to, 64, facts.highest);
  const seed = placeSeed(place.ownerSeed, place.segment, place.offset);
  to.writeUInt32BE(crc32Of(to, 8, groupHeaderBytes, seed), 4);
}

function writeMark(
  to: Buffer,
  from: { readonly sizes: GroupSizes; readonly place: GroupPlace; readonly facts: GroupFacts; readonly chain: number },
  at: number,
): void {
  const { sizes, place, facts, chain } = from;
  to.writeUInt32BE(markMagic, 0);
  to.writeUInt32BE(place.offset, 4);
  to.writeUInt32BE(sizes.bytes, 8);
  to.writeUInt32BE(sizes.tailStart, 12);
  writeSafe(to, 16, facts.flush);
  to.writeUInt32BE(chain, 24);
  to.writeUInt32BE(crc32Of(to, 0, 28, placeSeed(place.ownerSeed, place.segment, place.offset + at)), 28);
}

/** Returns where the next byte goes. */
function writeIdentity(to: Buffer, at: number, { instance, ballot, digest }: RecordIdentity): number {
  writeSafe(to, at, instance);
  writeSafe(to, at + 8, ballot.round);
  writeSafe(to, at + 16, ballot.incarnation);
  to.writeUInt32BE(digest[0], at + 24);
  to.writeUInt32BE(digest[1], at + 28);
  to.writeUInt32BE(digest[2], at + 32);
  to.writeUInt32BE(digest[3], at + 36);
  const { name } = ballot;
  to.writeUInt8(name.length, at + 40);
  // Member names are ASCII (identity.ts), so a character is a byte.
  for (let i = 0; i < name.length; i++) to[at + 41 + i] = name.charCodeAt(i);
  return at + 41 + name.length;
}

function writeSafe(to: Buffer, at: number, n: number): void {
  const high = Math.floor(n / 0x1_0000_0000);
  to.writeUInt32BE(high, at);
  to.writeUInt32BE(n - high * 0x1_0000_0000, at + 4);
}

/**
 * The first sector of a write-ahead log segment, format 1: whose it is, which one, how long, and where the log before it
 * ends. The groups follow from {@link segmentHeaderBytes} on (`wal-group.ts`).
 *
 * Source: design §4. docs/adr/0003-disk-formats.md has the reasons.
 */
import { ByteReader, ByteWriter, FormatError } from './bytes.ts';
import { crc32, type Owner } from './checksum.ts';

export const sectorBytes = 512;
export const segmentHeaderBytes = sectorBytes;
export const segmentFormat = 1;

const magic = 0x50_58_57_4c; // "PXWL"
const checksumAt = sectorBytes - 4;

/** How far the log is at some point of it. */
export interface LogReach {
  /** Chain value and flush number of the group that ends there; 0 when there is none. */
  readonly chain: number;
  readonly flush: number;
}

/** The point at which the log ended when a process started: what lies beyond it was stated again in a new segment. */
export interface LogPoint extends LogReach {
  /** 0 when there was no log yet. */
  readonly segment: number;
  /** Bytes from the start of that segment. */
  readonly offset: number;
}

export const logBeginning: LogPoint = { segment: 0, offset: 0, chain: 0, flush: 0 };

export interface SegmentHeader {
  readonly owner: Owner;
  /** From 1, never used twice in a data directory. */
  readonly segment: number;
  /** Size of the whole file. */
  readonly bytes: number;
  readonly boot: number;
  /**
   * Present in the segment that a start of the process begins: the log continues from there, whatever the older segment
   * holds beyond that point, and the first group stands in this segment from the beginning. Null: continues the
   * segment before.
   */
  readonly continues: LogPoint | null;
  /**
   * Present in a segment that stands in for damaged ones, beside `continues`: its groups fill it to the last byte, and the next segment
   * goes on from here, as if they were what was written before it.
   */
  readonly until: LogReach | null;
}

/** One sector. @throws {FormatError} when the names are too long for it. */
export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const to = new ByteWriter(sectorBytes).u32(magic).u16(segmentFormat);
  to.text(header.owner.cellId).text(header.owner.member).safe(header.owner.incarnation);
  to.u32(header.segment).safe(header.bytes).safe(header.boot);
  to.u8(header.continues === null ? 0 : 1);
  const { segment, offset, chain, flush } = header.continues ?? logBeginning;
  to.u32(segment).u32(offset).u32(chain).safe(flush);
  // Zeros where it is absent, as all that follows.
  to.u8(header.until === null ? 0 : 1)
    .u32(header.until?.chain ?? 0)
    .safe(header.until?.flush ?? 0);
  if (to.length > checksumAt) throw new FormatError('a segment header longer than a sector');
  const sector = Buffer.alloc(sectorBytes);
  to.finish().copy(sector);
  sector.writeUInt32BE(crc32(sector.subarray(0, checksumAt)), checksumAt);
  return sector;
}

/** @throws {FormatError} for anything that {@link encodeSegmentHeader} would not write. */
export function decodeSegmentHeader(sector: Uint8Array): SegmentHeader {
  if (sector.length !== sectorBytes) throw new FormatError('a segment shorter than its header');
  const from = new ByteReader(sector);
  if (from.u32() !== magic) throw new FormatError('not a log segment');
  const checksum = new ByteReader(sector.subarray(checksumAt)).u32();
  if (crc32(sector.subarray(0, checksumAt)) !== checksum) throw new FormatError('a segment header with a bad checksum');
  const format = from.u16();
  if (format !== segmentFormat) throw new FormatError(`a log segment of unknown format ${format}`);
  const owner = { cellId: from.text(), member: from.text(), incarnation: from.safe() };
  const segment = from.u32();
  const bytes = from.safe();
  const boot = from.safe();
  const opening = from.u8() === 1;
  const point = { segment: from.u32(), offset: from.u32(), chain: from.u32(), flush: from.safe() };
  const standsIn = from.u8() === 1;
  const until = { chain: from.u32(), flush: from.safe() };
  return { owner, segment, bytes, boot, continues: opening ? point : null, until: standsIn ? until : null };
}

/**
 * One segment in memory, whatever can be read of it. What cannot is filled with bytes that are neither zeros nor anything
 * that was ever written, so that it is taken for what it is: damage, not the end of the log (pitfalls D4, D11, D12).
 */
import { FormatError } from '../../formats/bytes.ts';
import type { Owner } from '../../formats/checksum.ts';
import {
  decodeSegmentHeader,
  type LogPoint,
  type LogReach,
  sectorBytes,
  segmentHeaderBytes,
} from '../../formats/wal-segment.ts';
import { type Disk, DiskError, type DiskFile } from '../../ports/disk.ts';
import { WalCorruptError } from '../errors.ts';
import { readingFile, segmentName } from '../files.ts';

const unreadable = 0xbd;
/** After a failed read the rest is read in pieces of this size, and those that fail by sectors. */
const pieceBytes = 64 * 1024;

export interface SegmentBytes {
  readonly segment: number;
  /** As long as the segment was made, where that is known. */
  readonly bytes: Buffer;
  /** As its header says; null where that cannot be read either. */
  readonly continues: LogPoint | null;
  /** Where it stands in for damaged segments, as its header says: how far they reached. */
  readonly until: LogReach | null;
  /** What is wrong with header or length; null when nothing is. */
  readonly problem: string | null;
  /** Behind the last byte that could not be read, or is missing; null when there is none. */
  readonly unreadableUpTo: number | null;
  /** False where even the length is unknown: more may have stood behind the last byte. */
  readonly lengthKnown: boolean;
}

/** Where whole segments are read to by who keeps nothing of them, one after the other; as large as the largest. */
export class ReadingPlace {
  #bytes = Buffer.alloc(0);

  of(length: number): Buffer {
    if (this.#bytes.length < length) this.#bytes = Buffer.allocUnsafeSlow(length);
    return this.#bytes;
  }
}

/** @throws {WalCorruptError} for a sound segment of another member or another number. */
export async function readSegment(
  disk: Disk,
  owner: Owner,
  segment: number,
  place?: ReadingPlace,
): Promise<SegmentBytes> {
  const read = await readingFile<Found>(
    disk,
    segmentName(segment),
    async (file) => ({ ...(await readWhole(file, place)), problem: null }),
    (error) => ({
      bytes: Buffer.alloc(0),
      unreadableUpTo: 0,
      problem: error instanceof Error ? error.message : 'it cannot be read',
    }),
  );
  const { bytes } = read;
  try {
    const header = decodeSegmentHeader(bytes.subarray(0, segmentHeaderBytes));
    const { cellId, member, incarnation } = header.owner;
    if (cellId !== owner.cellId || member !== owner.member || incarnation !== owner.incarnation) {
      throw corrupt(segment, `it belongs to member ${member}#${incarnation} of cell ${cellId}`);
    }
    if (header.segment !== segment) throw new FormatError(`its header is that of segment ${header.segment}`);
    const problem = bytes.length === header.bytes ? null : `${bytes.length} bytes instead of ${header.bytes}`;
    const unreadableUpTo = read.unreadableUpTo ?? (bytes.length < header.bytes ? header.bytes : null);
    return {
      segment,
      bytes: withLength(bytes, header.bytes),
      continues: header.continues,
      until: header.until,
      problem,
      unreadableUpTo,
      lengthKnown: true,
    };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const problem = read.problem ?? error.message;
    const length = Math.max(bytes.length, 2 * sectorBytes);
    const unreadableUpTo = read.unreadableUpTo ?? (bytes.length < length ? length : null);
    const nothing = { continues: null, until: null, lengthKnown: false };
    return { segment, bytes: withLength(bytes, length), problem, unreadableUpTo, ...nothing };
  }
}

/** Where the log goes on from, as the header of the segment says; null where that cannot be read, or where it goes on from nowhere. */
export const readContinues = (disk: Disk, segment: number): Promise<LogPoint | null> =>
  readingFile(
    disk,
    segmentName(segment),
    async (file) => decodeSegmentHeader(Buffer.from(await file.read(0, segmentHeaderBytes))).continues,
    () => null,
  );

interface Found {
  readonly bytes: Buffer;
  readonly unreadableUpTo: number | null;
  readonly problem: string | null;
}

const corrupt = (segment: number, problem: string): WalCorruptError =>
  new WalCorruptError({ file: segmentName(segment), offset: 0, problem });

/** Shortened, or lengthened by what is missing. */
function withLength(bytes: Buffer, length: number): Buffer {
  if (bytes.length >= length) return bytes.subarray(0, length);
  return Buffer.concat([bytes, Buffer.alloc(length - bytes.length, unreadable)]);
}

async function readWhole(
  file: DiskFile,
  place: ReadingPlace | undefined,
): Promise<{ bytes: Buffer; unreadableUpTo: number | null }> {
  const size = await file.size();
  const whole = await readOrNull(file, 0, size, place?.of(size));
  if (whole !== null) return { bytes: whole, unreadableUpTo: null };
  const bytes = Buffer.alloc(size, unreadable);
  let unreadableUpTo: number | null = null;
  for (let piece = 0; piece < size; piece += pieceBytes) {
    const end = Math.min(piece + pieceBytes, size);
    const read = await readOrNull(file, piece, end - piece);
    if (read !== null) {
      read.copy(bytes, piece);
      continue;
    }
    for (let at = piece; at < end; at += sectorBytes) {
      const sector = await readOrNull(file, at, Math.min(sectorBytes, end - at));
      if (sector !== null) sector.copy(bytes, at);
      else unreadableUpTo = Math.min(at + sectorBytes, size);
    }
  }
  return { bytes, unreadableUpTo };
}

/** Null for an error of the medium, or for less than there must be. */
async function readOrNull(file: DiskFile, offset: number, length: number, into?: Buffer): Promise<Buffer | null> {
  try {
    const read = await file.read(offset, length, into);
    return read.length === length ? Buffer.from(read.buffer, read.byteOffset, read.length) : null;
  } catch (error) {
    if (error instanceof DiskError && error.reason === 'io') return null;
    throw error;
  }
}

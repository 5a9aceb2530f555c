/**
 * Reading the log back at a start, without changing it.
 *
 * Source: PML §4 (restart), §5.1; design §4; PAR. Keeps: every group that was ever acknowledged is in the result, or the
 * result is an error that names what is bad. The only thing dropped is a torn last group (`log-end.ts`): the flush that would
 * have acknowledged it never ended.
 */
import type { Instance } from '../../core/consensus/identity.ts';
import type { AcceptedEntry } from '../../core/consensus/message.ts';
import type { WitnessMemory } from '../../core/consensus/witness-memory.ts';
import { FormatError } from '../../formats/bytes.ts';
import { type Owner, ownerSeed } from '../../formats/checksum.ts';
import { decodeValue } from '../../formats/value.ts';
import { isZeros } from '../../formats/wal-group.ts';
import {
  badRecords,
  type GroupHeader,
  type ReadGroup,
  type ReadRecord,
  readGroup,
} from '../../formats/wal-group-reader.ts';
import {
  decodeSegmentHeader,
  type LogPoint,
  logBeginning,
  type SegmentHeader,
  segmentHeaderBytes,
} from '../../formats/wal-segment.ts';
import { witnessOf } from '../../formats/wal-witness.ts';
import type { Disk, DiskFile } from '../../ports/disk.ts';
import { WalCorruptError } from '../errors.ts';
import { readingFile, segmentName } from '../files.ts';
import { judgeLogEnd } from './log-end.ts';

export interface LiveSegment {
  readonly segment: number;
  readonly bytes: number;
  /** Highest instance that it holds an entry of; 0 for none. */
  readonly highest: number;
}

/** The last group, dropped: never flushed whole, so nobody was told of what it held. */
export interface TornGroup {
  readonly file: string;
  readonly offset: number;
  /** Its number; null when not even its header is there. */
  readonly flush: number | null;
}

export interface RecoveredLog {
  /** The newest entry of each instance above the asked one. */
  readonly entries: ReadonlyMap<number, AcceptedEntry>;
  readonly chosenUpTo: number;
  /** Highest numbers found; 0 for none. */
  readonly flush: number;
  readonly promiseFlush: number;
  readonly boot: number;
  /**
   * Where a new segment takes over. The last group lies beyond it: it may stand in the cache alone and is written again
   * (pitfalls P15).
   */
  readonly continues: LogPoint;
  readonly unsure: readonly AcceptedEntry[];
  /** Segments that still count once a new one has taken over. */
  readonly live: readonly LiveSegment[];
  readonly torn: TornGroup | null;
}

/** @throws {WalCorruptError} for anything but a torn last group. */
export async function recoverLog(
  disk: Disk,
  owner: Owner,
  segments: readonly number[],
  above: number,
  memory: WitnessMemory | null = null,
): Promise<RecoveredLog> {
  const headers: SegmentHeader[] = [];
  for (const segment of segments) headers.push(await readHeader(disk, owner, segment));
  const recovery = new LogRecovery(ownerSeed(owner), above, memory);
  for (const [i, header] of headers.entries()) {
    const later = headers.slice(i + 1).flatMap(({ continues }) => (continues === null ? [] : [continues]));
    if (later.some(({ segment }) => segment < header.segment)) continue; // superseded as a whole
    const end = later.find(({ segment }) => segment === header.segment)?.offset ?? null;
    recovery.take(header, await readSegment(disk, header), end);
  }
  return recovery.result();
}

const corrupt = (segment: number, offset: number, problem: string, cause?: unknown): WalCorruptError =>
  new WalCorruptError({ file: segmentName(segment), offset, problem, bad: [] }, { cause });

async function readHeader(disk: Disk, owner: Owner, segment: number): Promise<SegmentHeader> {
  const header = await readAt(disk, segment, async (file) => {
    const decoded = decodeSegmentHeader(await file.read(0, segmentHeaderBytes));
    const size = await file.size();
    if (size !== decoded.bytes) throw new FormatError(`${size} bytes instead of ${decoded.bytes}`);
    return decoded;
  });
  const { cellId, member, incarnation } = header.owner;
  if (cellId !== owner.cellId || member !== owner.member || incarnation !== owner.incarnation) {
    throw corrupt(segment, 0, `it belongs to member ${member}#${incarnation} of cell ${cellId}`);
  }
  if (header.segment !== segment) throw corrupt(segment, 0, `it is segment ${header.segment}`);
  return header;
}

const readSegment = (disk: Disk, { segment, bytes }: SegmentHeader): Promise<Buffer> =>
  readAt(disk, segment, async (file) => {
    const read = await file.read(0, bytes);
    if (read.length !== bytes) throw new FormatError(`${read.length} bytes instead of ${bytes}`);
    return Buffer.from(read.buffer, read.byteOffset, read.length);
  });

const readAt = <Result>(disk: Disk, segment: number, read: (file: DiskFile) => Promise<Result>): Promise<Result> =>
  readingFile(disk, segmentName(segment), read, (error) => {
    throw corrupt(segment, 0, error instanceof Error ? error.message : 'it cannot be read', error);
  });

class LogRecovery {
  readonly #ownerSeed: number;
  readonly #above: number;
  readonly #memory: WitnessMemory | null;
  readonly #entries = new Map<number, AcceptedEntry>();
  readonly #live: LiveSegment[] = [];
  /** Where the log read so far ends. */
  #end: LogPoint | null = null;
  /** Where it ended before its last group. */
  #beforeLast: LogPoint = logBeginning;
  #last: { readonly group: ReadGroup; readonly segment: number } | null = null;
  #torn: TornGroup | null = null;
  #chosenUpTo = 0;
  #flush = 0;
  #promiseFlush = 0;
  #boot = 0;

  constructor(seed: number, above: number, memory: WitnessMemory | null) {
    this.#ownerSeed = seed;
    this.#above = above;
    this.#memory = memory;
  }

  /** Segments in ascending order; `end` is where a later one took over, null when it did not. */
  take(header: SegmentHeader, bytes: Buffer, end: number | null): void {
    const { segment, continues } = header;
    if (this.#torn !== null && (continues !== null || !isZeros(bytes, segmentHeaderBytes, bytes.length))) {
      const { file, offset } = this.#torn;
      const problem = `sectors of a group are missing that was flushed before ${segmentName(segment)} was written to`;
      throw new WalCorruptError({ file, offset, problem, bad: [] });
    }
    if (continues !== null) this.#takeOver(header, continues);
    let highest = 0;
    let offset = segmentHeaderBytes;
    for (let first = true; offset !== end && offset < bytes.length; first = false) {
      const group = this.#group(header, bytes, offset, end);
      if (group === null) {
        // What a start of the process writes first was flushed before the manifest named it: it cannot be torn.
        if (first && continues !== null) throw corrupt(segment, offset, 'its first group is missing');
        break;
      }
      const before = first && continues !== null ? continues : (this.#end ?? { ...logBeginning, segment, offset });
      this.#checkOrder(group, before, segment);
      this.#beforeLast = first && continues === null ? { ...before, segment, offset } : before;
      for (const record of group.records) highest = Math.max(highest, record.instance);
      this.#keep(group, segment);
      offset += group.bytes;
      this.#end = { segment, offset, chain: group.chain, flush: group.flush };
    }
    if (end !== null && offset !== end) throw corrupt(segment, offset, `the log must reach ${end}`);
    this.#live.push({ segment, bytes: header.bytes, highest });
  }

  result(): RecoveredLog {
    const continues = this.#beforeLast;
    return {
      entries: this.#entries,
      chosenUpTo: this.#chosenUpTo,
      flush: this.#flush,
      promiseFlush: this.#promiseFlush,
      boot: this.#boot,
      continues,
      unsure: this.#last === null ? [] : toEntries(this.#last.group, this.#last.segment),
      live: this.#live.filter(({ segment }) => segment <= continues.segment),
      torn: this.#torn,
    };
  }

  /** A start of the process began this segment: the log before it must reach the point that it continues from. */
  #takeOver(header: SegmentHeader, continues: LogPoint): void {
    const end = this.#end;
    if (end === null) return; // the segments before it were cut
    if (end.chain === continues.chain && end.flush === continues.flush) return;
    throw corrupt(end.segment, end.offset, `${segmentName(header.segment)} continues from flush ${continues.flush}`);
  }

  /** The group at `offset`, or null where the log ends. */
  #group(header: SegmentHeader, bytes: Buffer, offset: number, end: number | null): ReadGroup | null {
    const place = { ownerSeed: this.#ownerSeed, segment: header.segment, offset };
    const limited = end === null ? bytes : bytes.subarray(0, end);
    const group = readGroup(limited, place);
    if (!('fault' in group)) return group;
    const found = judgeLogEnd(limited, place);
    if (found.kind === 'end') return null;
    const file = segmentName(header.segment);
    if (found.kind === 'torn') {
      this.#takeTorn(found.header, { file, offset, flush: found.header?.flush ?? null });
      return null;
    }
    const { mark } = found;
    const bad = mark?.offset === offset ? badRecords(limited, place, mark) : [{ instance: null, identity: null }];
    throw new WalCorruptError({ file, offset, problem: group.fault, bad });
  }

  /** Of a torn group only what its header says of earlier flushes counts. */
  #takeTorn(header: GroupHeader | null, torn: TornGroup): void {
    this.#torn = torn;
    if (header === null) return;
    this.#boot = Math.max(this.#boot, header.boot);
    this.#promiseFlush = Math.max(this.#promiseFlush, header.promiseFlush);
    if (this.#end === null || header.previousChain === this.#end.chain) return;
    const problem = `it does not follow flush ${this.#end.flush}: a group before it is missing`;
    throw new WalCorruptError({ file: torn.file, offset: torn.offset, problem, bad: [] });
  }

  #checkOrder(group: ReadGroup, before: LogPoint, segment: number): void {
    // Before the first group of a log that was cut, nothing is known.
    if (before.chain === 0 && before.flush === 0 && this.#end === null) return;
    if (group.previousChain !== before.chain) {
      throw corrupt(segment, group.offset, `it does not follow flush ${before.flush}: a group before it is missing`);
    }
    if (group.flush <= before.flush) {
      throw corrupt(segment, group.offset, `flush ${group.flush} after flush ${before.flush}`);
    }
  }

  #keep(group: ReadGroup, segment: number): void {
    this.#last = { group, segment };
    for (const entry of toEntries(group, segment, this.#above)) this.#entries.set(entry.instance, entry);
    if (this.#memory !== null) {
      for (const { member, histories } of witnessOf(group.records)) {
        for (const history of histories) this.#memory.learn(member, history);
      }
    }
    this.#chosenUpTo = Math.max(this.#chosenUpTo, group.chosenUpTo);
    this.#flush = Math.max(this.#flush, group.flush);
    this.#promiseFlush = Math.max(this.#promiseFlush, group.promiseFlush);
    this.#boot = Math.max(this.#boot, group.boot);
  }
}

/** Values are copied out, so that one small value does not keep a whole segment in memory. */
function toEntries({ records, offset }: ReadGroup, segment: number, above = 0): AcceptedEntry[] {
  const entry = ({ instance, ballot, value }: ReadRecord): AcceptedEntry => {
    try {
      return { instance: instance as Instance, ballot, value: decodeValue(Buffer.from(value)) };
    } catch (error) {
      if (error instanceof FormatError) throw corrupt(segment, offset, `instance ${instance}: ${error.message}`);
      throw error;
    }
  };
  return records.filter(({ instance }) => instance > above).map(entry);
}

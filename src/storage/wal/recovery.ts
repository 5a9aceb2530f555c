/**
 * Reading the log back at a start, without changing it.
 *
 * Source: PML §4 (restart), §5.1; design §4 "Repair by item"; PAR. Keeps: every record that was ever acknowledged is in the
 * result, as an entry or as something bad (P16, P17). The only thing dropped is a torn last group (`log-end.ts`): the flush
 * that would have acknowledged it never ended. Where even the instances of bad records are gone, every instance is bad that
 * was open at that place: above what was chosen, up to what the next group says had been accepted.
 */
import { type BadItem, endless } from '../../core/consensus/bad-item.ts';
import type { Instance } from '../../core/consensus/identity.ts';
import type { AcceptedEntry } from '../../core/consensus/message.ts';
import type { WitnessMemory } from '../../core/consensus/witness-memory.ts';
import { FormatError } from '../../formats/bytes.ts';
import { type Owner, ownerSeed } from '../../formats/checksum.ts';
import { UnknownValueError, valueKindMax } from '../../formats/value.ts';
import { decodeContent, type GroupFacts, isBadItem, isZeros, type LogItem } from '../../formats/wal-group.ts';
import {
  type GroupHeader,
  nextGroup,
  type ReadRecord,
  readGroup,
  readGroupHeader,
  type SalvagedGroup,
  salvageGroup,
} from '../../formats/wal-group-reader.ts';
import { type LogPoint, logBeginning, sectorBytes, segmentHeaderBytes } from '../../formats/wal-segment.ts';
import { witnessInstance, witnessOf } from '../../formats/wal-witness.ts';
import type { Disk } from '../../ports/disk.ts';
import { UnsupportedFormatError, WalCorruptError } from '../errors.ts';
import { segmentName } from '../files.ts';
import { KnownItems } from './known-items.ts';
import { judgeLogEnd } from './log-end.ts';
import { ReadingPlace, readContinues, readSegment, type SegmentBytes } from './segment-reader.ts';

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

/** Where the log could not be read. */
export interface Damage {
  readonly file: string;
  readonly offset: number;
  readonly problem: string;
}

export interface RecoveredLog {
  /** The newest entry of each instance above the asked one. */
  readonly entries: ReadonlyMap<number, AcceptedEntry>;
  /** Above the asked instance, ascending: had, and cannot be given back. */
  readonly bad: readonly BadItem[];
  /** Everything up to here is chosen, and what of it is among `entries` is the chosen value. */
  readonly chosenUpTo: number;
  /** As `chosenUpTo`, as far as nothing is missing: what the log vouches for from now on. */
  readonly soundUpTo: number;
  /** Highest instance that any record was of; {@link endless} where that is not known. */
  readonly highest: number;
  readonly damage: readonly Damage[];
  /** Highest numbers found; 0 for none. */
  readonly flush: number;
  readonly promiseFlush: number;
  readonly boot: number;
  /**
   * Where a new segment takes over. The last group lies beyond it: it may stand in the cache alone and is written again
   * (pitfalls P15). So does everything from the first damage on: what is good of it, and that the rest was there.
   */
  readonly continues: LogPoint;
  readonly unsure: readonly LogItem[];
  /** Segments that still count once a new one has taken over. */
  readonly live: readonly LiveSegment[];
  readonly torn: TornGroup | null;
}

/** What a start may know besides the log. */
export interface LogExpectation {
  /** Only entries above it are wanted. */
  readonly above: number;
  /** What is written again after damage goes further down: an older snapshot may need it. */
  readonly restateAbove: number;
  /** A flush that has been acknowledged, as other files say: a log that ends before it has lost its end. */
  readonly flush: number;
}

/** For who only looks. */
export const plainly = (above: number): LogExpectation => ({ above, restateAbove: above, flush: 0 });
/** For who wants to know what is damaged, and nothing of what is there. */
export const damageAlone: LogExpectation = plainly(endless);

/** What a reader needs beside the log. */
export interface LogSurroundings {
  /** Takes up what the log knows of the disks of others. */
  readonly memory?: WitnessMemory;
  /** Awaited now and then, by who reads beside a running replica. */
  readonly pause?: (() => Promise<void>) | undefined;
}

/** Between two pauses: about a millisecond. */
const bytesPerPause = 256 * 1024;

/**
 * One segment in memory at a time, and what is kept of it.
 * @throws {WalCorruptError} for what no crash and no damage of a disk explains: it is another member's, or was put there.
 */
export async function recoverLog(
  disk: Disk,
  owner: Owner,
  segments: readonly number[],
  expected: LogExpectation,
  { memory, pause }: LogSurroundings = {},
): Promise<RecoveredLog> {
  const recovery = new LogRecovery(ownerSeed(owner), expected, memory ?? null);
  // The first is later than none.
  const continues: (LogPoint | null)[] = [null];
  for (const segment of segments.slice(1)) continues.push(await readContinues(disk, segment));
  const place = expected.above === endless ? new ReadingPlace() : undefined;
  for (const [i, segment] of segments.entries()) {
    const read = await readSegment(disk, owner, segment, place);
    const later = continues.slice(i + 1).filter((point) => point !== null);
    if (later.some((point) => point.segment < segment)) continue; // superseded as a whole
    const end = later.find((point) => point.segment === segment)?.offset ?? null;
    await recovery.take(read, end, pause ?? null);
  }
  return recovery.result(expected);
}

interface GroupAt {
  readonly segment: number;
  /** Of the segment, up to where a later one took over. */
  readonly bytes: Buffer;
  readonly offset: number;
  /** Where the log goes on from, for the first group of a segment that a start of the process began. */
  readonly opening: LogPoint | null;
  /** It was flushed whole before anybody was told of it: nothing in it can be torn. */
  readonly whole: boolean;
  /** What its header said of the order is lost. */
  readonly headless: boolean;
}

class LogRecovery {
  readonly #ownerSeed: number;
  readonly #expected: LogExpectation;
  readonly #items: KnownItems;
  readonly #memory: WitnessMemory | null;
  readonly #live: LiveSegment[] = [];
  /** Where the log read so far ends; `chain` is null where damage has left it unknown. */
  #end: (Omit<LogPoint, 'chain'> & { readonly chain: number | null }) | null = null;
  /** Where it ended before its last group. */
  #beforeLast: LogPoint = logBeginning;
  /** Where it ended before the first damage. */
  #sound: LogPoint | null = null;
  readonly #damage: Damage[] = [];
  /**
   * Records are gone of which not even the instance is known, since this one was the first not known as chosen; null when there are none.
   * What a group itself calls chosen may lie in it. Also from where a record that named such a range is itself gone, but for its first
   * instance.
   */
  #gapFrom: number | null = null;
  #torn: TornGroup | null = null;
  #chosenUpTo = 0;
  #highest = 0;
  #flush = 0;
  #promiseFlush = 0;
  #boot = 0;

  constructor(seed: number, expected: LogExpectation, memory: WitnessMemory | null) {
    this.#ownerSeed = seed;
    this.#expected = expected;
    this.#memory = memory;
    this.#items = new KnownItems(expected.restateAbove);
  }

  /** Segments in ascending order; `end` is where a later one took over, null when it did not. */
  async take(read: SegmentBytes, end: number | null, pause: (() => Promise<void>) | null): Promise<void> {
    const { segment, bytes, continues, until, problem, unreadableUpTo, lengthKnown } = read;
    const whole = until !== null;
    if (this.#torn !== null && (continues !== null || !isZeros(bytes, segmentHeaderBytes, bytes.length))) {
      const { file, offset } = this.#torn;
      this.#torn = null;
      const reason = `sectors of a group are missing that was flushed before ${segmentName(segment)} was written to`;
      this.#damaged({ file, offset, problem: reason }, true);
    }
    if (problem !== null && end !== segmentHeaderBytes && !isZeros(bytes, segmentHeaderBytes, bytes.length)) {
      this.#damaged({ file: segmentName(segment), offset: 0, problem }, false, { segment, offset: segmentHeaderBytes });
    }
    // It was named with its header on the disk: who made nothing of that may have made nothing of groups too.
    if (end === null && bytes.length > 0 && isZeros(bytes, 0, bytes.length)) {
      const what = { file: segmentName(segment), offset: 0, problem: 'there is nothing in it, not even its header' };
      this.#damaged(what, true, { segment, offset: segmentHeaderBytes });
    }
    if (continues !== null) this.#takeOver(segment, continues);
    const limited = end === null ? bytes : bytes.subarray(0, end);
    let offset = segmentHeaderBytes;
    let first = continues !== null;
    let pausedAt = offset;
    while (offset < limited.length) {
      if (pause !== null && offset - pausedAt > bytesPerPause) {
        await pause();
        pausedAt = offset;
      }
      const opening = first ? continues : null;
      const next = this.#takeGroup({ segment, bytes: limited, offset, opening, whole, headless: !lengthKnown });
      if (next === null) {
        const missing = { file: segmentName(segment), offset };
        // What a start of the process writes first was flushed before the manifest named it: it cannot be torn.
        if (first && this.#torn === null) this.#damaged({ ...missing, problem: 'its first group is missing' }, true);
        else if (end !== null || whole) {
          this.#damaged({ ...missing, problem: `the log must reach ${limited.length}` }, true);
        }
        break;
      }
      offset = next;
      first = false;
    }
    // Read to where what it stands in for was: the log goes on as if that were still there.
    if (until !== null && offset === bytes.length && this.#end !== null) this.#end = { ...this.#end, ...until };
    // Behind zeros it may be taken for the end of the log, but nobody knows what was there.
    if (unreadableUpTo !== null && unreadableUpTo > offset && offset < limited.length && this.#gapFrom === null) {
      const what = { file: segmentName(segment), offset, problem: 'from here on it cannot be read whole' };
      this.#damaged(what, true, { segment, offset: segmentHeaderBytes });
    }
    if (!lengthKnown && end === null && !this.#endsWithin(bytes, segment, offset) && this.#gapFrom === null) {
      const what = { file: segmentName(segment), offset, problem: 'nobody can tell how long it was' };
      this.#torn = null;
      this.#damaged(what, true, { segment, offset: segmentHeaderBytes });
    }
    this.#live.push({ segment, bytes: bytes.length, highest: this.#items.takeHighest() });
  }

  /**
   * Whether a file of unknown length still shows where its groups end: nothing was written to its last sector. Segments are whole sectors:
   * any other length is not the one that it had, and zeros behind it are not those that were prepared.
   */
  #endsWithin(bytes: Buffer, segment: number, offset: number): boolean {
    if (bytes.length % sectorBytes !== 0) return false;
    const header = readGroupHeader(bytes, { ownerSeed: this.#ownerSeed, segment, offset });
    const lastSector = bytes.length - sectorBytes;
    return lastSector >= offset + (header?.bytes ?? 0) && isZeros(bytes, lastSector, bytes.length);
  }

  result(expected: LogExpectation): RecoveredLog {
    const lostEnd = this.#flush < expected.flush;
    if (lostEnd && this.#gapFrom === null) {
      const end = this.#end ?? logBeginning;
      const problem = `it ends at flush ${this.#flush}, flush ${expected.flush} has been acknowledged`;
      this.#damaged({ file: segmentName(end.segment), offset: end.offset, problem }, true);
    }
    if (this.#gapFrom !== null) this.#closeGap(endless);
    const sound = this.#sound;
    const continues = sound ?? this.#beforeLast;
    const { entries, bad } = this.#items.above(expected.above);
    const live = this.#live.filter(
      ({ segment }) =>
        segment < continues.segment || (segment === continues.segment && continues.offset > segmentHeaderBytes),
    );
    return {
      entries,
      bad,
      chosenUpTo: this.#chosenUpTo,
      soundUpTo: sound === null ? this.#chosenUpTo : this.#items.soundUpTo(expected.above, this.#chosenUpTo),
      highest: this.#highest,
      damage: this.#damage,
      flush: this.#flush,
      promiseFlush: this.#promiseFlush,
      boot: this.#boot,
      continues,
      unsure: sound === null ? this.#items.ofLastGroup() : this.#items.sinceDamage(),
      live: sound === null ? this.#live.filter(({ segment }) => segment <= continues.segment) : live,
      torn: this.#torn,
    };
  }

  // --- groups ---------------------------------------------------------------------------------------------------------

  /** Takes the group at `offset`. Returns where the next one begins; null where the segment has no more. */
  #takeGroup(at: GroupAt): number | null {
    const { segment, bytes, offset, opening } = at;
    const place = { ownerSeed: this.#ownerSeed, segment, offset };
    const group = readGroup(bytes, place);
    if ('fault' in group) return this.#takeUnreadable(at, group.fault);
    this.#checkOrder(group, at);
    const before = opening ?? this.#pointBefore(segment, offset);
    if (before !== null) this.#beforeLast = before;
    this.#keep(segment, offset, { ...group, facts: group, items: group.records, more: false });
    return offset + group.bytes;
  }

  /** Null where nothing is known before: after damage that has left the chain unknown. */
  #pointBefore(segment: number, offset: number): LogPoint | null {
    if (this.#end === null) return { ...logBeginning, segment, offset };
    const { chain } = this.#end;
    return chain === null ? null : { ...this.#end, chain };
  }

  #takeUnreadable(at: GroupAt, fault: string): number | null {
    const { segment, bytes, offset, opening, whole } = at;
    const place = { ownerSeed: this.#ownerSeed, segment, offset };
    const found = judgeLogEnd(bytes, place);
    if (found.kind === 'end') return null;
    const file = segmentName(segment);
    if (found.kind === 'torn' && opening === null && !whole) {
      this.#takeTorn(found.header, { file, offset, flush: found.header?.flush ?? null });
      return null;
    }
    const salvaged = salvageGroup(bytes, place);
    this.#damaged({ file, offset, problem: fault }, salvaged === null, opening ?? { segment, offset });
    if (salvaged === null) {
      const next = nextGroup(bytes, place);
      this.#end = { ...(this.#end ?? logBeginning), segment, offset: next ?? bytes.length, chain: null };
      return next;
    }
    if (salvaged.facts !== null) this.#checkOrder(salvaged.facts, at);
    this.#keep(segment, offset, salvaged);
    return offset + salvaged.bytes;
  }

  #keep(segment: number, offset: number, group: SalvagedGroup): void {
    const { facts, items, more, bytes, chain } = group;
    this.#items.beginGroup();
    for (const item of items) {
      const { instance } = 'bad' in item ? item.bad : item;
      if (instance === witnessInstance) this.#remember(item);
      else if ('bad' in item) this.#items.take(badOf(item.bad));
      else this.#takeRecord(item, segment, offset);
      // It said that something bad stood here and further, and how far went with it.
      if ('bad' in item && isUnknown(item.bad) && instance !== witnessInstance) {
        this.#gapFrom = Math.min(this.#gapFrom ?? instance, instance);
      }
    }
    if (more) this.#gapFrom ??= this.#chosenUpTo + 1;
    if (facts !== null) this.#learn(facts);
    this.#highest = Math.max(this.#highest, this.#items.highestOfGroup);
    this.#end = { segment, offset: offset + bytes, chain, flush: facts?.flush ?? this.#flush };
  }

  /**
   * Values that the result hands out are copied, so that one small value does not keep a whole segment in memory. Others may have to be
   * written again, and nobody keeps them longer than that; of most of them it only matters that they are sound.
   */
  #takeRecord(record: ReadRecord, segment: number, offset: number): void {
    const { above, restateAbove } = this.#expected;
    const content = record.instance > above ? Buffer.from(record.value) : record.value;
    const item = itemOf(record, content, { segment, offset });
    if (record.instance > restateAbove || isBadItem(item)) this.#items.take(item);
    else this.#items.pass(record.instance);
  }

  /** What was learned of the disks of others. A bad one costs what its flush had learned, no more. */
  #remember(item: SalvagedGroup['items'][number]): void {
    if (this.#memory === null || 'bad' in item) return;
    for (const { member, histories } of witnessOf(item.value)) {
      for (const history of histories) this.#memory.learn(member, history);
    }
  }

  #learn(facts: GroupFacts): void {
    this.#chosenUpTo = Math.max(this.#chosenUpTo, facts.chosenUpTo);
    this.#highest = Math.max(this.#highest, facts.highest);
    this.#flush = Math.max(this.#flush, facts.flush);
    this.#promiseFlush = Math.max(this.#promiseFlush, facts.promiseFlush);
    this.#boot = Math.max(this.#boot, facts.boot);
  }

  // --- order ----------------------------------------------------------------------------------------------------------

  /** A start of the process began this segment: the log before it must reach the point that it continues from. */
  #takeOver(segment: number, continues: LogPoint): void {
    const end = this.#end;
    if (end === null || end.chain === null) return; // the segments before it were cut, or nobody can tell
    if (end.chain === continues.chain && end.flush === continues.flush) return;
    const problem = `${segmentName(segment)} continues from flush ${continues.flush}`;
    this.#damaged({ file: segmentName(end.segment), offset: end.offset, problem }, true);
  }

  /** Closes a gap before the group, and finds one where the group does not follow what was read last. */
  #checkOrder(facts: GroupFacts, { segment, offset, opening, headless }: GroupAt): void {
    const before = opening ?? this.#end;
    const known = before !== null && before.chain !== null && !(before.chain === 0 && before.flush === 0);
    const file = segmentName(segment);
    if (known && facts.previousChain !== before.chain && this.#gapFrom === null) {
      const problem = `it does not follow flush ${before.flush}: a group before it is missing`;
      this.#damaged({ file, offset, problem }, true, { segment, offset });
    }
    if (before !== null && facts.flush <= before.flush) {
      const problem = `flush ${facts.flush} after flush ${before.flush}`;
      // What stands in for damage may have lower numbers than what was written before the log left it: its header said so.
      if (!headless) throw corrupt(segment, offset, problem);
      this.#damaged({ file, offset, problem }, true, { segment, offset });
    }
    if (this.#gapFrom !== null) this.#closeGap(facts.highest);
  }

  // --- damage ---------------------------------------------------------------------------------------------------------

  /** `records`: some may be gone altogether. `at` is where the log would go on from, if this is the first damage. */
  #damaged(damage: Damage, records: boolean, at: Partial<LogPoint> = {}): void {
    this.#damage.push(damage);
    if (records) this.#gapFrom ??= this.#chosenUpTo + 1;
    if (this.#sound !== null) return;
    const end = this.#end;
    this.#sound = end === null || end.chain === null ? { ...logBeginning, ...at } : { ...end, chain: end.chain };
    this.#items.markDamage();
  }

  /** Whatever was open where the records are gone may have been in them. */
  #closeGap(highest: number): void {
    const from = this.#gapFrom ?? this.#chosenUpTo + 1;
    this.#gapFrom = null;
    this.#items.beginGroup();
    if (highest < from) return;
    this.#items.take({ instance: from as Instance, upTo: highest as Instance, identity: null });
    this.#highest = Math.max(this.#highest, highest);
  }

  /** Of a torn group only what its header says of earlier flushes counts. */
  #takeTorn(header: GroupHeader | null, torn: TornGroup): void {
    this.#torn = torn;
    if (header === null) return;
    this.#boot = Math.max(this.#boot, header.boot);
    this.#promiseFlush = Math.max(this.#promiseFlush, header.promiseFlush);
    const end = this.#end;
    if (end === null || end.chain === null || header.previousChain === end.chain) return;
    const problem = `it does not follow flush ${end.flush}: a group before it is missing`;
    this.#damaged({ file: torn.file, offset: torn.offset, problem }, true);
    this.#closeGap(header.highest);
  }
}

const corrupt = (segment: number, offset: number, problem: string, cause?: unknown): WalCorruptError =>
  new WalCorruptError({ file: segmentName(segment), offset, problem }, { cause });

/** Whether it stood for records of which nothing but their instances is known. */
const isUnknown = ({ ballot }: Parameters<typeof decodeContent>[0]): boolean => ballot.round === 0;

const badOf = (record: Parameters<typeof decodeContent>[0]): BadItem => ({
  instance: record.instance as Instance,
  upTo: record.instance as Instance,
  // What stood there may itself have said that something was bad; of which ballot is all that counts.
  identity: isUnknown(record) ? null : { ballot: record.ballot, digest: record.digest },
});

function itemOf(
  record: ReadRecord,
  content: Buffer,
  { segment, offset }: { segment: number; offset: number },
): LogItem {
  try {
    return decodeContent(record, content);
  } catch (error) {
    // Whole, and of a newer format: no damage, and nothing to be repaired (pitfall U4).
    if (error instanceof UnknownValueError) {
      const file = segmentName(segment);
      throw new UnsupportedFormatError({ file, format: error.kind, highest: valueKindMax }, { cause: error });
    }
    if (error instanceof FormatError) throw corrupt(segment, offset, `instance ${record.instance}: ${error.message}`);
    throw error;
  }
}

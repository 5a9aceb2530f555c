/**
 * Bytes of ballots, configurations and values, the same in the write-ahead log and between peers. Level 1.
 *
 * One value has one encoding, so its digest identifies it. Bytes of submitted items are never copied on reading.
 */
import { type Ballot, roundMax } from '../core/consensus/ballot.ts';
import type { Configuration, ConfigurationFrom, Member, MemberRole } from '../core/consensus/configuration.ts';
import type { CellTimeMs, Epoch, Instance, ReplicaId } from '../core/consensus/identity.ts';
import { memberNamePattern } from '../core/consensus/identity.ts';
import type { Value } from '../core/consensus/value.ts';
import { noop } from '../core/consensus/value.ts';
import { unreachable } from '../core/invariant.ts';
import { ByteReader, ByteWriter, FormatError } from './bytes.ts';

const kinds = { noop: 0, mastership: 1, configuration: 2, submitted: 3 } as const;
/** The newest kind that this program knows. */
export const valueKindMax = Math.max(...Object.values(kinds));
/** By their number. */
const roles: readonly MemberRole[] = ['learner', 'voter', 'rebuilding'];
const membersMax = 31;
const itemsMax = 65_535;

export function writeBallot(to: ByteWriter, ballot: Ballot): void {
  to.safe(ballot.round).text(ballot.name).safe(ballot.incarnation);
}

/** Ballots met lately, by hash: nearly every message carries the present one. */
const recentBallots = new Array<Ballot | undefined>(64);

/** @throws {FormatError} for a round above {@link roundMax} or a bad name. */
export function readBallot(from: ByteReader): Ballot {
  const round = from.safe();
  const name = from.text();
  const incarnation = from.safe();
  const place = (round + name.length * 7 + (name.charCodeAt(name.length - 1) | 0)) % recentBallots.length;
  const recent = recentBallots[place];
  if (recent?.round === round && recent.name === name && recent.incarnation === incarnation) return recent;
  const ballot = checkedBallot(round, name, incarnation);
  recentBallots[place] = ballot;
  return ballot;
}

function checkedBallot(round: number, name: string, incarnation: number): Ballot {
  if (round > roundMax) throw new FormatError('a ballot round beyond the limit');
  if (round > 0 && !memberNamePattern.test(name)) throw new FormatError('a ballot of a bad name');
  return { round, name, incarnation };
}

export function writeConfiguration(to: ByteWriter, configuration: Configuration): void {
  to.u32(configuration.alpha).u32(configuration.leaseMs).u32(configuration.driftPpm).u8(configuration.members.length);
  for (const member of configuration.members) {
    to.text(member.name).safe(member.incarnation).u8(roles.indexOf(member.role)).text(member.url);
  }
}

export function readConfiguration(from: ByteReader): Configuration {
  const alpha = from.u32();
  const leaseMs = from.u32();
  const driftPpm = from.u32();
  const count = from.u8();
  if (count > membersMax) throw new FormatError('a configuration of too many members');
  if (alpha < 1) throw new FormatError('a configuration without a window');
  const members: Member[] = [];
  for (let i = 0; i < count; i++) {
    const name = from.text();
    if (!memberNamePattern.test(name)) throw new FormatError('a member of a bad name');
    const incarnation = from.safe();
    const role = roles[from.u8()];
    if (role === undefined) throw new FormatError('a member of an unknown role');
    members.push({ name, incarnation, role, url: from.text() });
  }
  return { members, alpha, leaseMs, driftPpm };
}

export function writeConfigurationsFrom(to: ByteWriter, list: readonly ConfigurationFrom[]): void {
  to.u16(list.length);
  for (const { from, configuration } of list) {
    to.safe(from);
    writeConfiguration(to, configuration);
  }
}

export function readConfigurationsFrom(from: ByteReader): ConfigurationFrom[] {
  const count = from.u16();
  const list: ConfigurationFrom[] = [];
  for (let i = 0; i < count; i++) {
    list.push({ from: from.safe() as Instance, configuration: readConfiguration(from) });
  }
  return list;
}

/** Of a newer format: to be told from damage, since the bytes are what somebody wrote (pitfall U4). */
export class UnknownValueError extends FormatError {
  readonly kind: number;

  constructor(kind: number) {
    super(`a value of unknown kind ${kind}`);
    this.name = 'UnknownValueError';
    this.kind = kind;
  }
}

/** A value is encoded once however often it is written or sent; the values themselves are immutable. */
const encoded = new WeakMap<Value, Buffer>();

export function encodeValue(value: Value): Buffer {
  const known = encoded.get(value);
  if (known !== undefined) return known;
  const to = new ByteWriter(value.kind === 'submitted' ? submittedLength(value.items) : 64);
  to.u8(kinds[value.kind]);
  switch (value.kind) {
    case 'noop':
      break;
    case 'mastership':
      to.text(value.owner).text(value.id);
      break;
    case 'configuration':
      writeConfiguration(to, value.configuration);
      break;
    case 'submitted':
      encodeSubmitted(to, value);
      break;
    default:
      return unreachable(value);
  }
  const bytes = to.finish();
  encoded.set(value, bytes);
  return bytes;
}

function encodeSubmitted(to: ByteWriter, value: Submitted): void {
  const { items } = value;
  to.safe(value.epoch).safe(value.cellTimeMs).u16(items.length);
  for (const item of items) to.bytes(item);
  // What was gathered from many requests lies together from now on, as in a value that was read: the log keeps it long.
  if (Object.isFrozen(value)) return;
  Object.defineProperty(value, 'items', itemsOfEncoded);
  Object.defineProperty(value, 'itemBytes', { value: to.finish().length - submittedHeaderBytes });
}

/** One for all values: a function and a place of their own would be 400 bytes for each, as long as the log has it. */
const itemsOfEncoded: PropertyDescriptor & ThisType<Submitted> = {
  get() {
    const bytes = encodeValue(this);
    const count = bytes.readUInt16BE(submittedHeaderBytes - 2);
    return itemsAt({ bytes, at: submittedHeaderBytes, end: bytes.length, count });
  },
  enumerable: true,
  configurable: true,
};

/** Of a value's encoding: its items, one after the other. */
interface ItemPlace {
  readonly bytes: Buffer;
  readonly at: number;
  readonly end: number;
  readonly count: number;
}

function itemsAt({ bytes, at, end, count }: ItemPlace): readonly Uint8Array[] {
  const from = new ByteReader(bytes.subarray(at, end));
  return Array.from({ length: count }, () => from.bytes());
}

/** The items are made when they are asked for: an object for each would take as much as what is in it, as long as the log has it. */
function submittedValue(epoch: Epoch, cellTimeMs: CellTimeMs, place: ItemPlace): Submitted {
  const value: Submitted = {
    kind: 'submitted',
    epoch,
    cellTimeMs,
    get items() {
      return itemsAt(place);
    },
  };
  // Not a part of it: two values are equal whether it is known or not.
  return Object.defineProperty(value, 'itemBytes', { value: place.end - place.at });
}

type Submitted = Value & { readonly kind: 'submitted' };
/** In front of the first item: kind, epoch, cell time, number of items. */
const submittedHeaderBytes = 19;

const submittedLength = (items: readonly Uint8Array[]): number =>
  items.reduce((sum, item) => sum + item.length + 4, submittedHeaderBytes);

/** @throws {FormatError} for anything that {@link encodeValue} would not write. Keeps `bytes`; they must not change. */
export function decodeValue(bytes: Uint8Array): Value {
  const value = decodePassingValue(bytes);
  // One object for all of them, which must not keep the bytes of one message.
  if (value === noop) return value;
  encoded.set(value, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return value;
}

/** As {@link decodeValue}, of what is looked at and let go: its bytes are not kept for writing or sending it again. */
export function decodePassingValue(bytes: Uint8Array): Value {
  const from = new ByteReader(bytes);
  const value = readValue(from);
  from.end();
  return value;
}

function readValue(from: ByteReader): Value {
  const kind = from.u8();
  switch (kind) {
    case kinds.noop:
      return noop;
    case kinds.mastership:
      return { kind: 'mastership', owner: from.text() as ReplicaId, id: from.text() };
    case kinds.configuration:
      return { kind: 'configuration', configuration: readConfiguration(from) };
    case kinds.submitted: {
      const epoch = from.safe() as Epoch;
      const cellTimeMs = from.safe() as CellTimeMs;
      const count = from.u16();
      if (count > itemsMax) throw new FormatError('too many items');
      const at = from.offset;
      for (let i = 0; i < count; i++) from.skipBytes();
      return submittedValue(epoch, cellTimeMs, { bytes: from.whole, at, end: from.offset, count });
    }
    default:
      throw new UnknownValueError(kind);
  }
}

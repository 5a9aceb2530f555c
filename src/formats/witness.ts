/**
 * What replicas remember of each other's disks, format 1: in hellos between them, in the write-ahead log and in the manifest.
 *
 * `count | (member | count | history*)*`, a history being `flush | promise flush | count | (number | id | began | promise flush)*`. Source: design §4 (fence).
 */
import type { Boot, BootHistory } from '../core/consensus/boot-history.ts';
import { memberNamePattern, parseReplicaId, type ReplicaId, replicaId } from '../core/consensus/identity.ts';
import type { Remembered } from '../core/consensus/witness-memory.ts';
import { ByteReader, ByteWriter, FormatError } from './bytes.ts';

/** Printable ASCII without the space, as in hellos. */
const bootId = /^[\x21-\x7e]{1,64}$/;

/** What a replica says of disks when it connects. */
export interface Testimony {
  /** Of its own disk. */
  readonly own: BootHistory;
  /** Of the others, the receiver first. */
  readonly others: readonly Remembered[];
}

export function writeHistory(to: ByteWriter, { boots, flush, promiseFlush }: BootHistory): void {
  to.safe(flush).safe(promiseFlush);
  writeBoots(to, boots);
}

/** A list of so many boots is a manifest's own, which stands in each of its writes: it is encoded once. */
const longBoots = 8;
const encodedBoots = new WeakMap<readonly Boot[], Buffer>();

export function writeBoots(to: ByteWriter, boots: readonly Boot[]): void {
  if (boots.length < longBoots) return writeEach(to, boots);
  let bytes = encodedBoots.get(boots);
  if (bytes === undefined) {
    const own = new ByteWriter(2 + 64 * boots.length);
    writeEach(own, boots);
    bytes = own.finish();
    encodedBoots.set(boots, bytes);
  }
  to.raw(bytes);
}

function writeEach(to: ByteWriter, boots: readonly Boot[]): void {
  to.u16(boots.length);
  for (const { number, id, began, promiseFlush } of boots) to.safe(number).text(id).safe(began).safe(promiseFlush);
}

export function readHistory(from: ByteReader): BootHistory {
  const flush = from.safe();
  const promiseFlush = from.safe();
  const boots = readBoots(from);
  if (boots.length === 0) throw new FormatError('a past without a boot');
  return { boots, flush, promiseFlush };
}

/** @throws {FormatError} */
export function readBoots(from: ByteReader): Boot[] {
  const boots: Boot[] = [];
  for (let left = from.u16(); left > 0; left--) {
    const boot = { number: from.safe(), id: from.text(), began: from.safe(), promiseFlush: from.safe() };
    if (!bootId.test(boot.id)) throw new FormatError('a boot with an id that is not plain');
    const before = boots.at(-1);
    if (before !== undefined && (boot.number !== before.number + 1 || isBefore(boot, before))) {
      throw new FormatError('boots that do not follow one another');
    }
    boots.push(boot);
  }
  return boots;
}

const isBefore = (boot: Boot, other: Boot): boolean =>
  boot.began < other.began || boot.promiseFlush < other.promiseFlush;

export function writeRemembered(to: ByteWriter, remembered: readonly Remembered[]): void {
  to.u16(remembered.length);
  for (const { member, histories } of remembered) {
    const { name, incarnation } = parseReplicaId(member);
    to.text(name).safe(incarnation).u8(histories.length);
    for (const history of histories) writeHistory(to, history);
  }
}

/** @throws {FormatError} */
export function readRemembered(from: ByteReader): Remembered[] {
  const count = from.u16();
  const list: Remembered[] = [];
  for (let i = 0; i < count; i++) {
    const member = readMember(from);
    const histories: BootHistory[] = [];
    for (let left = from.u8(); left > 0; left--) histories.push(readHistory(from));
    list.push({ member, histories });
  }
  return list;
}

function readMember(from: ByteReader): ReplicaId {
  const name = from.text();
  if (!memberNamePattern.test(name)) throw new FormatError('a replica of a bad name');
  return replicaId(name, from.safe());
}

export function encodeRemembered(remembered: readonly Remembered[]): Uint8Array {
  const to = new ByteWriter(256);
  writeRemembered(to, remembered);
  return to.finish();
}

/** @throws {FormatError} */
export function decodeRemembered(bytes: Uint8Array): Remembered[] {
  const from = new ByteReader(bytes);
  const remembered = readRemembered(from);
  from.end();
  return remembered;
}

export function encodeTestimony({ own, others }: Testimony): Uint8Array {
  const to = new ByteWriter(512);
  writeHistory(to, own);
  writeRemembered(to, others);
  return to.finish();
}

/** @throws {FormatError} */
export function decodeTestimony(bytes: Uint8Array): Testimony {
  const from = new ByteReader(bytes);
  const testimony = { own: readHistory(from), others: readRemembered(from) };
  from.end();
  return testimony;
}

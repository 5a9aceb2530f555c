/**
 * Bytes of the database's records: the contents of snapshots, and what the checksum digests. Level 1, and from level 2 on locks.
 *
 *     system   = 1 cellId generation(8) generationId startEpoch(8) startInstance(8) rootSecret
 *     counters = 2 revision(8) epoch(8) cellTimeMs(8)
 *     epoch    = 3 epoch(8) instance(8) id owner
 *     session  = 4 id ttlMs(4) expiresCellTimeMs(8) floor(8)
 *     answer   = 5 id sequence(8) result
 *     entry    = 6 key createRevision(8) revision(8) version(8) value
 *     system-entry = 7 key instance(8) value
 *     lock-generation = 8 generation(8)
 *     lock     = 9 name lock
 *
 * Canonical: one record has one encoding, the same on every platform and in every version of this level.
 */
import type { CellTimeMs, Epoch, Instance } from '../core/consensus/identity.ts';
import type { DatabaseRecord, PackedBytes, RecordCodec } from '../core/database/record.ts';
import { unreachable } from '../core/invariant.ts';
import { ByteReader, ByteWriter, FormatError, getU32 } from './bytes.ts';
import { decodeCommandResult, encodeCommandResult } from './command-result.ts';
import { readKey } from './key-bytes.ts';
import { readLock, readLockName, writeLock, writeLockName } from './lock-bytes.ts';

const kinds = {
  system: 1,
  counters: 2,
  epoch: 3,
  session: 4,
  answer: 5,
  entry: 6,
  'system-entry': 7,
  'lock-generation': 8,
  lock: 9,
} as const;

/**
 * Bytes up to this many are kept as strings of one byte a character: one small object without pointers, where a typed array
 * is several with some 300 bytes of their own.
 */
const packedAsTextBytesMax = 2048;

/** Entries are encoded here, over and over; grows to the largest one met. */
let scratch = Buffer.allocUnsafeSlow(4096);

/** Behind the kind and the length of the key. */
const keyOffset = 3;

export const databaseRecordCodec: RecordCodec = {
  encode: (record) => (record.kind === 'entry' ? encodeEntry(record) : encodeOther(record)),
  decode(bytes) {
    const from = new ByteReader(bytes);
    const record = readRecord(from);
    from.end();
    return record;
  },
  pack(bytes) {
    if (bytes.length > packedAsTextBytesMax) return new Uint8Array(bytes);
    return asBuffer(bytes).toString('latin1');
  },
  unpack: (packed) => (typeof packed === 'string' ? Buffer.from(packed, 'latin1') : packed),
  allocate: (bytes) => Buffer.allocUnsafeSlow(bytes),
  entryKeyOffset: keyOffset,
  entryKeyBytes: (encoded) => ((encoded[1] as number) << 8) | (encoded[2] as number),
  keyBytes,
  keyText(bytes, from, to) {
    return asBuffer(bytes).toString(isAscii(bytes, from, to) ? 'latin1' : 'utf8', from, to);
  },
  entryParts(bytes, from, length, keyLength) {
    const at = from + keyOffset + keyLength;
    parts.createRevision = countAt(bytes, at);
    parts.revision = countAt(bytes, at + 8);
    parts.version = countAt(bytes, at + 16);
    parts.valueFrom = at + 28;
    parts.valueBytes = from + length - parts.valueFrom;
    return parts;
  },
  isEntry(encoded) {
    if (encoded[0] !== kinds.entry) return false;
    checkEntry(encoded);
    return true;
  },
  encodeResult: encodeCommandResult,
  decodeResult: decodeCommandResult,
};

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Numbers and place of the entry asked about last. */
const parts = { createRevision: 0, revision: 0, version: 0, valueFrom: 0, valueBytes: 0 };

const countAt = (bytes: Uint8Array, at: number): number => getU32(bytes, at) * 0x1_0000_0000 + getU32(bytes, at + 4);

function isAscii(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if ((bytes[i] as number) >= 0x80) return false;
  return true;
}

/** Keys that are asked for are put here. */
let keyScratch = Buffer.allocUnsafeSlow(4096);

function keyBytes(key: string): Uint8Array {
  const { length } = key;
  if (length * 3 > keyScratch.length) keyScratch = Buffer.allocUnsafeSlow(length * 6);
  for (let i = 0; i < length; i++) {
    const unit = key.charCodeAt(i);
    if (unit >= 0x80) return keyScratch.subarray(0, keyScratch.write(key, 0, 'utf8'));
    keyScratch[i] = unit;
  }
  return keyScratch.subarray(0, length);
}

/** As decoding it would, without making anything of it. @throws {FormatError} */
function checkEntry(encoded: Uint8Array): void {
  const keyEnd = keyOffset + databaseRecordCodec.entryKeyBytes(encoded);
  const isWhole = encoded.length >= keyEnd + 28 && getU32(encoded, keyEnd + 24) === encoded.length - keyEnd - 28;
  // The slow way finds out what is wrong, and reads keys that are not ASCII.
  if (!isWhole || !isAscii(encoded, keyOffset, keyEnd)) databaseRecordCodec.decode(encoded);
  for (let at = keyEnd; at < keyEnd + 24; at += 8) {
    if (getU32(encoded, at) > 0x1f_ffff) throw new FormatError('a number above 2^53');
  }
}

/** The path of every put: one buffer, no allocation but the view that is returned. */
function encodeEntry(record: DatabaseRecord & { readonly kind: 'entry' }): Uint8Array {
  const { key, value } = record;
  const needed = 1 + 2 + key.length * 3 + 24 + 4 + value.length;
  if (needed > scratch.length) scratch = Buffer.allocUnsafeSlow(needed * 2);
  scratch[0] = kinds.entry;
  const keyBytes = scratch.write(key, 3, 'utf8');
  scratch.writeUInt16BE(keyBytes, 1);
  let at = 3 + keyBytes;
  at = writeCount(record.createRevision, at);
  at = writeCount(record.revision, at);
  at = writeCount(record.version, at);
  at = scratch.writeUInt32BE(value.length, at);
  if (typeof value === 'string') scratch.write(value, at, 'latin1');
  else scratch.set(value, at);
  return scratch.subarray(0, at + value.length);
}

function writeCount(n: number, at: number): number {
  const high = Math.floor(n / 0x1_0000_0000);
  scratch.writeUInt32BE(high, at);
  return scratch.writeUInt32BE(n - high * 0x1_0000_0000, at + 4);
}

/** For all other records, in the same way. */
const writer = new ByteWriter(4096);

function encodeOther(record: Exclude<DatabaseRecord, { readonly kind: 'entry' }>): Uint8Array {
  const to = writer.restart();
  to.u8(kinds[record.kind]);
  switch (record.kind) {
    case 'system': {
      const { cellId, generation, generationId, generationStart, rootSecret } = record.identity;
      to.text(cellId).safe(generation).text(generationId);
      to.safe(generationStart.epoch).safe(generationStart.instance).bytes(rootSecret);
      break;
    }
    case 'counters':
      to.safe(record.revision).safe(record.epoch).safe(record.cellTimeMs);
      break;
    case 'epoch':
      to.safe(record.epoch.epoch).safe(record.epoch.instance).text(record.epoch.id).text(record.epoch.owner);
      to.safe(record.epoch.revision);
      break;
    case 'system-entry':
      to.text(record.key).safe(record.instance).bytes(record.value);
      break;
    case 'session':
      to.text(record.session).u32(record.ttlMs).safe(record.expiresCellTimeMs).safe(record.floor);
      break;
    case 'answer':
      to.text(record.session).safe(record.sequence);
      if (typeof record.answer === 'string') to.latin1(record.answer);
      else to.bytes(record.answer);
      break;
    case 'lock-generation':
      to.safe(record.generation);
      break;
    case 'lock':
      writeLockName(to, record.name);
      writeLock(to, record.lock);
      break;
    default:
      return unreachable(record);
  }
  return to.finish();
}

function readRecord(from: ByteReader): DatabaseRecord {
  const kind = from.u8();
  switch (kind) {
    case kinds.system:
      return readSystem(from);
    case kinds.counters:
      return {
        kind: 'counters',
        revision: from.safe(),
        epoch: from.safe() as Epoch,
        cellTimeMs: from.safe() as CellTimeMs,
      };
    case kinds.epoch: {
      const epoch = from.safe() as Epoch;
      const instance = from.safe() as Instance;
      return { kind: 'epoch', epoch: { epoch, instance, id: from.text(), owner: from.text(), revision: from.safe() } };
    }
    case kinds['system-entry']:
      return { kind: 'system-entry', key: from.text(), instance: from.safe() as Instance, value: from.bytes() };
    case kinds.session: {
      const session = from.text();
      const ttlMs = from.u32();
      return { kind: 'session', session, ttlMs, expiresCellTimeMs: from.safe(), floor: from.safe() };
    }
    case kinds.answer:
      return { kind: 'answer', session: from.text(), sequence: from.safe(), answer: from.bytes() };
    case kinds['lock-generation']:
      return { kind: 'lock-generation', generation: from.safe() };
    case kinds.lock:
      return { kind: 'lock', name: readLockName(from), lock: readLock(from) };
    case kinds.entry:
      return readEntryRecord(from);
    default:
      throw new FormatError(`a record of unknown kind ${kind}`);
  }
}

function readSystem(from: ByteReader): DatabaseRecord {
  const cellId = from.text();
  const generation = from.safe();
  const generationId = from.text();
  const generationStart = { epoch: from.safe() as Epoch, instance: from.safe() as Instance };
  return { kind: 'system', identity: { cellId, generation, generationId, generationStart, rootSecret: from.bytes() } };
}

function readEntryRecord(from: ByteReader): DatabaseRecord {
  const key = readKey(from, 0xffff);
  const createRevision = from.safe();
  const revision = from.safe();
  const version = from.safe();
  const value: PackedBytes = from.bytes();
  return { kind: 'entry', key, createRevision, revision, version, value };
}

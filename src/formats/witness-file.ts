/**
 * The witness on other storage, format 1: how far the disk of one member was, kept where a restore of that disk does not reach.
 *
 * Source: design §4 (fence, "an optional witness"). Small, written whole, replaced atomically.
 */
import type { BootHistory } from '../core/consensus/boot-history.ts';
import { ByteReader, ByteWriter, FormatError } from './bytes.ts';
import { crc32, type Owner } from './checksum.ts';
import { readHistory, writeHistory } from './witness.ts';

export const witnessFileBytesMax = 64 * 1024;
const magic = 0x50_58_57_54; // "PXWT"
const format = 1;

export interface WitnessFloor {
  readonly owner: Owner;
  readonly history: BootHistory;
}

export function encodeWitnessFloor({ owner, history }: WitnessFloor): Buffer {
  const to = new ByteWriter(512).u32(magic).u16(format);
  to.text(owner.cellId).text(owner.member).safe(owner.incarnation);
  writeHistory(to, history);
  return Buffer.from(to.u32(crc32(to.finish())).finish());
}

/** @throws {FormatError} */
export function decodeWitnessFloor(bytes: Uint8Array): WitnessFloor {
  if (bytes.length < 10) throw new FormatError(`a witness of ${bytes.length} bytes`);
  const body = bytes.subarray(0, bytes.length - 4);
  if (new ByteReader(bytes.subarray(body.length)).u32() !== crc32(body)) {
    throw new FormatError('a witness with a bad checksum');
  }
  const from = new ByteReader(body);
  if (from.u32() !== magic) throw new FormatError('not a witness');
  if (from.u16() !== format) throw new FormatError('a witness of an unknown format');
  const owner = { cellId: from.text(), member: from.text(), incarnation: from.safe() };
  const floor = { owner, history: readHistory(from) };
  from.end();
  return floor;
}

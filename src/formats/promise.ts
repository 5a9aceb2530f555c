/**
 * One copy of the promise, format 1: a block of fixed size, so that raising it never changes a file's size. All that is
 * not zero lies in its first sector, so a write of it is torn between copies, not inside one.
 *
 * Source: PML §4.1 (the promise must survive), design §4 (two copies).
 */
import type { PromiseRecord } from '../core/consensus/effect.ts';
import { ByteReader, ByteWriter, FormatError } from './bytes.ts';
import { crc32, type Owner, ownerSeed, placeSeed } from './checksum.ts';
import { readBallot, writeBallot } from './value.ts';

export const promiseBlockBytes = 4096;
export const promiseFormat = 1;

const magic = 0x50_58_50_52; // "PXPR"

/** Which of the two copies, so that one never passes for the other. */
export type PromiseCopy = 0 | 1;

export interface StoredPromise extends PromiseRecord {
  /** Flush number and boot at which it was raised. */
  readonly flush: number;
  readonly boot: number;
}

export function encodePromise(promise: StoredPromise, owner: Owner, copy: PromiseCopy): Buffer {
  const to = new ByteWriter(512).u32(magic).u32(0).u16(promiseFormat);
  to.text(owner.cellId).text(owner.member).safe(owner.incarnation);
  writeBallot(to, promise.ballot);
  to.safe(promise.leaseMsMax).safe(promise.flush).safe(promise.boot);
  const block = Buffer.alloc(promiseBlockBytes);
  to.finish().copy(block);
  block.writeUInt32BE(crc32(block.subarray(8), placeSeed(ownerSeed(owner), copy, 0)), 4);
  return block;
}

/** @throws {FormatError} for a damaged block and for one of another owner. */
export function decodePromise(block: Uint8Array, owner: Owner, copy: PromiseCopy): StoredPromise {
  if (block.length !== promiseBlockBytes) throw new FormatError(`a promise block of ${block.length} bytes`);
  const from = new ByteReader(block);
  if (from.u32() !== magic) throw new FormatError('not a promise block');
  const checksum = from.u32();
  if (crc32(block.subarray(8), placeSeed(ownerSeed(owner), copy, 0)) !== checksum) {
    throw new FormatError('a promise block with a bad checksum, or of another owner');
  }
  const format = from.u16();
  if (format !== promiseFormat) throw new FormatError(`a promise block of unknown format ${format}`);
  from.text();
  from.text();
  from.safe();
  const ballot = readBallot(from);
  return { ballot, leaseMsMax: from.safe(), flush: from.safe(), boot: from.safe() };
}

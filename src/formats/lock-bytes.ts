/**
 * Bytes of locks, in commands and in records. Level 2.
 *
 *     sequencer = name mode(1) generation(8)
 *     lock      = mode(1) exclusiveFrom(8) sharedFrom(8) count(2) { session generation(8) lockDelayMs(4) }
 *
 * A mode is 0 (held by nobody; in records alone), 1 (exclusive) or 2 (shared).
 */
import type { CellTimeMs } from '../core/consensus/identity.ts';
import { keyBytesMax } from '../core/database/command.ts';
import { type Lock, type LockHolder, type LockMode, lockModes, type Sequencer } from '../core/database/lock.ts';
import { holdersOfLockMax, lockDelayMsMax } from '../core/database/lock-limits.ts';
import { sessionIdPattern } from '../core/database/session-limits.ts';
import { type ByteReader, type ByteWriter, FormatError } from './bytes.ts';
import { readKey, writeKey } from './key-bytes.ts';

const modeByte = (mode: LockMode | null): number => (mode === null ? 0 : lockModes.indexOf(mode) + 1);

export function writeMode(to: ByteWriter, mode: LockMode): void {
  const byte = modeByte(mode);
  if (byte === 0) throw new FormatError('a lock of unknown mode');
  to.u8(byte);
}

export function readMode(from: ByteReader): LockMode {
  const mode = lockModes[from.u8() - 1];
  if (mode === undefined) throw new FormatError('a lock of unknown mode');
  return mode;
}

export function writeLockName(to: ByteWriter, name: string): void {
  if (name.length === 0 || Buffer.byteLength(name, 'utf8') > keyBytesMax)
    throw new FormatError('not the name of a lock');
  writeKey(to, name);
}

export function readLockName(from: ByteReader): string {
  const name = readKey(from, keyBytesMax);
  if (name.length === 0) throw new FormatError('a lock without a name');
  return name;
}

export function lockDelay(lockDelayMs: number): number {
  if (Number.isInteger(lockDelayMs) && lockDelayMs >= 0 && lockDelayMs <= lockDelayMsMax) return lockDelayMs;
  throw new FormatError('a lock-delay out of range');
}

export function writeSequencer(to: ByteWriter, { lock, mode, generation }: Sequencer): void {
  writeLockName(to, lock);
  writeMode(to, mode);
  to.safe(generation);
}

export const readSequencer = (from: ByteReader): Sequencer => ({
  lock: readLockName(from),
  mode: readMode(from),
  generation: from.safe(),
});

export function writeLock(to: ByteWriter, { mode, holders, exclusiveFrom, sharedFrom }: Lock): void {
  to.u8(modeByte(mode)).safe(exclusiveFrom).safe(sharedFrom).u16(holders.length);
  for (const { session, generation, lockDelayMs } of holders) {
    to.text(session).safe(generation).u32(lockDelay(lockDelayMs));
  }
}

export function readLock(from: ByteReader): Lock {
  const mode = from.u8();
  if (mode > lockModes.length) throw new FormatError(`a lock of unknown mode ${mode}`);
  const exclusiveFrom = from.safe() as CellTimeMs;
  const sharedFrom = from.safe() as CellTimeMs;
  const count = from.u16();
  if (count > holdersOfLockMax) throw new FormatError(`a lock of ${count} holders`);
  const holders: LockHolder[] = Array.from({ length: count }, () => readHolder(from));
  return { mode: lockModes[mode - 1] ?? null, holders, exclusiveFrom, sharedFrom };
}

function readHolder(from: ByteReader): LockHolder {
  const session = from.text();
  if (!sessionIdPattern.test(session)) throw new FormatError('a holder that is no session');
  return { session, generation: from.safe(), lockDelayMs: lockDelay(from.u32()) };
}

/** Keys as bytes: UTF-8, length in 2 bytes. On the path of every write, so ASCII does not go through a decoder. */
import { isWellFormed } from '../core/database/key.ts';
import { type ByteReader, type ByteWriter, FormatError } from './bytes.ts';

/** @throws {FormatError} for a key that UTF-8 cannot carry. */
export function writeKey(to: ByteWriter, key: string): void {
  if (!isWellFormed(key)) throw new FormatError('a key with half a surrogate pair');
  to.text(key);
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws {FormatError} for bytes that are not UTF-8. */
export function readKey(from: ByteReader, bytesMax: number): string {
  const length = from.u16();
  if (length > bytesMax) throw new FormatError(`a key of ${length} bytes`);
  const bytes = from.raw(length);
  for (let i = 0; i < length; i++) if ((bytes[i] as number) >= 0x80) return decodeUtf8(bytes);
  return bytes.toString('latin1');
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new FormatError('a key that is not UTF-8');
  }
}

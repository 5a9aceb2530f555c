/** Keys and values on their way in and out. */
import { isUtf8 } from 'node:buffer';
import { UsageError } from '../errors/cell-errors.ts';
import type { EntryDocument, ValueFields } from '../formats/http-body.ts';

/** One entry of the database; `value` is its bytes. */
export interface Entry {
  readonly key: string;
  readonly value: Buffer;
  /** Of its last change. */
  readonly revision: number;
  readonly createRevision: number;
  /** How often it changed since creation, from 1. */
  readonly version: number;
}

const loneSurrogate = /\p{Surrogate}/u;

/** @throws {UsageError} for a key that UTF-8 cannot carry. */
export function encodeKey(key: string): string {
  if (loneSurrogate.test(key)) {
    throw new UsageError('The key has half a surrogate pair, which UTF-8 cannot carry.', {
      code: 'PAXOS_KEY_NOT_UTF8',
    });
  }
  return encodeURIComponent(key);
}

/** Keys that clients and proxies would resolve away, or that have no path at all. */
export const fitsPath = (key: string): boolean => key !== '' && key !== '.' && key !== '..';

/** @throws {UsageError} for text that UTF-8 would change. */
export function valueBytes(value: string | Uint8Array): Uint8Array {
  if (typeof value !== 'string') return value;
  if (loneSurrogate.test(value)) {
    throw new UsageError('The value has half a surrogate pair, which UTF-8 cannot carry. Pass bytes instead.');
  }
  return Buffer.from(value, 'utf8');
}

/** Text where it is UTF-8, which is shorter and cheaper; base64 otherwise. */
export function valueFields(value: string | Uint8Array): ValueFields {
  if (typeof value === 'string' && !loneSurrogate.test(value)) return { value };
  const bytes = asBuffer(valueBytes(value));
  return isUtf8(bytes) ? { value: bytes.toString('utf8') } : { valueBase64: bytes.toString('base64') };
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export function entryFrom(document: EntryDocument): Entry {
  const { key, value, valueBase64, revision, createRevision, version } = document;
  const bytes = value === undefined ? Buffer.from(valueBase64 ?? '', 'base64') : Buffer.from(value, 'utf8');
  return { key, value: bytes, revision, createRevision, version };
}

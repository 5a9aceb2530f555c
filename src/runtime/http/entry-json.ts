/** How entries and values look in JSON answers. */
import { isUtf8 } from 'node:buffer';
import type { Entry } from '../../core/database/command.ts';
import type { EntryDocument } from '../../formats/http-body.ts';

export const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export function entryDocument(key: string, entry: Entry): EntryDocument {
  const bytes = asBuffer(entry.value);
  const { revision, createRevision, version } = entry;
  return isUtf8(bytes)
    ? { key, value: bytes.toString('utf8'), revision, createRevision, version }
    : { key, valueBase64: bytes.toString('base64'), revision, createRevision, version };
}

/** With `encoding=base64`: all values in base64, under the name `value` (contract §2). */
export const entryDocumentBase64 = (key: string, entry: Entry): EntryDocument => ({
  key,
  value: asBuffer(entry.value).toString('base64'),
  revision: entry.revision,
  createRevision: entry.createRevision,
  version: entry.version,
});

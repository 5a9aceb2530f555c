/** What requests for many entries may ask for: listings and watches. */
import { keyBytesMax } from '../../core/database/command.ts';
import type { Fault } from './keys.ts';
import type { Query } from './query.ts';

/** The first of the keys or prefixes that is too long for a key, as a fault; null when none is. */
export function keyFault(...keys: readonly string[]): Fault | null {
  const fits = keys.every((key) => Buffer.byteLength(key, 'utf8') <= keyBytesMax);
  return fits ? null : { code: 'PAXOS_BAD_KEY', detail: `A key is longer than ${keyBytesMax} bytes.` };
}

/** Whether all values are wanted in base64. */
export function readBase64(query: Query): boolean | Fault {
  const encoding = query.get('encoding');
  if (encoding === undefined || encoding === 'utf8' || encoding === 'base64') return encoding === 'base64';
  return { code: 'PAXOS_BAD_QUERY', detail: 'Query parameter "encoding" is "utf8" or "base64".' };
}

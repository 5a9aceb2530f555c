/**
 * Keys as clients write them: decoded from a path, checked before anything is proposed. A key is data, never a path.
 */
import { keyBytesMax } from '../../core/database/command.ts';
import type { ErrorCode } from '../../errors/catalogue.ts';
import { validateKey } from '../../formats/command.ts';

/** What is wrong with a request, before it had any effect. */
export interface Fault {
  readonly code: ErrorCode;
  readonly detail: string;
}

/** Visible ASCII without what starts an escape, a query or a new segment. */
const plain = /^[!"$&-.0->@-~]+$/;
/** What a URL may hold at all; everything else must be percent-encoded. */
const visible = /^[!-~]+$/;
/** A whole segment that clients and proxies are allowed to resolve away. */
const dotSegment = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i;

/** The key that stands in a path after `/v1/kv/`, without the query; slashes belong to it. */
export function keyFromPath(encoded: string): string | Fault {
  if (plain.test(encoded) && encoded.length <= keyBytesMax) {
    if (encoded === '.' || encoded === '..') return dotFault;
    return encoded;
  }
  if (encoded === '') return { code: 'PAXOS_KEY_EMPTY', detail: 'The key is empty.' };
  if (!visible.test(encoded)) {
    return { code: 'PAXOS_BAD_KEY', detail: 'The path holds bytes that must be percent-encoded.' };
  }
  if (dotSegment.test(encoded)) return dotFault;
  let key: string;
  try {
    // Refuses bad escapes, overlong forms, encoded surrogates and everything else that is not UTF-8.
    key = decodeURIComponent(encoded);
  } catch {
    return { code: 'PAXOS_BAD_KEY', detail: 'The percent-encoding of the key is not valid UTF-8.' };
  }
  return checkKey(key) ?? key;
}

const dotFault: Fault = {
  code: 'PAXOS_BAD_KEY',
  detail: 'A path cannot carry "." or ".." as a segment: encode the slashes as %2F, or use POST /v1/multiop.',
};

/** Null when clients may name this key. */
export function checkKey(key: string): Fault | null {
  const problem = validateKey(key);
  return problem === null ? null : { code: problem.code, detail: problem.message };
}

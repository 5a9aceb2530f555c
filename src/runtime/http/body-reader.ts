/**
 * Reading bodies: bytes are counted as they arrive, whatever `Content-Length` says, and all bodies together are bounded.
 */
import type { ZodType } from 'zod';
import { describeMismatch } from './body-schemas.ts';
import type { Exchange } from './exchange.ts';
import { parseStrictJson, StrictJsonError } from './strict-json.ts';

const nothing = Buffer.alloc(0);

/** Calls `then` with the whole body, or answers. The exchange is held from here on. */
export function readBody(exchange: Exchange, bytesMax: number, then: (body: Buffer) => void): void {
  const { front, req, headers } = exchange;
  if (headers.contentEncoding !== null && headers.contentEncoding.toLowerCase() !== 'identity') {
    exchange.problem('PAXOS_MEDIA_TYPE', 'Bodies are taken as they are, not compressed.');
    return;
  }
  // Node.js has checked that it is a number and stands alone.
  const declared = headers.contentLength === null ? 0 : Number(headers.contentLength);
  if (declared > bytesMax) {
    exchange.problemAndLinger('PAXOS_TOO_LARGE', `The body is larger than ${bytesMax} bytes.`);
    return;
  }
  if (!exchange.hold()) return;
  if (front.bodyBytes + declared > front.limits.bodyBytesInFlightMax) {
    exchange.problem('PAXOS_OVERLOADED', 'Too many bodies are being read.', { retryAfterMs: 1000 });
    return;
  }
  let first: Buffer | null = null;
  let more: Buffer[] | null = null;
  let length = 0;
  let counted = declared;
  let open = true;
  front.bodyBytes += declared;
  const stop = (): void => {
    open = false;
    front.bodyBytes -= counted;
  };
  req.on('data', (chunk: Buffer) => {
    if (!open) return;
    length += chunk.length;
    if (length > bytesMax) {
      stop();
      exchange.problemAndLinger('PAXOS_TOO_LARGE', `The body is larger than ${bytesMax} bytes.`);
      return;
    }
    if (length > counted) {
      front.bodyBytes += length - counted;
      counted = length;
      if (front.bodyBytes > front.limits.bodyBytesInFlightMax) {
        stop();
        exchange.problemAndLinger('PAXOS_OVERLOADED', 'Too many bodies are being read.');
        return;
      }
    }
    if (first === null) first = chunk;
    else if (more === null) more = [first, chunk];
    else more.push(chunk);
  });
  req.on('end', () => {
    if (!open) return;
    stop();
    if (!exchange.answered) then(more !== null ? Buffer.concat(more, length) : (first ?? nothing));
  });
  req.on('close', () => {
    // Without an end before it: the client went away in the middle. Nothing was done for it yet.
    if (!open) return;
    stop();
    exchange.abandon();
  });
}

/** `application/json`, optionally with its only charset. */
const jsonType = /^application\/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?$/i;

/** As {@link readBody}, with a body that has passed `schema`; an empty one counts as `{}` where `optional`. */
export function readJson<Body>(
  exchange: Exchange,
  schema: ZodType<Body>,
  options: { readonly optional?: boolean },
  then: (body: Body) => void,
): void {
  const { headers } = exchange;
  // Without a body too: a page in a browser may send a bare POST to any address without asking, but not this header.
  if (headers.contentType === null || !jsonType.test(headers.contentType)) {
    exchange.problem('PAXOS_MEDIA_TYPE', 'The request must be declared as application/json.');
    return;
  }
  readBody(exchange, exchange.front.limits.jsonBytesMax, (bytes) => {
    let parsed: unknown = {};
    if (!(bytes.length === 0 && options.optional === true)) {
      try {
        parsed = parseStrictJson(bytes);
      } catch (error) {
        if (!(error instanceof StrictJsonError)) throw error;
        exchange.problem('PAXOS_BAD_JSON', error.message);
        return;
      }
    }
    const checked = schema.safeParse(parsed);
    if (checked.success) then(checked.data);
    else exchange.problem('PAXOS_BAD_BODY', describeMismatch(checked.error));
  });
}

/**
 * Writing answers: one head and one end each, with a length, the position mark, and nothing computed twice.
 */
import type { ServerResponse } from 'node:http';
import { catalogued, isErrorCode, type Outcome } from '../../errors/catalogue.ts';
import type { Facts } from '../../errors/operator-error.ts';

/** Raw header list: names and values in turn, as `writeHead` takes it. */
export type RawHeaders = readonly string[];

/** Up to this size a value is written together with its head in one piece, as text of one byte a character. */
const joinedBytesMax = 16 * 1024;

export interface ProblemDetails {
  readonly facts?: Facts;
  /** Only where it differs from the catalogue's. */
  readonly outcome?: Outcome;
  readonly status?: number;
  readonly retryAfterMs?: number;
  readonly headers?: RawHeaders;
}

/** The document and the headers of a problem, for answers written by {@link writeProblem} or onto a bare socket. */
export function problemAnswer(
  code: string,
  detail: string,
  details: ProblemDetails = {},
): { readonly status: number; readonly headers: readonly string[]; readonly body: string } {
  const known = catalogued(code, details.status ?? null);
  const status = details.status ?? known.status ?? 503;
  const title = isErrorCode(code) ? known.meaning : code;
  const outcome = details.outcome ?? (isErrorCode(code) ? known.outcome : 'none');
  const retry = details.retryAfterMs ?? (status === 503 ? 1000 : undefined);
  const facts = retry === undefined ? details.facts : { ...details.facts, retryAfterMs: retry };
  const body = JSON.stringify({ type: `urn:paxosctl:${code}`, title, status, detail, code, outcome, facts });
  const headers = ['Content-Type', 'application/problem+json', ...(details.headers ?? [])];
  if (retry !== undefined) headers.push('Retry-After', String(Math.max(1, Math.ceil(retry / 1000))));
  return { status, headers, body };
}

/** Text is UTF-8. `position` is '' when there is no applied point to name yet. */
export function writeText(
  res: ServerResponse,
  status: number,
  headers: RawHeaders,
  body: string,
  position: string,
): void {
  const all = [...headers, 'Content-Length', String(Buffer.byteLength(body, 'utf8'))];
  if (position !== '') all.push('Paxos-Position', position);
  res.writeHead(status, all);
  res.end(body);
}

/** JSON that is known to be ASCII, so that its length needs no counting. The shape of an answered put. */
export function writeAsciiJson(res: ServerResponse, body: string, etag: string, position: string): void {
  const length = String(body.length);
  res.writeHead(
    200,
    position === ''
      ? ['Content-Type', 'application/json', 'Content-Length', length, 'ETag', etag]
      : ['Content-Type', 'application/json', 'Content-Length', length, 'ETag', etag, 'Paxos-Position', position],
  );
  res.end(body);
}

/** A value as it is. Small ones travel in one piece with the head: one write instead of two. */
export function writeValue(res: ServerResponse, headers: string[], value: Uint8Array): void {
  headers.push('Content-Length', String(value.length));
  res.writeHead(200, headers);
  if (value.length <= joinedBytesMax) {
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    res.end(bytes.toString('latin1'), 'latin1');
  } else {
    res.end(value);
  }
}

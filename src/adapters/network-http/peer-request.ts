/**
 * Single questions between replicas that do not share a cell yet, or may not: small JSON documents over plain requests.
 *
 * With a secret, the asking side proves that it has it over method, path, body and a nonce of its own, and the answering
 * side, when it answers through {@link answerPeerJson}, over the same nonce, status and answer. A nonce is taken once.
 * Bounded in bytes and time; no redirect is followed (bad inputs 23, 27, 28).
 */
import { randomBytes } from 'node:crypto';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { ByteWriter } from '../../formats/bytes.ts';
import { parsePeerUrl } from './peer-url.ts';
import { hmac, sameProof, secretKey } from './secret.ts';
import { proofHeader } from './session.ts';

const documentBytesMax = 1024 * 1024;
const nonceBytes = 16;
const timeoutMsDefault = 5_000;
/** Nonces remembered by this process; a request is refused when it comes again before that many others have. */
const noncesMax = 10_000;

export interface PostPeerJsonOptions {
  /** Proves to the other side that this one belongs to it. At least 16 bytes. */
  readonly secret?: Uint8Array;
  readonly timeoutMs?: number;
  /** Refuses an answer whose sender does not prove that it has `secret` too. */
  readonly provenAnswer?: boolean;
}

/** Why a question got no usable answer. `status` is that of the answer, where there was one. */
export class PeerRequestError extends Error {
  readonly reason: 'bad-url' | 'unreachable' | 'timeout' | 'refused' | 'too-large' | 'bad-answer' | 'unproven';
  readonly status: number | null;

  constructor(reason: PeerRequestError['reason'], message: string, status: number | null = null) {
    super(message);
    this.name = 'PeerRequestError';
    this.reason = reason;
    this.status = status;
  }
}

/** The document that the peer answers with 200. @throws {PeerRequestError} for everything else. */
export async function postPeerJson(
  url: string,
  path: string,
  body: unknown,
  options: PostPeerJsonOptions = {},
): Promise<unknown> {
  const sent = Buffer.from(JSON.stringify(body));
  const nonce = randomBytes(nonceBytes);
  const { status, proof, received } = await exchange(url, path, sent, nonce, options);
  if (status !== 200) throw new PeerRequestError('refused', `${url}${path} answered ${status}`, status);
  if (options.provenAnswer === true) {
    const expected = options.secret && answerProof(options.secret, nonce, status, received);
    if (expected === undefined || !sameProof(Buffer.from(proof, 'base64url'), expected)) {
      throw new PeerRequestError('unproven', `${url}${path} answered without the cell's secret`, status);
    }
  }
  try {
    return JSON.parse(received.toString('utf8'));
  } catch {
    throw new PeerRequestError('bad-answer', `${url}${path} did not answer with JSON`, status);
  }
}

/**
 * The document of such a request, with its body read; null when it is too large, no JSON, or, where `secret` is given,
 * without a fresh proof of it. Rejects never: a request that breaks off is null too.
 */
export async function verifyPeerJson(request: IncomingMessage, secret: Uint8Array | null): Promise<unknown> {
  const body = await readBody(request).catch(() => null);
  if (body === null) return null;
  if (!/^application\/json(;|$)/i.test(request.headers['content-type'] ?? '')) return null;
  if (secret !== null && !isProven(request, body, secret)) return null;
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
}

/** Answers a verified request, with a proof when there is a secret. */
export function answerPeerJson(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  document: unknown,
  secret: Uint8Array | null,
): void {
  const body = Buffer.from(JSON.stringify(document));
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'content-length': String(body.length),
    'cache-control': 'no-store',
  };
  const nonce = readProof(request)?.nonce;
  if (secret !== null && nonce !== undefined) {
    headers[proofHeader] = answerProof(secret, nonce, status, body).toString('base64url');
  }
  response.writeHead(status, headers).end(body);
}

interface Answer {
  readonly status: number;
  readonly proof: string;
  readonly received: Buffer;
}

function exchange(
  url: string,
  path: string,
  body: Buffer,
  nonce: Buffer,
  { secret, timeoutMs = timeoutMsDefault }: PostPeerJsonOptions,
): Promise<Answer> {
  let address: ReturnType<typeof parsePeerUrl>;
  try {
    address = parsePeerUrl(url);
  } catch (error) {
    return Promise.reject(new PeerRequestError('bad-url', error instanceof Error ? error.message : 'a bad url'));
  }
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'content-length': String(body.length),
    connection: 'close',
  };
  if (secret !== undefined) {
    headers[proofHeader] =
      `${nonce.toString('base64url')}.${requestProof(secret, { method: 'POST', path, nonce, body }).toString('base64url')}`;
  }
  return new Promise((resolve, reject) => {
    const request = httpRequest({ ...address, method: 'POST', path, headers, agent: false });
    const fail = (reason: PeerRequestError['reason'], message: string): void => {
      clearTimeout(timer);
      reject(new PeerRequestError(reason, `${url}${path}: ${message}`));
      request.destroy();
    };
    const timer = setTimeout(() => fail('timeout', `no answer within ${timeoutMs} ms`), timeoutMs);
    request.on('error', (error) => fail('unreachable', error.message));
    request.on('response', (response) => {
      readBody(response).then(
        (received) => {
          clearTimeout(timer);
          const proof = response.headers[proofHeader];
          if (received === null) fail('too-large', `an answer above ${documentBytesMax} bytes`);
          else resolve({ status: response.statusCode ?? 0, proof: typeof proof === 'string' ? proof : '', received });
        },
        () => fail('unreachable', 'the connection was lost'),
      );
    });
    request.end(body);
  });
}

/** Null when it is too large: counted while reading, whatever `Content-Length` says. */
async function readBody(message: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message) {
    bytes += (chunk as Buffer).length;
    if (bytes > documentBytesMax) {
      return null;
    }
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

const seenNonces = new Set<string>();

function isProven(request: IncomingMessage, body: Buffer, secret: Uint8Array): boolean {
  const said = readProof(request);
  if (said === null) return false;
  const { method = '', url: path = '' } = request;
  if (!sameProof(said.proof, requestProof(secret, { method, path, nonce: said.nonce, body }))) return false;
  const nonce = said.nonce.toString('base64url');
  if (seenNonces.has(nonce)) return false;
  seenNonces.add(nonce);
  if (seenNonces.size > noncesMax) seenNonces.delete(seenNonces.values().next().value as string);
  return true;
}

function readProof(request: IncomingMessage): { readonly nonce: Buffer; readonly proof: Buffer } | null {
  const header = request.headers[proofHeader];
  const match = typeof header === 'string' ? /^([\w-]{22})\.([\w-]{43})$/.exec(header) : null;
  if (match === null) return null;
  return { nonce: Buffer.from(match[1] as string, 'base64url'), proof: Buffer.from(match[2] as string, 'base64url') };
}

function requestProof(
  secret: Uint8Array,
  said: { readonly method: string; readonly path: string; readonly nonce: Uint8Array; readonly body: Uint8Array },
): Buffer {
  const to = new ByteWriter(256).text('paxosctl peer request 1').text(said.method).text(said.path).bytes(said.nonce);
  return hmac(secretKey(secret), to.finish(), said.body);
}

function answerProof(secret: Uint8Array, nonce: Uint8Array, status: number, body: Uint8Array): Buffer {
  const to = new ByteWriter(128).text('paxosctl peer answer 1').bytes(nonce).u16(status);
  return hmac(secretKey(secret), to.finish(), body);
}

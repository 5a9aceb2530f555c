/**
 * Asks one replica, not "the cell": for what every replica answers about itself (`/v1/status`). Everything else goes through
 * the client, which finds the master.
 */
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { errorFromProblem, problemFrom, UnreachableError } from '../errors/index.ts';

const bodyBytesMax = 4 * 1024 * 1024;

/**
 * GET of a JSON document.
 *
 * @throws {Error} whose message says in a few words why there is none: refused, timed out, not JSON.
 */
export function getJson(url: string, timeoutMs: number): Promise<unknown> {
  const { get } = url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, headers: { accept: 'application/json' } }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        chunks.push(chunk);
        if (bytes > bodyBytesMax) request.destroy(new Error('answered more than 4 MiB'));
      });
      response.on('error', (error) => reject(error));
      response.on('end', () => {
        clearTimeout(timer);
        if (response.statusCode !== 200) return reject(new Error(`answered HTTP ${response.statusCode}`));
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')));
        } catch {
          reject(new Error('answered something that is not JSON'));
        }
      });
    });
    const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    request.on('error', (error) => {
      clearTimeout(timer);
      reject(new Error(inWords(error)));
    });
  });
}

/**
 * One request to one replica whose refusals matter: GET, or POST of a JSON document.
 *
 * @throws {UnreachableError} when it does not answer within `timeoutMs`; {OperatorError} for what its problem document says.
 */
export async function askReplica(
  url: string,
  { timeoutMs, body }: { readonly timeoutMs: number; readonly body?: unknown },
): Promise<unknown> {
  const response = await openReplica(url, { timeoutMs, ...(body === undefined ? {} : { body }) });
  const bytes = await readAll(response, timeoutMs, url);
  const document = jsonOrNull(bytes);
  const status = response.statusCode ?? 0;
  if (status >= 300) throw errorFromProblem(problemFrom(status, document));
  if (document === null) throw new UnreachableError(`${url} answered something that is not JSON.`);
  return document;
}

/** The head of an answer; its body is the caller's to read. @throws {UnreachableError} as {@link askReplica}. */
export function openReplica(
  url: string,
  { timeoutMs, body }: { readonly timeoutMs: number; readonly body?: unknown },
): Promise<IncomingMessage> {
  const { request: send } = url.startsWith('https:') ? https : http;
  const headers = body === undefined ? { accept: '*/*' } : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const request = send(url, { agent: false, headers, method: body === undefined ? 'GET' : 'POST' });
    const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    request.on('response', (response) => {
      clearTimeout(timer);
      resolve(response);
    });
    request.on('error', (error) => {
      clearTimeout(timer);
      reject(new UnreachableError(`${new URL(url).origin} does not answer (${inWords(error)}).`, { cause: error }));
    });
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** All of a small answer. @throws {UnreachableError} */
export async function readAll(response: IncomingMessage, timeoutMs: number, url: string): Promise<Buffer> {
  const timer = setTimeout(() => response.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response) {
      bytes += (chunk as Buffer).length;
      if (bytes > bodyBytesMax) throw new Error('it answered more than 4 MiB');
      chunks.push(chunk as Buffer);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    throw new UnreachableError(`${new URL(url).origin} did not answer to the end (${inWords(error as Error)}).`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

export function jsonOrNull(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
}

export function inWords(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ECONNRESET':
      return 'connection reset';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'name does not resolve';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'no route';
    default:
      return error.message;
  }
}

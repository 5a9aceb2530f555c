/**
 * Asks one replica, not "the cell": for what every replica answers about itself (`/v1/status`). Everything else goes through
 * the client, which finds the master.
 */
import http from 'node:http';
import https from 'node:https';

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

function inWords(error: NodeJS.ErrnoException): string {
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

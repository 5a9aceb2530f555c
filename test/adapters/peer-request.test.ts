import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { answerPeerJson, postPeerJson, verifyPeerJson } from '../../src/adapters/network-http/peer-request.ts';

const secret = new Uint8Array(32).fill(7);
const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers with what it understood; 401 when that is nothing. */
const echo = (own: Uint8Array | null, seen: IncomingMessage[] = []) =>
  serve(async (request, response) => {
    seen.push(request);
    const document = await verifyPeerJson(request, own);
    answerPeerJson(request, response, document === null ? 401 : 200, { document }, own);
  });

describe('a small question to a peer', () => {
  it('is answered with its document', async () => {
    expect(await postPeerJson(await echo(null), '/peer/v1/x', { a: [1, 'ü'] })).toEqual({ document: { a: [1, 'ü'] } });
  });

  it('with a secret is understood by those who have it, and their answer proves that they do', async () => {
    const url = await echo(secret);
    const answer = await postPeerJson(url, '/peer/v1/x', { a: 1 }, { secret, provenAnswer: true });
    expect(answer).toEqual({ document: { a: 1 } });
  });

  it('with another secret, or none, is not understood', async () => {
    const url = await echo(secret);
    const other = new Uint8Array(32);
    for (const options of [{ secret: other }, {}]) {
      await expect(postPeerJson(url, '/peer/v1/x', {}, options)).rejects.toMatchObject({
        reason: 'refused',
        status: 401,
      });
    }
  });

  it('does not take an answer without proof for one of the cell', async () => {
    const url = await echo(null);
    await expect(postPeerJson(url, '/', {}, { secret, provenAnswer: true })).rejects.toMatchObject({
      reason: 'unproven',
    });
  });

  it('is understood once: the same bytes again are refused', async () => {
    const seen: IncomingMessage[] = [];
    const url = await echo(secret, seen);
    await postPeerJson(url, '/peer/v1/x', { a: 1 }, { secret });
    const proof = String(seen[0]?.headers['paxos-proof']);
    const again = (path: string, body: string) =>
      fetch(`${url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'paxos-proof': proof },
        body,
      });
    expect((await again('/peer/v1/x', '{"a":1}')).status).toBe(401);
    expect((await again('/peer/v1/y', '{"a":1}')).status).toBe(401);
    expect((await again('/peer/v1/x', '{"a":2}')).status).toBe(401);
  });

  it('does not follow a redirect', async () => {
    const seen: IncomingMessage[] = [];
    const target = await echo(null, seen);
    const url = await serve((_, response) => response.writeHead(307, { location: `${target}/` }).end());
    await expect(postPeerJson(url, '/', {})).rejects.toMatchObject({ reason: 'refused', status: 307 });
    expect(seen).toEqual([]);
  });

  it('gives up an answer that is too long, or none, or no JSON', async () => {
    const long = await serve((_, response) => {
      response.writeHead(200);
      const more = () => {
        while (response.write(Buffer.alloc(65_536, 0x20)));
        response.once('drain', more);
      };
      more();
    });
    await expect(postPeerJson(long, '/', {})).rejects.toMatchObject({ reason: 'too-large' });
    const silent = await serve(() => {});
    await expect(postPeerJson(silent, '/', {}, { timeoutMs: 30 })).rejects.toMatchObject({ reason: 'timeout' });
    const text = await serve((_, response) => response.end('hello'));
    await expect(postPeerJson(text, '/', {})).rejects.toMatchObject({ reason: 'bad-answer' });
  });

  it('is not sent to an address that is none of a replica', async () => {
    for (const url of ['http://169.254.169.254/', 'file:///etc/passwd', 'http://[::ffff:169.254.169.254]:80', 'x']) {
      await expect(postPeerJson(url, '/', {}), url).rejects.toMatchObject({ reason: 'bad-url' });
    }
  });

  it('is not read beyond its limit', async () => {
    const url = await echo(null);
    await expect(postPeerJson(url, '/', { text: 'x'.repeat(1_100_000) })).rejects.toMatchObject({
      name: 'PeerRequestError',
    });
  });
});

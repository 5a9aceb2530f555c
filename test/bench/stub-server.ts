/** As much of paxosctl's HTTP face as the benchmark uses, in memory; it can be told to misbehave. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface StubServer {
  readonly port: number;
  /** Puts are acknowledged and forgotten. */
  loseWrites: boolean;
  /** Every request is answered so. */
  status: number | null;
  close(): Promise<void>;
}

export async function stubServer(): Promise<StubServer> {
  const entries = new Map<string, { value: string; revision: number }>();
  let revision = 0;
  const put = (key: string, value: string): number => {
    revision += 1;
    if (!stub.loseWrites) entries.set(key, { value, revision });
    return revision;
  };

  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('latin1');
      if (stub.status !== null) return void response.writeHead(stub.status).end('told to');
      if (request.url === '/v1/batch') {
        const { operations } = JSON.parse(body) as { operations: { key: string; value: string }[] };
        const results = operations.map(({ key, value }) => ({ ok: true, op: 'put', revision: put(key, value) }));
        return void response.end(JSON.stringify({ results }));
      }
      const key = (request.url ?? '').replace('/v1/kv/', '');
      const entry = entries.get(key);
      if (request.method === 'GET') {
        if (entry === undefined) return void response.writeHead(404).end('absent');
        return void response.writeHead(200, { ETag: `"${entry.revision}"` }).end(entry.value);
      }
      const condition = request.headers['if-match'];
      if (condition !== undefined && condition !== `"${entry?.revision}"`) {
        return void response.writeHead(412).end('another revision');
      }
      const written = put(key, body);
      response.writeHead(200, { ETag: `"${written}"` }).end(JSON.stringify({ revision: written }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  const stub: StubServer = {
    port: (server.address() as AddressInfo).port,
    loseWrites: false,
    status: null,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return stub;
}

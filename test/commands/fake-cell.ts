/** HTTP servers on loopback that answer as the replicas of a cell would (contract §2), without any replica behind them. */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type StatusPatch = Readonly<Record<string, unknown>>;
type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => boolean;

export interface FakeReplica {
  readonly name: string;
  readonly url: string;
  /** Laid over the status that a well replica would answer. */
  status: StatusPatch;
  /** Answers other paths; false leaves the request to a 404. */
  handle: Handler;
  close(): Promise<void>;
}

export interface FakeCell {
  readonly replicas: readonly FakeReplica[];
  readonly endpoints: string;
  close(): Promise<void>;
}

/** A cell of well replicas `n1` …, of which the first is master. */
export async function fakeCell(count: number): Promise<FakeCell> {
  const replicas: FakeReplica[] = [];
  for (let at = 1; at <= count; at += 1) replicas.push(await fakeReplica(`n${at}`, replicas));
  return {
    replicas,
    endpoints: replicas[0]?.url ?? '',
    close: async () => {
      await Promise.all(replicas.map((replica) => replica.close()));
    },
  };
}

async function fakeReplica(name: string, cell: readonly FakeReplica[]): Promise<FakeReplica> {
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      if (request.url === '/v1/status') return json(response, 200, { ...wellStatus(name, cell), ...replica.status });
      if (!replica.handle(request, response, body))
        problem(response, 404, 'PAXOS_NOT_FOUND', 'Nothing is served here.');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const replica: FakeReplica = {
    name,
    url: `http://127.0.0.1:${port}`,
    status: {},
    handle: () => false,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return replica;
}

function wellStatus(name: string, cell: readonly FakeReplica[]): Record<string, unknown> {
  const [first] = cell;
  const isMaster = name === first?.name;
  return {
    name,
    cell: { id: 'cell-1', name: 'default', generation: 1 },
    role: isMaster ? 'master' : 'replica',
    voting: true,
    incarnation: 1,
    boot: { number: 1, id: 'b1' },
    epoch: 4,
    ballot: '2.n1#1',
    master: first ? { name: first.name, url: first.url } : null,
    lease: { held: isMaster, remainingMs: isMaster ? 321 : 0 },
    instances: { chosen: 9_184, applied: 9_184, firstRetained: 1, snapshot: 9_000 },
    revision: 700,
    entries: 42,
    checksum: { instance: 9_184, log: 'aa', database: 'bb' },
    version: '0.1.0',
    level: 1,
    uptimeMs: 61_000,
    members: cell.map((it) => ({ name: it.name, url: it.url, role: 'replica', voting: true, incarnation: 1 })),
    peers: cell.filter((it) => it.name !== name).map((it) => it.name),
    mastership: {
      since: '2026-01-02T03:04:05.000Z',
      changesLastHour: 1,
      changesLastDay: 2,
      lastChange: { at: '2026-01-02T03:04:05.000Z', cause: 'lease of n2 lapsed' },
    },
    load: { queuedWrites: 0, eventLoopLagMsP99: 1, flushMsP50: 0.3, flushMsP99: 1.25, itemsPerInstance: 1 },
    readOnly: false,
    warnings: [],
  };
}

export function json(
  response: ServerResponse,
  status: number,
  document: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(document));
}

export function problem(
  response: ServerResponse,
  status: number,
  code: string,
  detail: string,
  outcome = 'none',
): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ type: 'about:blank', title: code, status, detail, code, outcome }));
}

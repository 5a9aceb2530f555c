/** Replicas' networks on loopback, each behind an HTTP server as small as the adapter allows. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { NodeClocks } from '../../src/adapters/clocks-node/node-clocks.ts';
import { HttpNetwork } from '../../src/adapters/network-http/http-network.ts';
import type { HttpNetworkOptions, PeerLogger } from '../../src/adapters/network-http/options.ts';
import { NodeRandomness } from '../../src/adapters/randomness-node/node-randomness.ts';
import type { ReplicaId } from '../../src/core/consensus/identity.ts';

export const cellSecret = Uint8Array.from({ length: 32 }, (_, i) => i);
export const quiet: PeerLogger = { debug() {}, info() {}, warn() {} };

export interface PeerStation {
  readonly id: ReplicaId;
  readonly port: HttpNetwork;
  readonly url: string;
  readonly server: Server;
  flush: number;
  /** Like `kill -9`: listener and connections are gone. */
  kill(): Promise<void>;
}

export interface PeerServer {
  readonly server: Server;
  readonly port: number;
  readonly sockets: ReadonlySet<Socket>;
  network: HttpNetwork | null;
  close(): Promise<void>;
}

/** Gives `network` what concerns peers, and 404 to the rest. Port 0 takes any. */
export async function createPeerTestServer(port = 0): Promise<PeerServer> {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    if (peer.network?.handlePeerRequest(request, response)) return;
    response.writeHead(404).end();
  });
  server.on('upgrade', (request, socket, head) => {
    if (peer.network === null) socket.destroy();
    else peer.network.handleUpgrade(request, socket, head);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const peer: PeerServer = {
    server,
    port: (server.address() as AddressInfo).port,
    sockets,
    network: null,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return peer;
}

export async function startPeer(
  id: ReplicaId,
  options: Partial<HttpNetworkOptions> & { readonly listen?: number } = {},
): Promise<PeerStation> {
  const { listen = 0, ...network } = options;
  const peer = await createPeerTestServer(listen);
  const port = new HttpNetwork({
    self: id,
    cell: 'test-cell',
    secret: cellSecret,
    generation: 0,
    boot: { number: 1, id: `${id}-1`.replace('#', '-') },
    programVersion: '0.1.0',
    clocks: new NodeClocks(),
    randomness: new NodeRandomness(),
    admit: () => ({ ok: true }),
    flushNumber: () => station.flush,
    promiseFlush: () => Math.max(0, station.flush - 1),
    logger: quiet,
    ...network,
  });
  peer.network = port;
  const station: PeerStation = {
    id,
    port,
    url: `http://127.0.0.1:${peer.port}`,
    server: peer.server,
    flush: 0,
    async kill() {
      await peer.close();
      await port.close();
    },
  };
  return station;
}

const waitMsMax = 10_000;

/** Turns of the loop until it is so. */
export async function until(condition: () => boolean, what = 'the condition'): Promise<void> {
  const endMs = performance.now() + waitMsMax;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`${what} did not come true`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

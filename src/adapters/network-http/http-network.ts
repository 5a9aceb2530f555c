/**
 * Messages between replicas over HTTP/1.1 connections that are upgraded to binary frames: one long-lived connection each
 * way, dialled by whoever sends on it. The listener belongs to the HTTP server, which passes on what concerns peers.
 *
 * Source: performance "Peers" no. 3, 4; pitfalls N10-N14, §5 server 1, 4, 10; docs/adr/0005-peer-wire.md.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { MonotonicMs, ReplicaId } from '../../core/consensus/identity.ts';
import type { Message } from '../../core/consensus/message.ts';
import type { Timer } from '../../ports/clocks.ts';
import {
  type AttestedNetworkPort,
  NetworkError,
  type PeerHello,
  type PeerLink,
  type PeerMark,
  type PeerRefusal,
  type SnapshotStream,
  type SnapshotTransfer,
} from '../../ports/network.ts';
import { Acceptor, type Refused, sendRefusal } from './acceptor.ts';
import { PeerCounters } from './counters.ts';
import { InboundPeers } from './inbound-peers.ts';
import { LinkWatch } from './link-watch.ts';
import { defaultPeerLimits, type HttpNetworkOptions } from './options.ts';
import { OutboundPeer } from './outbound-peer.ts';
import { refusals } from './problem.ts';
import { secretKey } from './secret.ts';
import { challengePath, type PeerContext, snapshotPath, streamPath, upgradeToken } from './session.ts';
import { fetchSnapshot, type SnapshotFetch } from './snapshot-client.ts';
import { SnapshotServer } from './snapshot-server.ts';

/** Long enough to read the refusal. */
const refusedLingerMs = 1_000;

export class HttpNetwork implements AttestedNetworkPort {
  readonly counters = new PeerCounters();
  readonly #context: PeerContext;
  readonly #acceptor: Acceptor;
  readonly #inbound: InboundPeers;
  readonly #snapshots: SnapshotServer;
  readonly #outbound = new Map<ReplicaId, OutboundPeer>();
  readonly #fetches = new Set<SnapshotFetch>();
  readonly #watch = new LinkWatch();
  /** Peers with something queued in this turn. */
  #dirty = new Set<OutboundPeer>();
  #pulse: Timer;
  #closed = false;
  #onMessage: (from: ReplicaId, message: Message) => void = () => {};
  #onHello: (hello: PeerHello) => void = () => {};
  #onMark: (from: ReplicaId, mark: PeerMark) => void = () => {};
  #onRefusal: (from: ReplicaId, refusal: PeerRefusal) => void = () => {};

  constructor(options: HttpNetworkOptions) {
    const limits = { ...defaultPeerLimits, ...options.limits };
    this.#context = { options, limits, secret: secretKey(options.secret) };
    this.#acceptor = new Acceptor(this.#context, this.counters);
    this.#snapshots = new SnapshotServer(this.#context, this.counters, this.#acceptor);
    this.#inbound = new InboundPeers(this.#context, this.counters, {
      onHello: (hello) => {
        this.#onHello(hello);
        this.#outbound.get(hello.id)?.peerShowedUp(hello.boot.number);
      },
      onMark: (from, mark) => this.#onMark(from, mark),
      onMessage: (from, message) => this.#onMessage(from, message),
    });
    this.#pulse = this.#schedulePulse();
  }

  send(to: ReplicaId, message: Message): void {
    const peer = this.#outbound.get(to);
    if (peer === undefined || this.#closed) {
      this.counters.droppedUnreachable++;
      return;
    }
    if (!peer.enqueue(message)) return;
    // After the input at hand and before any I/O: what it gave rise to goes out in one write, ahead of the own flush.
    if (this.#dirty.size === 0) queueMicrotask(() => this.#flush());
    this.#dirty.add(peer);
  }

  onMessage(handler: (from: ReplicaId, message: Message) => void): void {
    this.#onMessage = handler;
  }

  onPeerHello(handler: (hello: PeerHello) => void): void {
    this.#onHello = handler;
  }

  onPeerMark(handler: (from: ReplicaId, mark: PeerMark) => void): void {
    this.#onMark = handler;
  }

  onPeerRefusal(handler: (from: ReplicaId, refusal: PeerRefusal) => void): void {
    this.#onRefusal = handler;
  }

  setPeers(peers: readonly { readonly id: ReplicaId; readonly url: string }[]): void {
    if (this.#closed) return;
    const wanted = new Map(peers.filter(({ id }) => id !== this.#context.options.self).map((peer) => [peer.id, peer]));
    for (const [id, peer] of this.#outbound) {
      if (wanted.get(id)?.url === peer.url) continue;
      this.#outbound.delete(id);
      this.#dirty.delete(peer);
      void peer.close();
    }
    for (const [id, peer] of wanted) {
      if (this.#outbound.has(id)) continue;
      const events = {
        onHello: (hello: PeerHello) => this.#onHello(hello),
        onMark: (from: ReplicaId, mark: PeerMark) => this.#onMark(from, mark),
        onRefusal: (from: ReplicaId, refusal: PeerRefusal) => this.#onRefusal(from, refusal),
      };
      this.#outbound.set(id, new OutboundPeer(this.#context, this.counters, peer, events));
    }
    this.#inbound.closeExcept(new Set(wanted.keys()));
  }

  async fetchSnapshot(
    from: ReplicaId,
    above: number,
    onChunk: (chunk: Uint8Array) => Promise<void>,
    transfer?: SnapshotTransfer,
  ): Promise<{ readonly bytes: number }> {
    if (this.#closed) throw new NetworkError('closed', 'the network was closed');
    const address = this.#outbound.get(from)?.address ?? null;
    if (address === null) throw new NetworkError('unreachable', `${from} is no peer with an address`);
    const fetch = fetchSnapshot(this.#context, { id: from, address }, above, onChunk, transfer);
    this.#fetches.add(fetch);
    try {
      return await fetch.done;
    } finally {
      this.#fetches.delete(fetch);
    }
  }

  onSnapshotRequest(handler: (above: number, digest: string | null) => Promise<SnapshotStream | null>): void {
    this.#snapshots.source = handler;
  }

  connected(): readonly ReplicaId[] {
    const outbound = [...this.#outbound.values()].filter((peer) => peer.connected).map((peer) => peer.id);
    return [...new Set([...outbound, ...this.#inbound.connected()])].sort();
  }

  links(): readonly PeerLink[] {
    const inbound = new Set(this.#inbound.connected());
    const links = [...this.#outbound.values()].map(({ id, url, connected, trouble }) => {
      return { id, url, outbound: connected, inbound: inbound.has(id), trouble };
    });
    links.sort((a, b) => (a.id < b.id ? -1 : 1));
    return this.#watch.look(links, this.#context.options.clocks.now().monotonicMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#pulse.cancel();
    this.#dirty.clear();
    for (const fetch of this.#fetches) fetch.cancel();
    this.#snapshots.close();
    await Promise.all([...[...this.#outbound.values()].map((peer) => peer.close()), this.#inbound.close()]);
  }

  /** For the HTTP server: takes the request, and returns true, when its path is one of this adapter's. */
  handlePeerRequest(request: IncomingMessage, response: ServerResponse): boolean {
    const path = (request.url ?? '').split('?', 1)[0];
    if (path !== challengePath && path !== snapshotPath && path !== streamPath) return false;
    if (this.#closed) sendRefusal(response, this.#acceptor.refuse(request, refusals.stopping));
    else if (request.method !== 'GET') sendRefusal(response, this.#acceptor.refuse(request, refusals.method));
    else if (path === challengePath) this.#acceptor.challenge(request, response);
    else if (path === snapshotPath) void this.#snapshots.serve(request, response);
    else sendRefusal(response, this.#acceptor.refuse(request, refusals.upgrade));
    return true;
  }

  /** For the HTTP server's `upgrade` event: owns the socket from here on, whatever the path. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const problem = this.#upgradeProblem(request, socket);
    const accepted =
      problem === null ? this.#acceptor.verify(request, socket, 'stream') : this.#acceptor.refuse(request, problem);
    if (accepted.kind === 'refused') {
      refuseUpgrade(socket, accepted);
      return;
    }
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${upgradeToken}\r\nPaxos-Proof: ${accepted.proof}\r\n\r\n`,
    );
    this.#inbound.open(accepted, socket as Socket, head);
  }

  #upgradeProblem(request: IncomingMessage, socket: Duplex) {
    if (this.#closed) return refusals.stopping;
    if (request.url !== streamPath || !(socket instanceof Socket)) return refusals.unknownPath;
    if (request.method !== 'GET') return refusals.method;
    return request.headers.upgrade?.toLowerCase() === upgradeToken ? null : refusals.upgrade;
  }

  #flush(): void {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    for (const peer of dirty) peer.flush();
  }

  #schedulePulse(): Timer {
    const { clocks } = this.#context.options;
    const at = clocks.now().monotonicMs + this.#context.limits.keepAliveMs;
    return clocks.schedule(at as MonotonicMs, () => {
      for (const peer of this.#outbound.values()) peer.tick();
      this.#inbound.tick();
      this.links();
      if (!this.#closed) this.#pulse = this.#schedulePulse();
    });
  }
}

function refuseUpgrade(socket: Duplex, refusal: Refused): void {
  // A side that was refused and does not hang up must not keep a descriptor.
  setTimeout(() => socket.destroy(), refusedLingerMs).unref();
  const headers = Object.entries(refusal.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${refusal.status} Refused\r\n${headers.join('')}\r\n${refusal.body}`);
}

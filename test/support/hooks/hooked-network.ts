/**
 * The network between replicas, cut off from named peers, with a point at every message: `send.accept`, `receive.accepted`,
 * `fetch.chunk` of a snapshot. The clients' side is not touched. Connections stay up: as behind a switch that loses everything.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { parseReplicaId, type ReplicaId } from '../../../src/core/consensus/identity.ts';
import type { Message } from '../../../src/core/consensus/message.ts';
import {
  NetworkError,
  type PeerHello,
  type PeerLink,
  type PeerMark,
  type PeerRefusal,
  type SnapshotStream,
  type SnapshotTransfer,
} from '../../../src/ports/network.ts';
import type { HostedNetwork } from '../../../src/ports/world.ts';
import type { HookPoints } from './points.ts';

/** Names of members that this process does not reach, and that do not reach it. */
export class Cuts {
  readonly to = new Set<string>();
  readonly from = new Set<string>();

  reaches(peer: ReplicaId): boolean {
    return !this.to.has(parseReplicaId(peer).name);
  }

  hears(peer: ReplicaId): boolean {
    return !this.from.has(parseReplicaId(peer).name);
  }

  get any(): boolean {
    return this.to.size + this.from.size > 0;
  }

  heal(): void {
    this.to.clear();
    this.from.clear();
  }
}

export class HookedNetwork implements HostedNetwork {
  readonly #network: HostedNetwork;
  readonly #points: HookPoints;
  readonly #cuts: Cuts;

  constructor(network: HostedNetwork, points: HookPoints, cuts: Cuts) {
    this.#network = network;
    this.#points = points;
    this.#cuts = cuts;
  }

  send(to: ReplicaId, message: Message): void {
    if (!this.#cuts.reaches(to)) return;
    const point = `send.${message.kind}`;
    this.#points.pass(point, 'before', () => {
      this.#network.send(to, message);
      this.#points.pass(point, 'after', () => undefined);
    });
  }

  /** Held up messages come late, and may be overtaken. */
  onMessage(handler: (from: ReplicaId, message: Message) => void): void {
    this.#network.onMessage((from, message) => {
      if (!this.#cuts.hears(from)) return;
      const point = `receive.${message.kind}`;
      this.#points.pass(point, 'before', () => {
        handler(from, message);
        this.#points.pass(point, 'after', () => undefined);
      });
    });
  }

  setPeers(peers: readonly { readonly id: ReplicaId; readonly url: string }[]): void {
    this.#network.setPeers(peers);
  }

  async fetchSnapshot(
    from: ReplicaId,
    above: number,
    onChunk: (chunk: Uint8Array) => Promise<void>,
    transfer?: SnapshotTransfer,
  ): Promise<{ readonly bytes: number }> {
    this.#refuseCut(from);
    const passing = async (chunk: Uint8Array): Promise<void> => {
      this.#refuseCut(from);
      await new Promise<void>((resolve) => this.#points.pass('fetch.chunk', 'before', () => resolve()));
      await onChunk(chunk);
      await new Promise<void>((resolve) => this.#points.pass('fetch.chunk', 'after', () => resolve()));
    };
    return this.#network.fetchSnapshot(from, above, passing, transfer);
  }

  #refuseCut(from: ReplicaId): void {
    if (this.#cuts.reaches(from) && this.#cuts.hears(from)) return;
    throw new NetworkError('unreachable', `${from} is cut off (hook)`);
  }

  /** Who asks is not told here, so while anybody is cut off nobody gets one. */
  onSnapshotRequest(handler: (above: number, digest: string | null) => Promise<SnapshotStream | null>): void {
    this.#network.onSnapshotRequest((above, digest) =>
      this.#cuts.any ? Promise.resolve(null) : handler(above, digest),
    );
  }

  onPeerHello(handler: (hello: PeerHello) => void): void {
    this.#network.onPeerHello((hello) => this.#cuts.hears(hello.id) && handler(hello));
  }

  onPeerMark(handler: (from: ReplicaId, mark: PeerMark) => void): void {
    this.#network.onPeerMark((from, mark) => this.#cuts.hears(from) && handler(from, mark));
  }

  onPeerRefusal(handler: (from: ReplicaId, refusal: PeerRefusal) => void): void {
    this.#network.onPeerRefusal((from, refusal) => this.#cuts.hears(from) && handler(from, refusal));
  }

  connected(): readonly ReplicaId[] {
    return this.#network.connected();
  }

  /** A cut peer looks as one on the other side of a firewall: connected or not, nothing arrives. */
  links(): readonly PeerLink[] {
    return this.#network.links().map((link) => ({
      ...link,
      outbound: link.outbound && this.#cuts.reaches(link.id),
      inbound: link.inbound && this.#cuts.hears(link.id),
    }));
  }

  handlePeerRequest(request: IncomingMessage, response: ServerResponse): boolean {
    return this.#network.handlePeerRequest(request, response);
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#network.handleUpgrade(request, socket, head);
  }

  close(): Promise<void> {
    return this.#network.close();
  }
}

/** The network as one life of one simulated replica sees it. When the life ends, so does everything that it was told. */
import { parseReplicaId, type ReplicaId } from '../core/consensus/identity.ts';
import type { Message } from '../core/consensus/message.ts';
import {
  type Admission,
  type AttestedNetworkPort,
  NetworkError,
  type PeerHello,
  type PeerMark,
  type PeerRefusal,
  type SnapshotStream,
  type SnapshotTransfer,
} from '../ports/network.ts';
import type { SimulatedNetwork } from './network.ts';

type Refused = Extract<Admission, { readonly ok: false }>;

/** What a simulated replica says about itself. */
export interface PortOptions {
  readonly boot?: { readonly number: number; readonly id: string };
  readonly generation?: number;
  /** A member of another generation was met. */
  readonly otherGeneration?: (generation: number) => void;
  readonly programVersion?: string;
  readonly flushNumber?: () => number;
  readonly promiseFlush?: () => number;
  readonly admit?: (hello: PeerHello) => Admission;
  /** Told to who looks here for another life of this member. */
  readonly removed?: (id: ReplicaId) => Refused | null;
  readonly testimony?: (to: ReplicaId) => Uint8Array;
  /** False while the process is held up: no connection is made meanwhile. */
  readonly awake?: () => boolean;
  /** Also reached, although no configuration that this replica knows names it: whoever is at an address that it was given. */
  readonly found?: (id: ReplicaId) => boolean;
  /** A second process under one identity: it takes over the address of the first, or speaks from another one. */
  readonly twin?: 'address' | 'elsewhere';
}

/** What became of a message. One of a life before the one heard of last is delivered all the same. */
export type Receipt =
  | { readonly kind: 'delivered' | 'older-life' }
  | { readonly kind: 'not-admitted'; readonly refusal: PeerRefusal | null };

export class SimulatedPort implements AttestedNetworkPort {
  readonly id: ReplicaId;
  readonly host: string;
  readonly boot: { readonly number: number; readonly id: string };
  readonly #network: SimulatedNetwork;
  readonly #options: PortOptions;
  readonly #peers = new Set<ReplicaId>();
  /** What was heard last of each peer that was let in. */
  readonly #heard = new Map<ReplicaId, { readonly boot: number; flush: number }>();
  /** Lives that were let in. */
  #met = new WeakSet<SimulatedPort>();
  /** The life of each that was let in last. */
  readonly #partners = new Map<ReplicaId, SimulatedPort>();
  #dialled: ReadonlySet<ReplicaId> = new Set();
  #state: 'alive' | 'closed' | 'crashed' = 'alive';
  #onMessage: (from: ReplicaId, message: Message) => void = () => {};
  #onHello: (hello: PeerHello) => void = () => {};
  #onMark: (from: ReplicaId, mark: PeerMark) => void = () => {};
  #onRefusal: (from: ReplicaId, refusal: PeerRefusal) => void = () => {};
  snapshots: ((above: number, digest: string | null) => Promise<SnapshotStream | null>) | null = null;

  constructor(network: SimulatedNetwork, id: ReplicaId, options: PortOptions) {
    this.#network = network;
    this.#options = options;
    this.id = id;
    this.host = parseReplicaId(id).name;
    this.boot = options.boot ?? { number: 1, id: `${id}-1` };
  }

  get state(): 'alive' | 'closed' | 'crashed' {
    return this.#state;
  }

  /** Read when a message is sent. */
  mark(): PeerMark {
    const { flushNumber, promiseFlush } = this.#options;
    return { boot: this.boot.number, flush: flushNumber?.() ?? 0, promiseFlush: promiseFlush?.() ?? 0 };
  }

  hello(to: ReplicaId, direction: PeerHello['direction'], purpose: PeerHello['purpose']): PeerHello {
    return {
      id: this.id,
      direction,
      purpose,
      generation: this.generation,
      boot: this.boot,
      flush: this.mark().flush,
      programVersion: this.#options.programVersion ?? '0.0.0',
      protocols: { min: 1, max: 1 },
      testimony: this.#options.testimony?.(to) ?? null,
    };
  }

  send(to: ReplicaId, message: Message): void {
    if (this.#state === 'alive' && this.#isPeer(to)) this.#network.transmit(this, to, message);
  }

  #isPeer(id: ReplicaId): boolean {
    return this.#peers.has(id) || (this.#options.found?.(id) ?? false);
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
    this.#peers.clear();
    for (const { id } of peers) if (id !== this.id) this.#peers.add(id);
    const gone = [...this.#heard.keys()].filter((id) => !this.#peers.has(id));
    for (const id of gone) {
      this.#heard.delete(id);
      // Its connection is closed: it dials again, and is told whether it is still welcome.
      const partner = this.#partners.get(id);
      if (partner !== undefined) this.#network.dial(partner, this.id);
    }
    // Whoever stays is met again at its next word, which changes nothing.
    if (gone.length > 0) this.#met = new WeakSet();
    for (const id of this.#peers) if (!this.#dialled.has(id)) this.#network.dial(this, id);
    this.#dialled = new Set(this.#peers);
  }

  fetchSnapshot(
    from: ReplicaId,
    above: number,
    onChunk: (chunk: Uint8Array) => Promise<void>,
    transfer?: SnapshotTransfer,
  ): Promise<{ readonly bytes: number }> {
    if (this.#state !== 'alive') return Promise.reject(new NetworkError('closed', 'the network was closed'));
    if (!this.#isPeer(from)) return Promise.reject(new NetworkError('unreachable', `${from} is no peer`));
    return this.#network.fetch(this, from, above, onChunk, transfer);
  }

  onSnapshotRequest(handler: (above: number, digest: string | null) => Promise<SnapshotStream | null>): void {
    this.snapshots = handler;
  }

  connected(): readonly ReplicaId[] {
    if (this.#state !== 'alive') return [];
    return [...this.#peers].filter((id) => this.#network.reachable(this, id)).sort();
  }

  /** Those of them with which there is a connection: their present life was let in. */
  linked(): readonly ReplicaId[] {
    if (this.#state !== 'alive') return [];
    const linked = [...this.#partners].filter(
      ([id, port]) => port.state === 'alive' && this.#network.reaches(this.host, port.host) && this.#isPeer(id),
    );
    return linked.map(([id]) => id).sort();
  }

  async close(): Promise<void> {
    this.end('closed');
  }

  /** For the network: this life is over. */
  end(how: 'closed' | 'crashed'): void {
    if (this.#state !== 'alive') return;
    this.#state = how;
    this.#network.ended(this);
  }

  /** For the network: a message has arrived. */
  receive(sender: SimulatedPort, mark: PeerMark, message: Message): Receipt {
    const refusal = this.#met.has(sender) ? undefined : this.#meet(sender, mark);
    if (refusal !== undefined && !this.#met.has(sender)) return { kind: 'not-admitted', refusal };
    const known = this.#heard.get(sender.id);
    if (known !== undefined && known.boot === mark.boot && known.flush < mark.flush) {
      known.flush = mark.flush;
      this.#onMark(sender.id, mark);
    }
    if (this.#state === 'alive') this.#onMessage(sender.id, message);
    return { kind: known !== undefined && known.boot > mark.boot ? 'older-life' : 'delivered' };
  }

  /** For the network: somebody says to be `id`, and the connection lets it through, as a real one would not. */
  receiveFrom(id: ReplicaId, message: Message): void {
    if (this.#state === 'alive') this.#onMessage(id, message);
  }

  get generation(): number {
    return this.#options.generation ?? 0;
  }

  /** Both sides learn of it, whoever has called. True when they are of two generations, and have no more to say to each other. */
  meetsOtherGeneration(other: SimulatedPort): boolean {
    if (this.generation === other.generation) return false;
    if (!this.#isTouching(other)) return true;
    other.#options.otherGeneration?.(this.generation);
    this.#options.otherGeneration?.(other.generation);
    return true;
  }

  /** The first word of a life: both sides hear what the other says of itself, and either may refuse. */
  #meet(sender: SimulatedPort, mark: PeerMark): PeerRefusal | null {
    // What is held up or over makes no connection.
    if (sender.state !== 'alive' || !sender.awake || !this.awake) return null;
    const back = this.hello(sender.id, 'outbound', 'stream');
    const hello = { ...sender.hello(this.id, 'inbound', 'stream'), flush: mark.flush };
    const admission = this.#options.admit?.(hello) ?? { ok: true };
    if (!admission.ok) return authentic(admission);
    if (!sender.admits(back)) return null;
    this.#met.add(sender);
    this.#partners.set(sender.id, sender);
    this.#heard.set(sender.id, { boot: mark.boot, flush: mark.flush });
    this.#onHello(hello);
    this.#onMark(sender.id, mark);
    return null;
  }

  /** For the network: `other` can be reached where `id` is looked for. True once nothing more is to be done. */
  meets(other: SimulatedPort, id: ReplicaId): boolean {
    if (other.id !== id) {
      this.#meetsAnotherLife(other, id);
      return false;
    }
    if (other.#met.has(this)) return true;
    const refusal = other.#meet(this, this.mark());
    if (refusal !== null) this.refused(other.id, refusal);
    return other.#met.has(this);
  }

  /** There is no connection with it, whoever it is; but it says so where this one is out, as all whom it knows may be gone. */
  #meetsAnotherLife(other: SimulatedPort, id: ReplicaId): void {
    if (other.id === this.id || !this.#isTouching(other)) return;
    const refusal = other.#options.removed?.(this.id) ?? null;
    if (refusal !== null) this.refused(id, authentic(refusal));
  }

  /** What is held up or over makes no connection. */
  #isTouching(other: SimulatedPort): boolean {
    return this.#state === 'alive' && other.#state === 'alive' && this.awake && other.awake;
  }

  /** Still somebody to be connected with. */
  wants(id: ReplicaId): boolean {
    return this.#state === 'alive' && this.#peers.has(id);
  }

  /** For the other end of a new connection. */
  admits(hello: PeerHello): boolean {
    return (this.#options.admit?.(hello) ?? { ok: true }).ok;
  }

  get awake(): boolean {
    return this.#options.awake?.() ?? true;
  }

  refused(by: ReplicaId, refusal: PeerRefusal): void {
    if (this.#state === 'alive') this.#onRefusal(by, refusal);
  }
}

const authentic = ({ status, code, message }: Refused): PeerRefusal => ({ status, code, message, authentic: true });

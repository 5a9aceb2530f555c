/**
 * The simulated network: the twin of `adapters/network-http`, in one thread, from one seed, with every fault of pitfalls
 * §2 "Network". It is more hostile than the real one where that is cheap: messages of an older life still arrive.
 *
 * Hosts are member names: a cut stays where it is when the replica on that host gets a new incarnation.
 */

import { parseReplicaId, type ReplicaId, replicaId } from '../core/consensus/identity.ts';
import type { Message } from '../core/consensus/message.ts';
import { invariant } from '../core/invariant.ts';
import type { Random } from '../core/random.ts';
import { FormatError } from '../formats/bytes.ts';
import { decodeMessage, encodeMessage } from '../formats/message.ts';
import { NetworkError, type PeerMark, type PeerRefusal, type SnapshotTransfer } from '../ports/network.ts';
import {
  calmNetwork,
  drawDelay,
  type NetworkFaultCounts,
  type NetworkFaults,
  noFaultsCounted,
} from './network-faults.ts';
import { Link, type Parcel } from './network-link.ts';
import { type PortOptions, SimulatedPort } from './network-port.ts';
import { SnapshotFetch } from './network-snapshot.ts';

/** Virtual time. `settles` says that the callback resolves promises. */
export interface NetworkScheduler {
  now(): number;
  schedule(delayMs: number, callback: () => void, settles?: boolean): void;
}

export interface SimulatedNetworkOptions {
  readonly scheduler: NetworkScheduler;
  readonly random: Random;
  readonly faults?: Partial<NetworkFaults>;
  /** Each message goes through its bytes, as between real replicas. */
  readonly codec?: boolean;
  readonly snapshotChunkBytes?: number;
  readonly snapshotStallMs?: number;
}

/** Between two attempts to connect. */
const redialMsMin = 10;
const redialMsMax = 500;

interface Envelope {
  readonly sender: SimulatedPort;
  readonly to: ReplicaId;
  readonly mark: PeerMark;
  /** Bytes when the codec is on: each copy is decoded for itself. */
  readonly content: Message | Buffer;
}

export class SimulatedNetwork {
  /** How often each fault has hit something. */
  readonly counts: NetworkFaultCounts = noFaultsCounted();
  readonly #options: SimulatedNetworkOptions;
  readonly #scheduler: NetworkScheduler;
  readonly #random: Random;
  #faults: NetworkFaults;
  /** The present life of each replica. */
  readonly #ports = new Map<ReplicaId, SimulatedPort>();
  readonly #links = new Map<string, Map<string, Link>>();
  readonly #fetches = new Set<SnapshotFetch>();
  /** The latest partition: the group of each host. Hosts that appear later, or in no group, are alone together. */
  #groupOf = new Map<string, number>();
  /** Messages handed to a replica so far. */
  delivered = 0;

  constructor(options: SimulatedNetworkOptions) {
    this.#options = options;
    this.#scheduler = options.scheduler;
    this.#random = options.random;
    this.#faults = { ...calmNetwork, ...options.faults };
  }

  /** A new life of a replica; one that was still there has crashed. */
  port(id: ReplicaId, options: PortOptions = {}): SimulatedPort {
    if (options.twin === undefined) this.crash(id);
    const port = new SimulatedPort(this, id, options);
    if (options.twin !== 'elsewhere') this.#ports.set(id, port);
    return port;
  }

  /** Ends the life without a word: handlers are gone, what it has sent may still arrive. */
  crash(id: ReplicaId): void {
    this.#ports.get(id)?.end('crashed');
  }

  /** Whoever is at this address again: a second process there has ended. */
  readdress(port: SimulatedPort): void {
    if (port.state === 'alive') this.#ports.set(port.id, port);
  }

  get faults(): NetworkFaults {
    return this.#faults;
  }

  /** From now on; what is under way keeps the delay that it was given. */
  setFaults(faults: Partial<NetworkFaults>): void {
    this.#faults = { ...this.#faults, ...faults };
  }

  /** N6: only hosts of one group reach each other. Replaces the partition before. */
  partition(groups: readonly (readonly string[])[]): void {
    this.#groupOf = new Map(groups.flatMap((group, i) => group.map((host) => [host, i + 1] as const)));
    this.#eachLink((link, from, to) => {
      link.partitioned = this.#apart(from, to);
    });
  }

  /** N7, N8: nothing goes from one host to another; the way back stays. */
  cut(from: string, to: string): void {
    this.#link(from, to).cut = true;
  }

  mend(from: string, to: string): void {
    this.#link(from, to).cut = false;
  }

  /** N5: what is sent waits until {@link unclog}. */
  clog(from: string, to: string): void {
    this.#link(from, to).clog();
  }

  unclog(from: string, to: string): void {
    this.#release(this.#link(from, to).unclog());
  }

  /** N14: and the connection is gone, with all that waited in it. */
  discard(from: string, to: string): void {
    this.counts['half-open'] += this.#link(from, to).unclog().length;
  }

  /** N9: in every period the link is down first, for `downShare` of it, then up. */
  flicker(from: string, to: string, periodMs: number, downShare: number): void {
    invariant(periodMs > 0 && downShare >= 0 && downShare <= 1, 'a link flickers in a period', { periodMs, downShare });
    this.#link(from, to).flicker(this.#scheduler.now(), periodMs, downShare);
  }

  steady(from: string, to: string): void {
    this.#link(from, to).steady();
  }

  /** The end of all faults (PML §6.3, liveness): calm, whole, and nothing held back. What is under way still arrives. */
  heal(): void {
    this.#faults = calmNetwork;
    this.#groupOf.clear();
    this.#eachLink((link) => {
      link.cut = false;
      link.partitioned = false;
      link.steady();
      link.lastArrivalMs = 0;
      this.#release(link.unclog());
    });
  }

  /** For ports. */
  transmit(sender: SimulatedPort, to: ReplicaId, message: Message): void {
    const link = this.#link(sender.host, hostOf(to));
    const random = this.#random;
    const faults = this.#faults;
    const content = this.#options.codec === true ? encodeMessage(message) : message;
    const envelope: Envelope = { sender, to, mark: sender.mark(), content };
    if (random.chance(faults.duplication)) this.#dispatch(link, envelope, true, 'duplicate');
    if (random.chance(faults.replay)) {
      this.counts.replay++;
      this.#arriveAfter(link, envelope, random.between(0, faults.replayMsMax));
    }
    this.#dispatch(link, envelope, random.chance(faults.reorder), null);
  }

  /** Nothing between these two hosts is cut, in either direction. */
  reaches(from: string, to: string): boolean {
    const nowMs = this.#scheduler.now();
    return this.#link(from, to).blockedBy(nowMs) === null && this.#link(to, from).blockedBy(nowMs) === null;
  }

  /**
   * For ports: connects, sooner or later, as a replica does whether or not it has anything to say. Nothing is drawn, so that a
   * connection more or less does not shift the rest of a run.
   */
  dial(port: SimulatedPort, id: ReplicaId, afterMs = redialMsMin): void {
    const { delayMsMin, delayMsMean } = this.#faults;
    this.#scheduler.schedule(2 * (delayMsMin + delayMsMean) + afterMs, () => {
      if (!port.wants(id)) return;
      const other = this.#ports.get(id) ?? this.#atHostOf(id);
      const clogged = this.#link(port.host, hostOf(id)).clogged || this.#link(hostOf(id), port.host).clogged;
      const reached = other !== undefined && !clogged && this.reaches(port.host, other.host);
      if (reached && !port.meetsOtherGeneration(other) && port.meets(other, id)) return;
      this.dial(port, id, Math.min(2 * afterMs, redialMsMax));
    });
  }

  /** Whoever has that address by now: a later life of the same member, or of a later generation. */
  #atHostOf(id: ReplicaId): SimulatedPort | undefined {
    const host = hostOf(id);
    for (const port of this.#ports.values()) if (port.host === host) return port;
    return undefined;
  }

  /** For ports: a live replica at the other end, and no cut in either direction. */
  reachable(port: SimulatedPort, id: ReplicaId): boolean {
    const nowMs = this.#scheduler.now();
    const host = hostOf(id);
    return (
      this.#ports.has(id) &&
      this.#link(port.host, host).blockedBy(nowMs) === null &&
      this.#link(host, port.host).blockedBy(nowMs) === null
    );
  }

  /** For ports. */
  ended(port: SimulatedPort): void {
    if (this.#ports.get(port.id) === port) this.#ports.delete(port.id);
    for (const fetch of this.#fetches) {
      if (fetch.reader !== port && fetch.server !== port) continue;
      fetch.abandon();
      this.#fetches.delete(fetch);
    }
  }

  /** For ports. */
  async fetch(
    reader: SimulatedPort,
    from: ReplicaId,
    above: number,
    onChunk: (chunk: Uint8Array) => Promise<void>,
    transfer?: SnapshotTransfer,
  ): Promise<{ readonly bytes: number }> {
    const server = this.#ports.get(from);
    if (server === undefined) throw new NetworkError('unreachable', `${from} does not answer`);
    for (const fetch of this.#fetches) {
      if (fetch.reader === reader && fetch.server === server && !fetch.over) {
        throw new NetworkError('refused', `${from} is sending a snapshot already`);
      }
    }
    const fetch = new SnapshotFetch(server, {
      network: this,
      reader,
      above,
      onChunk,
      transfer,
      chunkBytes: this.#options.snapshotChunkBytes ?? 64 * 1024,
      stallMs: this.#options.snapshotStallMs ?? 10_000,
      leg: () => this.#snapshotLeg(server, reader),
      wait: (delayMs) => new Promise((resolve) => this.#scheduler.schedule(delayMs, resolve, true)),
    });
    this.#fetches.add(fetch);
    try {
      return await fetch.done;
    } finally {
      this.#fetches.delete(fetch);
    }
  }

  #snapshotLeg(server: SimulatedPort, reader: SimulatedPort): { readonly delayMs: number } | 'lost' | 'stalled' {
    if (this.#random.chance(this.#faults.snapshotLoss)) {
      this.counts['snapshot-lost']++;
      return 'lost';
    }
    const nowMs = this.#scheduler.now();
    const link = this.#link(server.host, reader.host);
    const back = this.#link(reader.host, server.host);
    if (link.clogged || link.blockedBy(nowMs) !== null || back.blockedBy(nowMs) !== null) {
      this.counts['snapshot-stalled']++;
      return 'stalled';
    }
    const { delayMs } = drawDelay(this.#random, this.#faults, this.counts);
    if (this.#faults.chunkMs > 0) {
      // What keeps its place on the link waits behind the chunk (N13).
      link.lastArrivalMs = Math.max(link.lastArrivalMs, nowMs + delayMs + this.#faults.chunkMs);
      this.counts['behind-chunk']++;
    }
    return { delayMs: delayMs + this.#faults.chunkMs };
  }

  /** One copy on its way. Its delay is drawn whatever becomes of it, so that one cut does not shift the rest of a run. */
  #dispatch(link: Link, envelope: Envelope, overtakes: boolean, fault: 'duplicate' | null): void {
    const { counts } = this;
    const { delayMs, overtaken } = drawDelay(this.#random, this.#faults, counts);
    if (this.#random.chance(this.#faults.loss)) {
      counts.loss++;
      return;
    }
    if (fault !== null) counts[fault]++;
    const nowMs = this.#scheduler.now();
    let atMs = nowMs + delayMs;
    if (!overtakes && !overtaken) {
      atMs = Math.max(atMs, link.lastArrivalMs);
      link.lastArrivalMs = atMs;
    } else if (atMs < link.lastArrivalMs) {
      counts.overtaken++;
    }
    const blocked = link.blockedBy(nowMs);
    if (blocked === null) this.#arriveAfter(link, envelope, atMs - nowMs);
    else counts[blocked]++;
  }

  #arriveAfter(link: Link, envelope: Envelope, delayMs: number): void {
    this.#scheduler.schedule(delayMs, () => this.#arrive(link, envelope));
  }

  #arrive(link: Link, envelope: Envelope): void {
    const { counts } = this;
    const blocked = link.blockedBy(this.#scheduler.now());
    if (blocked !== null) {
      counts[blocked]++;
    } else if (!link.clogged) {
      this.#deliver(envelope);
    } else if (link.hold({ deliver: () => this.#deliver(envelope) }, this.#faults.queueMessagesMax)) {
      counts.clog++;
    } else {
      counts['queue-full']++;
    }
  }

  #deliver(envelope: Envelope): void {
    const { counts } = this;
    const port = this.#ports.get(envelope.to);
    if (port === undefined) {
      counts['receiver-down']++;
      return;
    }
    if (this.#random.chance(this.#faults.corruption)) {
      // The tag of a frame refuses it whatever it says; the reader of messages must still survive it.
      counts.corrupt++;
      if (Buffer.isBuffer(envelope.content)) readCorrupted(envelope.content, this.#random);
      return;
    }
    const message = Buffer.isBuffer(envelope.content) ? decodeMessage(envelope.content) : envelope.content;
    this.delivered++;
    if (this.#faults.stranger > 0 && this.#random.chance(this.#faults.stranger)) {
      counts.stranger++;
      port.receiveFrom(strangerLike(envelope.sender.id, this.#random), message);
      if (port.state !== 'alive') return;
    }
    const outcome = port.receive(envelope.sender, envelope.mark, message);
    if (outcome.kind === 'delivered') return;
    counts[outcome.kind]++;
    if (outcome.kind === 'not-admitted' && outcome.refusal !== null)
      this.#sendRefusal(port, envelope.sender, outcome.refusal);
  }

  #sendRefusal(by: SimulatedPort, to: SimulatedPort, refusal: PeerRefusal): void {
    const { delayMs } = drawDelay(this.#random, this.#faults, this.counts);
    const link = this.#link(by.host, to.host);
    this.#scheduler.schedule(delayMs, () => {
      if (link.blockedBy(this.#scheduler.now()) === null) to.refused(by.id, refusal);
    });
  }

  /** In later events: who unclogs is in the middle of something. */
  #release(parcels: readonly Parcel[]): void {
    for (const parcel of parcels) this.#scheduler.schedule(0, parcel.deliver);
  }

  #link(from: string, to: string): Link {
    let row = this.#links.get(from);
    if (row === undefined) {
      row = new Map();
      this.#links.set(from, row);
    }
    let link = row.get(to);
    if (link === undefined) {
      link = new Link();
      link.partitioned = this.#apart(from, to);
      row.set(to, link);
    }
    return link;
  }

  #eachLink(visit: (link: Link, from: string, to: string) => void): void {
    for (const [from, row] of this.#links) {
      for (const [to, link] of row) visit(link, from, to);
    }
  }

  #apart(from: string, to: string): boolean {
    return (this.#groupOf.get(from) ?? 0) !== (this.#groupOf.get(to) ?? 0);
  }
}

/** N12: an earlier or later life of a member, or somebody whom no configuration ever named. */
function strangerLike(id: ReplicaId, random: Random): ReplicaId {
  const { name, incarnation } = parseReplicaId(id);
  const kind = random.below(3);
  if (kind === 0) return replicaId(name, incarnation - 1);
  return kind === 1 ? replicaId(name, incarnation + 1000) : replicaId(`${name}-of-another-cell`, incarnation);
}

const hostOf = (id: ReplicaId): string => parseReplicaId(id).name;

function readCorrupted(bytes: Buffer, random: Random): void {
  const changed = random.chance(0.3) ? Buffer.from(bytes.subarray(0, random.below(bytes.length))) : Buffer.from(bytes);
  if (changed.length > 0) {
    const at = random.below(changed.length);
    changed[at] = (changed[at] as number) ^ (1 << random.below(8));
  }
  try {
    decodeMessage(changed);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}

/**
 * Messages between the replicas of one cell. Adapter: `adapters/network-http`; twin: `simulator/network`.
 *
 * What a caller may rely on: nothing is delivered that was not sent by the named, authenticated replica of this cell;
 * messages may be lost, delayed, duplicated or reordered; sending never blocks, a full queue drops.
 */
import type { ReplicaId } from '../core/consensus/identity.ts';
import type { Message } from '../core/consensus/message.ts';

export interface NetworkPort {
  /** Queued at once, sent together with everything else queued in this turn. Dropped silently when `to` is unreachable. */
  send(to: ReplicaId, message: Message): void;
  onMessage(handler: (from: ReplicaId, message: Message) => void): void;
  /** Where members are reached; called again whenever the membership in force changes. */
  setPeers(peers: readonly { readonly id: ReplicaId; readonly url: string }[]): void;
  /**
   * Stream the newest verified snapshot file of `from` above instance `above`, chunk by chunk, in order.
   * Rejects when there is none, on a lost connection, or when nothing came for the port's stall time.
   *
   * With `transfer` it goes on where an earlier one broke off, be that from another member: snapshots are canonical, so the same
   * digest is the same bytes. Who does not have that file sends its own from the beginning, and says so by `begin`.
   */
  fetchSnapshot(
    from: ReplicaId,
    above: number,
    onChunk: (chunk: Uint8Array) => Promise<void>,
    transfer?: SnapshotTransfer,
  ): Promise<{ readonly bytes: number }>;
  /**
   * Who serves `fetchSnapshot` to peers: reads of the verified snapshot file with this digest, where it is still kept, or of the
   * newest.
   */
  onSnapshotRequest(handler: (above: number, digest: string | null) => Promise<SnapshotStream | null>): void;
  /** Peers with a live connection in either direction, for status. */
  connected(): readonly ReplicaId[];
  close(): Promise<void>;
}

/** Which file it is. */
export interface SnapshotIdentity {
  readonly instance: number;
  /** SHA-256 of the file's parts, 64 hex digits. */
  readonly digest: string;
}

export interface SnapshotTransfer {
  /** What is here of a file already; null for nothing. */
  readonly have: { readonly digest: string; readonly offset: number } | null;
  /** Called once, before the first chunk. */
  begin(start: SnapshotStart): Promise<void>;
}

/** What is about to come: the bytes from `offset` on of a file of `bytes` bytes. */
export interface SnapshotStart {
  readonly bytes: number;
  /** 0, or what was asked for of just the file that was asked for. */
  readonly offset: number;
  readonly identity: SnapshotIdentity | null;
}

export interface SnapshotStream {
  readonly bytes: number;
  /** Absent: the stream cannot be gone on with. */
  readonly identity?: SnapshotIdentity;
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** What an authenticated replica said when a connection was opened, in either direction. */
export interface PeerHello {
  readonly id: ReplicaId;
  /** 'inbound': it dialled us. */
  readonly direction: 'inbound' | 'outbound';
  readonly purpose: 'stream' | 'snapshot';
  readonly generation: number;
  readonly boot: { readonly number: number; readonly id: string };
  /** Number of its last flush when it said so. */
  readonly flush: number;
  readonly programVersion: string;
  readonly protocols: { readonly min: number; readonly max: number };
  /** What it knows of disks, as `formats/witness` has it; null when it said nothing. */
  readonly testimony: Uint8Array | null;
  /** Where it dialled from, for whoever has to find it; absent where that is not known. */
  readonly address?: string | null;
}

/** How far a sender's disk was when it sent (design §4 "Fence"). */
export interface PeerMark {
  readonly boot: number;
  readonly flush: number;
  /** Number of the flush of its newest promise. */
  readonly promiseFlush: number;
}

export type Admission =
  | { readonly ok: true }
  /** `status` and a stable `code` go to the other side in a problem document. */
  | { readonly ok: false; readonly status: number; readonly code: string; readonly message: string };

/** A refusal that this replica met when it dialled. */
export interface PeerRefusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** True when the refusing side proved that it holds the cell's secret; otherwise it is hearsay. */
  readonly authentic: boolean;
}

/** How one peer is connected, in each direction. */
export interface PeerLink {
  readonly id: ReplicaId;
  readonly url: string;
  /** We can send to it. */
  readonly outbound: boolean;
  /** It can send to us. */
  readonly inbound: boolean;
  /** How long one of the two has been missing; 0 while both are open. */
  readonly brokenMs: number;
  /** Either was open at some time since this network was made. */
  readonly met: boolean;
  /** Why there is no connection to it; null while there is one. */
  readonly trouble: string | null;
}

/** A network that also tells what its peers say about themselves. Handlers are called before any message that follows. */
export interface AttestedNetworkPort extends NetworkPort {
  onPeerHello(handler: (hello: PeerHello) => void): void;
  /** Called whenever a peer's boot or flush number moved. */
  onPeerMark(handler: (from: ReplicaId, mark: PeerMark) => void): void;
  onPeerRefusal(handler: (from: ReplicaId, refusal: PeerRefusal) => void): void;
}

/** Why `fetchSnapshot` failed. */
export class NetworkError extends Error {
  readonly reason: 'unreachable' | 'none' | 'refused' | 'lost' | 'stalled' | 'tampered' | 'closed';

  constructor(reason: NetworkError['reason'], message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'NetworkError';
    this.reason = reason;
  }
}

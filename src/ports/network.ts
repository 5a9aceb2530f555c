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
   */
  fetchSnapshot(
    from: ReplicaId,
    above: number,
    onChunk: (chunk: Uint8Array) => Promise<void>,
  ): Promise<{ readonly bytes: number }>;
  /** Who serves `fetchSnapshot` to peers: reads of the newest verified snapshot file. */
  onSnapshotRequest(handler: (above: number) => Promise<SnapshotStream | null>): void;
  /** Peers with a live connection in either direction, for status. */
  connected(): readonly ReplicaId[];
  close(): Promise<void>;
}

export interface SnapshotStream {
  readonly bytes: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** What the peer network is made from, and its limits. */
import type { ReplicaId } from '../../core/consensus/identity.ts';
import type { ClockPort } from '../../ports/clocks.ts';
import type { Admission, PeerHello, PeerMark } from '../../ports/network.ts';
import type { RandomnessPort } from '../../ports/randomness.ts';

/** The part of pino that is used here. */
export interface PeerLogger {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

export interface HttpNetworkOptions {
  readonly self: ReplicaId;
  /** The cell's id. */
  readonly cell: string;
  /** The cell's secret, at least 16 bytes. Not kept in readable form, never logged or sent. */
  readonly secret: Uint8Array;
  readonly generation: number;
  readonly boot: { readonly number: number; readonly id: string };
  readonly programVersion: string;
  readonly clocks: ClockPort;
  readonly randomness: RandomnessPort;
  /**
   * Asked after the proof of the secret, in both directions, before anything of the connection counts: membership,
   * incarnation, fence. Own identity, other generations and older boots are refused without it.
   */
  readonly admit: (hello: PeerHello) => Admission;
  /** Number of the last durable flush; read once for every frame. */
  readonly flushNumber: () => number;
  /** Number of the flush of the newest durable promise; read as `flushNumber`, and never higher. */
  readonly promiseFlush: () => number;
  /** What this replica knows of disks, for `to`; read for every hello. */
  readonly testimony?: (to: ReplicaId) => Uint8Array;
  /** Why `id` is let in nowhere in this cell any more; null where it may be. Told to who looks for an earlier life of this member. */
  readonly removed?: (id: ReplicaId) => Extract<Admission, { ok: false }> | null;
  /** A replica of this cell proved itself to be in another generation. */
  readonly otherGeneration?: (generation: number) => void;
  readonly logger: PeerLogger;
  readonly limits?: Partial<PeerLimits>;
}

/** How far the own disk is now. */
export const markOf = ({ boot, flushNumber, promiseFlush }: HttpNetworkOptions): PeerMark => ({
  boot: boot.number,
  flush: flushNumber(),
  promiseFlush: promiseFlush(),
});

export interface PeerLimits {
  /** From dialling to the first frame, and between challenge and answer. */
  readonly handshakeMs: number;
  /** A side that has sent nothing for this long sends an empty frame. */
  readonly keepAliveMs: number;
  /** Keep-alive periods without a byte after which a connection is taken for half-open and closed (pitfall N14). */
  readonly silentPeriodsMax: number;
  /** Keep-alive periods in which a frame that has begun must be complete. */
  readonly framePeriodsMax: number;
  /** First and longest wait before dialling again; each is drawn from its upper half. */
  readonly redialMsMin: number;
  readonly redialMsMax: number;
  /** Messages waiting for one peer, the kernel's buffers not counted. Beyond it they are dropped (pitfall N13). */
  readonly queueBytesMax: number;
  /** A frame is closed when it has grown to this, so that a receiver need not wait for all of a long queue. */
  readonly frameBytesTarget: number;
  readonly snapshotChunkBytes: number;
  /** A snapshot stream on which nothing moved for this long has failed. */
  readonly snapshotStallMs: number;
  /** Pace of one snapshot stream, so that it cannot crowd out consensus traffic; 0 for as fast as it goes. */
  readonly snapshotBytesPerSecond: number;
}

const mebibyte = 1024 * 1024;

export const defaultPeerLimits: PeerLimits = {
  handshakeMs: 5_000,
  keepAliveMs: 250,
  silentPeriodsMax: 4,
  framePeriodsMax: 40,
  redialMsMin: 20,
  redialMsMax: 500,
  queueBytesMax: 16 * mebibyte,
  frameBytesTarget: mebibyte,
  snapshotChunkBytes: 64 * 1024,
  snapshotStallMs: 10_000,
  snapshotBytesPerSecond: 64 * mebibyte,
};

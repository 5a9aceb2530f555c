/** Everything that one replica process needs from the machine, in one parcel: made by adapters, handed to the runtime. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ReplicaId } from '../core/consensus/identity.ts';
import type { EntryStoreMaker } from '../core/database/record.ts';
import type { AttemptsPort } from './attempts.ts';
import type { OpenBackups } from './backups.ts';
import type { ClockPort } from './clocks.ts';
import type { DigestPort } from './digest.ts';
import type { Disk } from './disk.ts';
import type { Admission, AttestedNetworkPort, PeerHello, PeerLink } from './network.ts';
import type { RandomnessPort } from './randomness.ts';

/** A data directory that no other process can open until it is released or this process ends. */
export interface OpenDirectory {
  readonly disk: Disk;
  release(): Promise<void>;
}

/** What a look at files needs, while no replica runs on them: nothing that is reached through it can be changed. */
export interface OfflineWorld {
  readonly digest: DigestPort;
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** @throws {DiskError} 'not-found' or 'denied'. */
  openReadOnly(path: string): Promise<Disk>;
  /** Whether a process on this machine has the directory now. */
  inUse(path: string): Promise<boolean>;
}

/** The directory is held by another process. */
export class DirectoryHeldError extends Error {
  readonly pid: number | null;

  constructor(directory: string, pid: number | null) {
    super(`${directory} is held by ${pid === null ? 'another process' : `process ${pid}`}`);
    this.name = 'DirectoryHeldError';
    this.pid = pid;
  }
}

/** The peer network of one replica; its listener is the HTTP front's. */
export interface HostedNetwork extends AttestedNetworkPort {
  /** One for each peer that was set, sorted by id. */
  links(): readonly PeerLink[];
  /** Answers a request below `/peer/v1/`; false when the path is not its own. */
  handlePeerRequest(request: IncomingMessage, response: ServerResponse): boolean;
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

export interface NetworkOptions {
  readonly self: ReplicaId;
  readonly cell: string;
  readonly secret: Uint8Array;
  readonly generation: number;
  readonly boot: { readonly number: number; readonly id: string };
  readonly programVersion: string;
  admit(hello: PeerHello): Admission;
  flushNumber(): number;
  promiseFlush(): number;
  testimony(to: ReplicaId): Uint8Array;
  /** Why `id` is let in nowhere in this cell any more; null where it may be. Told to who looks for an earlier life of this member. */
  removed?(id: ReplicaId): Extract<Admission, { ok: false }> | null;
  /** A replica of this cell proved itself to be in another generation; it was refused, or refused this one. */
  otherGeneration?(generation: number): void;
}

export interface World {
  readonly clocks: ClockPort;
  readonly randomness: RandomnessPort;
  readonly digest: DigestPort;
  /** Where the user's entries lie in memory; the core's own tree where absent. */
  readonly makeEntryStore?: EntryStoreMaker;
  /** Makes the directory when it is absent. @throws {DirectoryHeldError} */
  openDirectory(path: string): Promise<OpenDirectory>;
  /** What upgrades keep in this data directory; absent where there is no real disk. */
  attempts?(dataDir: string): AttemptsPort;
  /** The folder in which a witness file lies, and its name there. */
  openWitness?(path: string): Promise<{ readonly disk: Disk; readonly name: string }>;
  /** Absent where nobody writes backups by himself. */
  openBackups?: OpenBackups;
  createNetwork(options: NetworkOptions): HostedNetwork;
  /** Posts JSON to a peer that is not yet, or not known to be, of this cell. Null when it does not answer in time. */
  askPeer(url: string, path: string, body: unknown, secret: Uint8Array | null): Promise<unknown>;
  /** Reads such a request. Null when it is too large, no JSON, or without proof of the secret. */
  readPeerRequest(request: IncomingMessage, secret: Uint8Array | null): Promise<unknown>;
  /** Answers one, with proof of the secret where there is one. */
  answerPeer(
    request: IncomingMessage,
    response: ServerResponse,
    answer: { readonly status: number; readonly document: unknown; readonly secret: Uint8Array | null },
  ): void;
}

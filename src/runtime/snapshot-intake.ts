/**
 * A snapshot on its way here from peers: gone on with after a stream broke off, from whoever has the same file.
 *
 * Source: PML §5.5; design §4; pitfalls P55. Keeps: bytes of two snapshots never meet. Snapshots are canonical, so the digest of the
 * file says which bytes they are, whoever sends them; what is gone on with are whole parts, checked again on this disk, and
 * another digest begins anew. The finished file is held to the digest that was announced. What an earlier process has left is gone on
 * with in the same way.
 */
import type { Instance, ReplicaId } from '../core/consensus/identity.ts';
import type { ClockPort } from '../ports/clocks.ts';
import { NetworkError, type NetworkPort, type SnapshotStart } from '../ports/network.ts';
import type { LoadedSnapshot, LogStorage, SnapshotReceiver } from './log-storage.ts';
import type { Logger } from './logger.ts';

export interface IntakeProgress {
  readonly from: ReplicaId;
  /** Of the snapshot; 0 while that is not known yet. */
  readonly instance: number;
  readonly bytes: number;
  readonly totalBytes: number;
  /** Of this stream, since its first chunk. */
  readonly ratePerSecond: number;
  /** Bytes of it that an earlier stream brought. */
  readonly resumedFrom: number;
}

interface Parts {
  readonly network: NetworkPort;
  readonly storage: LogStorage;
  readonly clocks: ClockPort;
  readonly logger: Logger;
}

/** What an unfinished file is. */
interface Unfinished {
  readonly receiver: SnapshotReceiver;
  readonly instance: number;
  readonly digest: string;
}

interface Stream {
  readonly from: ReplicaId;
  start: SnapshotStart | null;
  startedMs: number;
  received: number;
}

export class SnapshotIntake {
  readonly #parts: Parts;
  #unfinished: Unfinished | null = null;
  /** Taking up what an earlier process has left; null until somebody wanted to know. */
  #takingUp: Promise<void> | null = null;
  #stream: Stream | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get progress(): IntakeProgress | null {
    const stream = this.#stream;
    if (stream === null) return null;
    const { from, start, startedMs, received } = stream;
    const tookMs = Math.max(1, this.#parts.clocks.now().monotonicMs - startedMs);
    const resumedFrom = start?.offset ?? 0;
    return {
      from,
      instance: start?.identity?.instance ?? 0,
      bytes: resumedFrom + received,
      totalBytes: start?.bytes ?? 0,
      ratePerSecond: start === null ? 0 : Math.round((received / tookMs) * 1000),
      resumedFrom,
    };
  }

  /**
   * The newest snapshot of `provider` above `above`, or the rest of the one that is half here. `mayInstall` throws when it must
   * not be installed any more.
   * @throws whatever went wrong: then the snapshots are as they were, and at most the unfinished file is kept.
   */
  async fetch(provider: ReplicaId, above: Instance, mayInstall: () => void): Promise<LoadedSnapshot> {
    const { network } = this.#parts;
    const stream: Stream = { from: provider, start: null, startedMs: 0, received: 0 };
    this.#stream = stream;
    const receiving: { receiver: SnapshotReceiver | null } = { receiver: null };
    try {
      const have = await this.#whatIsHere(above);
      const begin = async (start: SnapshotStart): Promise<void> => {
        receiving.receiver = await this.#begin(start);
        stream.start = start;
        stream.startedMs = this.#parts.clocks.now().monotonicMs;
      };
      const onChunk = async (chunk: Uint8Array): Promise<void> => {
        // A network that announces nothing brings a file that cannot be gone on with.
        receiving.receiver ??= await this.#begin({ bytes: 0, offset: 0, identity: null });
        await receiving.receiver.append(chunk);
        stream.received += chunk.length;
      };
      await network.fetchSnapshot(provider, above, onChunk, { have, begin });
      mayInstall();
      receiving.receiver ??= await this.#begin({ bytes: 0, offset: 0, identity: null });
      this.#unfinished = null;
      return await receiving.receiver.finish(stream.start?.identity?.digest ?? null);
    } catch (error) {
      if (!this.#mayGoOn(error)) {
        this.#unfinished = null;
        await receiving.receiver?.abort();
      }
      throw error;
    } finally {
      this.#stream = null;
    }
  }

  /** Whole parts of a file that is still wanted. What is not is removed. */
  async #whatIsHere(above: number): Promise<{ readonly digest: string; readonly offset: number } | null> {
    await this.#takeUp();
    const unfinished = this.#unfinished;
    if (unfinished === null) return null;
    if (unfinished.instance > above) {
      try {
        const offset = await unfinished.receiver.rewind();
        if (offset > 0) return { digest: unfinished.digest, offset };
      } catch (error) {
        this.#parts.logger.warn({ err: error }, 'an unfinished snapshot cannot be gone on with');
      }
    }
    await this.#drop();
    return null;
  }

  async #begin({ offset, identity }: SnapshotStart): Promise<SnapshotReceiver> {
    if (offset > 0 && this.#unfinished !== null) {
      const { instance, receiver } = this.#unfinished;
      this.#parts.logger.info({ instance, offset }, 'going on with a snapshot that is half here');
      return receiver;
    }
    // The provider has another file: what is here of the first one is of no use beside it.
    await this.#drop();
    const receiver = await this.#parts.storage.receiveSnapshot(identity);
    if (identity !== null) this.#unfinished = { receiver, ...identity };
    return receiver;
  }

  /** Only a broken stream leaves something that is worth keeping; a disk that failed, or a file that is bad, does not. */
  #mayGoOn(error: unknown): boolean {
    return error instanceof NetworkError && error.reason !== 'tampered' && this.#unfinished !== null;
  }

  #takeUp(): Promise<void> {
    this.#takingUp ??= this.#readLeft();
    return this.#takingUp;
  }

  async #readLeft(): Promise<void> {
    const { storage, logger } = this.#parts;
    const left = storage.unfinishedSnapshot();
    if (left === null) return;
    try {
      const receiver = await storage.resumeSnapshot();
      if (receiver !== null) this.#unfinished = { receiver, instance: left.instance, digest: left.digest };
    } catch (error) {
      logger.warn({ err: error }, 'a snapshot that was left unfinished cannot be gone on with');
    }
  }

  /** The state is at `instance` by other ways: an unfinished file below it is of no use any more. */
  reached(instance: number): void {
    if (this.#stream !== null) return;
    const here = this.#takingUp === null ? this.#parts.storage.unfinishedSnapshot() : this.#unfinished;
    if (here === null || here.instance > instance) return;
    this.#takeUp()
      .then(() => this.#drop())
      .catch((error: unknown) => this.#parts.logger.warn({ err: error }, 'an unfinished snapshot stays behind'));
  }

  async #drop(): Promise<void> {
    const unfinished = this.#unfinished;
    this.#unfinished = null;
    await unfinished?.receiver.abort();
  }
}

/**
 * A snapshot on its way from a peer: into a file, and with that among the snapshots, or to nothing. One whose file is named by the
 * manifest is left as it is when the storage is closed: the next process goes on with it.
 *
 * Keeps: it ends once. What asks for another end gets an error (`finish`) or waits for the first (`abort`), so the file is
 * closed once, after whatever was being written to it.
 */
import { StorageClosedError } from './errors.ts';
import { Serial } from './serial.ts';
import type { ReceivedFile } from './snapshot-writer.ts';

/** What the store does with the finished or abandoned file; the file is closed before either. */
export interface ReceiverEnds<Result> {
  /** Whether what is here of it outlives this process. */
  readonly lasting: boolean;
  /** Verifies and installs. A rejection is followed by `discard`. */
  readonly install: (digest: string | null) => Promise<Result>;
  /** Never rejects. */
  readonly discard: () => Promise<void>;
}

export class SnapshotBeingReceived<Result> {
  readonly #file: ReceivedFile;
  readonly #ends: ReceiverEnds<Result>;
  /** Pieces and the end follow each other. */
  readonly #steps = new Serial();
  #ending: Promise<unknown> | null = null;

  constructor(file: ReceivedFile, ends: ReceiverEnds<Result>) {
    this.#file = file;
    this.#ends = ends;
  }

  /** @throws {StorageClosedError} after an end; {DiskError} */
  append(chunk: Uint8Array): Promise<void> {
    if (this.#ending !== null) return Promise.reject(ended());
    return this.#steps.run(() => this.#file.append(chunk));
  }

  /**
   * After a stream broke off: how many bytes are whole parts, checked. What comes next goes on from there.
   * @throws {StorageClosedError} after an end; {DiskError}
   */
  rewind(): Promise<number> {
    if (this.#ending !== null) return Promise.reject(ended());
    return this.#steps.run(() => this.#file.rewind());
  }

  /** @throws {StorageClosedError} after an end; whatever went wrong, with nothing left behind. */
  finish(digest: string | null = null): Promise<Result> {
    if (this.#ending !== null) return Promise.reject(ended());
    const finished = this.#steps.run(() => this.#finish(digest));
    this.#ending = finished.catch(() => undefined);
    return finished;
  }

  /** When it resolves nothing of this goes on any more; a `finish` that came first has then ended its own way. */
  async abort(): Promise<void> {
    this.#ending ??= this.#steps.run(() => this.#abandon());
    await this.#ending;
  }

  /** The storage is closed: what was received so far is durable then, where it is to outlive this process. */
  async close(): Promise<void> {
    if (!this.#ends.lasting) return this.abort();
    this.#ending ??= this.#steps.run(() => this.#file.flush().finally(() => this.#file.close()));
    await this.#ending.catch(() => undefined);
  }

  async #finish(digest: string | null): Promise<Result> {
    try {
      await this.#file.flush().finally(() => this.#file.close());
      return await this.#ends.install(digest);
    } catch (error) {
      await this.#ends.discard();
      throw error;
    }
  }

  async #abandon(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await this.#ends.discard();
  }
}

const ended = (): StorageClosedError => new StorageClosedError('The snapshot that was being received');

/** A snapshot file on its way between two simulated replicas: chunk by chunk, and it may end at any of them. */
import { NetworkError, type SnapshotStream, type SnapshotTransfer } from '../ports/network.ts';
import type { SimulatedNetwork } from './network.ts';
import type { SimulatedPort } from './network-port.ts';

export interface FetchParts {
  readonly network: SimulatedNetwork;
  readonly reader: SimulatedPort;
  readonly above: number;
  readonly onChunk: (chunk: Uint8Array) => Promise<void>;
  readonly transfer: SnapshotTransfer | undefined;
  readonly chunkBytes: number;
  readonly stallMs: number;
  /** What becomes of the next leg: it takes so long, or the connection is lost, or nothing comes any more. */
  readonly leg: () => { readonly delayMs: number } | 'lost' | 'stalled';
  readonly wait: (delayMs: number) => Promise<void>;
}

/**
 * Settles once. Neither side's code runs in a life that has ended: a reader that crashed is never answered, the stream of
 * a server that crashed is not closed.
 */
export class SnapshotFetch {
  readonly reader: SimulatedPort;
  readonly server: SimulatedPort;
  readonly done: Promise<{ readonly bytes: number }>;
  readonly #parts: FetchParts;
  #settle!: { resolve(outcome: { bytes: number }): void; reject(error: Error): void };
  #over = false;
  #progress = 0;

  constructor(server: SimulatedPort, parts: FetchParts) {
    this.server = server;
    this.reader = parts.reader;
    this.#parts = parts;
    this.done = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    void this.#run();
  }

  get over(): boolean {
    return this.#over;
  }

  /** Either side has ended. */
  abandon(): void {
    if (this.reader.state === 'closed') this.#fail(new NetworkError('closed', 'the network was closed'));
    else if (this.reader.state === 'crashed') this.#end();
    else this.#fail(new NetworkError('lost', `${this.server.id} went away`));
  }

  async #run(): Promise<void> {
    let stream: SnapshotStream | null = null;
    try {
      await this.#nextLeg();
      if (this.#over) return;
      stream = await this.#watched(
        this.server.snapshots?.(this.#parts.above, this.#parts.transfer?.have?.digest ?? null) ?? Promise.resolve(null),
      );
      if (this.#over) return;
      if (stream === null) throw new NetworkError('none', `${this.server.id} has no such snapshot`);
      await this.#send(stream);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    } finally {
      if (this.server.state !== 'crashed') await stream?.close();
    }
  }

  async #send(stream: SnapshotStream): Promise<void> {
    const { chunkBytes, onChunk, transfer } = this.#parts;
    const have = transfer?.have ?? null;
    const same = have !== null && have.digest === stream.identity?.digest && have.offset <= stream.bytes;
    const first = same ? have.offset : 0;
    await transfer?.begin({ bytes: stream.bytes, offset: first, identity: stream.identity ?? null });
    if (this.#over) return;
    for (let offset = first; offset < stream.bytes; ) {
      const wanted = Math.min(chunkBytes, stream.bytes - offset);
      const chunk = await this.#watched(stream.read(offset, wanted));
      if (this.#over) return;
      await this.#nextLeg();
      if (this.#over) return;
      if (chunk.length !== wanted) throw new NetworkError('lost', 'the snapshot file has ended early');
      // A copy: what the reader keeps is its own, as it is behind a real connection.
      await onChunk(chunk.slice());
      if (this.#over) return;
      offset += wanted;
    }
    this.#end();
    this.#settle.resolve({ bytes: stream.bytes });
  }

  async #nextLeg(): Promise<void> {
    const leg = this.#parts.leg();
    const { stallMs } = this.#parts;
    // Whoever reads waits for the next chunk no longer than that, whatever became of it on its way.
    if (leg === 'stalled' || (leg !== 'lost' && leg.delayMs >= stallMs)) {
      await this.#parts.wait(stallMs);
      throw new NetworkError('stalled', 'the snapshot stream has stopped moving');
    }
    if (leg === 'lost') throw new NetworkError('lost', 'the connection was lost');
    await this.#parts.wait(leg.delayMs);
  }

  /** The server's own work; when it takes too long, the reader gives up. */
  async #watched<Result>(work: Promise<Result>): Promise<Result> {
    const step = ++this.#progress;
    void this.#parts.wait(this.#parts.stallMs).then(() => {
      if (this.#progress === step) this.#fail(new NetworkError('stalled', 'the snapshot stream has stopped moving'));
    });
    const result = await work;
    this.#progress++;
    return result;
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.#end();
    if (this.reader.state !== 'crashed') this.#settle.reject(error);
  }

  #end(): void {
    this.#over = true;
    this.#progress++;
  }
}

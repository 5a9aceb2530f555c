/**
 * Sends snapshot files to peers: `GET /peer/v1/snapshot?above=N`, on a connection of its own, so that a heartbeat never
 * waits behind a chunk (pitfall N13). The body is a row of frames under the connection's key: first the file's length,
 * then chunks, then an empty one that says it is whole. One stream a peer, paced, given up when the peer stops reading.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { MonotonicMs, ReplicaId } from '../../core/consensus/identity.ts';
import { FrameSealer, startFrame } from '../../formats/peer-frame.ts';
import type { SnapshotStream } from '../../ports/network.ts';
import { type Accepted, type Acceptor, sendRefusal } from './acceptor.ts';
import type { PeerCounters } from './counters.ts';
import { refusals } from './problem.ts';
import { type PeerContext, proofHeader, snapshotPath } from './session.ts';

export type SnapshotSource = (above: number, digest: string | null) => Promise<SnapshotStream | null>;

/** What a peer asks for: a snapshot above an instance, and what it has of one already. */
interface SnapshotRequest {
  readonly above: number;
  readonly have: { readonly digest: string; readonly offset: number } | null;
}

/** Waited at once at the least. */
const paceMsMin = 5;

export class SnapshotServer {
  readonly #context: PeerContext;
  readonly #counters: PeerCounters;
  readonly #acceptor: Acceptor;
  readonly #busy = new Set<ReplicaId>();
  readonly #responses = new Set<ServerResponse>();
  /** Until then the pace is used up by what was sent already. */
  #paidUntilMs = 0;
  source: SnapshotSource | null = null;

  constructor(context: PeerContext, counters: PeerCounters, acceptor: Acceptor) {
    this.#context = context;
    this.#counters = counters;
    this.#acceptor = acceptor;
  }

  /** Answers in any case; failures are the peer's to notice, by the end that does not come. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const accepted = this.#acceptor.verify(request, request.socket, 'snapshot');
    if (accepted.kind === 'refused') {
      sendRefusal(response, accepted);
      return;
    }
    const asked = parseRequest(request.url ?? '');
    if (asked === null) {
      sendRefusal(response, accepted.refuse(refusals.badRequest));
      return;
    }
    const peer = accepted.hello.from;
    const { logger } = this.#context.options;
    if (this.#busy.has(peer)) {
      sendRefusal(response, accepted.refuse(refusals.snapshotBusy));
      return;
    }
    this.#busy.add(peer);
    this.#responses.add(response);
    // The peer may be gone between any two chunks; that ends the stream and nothing else.
    response.on('error', () => response.destroy());
    let stream: SnapshotStream | null = null;
    try {
      stream = (await this.source?.(asked.above, asked.have?.digest ?? null)) ?? null;
      if (stream === null) sendRefusal(response, accepted.refuse(refusals.noSnapshot));
      else await this.#send(stream, asked, accepted, response);
    } catch (error) {
      logger.warn({ peer, error }, 'a snapshot could not be sent to its end');
      response.destroy();
    } finally {
      this.#busy.delete(peer);
      this.#responses.delete(response);
      await stream
        ?.close()
        .catch((error: unknown) => logger.warn({ peer, error }, 'a snapshot file could not be closed'));
    }
  }

  close(): void {
    for (const response of this.#responses) response.destroy();
  }

  async #send(
    stream: SnapshotStream,
    { have }: SnapshotRequest,
    accepted: Accepted,
    response: ServerResponse,
  ): Promise<void> {
    const { limits } = this.#context;
    const sealer = new FrameSealer(accepted.keys.acceptor);
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'cache-control': 'no-store',
      connection: 'close',
      [proofHeader]: accepted.proof,
    });
    const { identity } = stream;
    // Only of the very same file: parts of two must never meet (pitfalls P55).
    const same = have !== null && have.digest === identity?.digest && have.offset <= stream.bytes;
    const first = same ? have.offset : 0;
    const start = startFrame(128);
    start.writer
      .safe(stream.bytes)
      .safe(first)
      .safe(identity?.instance ?? 0);
    start.writer.text(identity?.digest ?? '');
    for (const piece of sealer.seal(start)) response.write(piece);
    for (let offset = first; offset < stream.bytes; ) {
      const wanted = Math.min(limits.snapshotChunkBytes, stream.bytes - offset);
      const chunk = await stream.read(offset, wanted);
      if (chunk.length !== wanted) throw new Error(`the snapshot file ended at ${offset + chunk.length}`);
      await this.#writeFrame(sealer, chunk, response);
      offset += wanted;
      this.#counters.snapshotBytesSent += wanted;
      await this.#paced(wanted);
    }
    for (const piece of sealer.seal(startFrame(0))) response.write(piece);
    response.end();
    this.#counters.snapshotsServed++;
  }

  async #writeFrame(sealer: FrameSealer, chunk: Uint8Array, response: ServerResponse): Promise<void> {
    const frame = startFrame(64);
    frame.raw(chunk);
    let taken = true;
    for (const piece of sealer.seal(frame)) taken = response.write(piece);
    if (!taken) await this.#drained(response);
    if (response.destroyed) throw new Error('the peer went away');
  }

  #drained(response: ServerResponse): Promise<void> {
    const { clocks } = this.#context.options;
    return new Promise((resolve, reject) => {
      if (response.destroyed) {
        reject(new Error('the peer went away'));
        return;
      }
      const settle = (outcome: () => void) => () => {
        timer.cancel();
        response.off('drain', drained);
        response.off('close', gone);
        outcome();
      };
      const drained = settle(resolve);
      const gone = settle(() => reject(new Error('the peer went away')));
      const at = clocks.now().monotonicMs + this.#context.limits.snapshotStallMs;
      const timer = clocks.schedule(
        at as MonotonicMs,
        settle(() => reject(new Error('the peer has stopped reading'))),
      );
      response.on('drain', drained);
      response.on('close', gone);
    });
  }

  /** All streams share one pace: however many replicas catch up at once, consensus keeps the rest of disk and network. */
  #paced(bytes: number): Promise<void> {
    const { limits, options } = this.#context;
    if (limits.snapshotBytesPerSecond === 0) return Promise.resolve();
    const nowMs = options.clocks.now().monotonicMs;
    this.#paidUntilMs = Math.max(this.#paidUntilMs, nowMs) + (bytes / limits.snapshotBytesPerSecond) * 1000;
    // Short waits cost more than they spare: what they would add up to is waited for at once.
    return this.#paidUntilMs - nowMs < paceMsMin ? Promise.resolve() : this.#until(this.#paidUntilMs);
  }

  #until(atMs: number): Promise<void> {
    const { clocks } = this.#context.options;
    if (clocks.now().monotonicMs >= atMs) return Promise.resolve();
    return new Promise((resolve) => {
      clocks.schedule(atMs as MonotonicMs, resolve);
    });
  }
}

/** `?above=N`, then perhaps `&have=DIGEST&from=OFFSET`, each in its one spelling; null for anything else. */
function parseRequest(url: string): SnapshotRequest | null {
  const query = url.slice(snapshotPath.length);
  const match = /^\?above=(0|[1-9]\d{0,15})(?:&have=([0-9a-f]{64})&from=([1-9]\d{0,15}))?$/.exec(query);
  if (match === null) return null;
  const [, above, digest, from] = match;
  const have = digest === undefined ? null : { digest, offset: Number(from) };
  const safe = Number.isSafeInteger(Number(above)) && (have === null || Number.isSafeInteger(have.offset));
  return safe ? { above: Number(above), have } : null;
}

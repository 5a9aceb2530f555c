/** Fetches a snapshot file from a peer: the other half of `snapshot-server.ts`. */
import type { IncomingMessage } from 'node:http';
import type { MonotonicMs, ReplicaId } from '../../core/consensus/identity.ts';
import { unreachable } from '../../core/invariant.ts';
import { ByteReader, FormatError } from '../../formats/bytes.ts';
import { FrameOpener } from '../../formats/peer-frame.ts';
import { NetworkError, type SnapshotStart, type SnapshotTransfer } from '../../ports/network.ts';
import { type DialOutcome, dial } from './dialer.ts';
import type { PeerAddress } from './peer-url.ts';
import { type PeerContext, snapshotPath } from './session.ts';

/** Whatever chunk size the other side prefers, up to here: bounds what is held before its tag is checked. */
const chunkFrameBytesMax = 1024 * 1024 + 64;

export interface SnapshotFetch {
  readonly done: Promise<{ readonly bytes: number }>;
  /** Ends it; `done` rejects with 'closed'. */
  cancel(): void;
}

export function fetchSnapshot(
  context: PeerContext,
  from: { readonly id: ReplicaId; readonly address: PeerAddress },
  above: number,
  onChunk: (chunk: Uint8Array) => Promise<void>,
  transfer: SnapshotTransfer | undefined,
): SnapshotFetch {
  let cancel = (): void => {};
  const opened = new Promise<DialOutcome & { kind: 'open' }>((resolve, reject) => {
    const have = transfer?.have ?? null;
    const rest = have === null ? '' : `&have=${have.digest}&from=${have.offset}`;
    const path = `${snapshotPath}?above=${above}${rest}`;
    const dialing = dial(context, { to: from.id, address: from.address, purpose: 'snapshot', path }, (outcome) => {
      switch (outcome.kind) {
        case 'open':
          cancel = () => outcome.response.destroy(new NetworkError('closed', 'the network was closed'));
          resolve(outcome);
          return;
        case 'refused': {
          const { code, message } = outcome.refusal;
          reject(
            new NetworkError(code === 'PAXOS_PEER_NO_SNAPSHOT' ? 'none' : 'refused', `${from.id}: ${code} ${message}`),
          );
          return;
        }
        case 'failed':
          reject(new NetworkError('unreachable', `${from.id}: ${outcome.reason}`));
          return;
        default:
          unreachable(outcome);
      }
    });
    cancel = () => {
      dialing.cancel();
      reject(new NetworkError('closed', 'the network was closed'));
    };
  });
  const done = opened.then(async (connection) => {
    try {
      return await receive(context, connection, onChunk, transfer);
    } finally {
      connection.close();
    }
  });
  return { done, cancel: () => cancel() };
}

async function receive(
  context: PeerContext,
  connection: DialOutcome & { kind: 'open' },
  onChunk: (chunk: Uint8Array) => Promise<void>,
  transfer: SnapshotTransfer | undefined,
): Promise<{ readonly bytes: number }> {
  const { response, keys } = connection;
  const opener = new FrameOpener(keys.acceptor, chunkFrameBytesMax);
  let total: number | null = null;
  let received = 0;
  for await (const chunk of withStallLimit(context, response)) {
    opener.push(chunk);
    for (let body = nextBody(opener); body !== null; body = nextBody(opener)) {
      if (total === null) {
        const start = readStart(body, transfer?.have ?? null);
        total = start.bytes;
        received = start.offset;
        await transfer?.begin(start);
      } else if (body.length > 0) {
        received += body.length;
        if (received > total) throw new NetworkError('tampered', 'more bytes than the snapshot has');
        await onChunk(body);
      } else {
        if (received !== total) throw new NetworkError('tampered', 'the snapshot ended before its end');
        return { bytes: total };
      }
    }
  }
  throw new NetworkError('lost', `the connection was lost after ${received} bytes`);
}

function nextBody(opener: FrameOpener): Buffer | null {
  try {
    return opener.next();
  } catch (error) {
    if (error instanceof FormatError) throw new NetworkError('tampered', error.message, { cause: error });
    throw error;
  }
}

/** What the other side says that it sends. Only what was asked for is ever gone on with (pitfalls P55). */
function readStart(body: Buffer, have: SnapshotTransfer['have']): SnapshotStart {
  try {
    const from = new ByteReader(body);
    const bytes = from.safe();
    const offset = from.safe();
    const instance = from.safe();
    const digest = from.text();
    from.end();
    const asked = have !== null && have.digest === digest && have.offset === offset && offset <= bytes;
    if (offset !== 0 && !asked) throw new NetworkError('tampered', 'a part of a snapshot that was not asked for');
    return { bytes, offset, identity: digest === '' ? null : { instance, digest } };
  } catch (error) {
    if (error instanceof FormatError) throw new NetworkError('tampered', error.message, { cause: error });
    throw error;
  }
}

/** The stream's chunks; the clock runs only while this side waits for the other, not while it writes to its disk. */
async function* withStallLimit(context: PeerContext, response: IncomingMessage): AsyncGenerator<Buffer> {
  const { clocks } = context.options;
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  try {
    for (;;) {
      const at = clocks.now().monotonicMs + context.limits.snapshotStallMs;
      const timer = clocks.schedule(at as MonotonicMs, () =>
        response.destroy(new NetworkError('stalled', 'the snapshot stream has stopped moving')),
      );
      try {
        const { value, done } = await chunks.next();
        if (done) return;
        yield value;
      } catch (error) {
        if (error instanceof NetworkError) throw error;
        throw new NetworkError('lost', 'the connection was lost', { cause: error });
      } finally {
        timer.cancel();
      }
    }
  } finally {
    response.destroy();
  }
}

/**
 * Every change from a revision on, over changes of master, lost connections and restarts of the cell: none missed, none twice.
 *
 * Each event names what was seen with it, and the next connection goes on behind it; whoever asks for more than the cell still keeps is
 * told so (`PAXOS_REVISION_GONE`) instead of being given less.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { ChangeDocument } from '../formats/http-body.ts';
import type { Call } from './caller.ts';
import type { CallOptions } from './options.ts';
import { type Reply, TransportError } from './transport.ts';

export interface WatchOptions extends CallOptions {
  readonly prefix?: string;
  /** The first revision that is told; where absent, the next one. */
  readonly from?: number;
  /** `id` of the last change that was seen: goes on behind it, in the place of `from`. */
  readonly after?: string;
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
  /** All up to this revision was told: at the beginning, and while nothing changes. */
  readonly onProgress?: (revision: number) => void;
}

/** `id`: where to go on behind it, see {@link WatchOptions.after}. */
export type WatchedChange = ChangeDocument & { readonly id: string };

/** A replica speaks at least every five seconds; one that does not is frozen, cut off or gone. */
const silentMsMax = 12_000;
/** Before it is asked again where a stream has ended. */
const pauseMs = 50;

/** @throws {OperatorError} as a read does, when no master takes it within the time of a call; `PAXOS_REVISION_GONE`. */
export async function* watchChanges(
  call: (call: Call) => Promise<Reply>,
  { prefix, from, after, signal, onProgress }: WatchOptions,
): AsyncGenerator<WatchedChange, void, void> {
  const query = new URLSearchParams();
  if (prefix !== undefined && prefix !== '') query.set('prefix', prefix);
  if (from !== undefined) query.set('from', String(from));
  const path = query.size === 0 ? '/v1/watch' : `/v1/watch?${query}`;
  let seen = after ?? null;
  while (signal?.aborted !== true) {
    const headers: Record<string, string> = seen === null ? {} : { 'last-event-id': seen };
    const asked = call({ method: 'GET', path, headers, repeatable: true, streams: true });
    const reply = await unlessAborted(asked, signal);
    if (reply === null) return;
    for await (const event of eventsOf(reply, signal)) {
      seen = event.id ?? seen;
      if (event.event === 'progress') onProgress?.((JSON.parse(event.data) as { revision: number }).revision);
      else yield { ...(JSON.parse(event.data) as ChangeDocument), id: event.id ?? '' };
    }
    await sleep(pauseMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  }
}

/** Null when the signal came first: whoever has seen enough does not wait for a master. */
async function unlessAborted(asked: Promise<Reply>, signal: AbortSignal | undefined): Promise<Reply | null> {
  if (signal === undefined) return asked;
  const aborted = new Promise<null>((resolve) => {
    signal.addEventListener('abort', () => resolve(null), { once: true });
  });
  const first = await Promise.race([asked, aborted]);
  if (first === null)
    asked.then(
      ({ stream }) => stream?.close(),
      () => undefined,
    );
  return first;
}

/** Until the stream ends, or breaks: what was not seen to its end is asked for again. */
async function* eventsOf(
  { stream }: Reply,
  signal: AbortSignal | undefined,
): AsyncGenerator<EventSourceMessage, void, void> {
  if (stream === null) return;
  const events: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => events.push(event) });
  // A key or value may be cut anywhere between two pieces.
  const decoder = new TextDecoder();
  const close = (): void => stream.close();
  signal?.addEventListener('abort', close, { once: true });
  try {
    for (;;) {
      const piece = await stream.next(silentMsMax);
      if (piece === null) return;
      parser.feed(decoder.decode(piece, { stream: true }));
      yield* events.splice(0);
    }
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
  } finally {
    signal?.removeEventListener('abort', close);
    stream.close();
  }
}

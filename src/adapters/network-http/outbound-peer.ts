/**
 * One peer as somebody to send to: dials, dials again, queues what one turn produces and sends it in one frame.
 *
 * Messages are dropped while the peer is not connected (what was true then may not be when it comes back; the core sends
 * again) and when too much waits already (pitfall N13).
 */
import type { MonotonicMs, ReplicaId } from '../../core/consensus/identity.ts';
import type { Message } from '../../core/consensus/message.ts';
import { unreachable } from '../../core/invariant.ts';
import { writeMessage } from '../../formats/message.ts';
import { messageFrameBytesMax, startMessageFrame } from '../../formats/peer-frame.ts';
import { encodeValue } from '../../formats/value.ts';
import type { Timer } from '../../ports/clocks.ts';
import type { PeerHello, PeerMark, PeerRefusal } from '../../ports/network.ts';
import { countCode, type PeerCounters } from './counters.ts';
import { type DialOutcome, dial } from './dialer.ts';
import { markOf } from './options.ts';
import { PeerStream } from './peer-stream.ts';
import { type PeerAddress, parsePeerUrl } from './peer-url.ts';
import { type PeerContext, streamPath, toPeerHello } from './session.ts';

export interface OutboundEvents {
  onHello(hello: PeerHello): void;
  onMark(from: ReplicaId, mark: PeerMark): void;
  onRefusal(from: ReplicaId, refusal: PeerRefusal): void;
}

/** What is in a message besides values: more than any kind needs. */
const messageBytesAbout = 320;
/** A connection that lasted this long was a good one: the next dial is made at once. */
const settledMs = 1_000;
/** A dial that has not answered for this long is given up when the peer shows that it can be reached. */
const doubtfulDialMs = 200;

export class OutboundPeer {
  readonly id: ReplicaId;
  readonly url: string;
  readonly #address: PeerAddress | null;
  readonly #context: PeerContext;
  readonly #counters: PeerCounters;
  readonly #events: OutboundEvents;
  #stream: PeerStream | null = null;
  #streamBoot = 0;
  #openedMs = 0;
  #dialing: Timer | null = null;
  #dialStartedMs = 0;
  #waiting: Timer | null = null;
  #failures = 0;
  #closed = false;
  #lastTrouble = '';
  #queue: Message[] = [];
  #queueBytes = 0;

  constructor(
    context: PeerContext,
    counters: PeerCounters,
    peer: { readonly id: ReplicaId; readonly url: string },
    events: OutboundEvents,
  ) {
    this.#context = context;
    this.#counters = counters;
    this.#events = events;
    this.id = peer.id;
    this.url = peer.url;
    this.#address = this.#parse(peer.url);
    this.#dial();
  }

  get connected(): boolean {
    return this.#stream?.open === true;
  }

  /** Why there is no connection; null while there is one, or while the first dial is under way. */
  get trouble(): string | null {
    return this.connected || this.#lastTrouble === '' ? null : this.#lastTrouble;
  }

  get address(): PeerAddress | null {
    return this.#address;
  }

  /** True when it was queued and {@link flush} is to be called. */
  enqueue(message: Message): boolean {
    if (!this.#stream?.open) {
      this.#counters.droppedUnreachable++;
      return false;
    }
    const bytes = messageBytesUpTo(message);
    if (bytes > messageFrameBytesMax) {
      this.#counters.droppedTooLarge++;
      this.#context.options.logger.warn(
        { peer: this.id, kind: message.kind, bytes },
        'dropped a message too large to send',
      );
      return false;
    }
    const waiting = this.#queueBytes + this.#stream.queuedBytes;
    // An empty queue takes any message, so that none is too long for ever.
    if (waiting > 0 && waiting + bytes > this.#context.limits.queueBytesMax) {
      this.#counters.droppedQueueFull++;
      return false;
    }
    this.#queue.push(message);
    this.#queueBytes += bytes;
    return true;
  }

  /** Sends all that is queued: one frame, or a few when it is a lot. */
  flush(): void {
    const messages = this.#queue;
    const stream = this.#stream;
    this.#queue = [];
    this.#queueBytes = 0;
    if (stream === null || messages.length === 0) return;
    const mark = this.#mark();
    let frame = startMessageFrame(mark);
    let count = 0;
    let bytes = 0;
    for (const message of messages) {
      const next = messageBytesUpTo(message);
      if (count > 0 && bytes + next > this.#context.limits.frameBytesTarget) {
        stream.send(frame, count);
        frame = startMessageFrame(mark);
        count = 0;
        bytes = 0;
      }
      writeMessage(frame, message);
      count++;
      bytes += next;
    }
    stream.send(frame, count);
  }

  tick(): void {
    this.#stream?.tick();
  }

  /** The peer has just dialled us, in this boot: it can be reached, and an older connection of ours is to a ghost. */
  peerShowedUp(boot: number): void {
    if (this.#closed) return;
    if (this.#stream !== null) {
      if (this.#streamBoot !== boot) this.#stream.close('the peer has started anew');
      return;
    }
    this.#failures = 0;
    if (this.#dialing !== null && this.#nowMs() - this.#dialStartedMs < doubtfulDialMs) return;
    this.#dial();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting?.cancel();
    this.#dialing?.cancel();
    const stream = this.#stream;
    if (stream === null) return;
    stream.close('closed here');
    await stream.closed;
  }

  #parse(url: string): PeerAddress | null {
    try {
      return parsePeerUrl(url);
    } catch (error) {
      this.#trouble(`bad url: ${error instanceof Error ? error.message : ''}`);
      return null;
    }
  }

  #dial(): void {
    this.#waiting?.cancel();
    this.#waiting = null;
    this.#dialing?.cancel();
    if (this.#closed || this.#address === null) return;
    this.#dialStartedMs = this.#nowMs();
    const what = { to: this.id, address: this.#address, purpose: 'stream', path: streamPath } as const;
    this.#dialing = dial(this.#context, what, (outcome) => this.#dialled(outcome));
  }

  #dialled(outcome: DialOutcome): void {
    this.#dialing = null;
    switch (outcome.kind) {
      case 'open':
        this.#opened(outcome);
        return;
      case 'refused': {
        const { refusal } = outcome;
        countCode(this.#counters.refusedOutbound, refusal.code);
        this.#trouble(`refused: ${refusal.code} ${refusal.message}`);
        this.#redialLater();
        // What this replica thinks of the other one is no word of that one, which may have let it in.
        if (outcome.by === 'peer') this.#events.onRefusal(this.id, refusal);
        return;
      }
      case 'failed':
        this.#counters.dialsFailed++;
        this.#trouble(outcome.reason);
        this.#redialLater();
        return;
      default:
        return unreachable(outcome);
    }
  }

  #opened(outcome: DialOutcome & { kind: 'open' }): void {
    const { hello, keys, socket, head } = outcome;
    let lastFlush = -1;
    const stream: PeerStream = new PeerStream({
      socket,
      head,
      sends: keys.dialer,
      receives: keys.acceptor,
      silentPeriodsMax: this.#context.limits.silentPeriodsMax,
      framePeriodsMax: this.#context.limits.framePeriodsMax,
      counters: this.#counters,
      mark: () => this.#mark(),
      onFrame: (frame) => {
        // This direction carries signs of life only; messages come over the connection that the peer dialled.
        if (frame.messages.length > 0 || frame.mark.boot !== hello.boot.number) stream.close('messages the wrong way');
        else if (frame.mark.flush !== lastFlush) {
          lastFlush = frame.mark.flush;
          this.#events.onMark(this.id, frame.mark);
        }
      },
      onClose: (reason) => this.#lost(stream, reason),
    });
    this.#stream = stream;
    this.#streamBoot = hello.boot.number;
    this.#openedMs = this.#nowMs();
    this.#lastTrouble = '';
    this.#counters.connectionsOpened++;
    this.#context.options.logger.info({ peer: this.id, boot: hello.boot.number }, 'connected to a peer');
    stream.keepAlive();
    this.#events.onHello(toPeerHello(hello, 'outbound'));
  }

  #lost(stream: PeerStream, reason: string): void {
    if (this.#stream !== stream) return;
    this.#stream = null;
    this.#queue = [];
    this.#queueBytes = 0;
    if (this.#closed) return;
    this.#trouble(`connection lost: ${reason}`);
    if (this.#nowMs() - this.#openedMs < settledMs) {
      this.#redialLater();
      return;
    }
    this.#failures = 0;
    this.#dial();
  }

  #redialLater(): void {
    if (this.#closed) return;
    const { redialMsMin, redialMsMax } = this.#context.limits;
    const longest = Math.min(redialMsMax, redialMsMin * 2 ** Math.min(this.#failures, 16));
    this.#failures++;
    const drawn = (this.#context.options.randomness.bytes(1)[0] as number) / 256;
    const at = this.#nowMs() + longest * (0.5 + drawn / 2);
    this.#waiting = this.#context.options.clocks.schedule(at as MonotonicMs, () => this.#dial());
  }

  /** One line for each change of what is wrong, not one for each attempt. */
  #trouble(what: string): void {
    if (what === this.#lastTrouble) return;
    this.#lastTrouble = what;
    this.#context.options.logger.warn({ peer: this.id, url: this.url, trouble: what }, 'no connection to a peer');
  }

  #mark(): PeerMark {
    return markOf(this.#context.options);
  }

  #nowMs(): number {
    return this.#context.options.clocks.now().monotonicMs;
  }
}

/** At least as many bytes as the message takes in a frame. Values are encoded once for this and for sending. */
export function messageBytesUpTo(message: Message): number {
  if (message.kind === 'accept') return messageBytesAbout + encodeValue(message.value).length;
  if (message.kind !== 'promise' && message.kind !== 'catch-up-reply') return messageBytesAbout;
  let bytes = messageBytesAbout;
  for (const entry of message.entries) bytes += 100 + encodeValue(entry.value).length;
  return bytes;
}

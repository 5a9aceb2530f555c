/**
 * The connections that peers have dialled: where their messages come from. One a replica; a later one replaces an
 * earlier one, so that nothing of an earlier boot arrives after the first word of a later (I16).
 */
import type { Socket } from 'node:net';
import type { ReplicaId } from '../../core/consensus/identity.ts';
import type { Message } from '../../core/consensus/message.ts';
import type { PeerHello, PeerMark } from '../../ports/network.ts';
import type { Accepted } from './acceptor.ts';
import type { PeerCounters } from './counters.ts';
import { markOf } from './options.ts';
import { PeerStream } from './peer-stream.ts';
import { type PeerContext, toPeerHello } from './session.ts';

export interface InboundEvents {
  onHello(hello: PeerHello): void;
  onMark(from: ReplicaId, mark: PeerMark): void;
  onMessage(from: ReplicaId, message: Message): void;
}

export class InboundPeers {
  readonly #context: PeerContext;
  readonly #counters: PeerCounters;
  readonly #events: InboundEvents;
  readonly #streams = new Map<ReplicaId, PeerStream>();

  constructor(context: PeerContext, counters: PeerCounters, events: InboundEvents) {
    this.#context = context;
    this.#counters = counters;
    this.#events = events;
  }

  open(accepted: Accepted, socket: Socket, head: Buffer): void {
    const { hello, keys } = accepted;
    const from = hello.from;
    const { options, limits } = this.#context;
    this.#streams.get(from)?.close('replaced by a new connection');
    let lastFlush = -1;
    const stream: PeerStream = new PeerStream({
      socket,
      head,
      sends: keys.acceptor,
      receives: keys.dialer,
      silentPeriodsMax: limits.silentPeriodsMax,
      framePeriodsMax: limits.framePeriodsMax,
      counters: this.#counters,
      mark: () => markOf(options),
      onFrame: ({ mark, messages }) => {
        if (mark.boot !== hello.boot.number) {
          stream.close('a frame of another boot');
          return;
        }
        if (mark.flush !== lastFlush) {
          lastFlush = mark.flush;
          this.#events.onMark(from, mark);
        }
        for (const message of messages) {
          // A message may have removed its sender or stopped this replica.
          if (!stream.open) return;
          this.#events.onMessage(from, message);
        }
      },
      onClose: (reason) => {
        if (this.#streams.get(from) === stream) this.#streams.delete(from);
        options.logger.info({ peer: from, reason }, 'the connection from a peer has ended');
      },
    });
    this.#streams.set(from, stream);
    this.#counters.connectionsOpened++;
    stream.keepAlive();
    this.#events.onHello(toPeerHello(hello, 'inbound'));
  }

  connected(): readonly ReplicaId[] {
    return [...this.#streams].filter(([, stream]) => stream.open).map(([id]) => id);
  }

  /** Members that are none any more must not be heard, whatever they were allowed before. */
  closeExcept(ids: ReadonlySet<ReplicaId>): void {
    for (const [id, stream] of this.#streams) {
      if (!ids.has(id)) stream.close('no longer a member');
    }
  }

  tick(): void {
    for (const stream of this.#streams.values()) stream.tick();
  }

  async close(): Promise<void> {
    const streams = [...this.#streams.values()];
    for (const stream of streams) stream.close('closed here');
    await Promise.all(streams.map((stream) => stream.closed));
  }
}

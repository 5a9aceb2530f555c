/**
 * The messages of one replica to the others, each sent no earlier than it may be.
 *
 * Source: PML §4.1 (durable before it is said). Keeps: a message that must wait for a write leaves only when that write is
 * durable (pitfall P01).
 */
import type { Effect } from '../core/consensus/effect.ts';
import type { ReplicaId, WriteId } from '../core/consensus/identity.ts';
import type { Message } from '../core/consensus/message.ts';
import type { NetworkPort } from '../ports/network.ts';

interface HeldMessage {
  readonly after: WriteId;
  readonly to: ReplicaId;
  readonly message: Message;
}

export class Outbox {
  readonly #network: Pick<NetworkPort, 'send'>;
  #held: HeldMessage[] = [];

  constructor(network: Pick<NetworkPort, 'send'>) {
    this.#network = network;
  }

  /** Now, or once the write is durable that the effect names. */
  send(effect: Extract<Effect, { kind: 'send' }>): void {
    if (effect.after === null) this.#network.send(effect.to, effect.message);
    else this.#held.push({ after: effect.after, to: effect.to, message: effect.message });
  }

  /** `write` is durable, and every one with a lower number. */
  persisted(write: WriteId): void {
    const network = this.#network;
    const waiting: HeldMessage[] = [];
    for (const held of this.#held) {
      if (held.after <= write) network.send(held.to, held.message);
      else waiting.push(held);
    }
    this.#held = waiting;
  }

  /** What waits is never sent. */
  clear(): void {
    this.#held = [];
  }
}

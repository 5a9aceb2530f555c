/**
 * Keeps turns of the event loop short while many connections come.
 *
 * Node.js accepts one connection a turn (libuv since 1.45). Clients that all come back after a failover would each wait for a turn in which
 * the requests of all before them are handled: with 256 of them the last was let in after one to three seconds. While connections come one
 * after the other, a turn handles a few requests, and the others wait in their order; nothing is handled later than the turns that take.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * So many connections that are no further apart come together. Fewer are the usual coming and going; more than clients come back are those of
 * clients that connect anew for each request, or are turned away all the time, and nothing is gained for anybody by short turns.
 */
const apartMs = 50;
export const connectionsTogether = 4;
export const connectionsTogetherMax = 1_000;
/** Twice as many let a hundred clients in hardly slower, and cost less where connections never cease to come; half as many the other way round. */
export const requestsEachTurn = 4;
/** More come from clients that send on without waiting for answers: those are the limits' business, and no queue's. */
export const requestsWaitingMax = 4_096;

export type RequestHandler = (req: IncomingMessage, res: ServerResponse) => void;

export class Arrivals {
  readonly #handle: RequestHandler;
  readonly #waiting: (readonly [IncomingMessage, ServerResponse])[] = [];
  /** Counts down from the last connection. */
  readonly #timer: NodeJS.Timeout;
  #connections = 0;
  #turns = false;

  constructor(handle: RequestHandler) {
    this.#handle = handle;
    this.#timer = setTimeout(() => {
      this.#connections = 0;
    }, apartMs).unref();
  }

  /** Another connection was accepted. */
  connected(): void {
    this.#connections += 1;
    this.#timer.refresh();
  }

  /** Handles it at once, or in one of the next turns. */
  take(req: IncomingMessage, res: ServerResponse): void {
    // Behind those that wait, also when nobody comes any more: one connection may have asked for both.
    if (!this.#areComing && this.#waiting.length === 0) return this.#handle(req, res);
    this.#waiting.push([req, res]);
    if (this.#waiting.length > requestsWaitingMax) return this.#handleFirst(this.#waiting.length);
    if (this.#turns) return;
    this.#turns = true;
    setImmediate(this.#turn);
  }

  get #areComing(): boolean {
    return this.#connections >= connectionsTogether && this.#connections <= connectionsTogetherMax;
  }

  /** Nothing is handled any more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }

  readonly #turn = (): void => {
    // The rest is in nobody's way once nobody comes.
    const count = this.#areComing ? requestsEachTurn : this.#waiting.length;
    this.#turns = this.#waiting.length > count;
    if (this.#turns) setImmediate(this.#turn);
    this.#handleFirst(count);
  };

  #handleFirst(count: number): void {
    // Who has gone meanwhile is not told of it a second time, and would be waited for.
    for (const [req, res] of this.#waiting.splice(0, count)) if (!req.socket.destroyed) this.#handle(req, res);
  }
}

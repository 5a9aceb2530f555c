/** The body of an answer that goes on: its pieces as they come, never more of them than its reader takes. */
import type { Dispatcher } from 'undici';
import { TransportError } from './transport-error.ts';

/** Pieces that wait for the reader before the connection is made to wait. */
const piecesWaitingMax = 16;

export class ReplyStream {
  readonly #controller: Dispatcher.DispatchController;
  readonly #pieces: Buffer[] = [];
  #error: TransportError | null = null;
  #ended = false;
  #wake: (() => void) | null = null;

  constructor(controller: Dispatcher.DispatchController) {
    this.#controller = controller;
  }

  push(piece: Buffer): void {
    this.#pieces.push(piece);
    if (this.#pieces.length >= piecesWaitingMax) this.#controller.pause();
    this.#wake?.();
  }

  /** Null: it ended as its sender wanted. */
  end(error: TransportError | null): void {
    this.#ended = true;
    this.#error = error;
    this.#wake?.();
  }

  /**
   * The next piece; null at the end.
   * @throws {TransportError} when the connection broke, or nothing came for `timeoutMs`.
   */
  async next(timeoutMs: number): Promise<Buffer | null> {
    if (this.#pieces.length === 0 && !this.#ended) await this.#moved(timeoutMs);
    const piece = this.#pieces.shift();
    if (piece !== undefined) {
      if (this.#pieces.length === 0 && this.#controller.paused) this.#controller.resume();
      return piece;
    }
    if (this.#error !== null) throw this.#error;
    if (this.#ended) return null;
    throw new TransportError(`nothing was heard for ${timeoutMs} ms`, true);
  }

  #moved(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), timeoutMs);
      this.#wake = () => {
        this.#wake = null;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Wants no more of it. */
  close(): void {
    if (!this.#ended) this.#controller.abort(new Error('closed'));
  }
}

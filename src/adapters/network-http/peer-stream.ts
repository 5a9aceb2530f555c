/**
 * One upgraded connection: frames out, frames in, and a sign of life both ways.
 *
 * Keeps: nothing of a frame is handed on before its tag and all of its messages were found good; after the first bad one
 * the connection is closed. Silence is counted in own periods, not in elapsed time, so that a process that was itself
 * stopped for a while does not take everybody else for dead when it goes on.
 */
import type { Socket } from 'node:net';
import type { ByteParts } from '../../formats/byte-parts.ts';
import { FormatError } from '../../formats/bytes.ts';
import {
  FrameError,
  type FrameMac,
  type FrameMark,
  FrameOpener,
  FrameSealer,
  type MessageFrame,
  messageFrameBytesMax,
  readMessageFrame,
  startMessageFrame,
} from '../../formats/peer-frame.ts';
import type { PeerCounters } from './counters.ts';

export interface PeerStreamParts {
  readonly socket: Socket;
  /** What was read behind the headers of the handshake. */
  readonly head: Buffer;
  readonly sends: FrameMac;
  readonly receives: FrameMac;
  readonly silentPeriodsMax: number;
  readonly framePeriodsMax: number;
  readonly counters: PeerCounters;
  /** Read for every frame that is sent. */
  readonly mark: () => FrameMark;
  readonly onFrame: (frame: MessageFrame) => void;
  /** Called once, whoever closed it, never from within the constructor. */
  readonly onClose: (reason: string) => void;
}

export class PeerStream {
  readonly #parts: PeerStreamParts;
  readonly #socket: Socket;
  readonly #sealer: FrameSealer;
  readonly #opener: FrameOpener;
  #open = true;
  #silentPeriods = 0;
  #unfinishedPeriods = 0;
  #sentInPeriod = false;
  #reason = 'closed by the other side';
  /** Resolves when the socket is gone. */
  readonly closed: Promise<void>;

  constructor(parts: PeerStreamParts) {
    this.#parts = parts;
    const { socket } = parts;
    this.#socket = socket;
    this.#sealer = new FrameSealer(parts.sends);
    this.#opener = new FrameOpener(parts.receives, messageFrameBytesMax);
    socket.setNoDelay(true);
    // Whatever the HTTP server or agent set: liveness is judged here.
    socket.setTimeout(0);
    socket.on('error', (error) => this.close(error.message));
    socket.on('end', () => this.close('ended by the other side'));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#open = false;
        parts.onClose(this.#reason);
        resolve();
      });
    });
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    // The head would otherwise be overtaken by what arrives in this turn; handlers may not be ready in the constructor.
    if (parts.head.length > 0) socket.unshift(parts.head);
    socket.resume();
  }

  get open(): boolean {
    return this.#open;
  }

  /** Bytes that the kernel has not taken yet. */
  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  /** Seals and sends; the pieces of the frame go out in one gathered write. */
  send(frame: ByteParts, messages: number): void {
    if (!this.#open) return;
    const { counters } = this.#parts;
    const length = frame.length;
    const pieces = this.#sealer.seal(frame);
    if (pieces.length === 1) {
      this.#socket.write(pieces[0] as Uint8Array);
    } else {
      this.#socket.cork();
      for (const piece of pieces) this.#socket.write(piece);
      this.#socket.uncork();
    }
    this.#sentInPeriod = true;
    counters.framesSent++;
    counters.messagesSent += messages;
    counters.bytesSent += length;
  }

  keepAlive(): void {
    this.send(startMessageFrame(this.#parts.mark()), 0);
  }

  /** Once a keep-alive period. */
  tick(): void {
    if (!this.#open) return;
    if (this.#silentPeriods >= this.#parts.silentPeriodsMax) {
      this.#parts.counters.connectionsSilent++;
      this.close('silent');
      return;
    }
    // A length that was changed on the way announces a frame that the keep-alives would fill up byte by byte.
    if (this.#opener.partial && ++this.#unfinishedPeriods > this.#parts.framePeriodsMax) {
      this.#parts.counters.framesTampered++;
      this.close('a frame that does not end');
      return;
    }
    this.#silentPeriods++;
    // Nothing is added to a queue that does not drain: the other side's silence will end it.
    if (!this.#sentInPeriod && this.#socket.writableLength === 0) this.keepAlive();
    this.#sentInPeriod = false;
  }

  /** At once; what was not taken by the kernel is lost. */
  close(reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#reason = reason;
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    const { counters, onFrame } = this.#parts;
    this.#silentPeriods = 0;
    counters.bytesReceived += chunk.length;
    this.#opener.push(chunk);
    // A handler may close this stream; the rest of the chunk is then nobody's.
    while (this.#open) {
      const frame = this.#nextFrame();
      if (frame === null) return;
      counters.framesReceived++;
      counters.messagesReceived += frame.messages.length;
      onFrame(frame);
    }
  }

  #nextFrame(): MessageFrame | null {
    try {
      const body = this.#opener.next();
      if (body === null) return null;
      this.#unfinishedPeriods = 0;
      return readMessageFrame(body);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      if (error instanceof FrameError) this.#parts.counters.framesTampered++;
      else this.#parts.counters.framesUndecodable++;
      this.close(error.message);
      return null;
    }
  }
}

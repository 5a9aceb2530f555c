/**
 * Frames of a connection between two replicas, format 1: `u32 length | 16 bytes tag | body`, where `length` counts tag
 * and body. Both directions are numbered from 0 by position; the number is part of what the tag covers and never sent, so
 * a frame that was changed, cut, left out, repeated, or taken from another connection or direction has a wrong tag.
 *
 * The body of a message frame: `boot | flush number | that of the promise | message*` of the sender (design §4 "Fence"). No message at all is a
 * keep-alive. Source: pitfalls §4 I16, I18; §5 server 4, bad input 23.
 */
import type { Message } from '../core/consensus/message.ts';
import { ByteParts } from './byte-parts.ts';
import { ByteReader, FormatError } from './bytes.ts';
import { readMessage } from './message.ts';

export const frameTagBytes = 16;
export const frameHeadBytes = 4 + frameTagBytes;
/** Longest tag and body of a message frame. One message must fit. */
export const messageFrameBytesMax = 8 * 1024 * 1024;
/** Fewer bytes than a message has at least would allow; keeps one frame from filling the heap with tiny objects. */
const frameMessagesMax = 65_536;

/** The key of one direction of one connection. The adapter brings the digest (HMAC-SHA256, first 16 bytes). */
export interface FrameMac {
  sign(parts: readonly Uint8Array[]): Uint8Array;
  /** In constant time. */
  verify(tag: Uint8Array, parts: readonly Uint8Array[]): boolean;
}

/** A frame that is longer than agreed, or whose tag is not what the key gives. Nothing after it can be trusted. */
export class FrameError extends FormatError {
  readonly reason: 'length' | 'tag';

  constructor(reason: 'length' | 'tag', message: string) {
    super(message);
    this.name = 'FrameError';
    this.reason = reason;
  }
}

/** Place for length and tag; the caller writes the body behind it. */
export function startFrame(capacity = 1024): ByteParts {
  const frame = new ByteParts(frameHeadBytes + capacity);
  frame.writer.raw(emptyHead);
  return frame;
}
const emptyHead = new Uint8Array(frameHeadBytes);

/** Gives frames of one direction their numbers and tags. */
export class FrameSealer {
  readonly #mac: FrameMac;
  readonly #place = new FramePlace();

  constructor(mac: FrameMac) {
    this.#mac = mac;
  }

  /** The finished frame in the order of its pieces, to be sent in the order of the calls. */
  seal(frame: ByteParts): Uint8Array[] {
    const length = frame.length - 4;
    const parts = frame.finish();
    const [first, ...rest] = parts;
    first.writeUInt32BE(length, 0);
    const tag = this.#mac.sign([this.#place.next(), first.subarray(frameHeadBytes), ...rest]);
    first.set(tag.subarray(0, frameTagBytes), 4);
    return parts;
  }
}

/** Cuts the bytes of one direction into bodies. After a {@link FrameError} it yields nothing more. */
export class FrameOpener {
  readonly #mac: FrameMac;
  readonly #bytesMax: number;
  readonly #place = new FramePlace();
  #chunks: Buffer[] = [];
  #held = 0;
  /** Bytes that the next frame wants in all, head included; 4 while its length is not known. */
  #wanted = 4;
  #broken = false;

  constructor(mac: FrameMac, bytesMax: number) {
    this.#mac = mac;
    this.#bytesMax = bytesMax;
  }

  push(chunk: Buffer): void {
    if (this.#broken || chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#held += chunk.length;
  }

  /** Whether a frame has begun that has not wholly arrived. */
  get partial(): boolean {
    return this.#held > 0;
  }

  /** The next body, a view into what was pushed where it came in one piece; null until more arrives. @throws {FrameError} */
  next(): Buffer | null {
    if (this.#broken || this.#held < this.#wanted) return null;
    let bytes = this.#joined();
    if (this.#wanted === 4) {
      const length = bytes.readUInt32BE(0);
      // Before anything is kept for it: a length is four bytes that anybody on the path may have changed.
      if (length < frameTagBytes || length > this.#bytesMax) {
        this.#broken = true;
        throw new FrameError('length', `a frame of ${length} bytes`);
      }
      this.#wanted = 4 + length;
      if (this.#held < this.#wanted) return null;
    }
    const frame = bytes.subarray(0, this.#wanted);
    bytes = bytes.subarray(this.#wanted);
    this.#chunks = bytes.length === 0 ? [] : [bytes];
    this.#held = bytes.length;
    this.#wanted = 4;
    const body = frame.subarray(frameHeadBytes);
    if (!this.#mac.verify(frame.subarray(4, frameHeadBytes), [this.#place.next(), body])) {
      this.#broken = true;
      this.#chunks = [];
      throw new FrameError('tag', 'a frame with a wrong tag');
    }
    return body;
  }

  /** Joins only when a whole frame (or its length) is there, so that a large frame is copied once, not once a chunk. */
  #joined(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks, this.#held)];
    return this.#chunks[0] as Buffer;
  }
}

/** Position of a frame in its direction, as eight bytes. */
class FramePlace {
  readonly #bytes = Buffer.alloc(8);
  #n = 0;

  next(): Uint8Array {
    this.#bytes.writeUInt32BE(Math.floor(this.#n / 0x1_0000_0000), 0);
    this.#bytes.writeUInt32BE(this.#n % 0x1_0000_0000, 4);
    this.#n++;
    return this.#bytes;
  }
}

/** How far the sender's disk is. */
export interface FrameMark {
  readonly boot: number;
  readonly flush: number;
  /** Number of the flush of its newest promise. */
  readonly promiseFlush: number;
}

/** Begins the frame that carries messages of a sender that is this far. Add them with `writeMessage`. */
export function startMessageFrame(mark: FrameMark): ByteParts {
  const frame = startFrame();
  frame.writer.safe(mark.boot).safe(mark.flush).safe(mark.promiseFlush);
  return frame;
}

export interface MessageFrame {
  readonly mark: FrameMark;
  readonly messages: readonly Message[];
}

/** All of a body or nothing: one bad message and none of the frame is delivered. @throws {FormatError} */
export function readMessageFrame(body: Buffer): MessageFrame {
  const from = new ByteReader(body);
  const mark = { boot: from.safe(), flush: from.safe(), promiseFlush: from.safe() };
  const messages: Message[] = [];
  while (from.remaining > 0) {
    if (messages.length === frameMessagesMax) throw new FormatError('too many messages in one frame');
    messages.push(readMessage(from));
  }
  return { mark, messages };
}

/**
 * Reading and writing of binary formats: big-endian, length-prefixed, no padding. Every format of the disk and of the
 * peer connections is built from these, so that bounds are checked in one place.
 */

/** The bytes are not what the format says. Carries no input, so it is safe to log. */
export class FormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FormatError';
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Texts up to here are read and written byte by byte while they are ASCII, which names and ids are. */
const shortTextMax = 40;
/** Short texts met lately, by hash: the same few names come in every message, and one string for each of them is enough. */
const recentTexts = new Array<string | undefined>(1024);

/** The text when it is ASCII, else null. */
function readShortText(bytes: Buffer, start: number, end: number): string | null {
  let hash = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte > 0x7f) return null;
    hash = Math.imul(hash ^ byte, 0x01000193);
    hash ^= hash >>> 15;
  }
  const place = hash & 1023;
  const recent = recentTexts[place];
  if (recent !== undefined && isText(recent, bytes, start, end)) return recent;
  const text = bytes.toString('latin1', start, end);
  recentTexts[place] = text;
  return text;
}

function isText(text: string, bytes: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let at = start; at < end; at++) if (text.charCodeAt(at - start) !== bytes[at]) return false;
  return true;
}

/** Big-endian. */
function putU32(bytes: Uint8Array, at: number, n: number): void {
  bytes[at] = n >>> 24;
  bytes[at + 1] = n >>> 16;
  bytes[at + 2] = n >>> 8;
  bytes[at + 3] = n;
}

/** Unsigned, big-endian. */
export const getU32 = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)) >>>
  0;

/** Appends to a buffer that grows. Not reused after {@link ByteWriter.finish}, or only after {@link ByteWriter.restart}. */
export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** From the beginning again, in the same memory: what `finish` returned before must not be looked at any more. */
  restart(): this {
    this.#length = 0;
    return this;
  }

  #reserve(extra: number): number {
    const at = this.#length;
    const needed = at + extra;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes = grown;
    }
    this.#length = needed;
    return at;
  }

  u8(n: number): this {
    const at = this.#reserve(1);
    this.#bytes[at] = n;
    return this;
  }

  u16(n: number): this {
    const at = this.#reserve(2);
    this.#bytes.writeUInt16BE(n, at);
    return this;
  }

  u32(n: number): this {
    if (!(n >= 0 && n <= 0xffff_ffff)) throw new FormatError(`not a number of 32 bits: ${n}`);
    const at = this.#reserve(4);
    putU32(this.#bytes, at, n);
    return this;
  }

  /** A safe integer from 0, in 8 bytes. */
  safe(n: number): this {
    if (!Number.isSafeInteger(n) || n < 0) throw new FormatError(`not a safe integer from 0: ${n}`);
    const at = this.#reserve(8);
    const high = Math.floor(n / 0x1_0000_0000);
    putU32(this.#bytes, at, high);
    putU32(this.#bytes, at + 4, n - high * 0x1_0000_0000);
    return this;
  }

  /** As they are, no length. */
  raw(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** Length in 4 bytes, then the bytes. */
  bytes(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes);
  }

  /** As {@link ByteWriter.bytes}, of a text of one byte a character. */
  latin1(text: string): this {
    const { length } = text;
    this.u32(length);
    const at = this.#reserve(length);
    const bytes = this.#bytes;
    if (length > shortTextMax) bytes.write(text, at, length, 'latin1');
    else for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i);
    return this;
  }

  /** UTF-8, length in 2 bytes: names, ids, urls, keys. */
  text(text: string): this {
    if (text.length <= shortTextMax && this.#shortText(text)) return this;
    const length = Buffer.byteLength(text, 'utf8');
    if (length > 0xffff) throw new FormatError(`text of ${length} bytes is longer than 65535`);
    this.u16(length);
    const at = this.#reserve(length);
    this.#bytes.write(text, at, length, 'utf8');
    return this;
  }

  /** False, with nothing written, when it is not ASCII. */
  #shortText(text: string): boolean {
    const { length } = text;
    const before = this.#length;
    const at = this.#reserve(2 + length);
    const bytes = this.#bytes;
    bytes[at] = 0;
    bytes[at + 1] = length;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) {
        this.#length = before;
        return false;
      }
      bytes[at + 2 + i] = unit;
    }
    return true;
  }

  /** Overwrites 4 bytes written earlier, for lengths known only at the end. */
  patchU32(at: number, n: number): this {
    this.#bytes.writeUInt32BE(n, at);
    return this;
  }

  /** The written bytes, without a copy. */
  finish(): Buffer {
    return this.#length === this.#bytes.length ? this.#bytes : this.#bytes.subarray(0, this.#length);
  }
}

/** Reads what {@link ByteWriter} wrote. @throws {FormatError} instead of reading past the end. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at: number;

  /** From `at` on. */
  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = at;
  }

  get offset(): number {
    return this.#at;
  }

  /** What it reads from, from the first byte on. */
  get whole(): Buffer {
    return this.#bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) throw new FormatError(`${length} bytes wanted, ${this.remaining} left`);
    this.#at = at + length;
    return at;
  }

  u8(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }

  u32(): number {
    return getU32(this.#bytes, this.#take(4));
  }

  safe(): number {
    const at = this.#take(8);
    const n = getU32(this.#bytes, at) * 0x1_0000_0000 + getU32(this.#bytes, at + 4);
    if (!Number.isSafeInteger(n)) throw new FormatError('a number above 2^53');
    return n;
  }

  /** A view into the input, not a copy. */
  raw(length: number): Buffer {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  bytes(): Buffer {
    return this.raw(this.u32());
  }

  /** A text of so many bytes, one a character. */
  name(length: number): string {
    const at = this.#take(length);
    const short = length <= shortTextMax ? readShortText(this.#bytes, at, at + length) : null;
    return short ?? this.#bytes.toString('latin1', at, at + length);
  }

  /** Past what {@link ByteReader.bytes} would have read. */
  skipBytes(): void {
    this.#take(this.u32());
  }

  text(): string {
    const length = this.u16();
    if (length <= shortTextMax) {
      const at = this.#take(length);
      const text = readShortText(this.#bytes, at, at + length);
      if (text !== null) return text;
      this.#at = at;
    }
    const bytes = this.raw(length);
    try {
      return decoder.decode(bytes);
    } catch {
      throw new FormatError('text that is not UTF-8');
    }
  }

  /** @throws {FormatError} when something is left: trailing bytes are never ignored. */
  end(): void {
    if (this.remaining !== 0) throw new FormatError(`${this.remaining} bytes too many`);
  }
}

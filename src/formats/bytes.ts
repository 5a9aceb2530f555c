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

/** Appends to a buffer that grows. Not reused after {@link ByteWriter.finish}. */
export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  get length(): number {
    return this.#length;
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
    const at = this.#reserve(4);
    this.#bytes.writeUInt32BE(n, at);
    return this;
  }

  /** A safe integer from 0, in 8 bytes. */
  safe(n: number): this {
    if (!Number.isSafeInteger(n) || n < 0) throw new FormatError(`not a safe integer from 0: ${n}`);
    const at = this.#reserve(8);
    const high = Math.floor(n / 0x1_0000_0000);
    this.#bytes.writeUInt32BE(high, at);
    this.#bytes.writeUInt32BE(n - high * 0x1_0000_0000, at + 4);
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

  /** UTF-8, length in 2 bytes: names, ids, urls, keys. */
  text(text: string): this {
    const length = Buffer.byteLength(text, 'utf8');
    if (length > 0xffff) throw new FormatError(`text of ${length} bytes is longer than 65535`);
    this.u16(length);
    const at = this.#reserve(length);
    this.#bytes.write(text, at, length, 'utf8');
    return this;
  }

  /** Overwrites 4 bytes written earlier, for lengths known only at the end. */
  patchU32(at: number, n: number): this {
    this.#bytes.writeUInt32BE(n, at);
    return this;
  }

  /** The written bytes, without a copy. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** Reads what {@link ByteWriter} wrote. @throws {FormatError} instead of reading past the end. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#at;
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
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  safe(): number {
    const at = this.#take(8);
    const n = this.#bytes.readUInt32BE(at) * 0x1_0000_0000 + this.#bytes.readUInt32BE(at + 4);
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

  text(): string {
    const bytes = this.raw(this.u16());
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

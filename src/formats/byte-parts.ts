/**
 * Bytes gathered for one write to a connection: small pieces are copied together, large ones go along by reference, so
 * that a batch of values is never copied on its way out.
 */
import { ByteWriter } from './bytes.ts';

/** From here on copying costs more than one more buffer in the gathered write. */
const referenceBytesMin = 4096;

export class ByteParts {
  /** For everything small; what is written here comes out at the place where it was written. */
  readonly writer: ByteWriter;
  readonly #references: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  #referencedBytes = 0;

  constructor(capacity = 1024) {
    this.writer = new ByteWriter(capacity);
  }

  get length(): number {
    return this.writer.length + this.#referencedBytes;
  }

  /** Length in 4 bytes, then the bytes, which must not change any more. Reads back as `ByteReader.bytes`. */
  bytes(bytes: Uint8Array): this {
    this.writer.u32(bytes.length);
    return this.raw(bytes);
  }

  /** As they are, no length. The bytes must not change any more. */
  raw(bytes: Uint8Array): this {
    if (bytes.length < referenceBytesMin) {
      this.writer.raw(bytes);
      return this;
    }
    this.#references.push({ at: this.writer.length, bytes });
    this.#referencedBytes += bytes.length;
    return this;
  }

  /** The pieces in order; the first `headBytes` of the writer are in the first of them, in one piece. Call once. */
  finish(): [Buffer, ...Uint8Array[]] {
    const small = this.writer.finish();
    const first = this.#references[0];
    if (first === undefined) return [small];
    const parts: [Buffer, ...Uint8Array[]] = [small.subarray(0, first.at)];
    for (const [i, { at, bytes }] of this.#references.entries()) {
      parts.push(bytes);
      const next = this.#references[i + 1]?.at ?? small.length;
      if (next > at) parts.push(small.subarray(at, next));
    }
    return parts;
  }
}

/**
 * The database checksum: the sum mod 2^128 of the digests of all records, so that it is kept up with each operation and
 * does not depend on order (design §5). Equal on two replicas iff their replicated state is.
 */
import type { DatabasePorts, DatabaseRecord, Digest } from './record.ts';

const wordSize = 0x1_0000_0000;

export class DigestSum {
  readonly #words = new Uint32Array(4);
  /** Counts what was added and subtracted: equal at two times, the sum is equal. */
  #changes = 0;

  get changes(): number {
    return this.#changes;
  }

  add(digest: Digest): void {
    this.#changes++;
    const words = this.#words;
    let carry = 0;
    for (let i = 3; i >= 0; i--) {
      const sum = (words[i] as number) + ((digest[i] as number) >>> 0) + carry;
      words[i] = sum;
      carry = sum >= wordSize ? 1 : 0;
    }
  }

  subtract(digest: Digest): void {
    this.#changes++;
    const words = this.#words;
    let borrow = 0;
    for (let i = 3; i >= 0; i--) {
      const difference = (words[i] as number) - ((digest[i] as number) >>> 0) - borrow;
      words[i] = difference < 0 ? difference + wordSize : difference;
      borrow = difference < 0 ? 1 : 0;
    }
  }

  copy(): DigestSum {
    const copy = new DigestSum();
    copy.#words.set(this.#words);
    return copy;
  }

  /** 32 hex digits. */
  hex(): string {
    let hex = '';
    for (const word of this.#words) hex += word.toString(16).padStart(8, '0');
    return hex;
  }
}

export const digestOf = (ports: DatabasePorts, record: DatabaseRecord): Digest =>
  ports.digest.entry(ports.codec.encode(record));

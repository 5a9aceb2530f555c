/**
 * Digests in plain arithmetic, ready at once: twin of `adapters/digest-node`. They tell different bytes apart (64 bits)
 * and nothing more; `sha256` only has the length of that hash.
 */
import type { ValueDigest } from '../core/consensus/bad-item.ts';
import type { DigestPort } from '../ports/digest.ts';

const wordSeeds = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f] as const;

/** The two lanes of the digest under way: one at a time, since nothing waits in between. */
let low = 0;
let high = 0;

/** As the checkers know a value. */
export const formatDigest = (digest: ValueDigest): string => digest.map((word) => word.toString(16)).join('.');

export const simulatedDigest: DigestPort = {
  entry(bytes) {
    begin();
    mix(bytes);
    return [word(0), word(1), word(2), word(3)];
  },
  sha256(...parts) {
    begin();
    for (const part of parts) mix(part);
    const digest = Buffer.allocUnsafe(32);
    for (let i = 0; i < 8; i++) digest.writeUInt32BE(word(i), 4 * i);
    return digest;
  },
};

function begin(): void {
  low = 0x811c9dc5 | 0;
  high = 0x165667b1;
}

/** Four bytes at a time, then the rest; the length keeps zeros at the end apart. */
function mix(bytes: Uint8Array): void {
  const { length } = bytes;
  let a = low ^ length;
  let b = high;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    const word = at(bytes, i) | (at(bytes, i + 1) << 8) | (at(bytes, i + 2) << 16) | (at(bytes, i + 3) << 24);
    a = Math.imul(a ^ word, 0x01000193);
    a ^= a >>> 13;
    b = Math.imul(b + word, 0x5bd1e995);
    b ^= b >>> 15;
  }
  for (; i < length; i++) {
    a = Math.imul(a ^ at(bytes, i), 0x01000193);
    a ^= a >>> 13;
    b = Math.imul(b + at(bytes, i), 0x5bd1e995);
    b ^= b >>> 15;
  }
  low = a;
  high = b;
}

const at = (bytes: Uint8Array, i: number): number => bytes[i] as number;

/** One of eight words drawn from the two lanes. */
function word(index: number): number {
  const seed = wordSeeds[index & 3] as number;
  const h = Math.imul((index & 1) === 0 ? low ^ seed : high ^ seed, 0x85ebca6b + index);
  return (h ^ (h >>> 15) ^ ((index & 1) === 0 ? high : low)) >>> 0;
}

/**
 * Digests in plain arithmetic, ready at once: twin of `adapters/digest-node`. They tell different bytes apart and nothing
 * more; `sha256` only has the length of that hash.
 */
import type { DigestPort } from '../ports/digest.ts';

const entrySeeds = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f] as const;
const chainSeeds = [...entrySeeds, 0x165667b1, 0xd3a2646c, 0xfd7046c5, 0xb55a4f09] as const;

export const simulatedDigest: DigestPort = {
  entry(bytes) {
    const [a, b, c, d] = entrySeeds.map((seed) => finish(mix(seed, bytes))) as [number, number, number, number];
    return [a, b, c, d];
  },
  sha256(...parts) {
    const digest = Buffer.alloc(4 * chainSeeds.length);
    chainSeeds.forEach((seed, i) => {
      digest.writeUInt32BE(finish(parts.reduce(mix, seed)), 4 * i);
    });
    return digest;
  },
};

function mix(from: number, bytes: Uint8Array): number {
  let h = from ^ bytes.length;
  for (let i = 0; i < bytes.length; i++) {
    h = Math.imul(h ^ (bytes[i] as number), 0x01000193);
    h ^= h >>> 13;
  }
  return h;
}

function finish(mixed: number): number {
  const h = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  return (h ^ (h >>> 15)) >>> 0;
}

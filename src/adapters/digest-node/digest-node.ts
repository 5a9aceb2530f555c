/** Digests: xxHash64 under two seeds for entries (WebAssembly), SHA-256 from Node.js for chains and files. */
import { createHash } from 'node:crypto';
import xxhash from 'xxhash-wasm';
import type { DigestPort } from '../../ports/digest.ts';

/** Part of the format of level 1: other seeds are other checksums. */
const seeds = [0x70_61_78_6f_73_63_74_6cn, 0x9e_37_79_b9_7f_4a_7c_15n] as const;

/** Loads the WebAssembly module once; the digests themselves are synchronous. */
export async function createNodeDigest(): Promise<DigestPort> {
  const { h64Raw } = await xxhash();
  // Splits 64 bits into two words without arithmetic on big integers.
  const halves = new DataView(new ArrayBuffer(16));
  return {
    entry(bytes) {
      halves.setBigUint64(0, h64Raw(bytes, seeds[0]));
      halves.setBigUint64(8, h64Raw(bytes, seeds[1]));
      return [halves.getUint32(0), halves.getUint32(4), halves.getUint32(8), halves.getUint32(12)];
    },
    sha256(...parts) {
      const hash = createHash('sha256');
      for (const part of parts) hash.update(part);
      return hash.digest();
    },
  };
}

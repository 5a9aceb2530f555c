/** Digests under the cell's secret: proofs of the handshake, keys of a connection, tags of its frames. */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { invariant } from '../../core/invariant.ts';
import { type FrameMac, frameTagBytes } from '../../formats/peer-frame.ts';

const secretBytesMin = 16;

/** A key that does not show itself in logs or when inspected. */
export function secretKey(secret: Uint8Array): KeyObject {
  invariant(secret.length >= secretBytesMin, 'a secret has at least 128 bits', { bytes: secret.length });
  return createSecretKey(secret);
}

export function hmac(key: KeyObject, ...parts: readonly Uint8Array[]): Buffer {
  const digest = createHmac('sha256', key);
  for (const part of parts) digest.update(part);
  return digest.digest();
}

/** In constant time for equal lengths; the length of a proof is no secret. */
export const sameProof = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b);

export function frameMac(key: KeyObject): FrameMac {
  return {
    sign: (parts) => hmac(key, ...parts).subarray(0, frameTagBytes),
    verify: (tag, parts) => sameProof(tag, hmac(key, ...parts).subarray(0, frameTagBytes)),
  };
}

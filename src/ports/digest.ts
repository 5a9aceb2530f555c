/** Fast non-cryptographic digests for the database checksum, and SHA-256 for chains and files. */
export interface DigestPort {
  /** 128 bits as four unsigned 32-bit numbers; not for adversarial input. */
  entry(bytes: Uint8Array): readonly [number, number, number, number];
  sha256(...parts: readonly Uint8Array[]): Uint8Array;
}

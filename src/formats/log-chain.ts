/** The chain over chosen values: equal on two replicas iff all that was chosen up to there is (design §5). Level 1. */
import type { Instance } from '../core/consensus/identity.ts';
import type { Value } from '../core/consensus/value.ts';
import type { DigestPort } from '../ports/digest.ts';
import { ByteWriter } from './bytes.ts';
import { encodeValue } from './value.ts';

/** Before the first instance. */
export const chainBefore: Uint8Array = new Uint8Array(32);

/** The chain with one more chosen value: 32 bytes. */
export function chained(
  digest: Pick<DigestPort, 'sha256'>,
  before: Uint8Array,
  { instance, value }: { readonly instance: Instance; readonly value: Value },
): Uint8Array {
  return digest.sha256(before, new ByteWriter(8).safe(instance).finish(), encodeValue(value));
}

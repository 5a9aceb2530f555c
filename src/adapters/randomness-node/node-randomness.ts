/** Unpredictable bytes from the operating system. */
import { randomBytes } from 'node:crypto';
import type { RandomnessPort } from '../../ports/randomness.ts';

export class NodeRandomness implements RandomnessPort {
  bytes(length: number): Uint8Array {
    return randomBytes(length);
  }
}

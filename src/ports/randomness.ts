/** Unpredictable bytes for ids and secrets. The core never draws from here; it gets a seed. */
export interface RandomnessPort {
  bytes(length: number): Uint8Array;
}

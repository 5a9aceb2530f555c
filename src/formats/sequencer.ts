/**
 * Sequencers as text (CHB §2.4): `exclusive:GENERATION:LOCK`, the lock's name percent-encoded. Opaque to clients, who hand them on
 * to whomever they ask to act under the lock; ASCII, so that any header or argument carries one.
 */
import { type LockMode, lockModes, type Sequencer } from '../core/database/lock.ts';

export const sequencerText = ({ lock, mode, generation }: Sequencer): string =>
  `${mode}:${generation}:${encodeURIComponent(lock)}`;

/** Null for what {@link sequencerText} would not write. */
export function sequencerFromText(text: string): Sequencer | null {
  const [, mode = '', digits = '', name = ''] = /^([a-z]+):([1-9][0-9]{0,15}):([^:]+)$/.exec(text) ?? [];
  const generation = Number(digits);
  if (!lockModes.includes(mode as LockMode) || !Number.isSafeInteger(generation)) return null;
  try {
    const sequencer = { lock: decodeURIComponent(name), mode: mode as LockMode, generation };
    return sequencerText(sequencer) === text ? sequencer : null;
  } catch {
    return null;
  }
}

/**
 * Bounds (I22): queues, the window of proposals and open files stay under their declared limits.
 *
 * Source: house style §2 ("limits are named"); Lamport 2001 §3 for the window. Looked at after every step; each look is O(effects).
 */
import type { Effect } from '../../core/consensus/effect.ts';
import { Violation } from './violation.ts';

/** A log with its next segment, two promises, snapshots being written, read back and sent to every other member. */
export const openFilesMax = 48;

export interface Measured {
  readonly appliedUpTo: number;
  readonly alpha: number;
  readonly pendingItems: number;
  readonly pendingItemsMax: number;
  readonly openFiles: number;
}

/** @throws {Violation} */
export function checkBounds(name: string, measured: Measured, effects: readonly Effect[]): void {
  const { appliedUpTo, alpha, pendingItems, pendingItemsMax, openFiles } = measured;
  if (pendingItems > pendingItemsMax) {
    throw new Violation('bounds', `${name} queues ${pendingItems} submissions, at most ${pendingItemsMax} are allowed`);
  }
  if (openFiles > openFilesMax) {
    throw new Violation('bounds', `${name} has ${openFiles} files open, at most ${openFilesMax} are needed`);
  }
  for (const effect of effects) {
    if (effect.kind !== 'send' || effect.message.kind !== 'accept') continue;
    const { instance } = effect.message;
    if (instance <= appliedUpTo + alpha) continue;
    throw new Violation('bounds', `${name} proposes at ${instance}, more than ${alpha} above what it has applied`, {
      appliedUpTo,
    });
  }
}

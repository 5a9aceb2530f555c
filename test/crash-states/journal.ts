/**
 * What one replica did, in order: every change of its disk, and every effect on the world between them. A crash may strike
 * after any of these steps.
 */
import type { WriteRequest } from '../../src/core/consensus/effect.ts';
import type { WriteId } from '../../src/core/consensus/identity.ts';
import type { Message } from '../../src/core/consensus/message.ts';
import type { DiskChange } from '../../src/simulator/disk.ts';

export type Effect =
  /** From here on the directory is this member's. */
  | { readonly kind: 'formed' }
  /** The disk was read and the process takes part. */
  | { readonly kind: 'opened'; readonly boot: number }
  | { readonly kind: 'persist'; readonly request: WriteRequest }
  /** Everything up to this write is durable, as the storage says. Writes count anew after each `opened`. */
  | { readonly kind: 'persisted'; readonly write: WriteId }
  | { readonly kind: 'send'; readonly message: Message }
  | { readonly kind: 'timer' }
  | { readonly kind: 'apply' }
  /** A client was told that its write is in this instance. */
  | { readonly kind: 'reply'; readonly instance: number }
  /** A snapshot is begun, before which the log says that all up to its instance is chosen; it stands. */
  | { readonly kind: 'snapshot-begun'; readonly instance: number }
  | { readonly kind: 'snapshot'; readonly instance: number }
  | { readonly kind: 'stopped' };

export type Step =
  | { readonly kind: 'disk'; readonly change: DiskChange }
  | { readonly kind: 'effect'; readonly effect: Effect };

export class Journal {
  readonly steps: Step[] = [];

  disk(change: DiskChange): void {
    this.steps.push({ kind: 'disk', change });
  }

  effect(effect: Effect): void {
    this.steps.push({ kind: 'effect', effect });
  }

  get persists(): number {
    return this.steps.filter((step) => step.kind === 'effect' && step.effect.kind === 'persist').length;
  }
}

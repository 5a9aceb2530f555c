/**
 * What one instance chooses. The log orders `items` without looking into them.
 *
 * Source: PML §3 (submit), §4.2 (batching), §5.3 (epoch), §5.4 (membership); PMS §3 (no-ops).
 */

import type { Configuration } from './configuration.ts';
import type { CellTimeMs, Epoch, ReplicaId } from './identity.ts';

export type Value =
  /** Fills a gap; also the heartbeat that renews the master lease (PML §5.2). Changes nothing. */
  | { readonly kind: 'noop' }
  /** Opens an epoch: the first value a new master has chosen. Applied, it raises the epoch by one. */
  | { readonly kind: 'mastership'; readonly owner: ReplicaId /** 32 hex digits, drawn once. */; readonly id: string }
  /** Governs from alpha instances later. Stands alone in its instance. */
  | { readonly kind: 'configuration'; readonly configuration: Configuration }
  /** Values that clients submitted, batched. */
  | {
      readonly kind: 'submitted';
      /** The proposer's epoch. At apply, when another epoch is in force, the items are skipped: as if never sent. */
      readonly epoch: Epoch;
      /** Cell time at the proposer, never going back along the log. */
      readonly cellTimeMs: CellTimeMs;
      readonly items: readonly Uint8Array[];
      /** Of all items, each with four for its length; where whoever has read the value knows it without making the items. */
      readonly itemBytes?: number;
    };

export const noop: Value = { kind: 'noop' };

/**
 * Applied prefix (I4, I14): every replica applies exactly what was chosen, in order and without gaps, and all hold the
 * same database after the same instance, whether they applied it all or installed a snapshot on the way.
 *
 * Source: PML §3 (callback on every replica), §6.2 (checksums compared at one log position).
 */
import type { ReplicaId } from '../../core/consensus/identity.ts';
import { Violation } from './violation.ts';

export class AppliedPrefixChecker {
  /** Last instance applied, by replica; absent for one that is down. */
  readonly #applied = new Map<ReplicaId, number>();
  /** The furthest that each was ever, whatever became of it since. */
  readonly #furthest = new Map<ReplicaId, number>();
  /** What the first replica to apply an instance found. */
  readonly #digests = new Map<number, { readonly digest: string; readonly epoch: number; readonly by: ReplicaId }>();
  readonly #checksums = new Map<number, { readonly checksum: string; readonly by: ReplicaId }>();

  /** The state of `replica` now stands at `instance` (0: empty), because it started or installed a snapshot. */
  standsAt(replica: ReplicaId, instance: number, checksum: string | null): void {
    this.#stands(replica, instance);
    if (checksum !== null) this.checksum(replica, instance, checksum);
  }

  /** @throws {Violation} for a gap, a repetition, or another value than was applied elsewhere. */
  applied(replica: ReplicaId, instance: number, digest: string, epoch: number): void {
    const before = this.#applied.get(replica) ?? 0;
    if (instance !== before + 1) {
      throw new Violation('applied-prefix', `${replica} applied instance ${instance} after ${before}`);
    }
    this.#stands(replica, instance);
    const first = this.#digests.get(instance);
    if (first === undefined) this.#digests.set(instance, { digest, epoch, by: replica });
    else if (first.digest !== digest || first.epoch !== epoch) {
      throw new Violation('applied-prefix', `${replica} and ${first.by} applied different values at ${instance}`, {
        digests: [digest, first.digest],
        epochs: [epoch, first.epoch],
      });
    }
  }

  /** The database checksum of `replica` after `instance`. @throws {Violation} when another replica had another. */
  checksum(replica: ReplicaId, instance: number, checksum: string): void {
    const first = this.#checksums.get(instance);
    if (first === undefined) this.#checksums.set(instance, { checksum, by: replica });
    else if (first.checksum !== checksum) {
      throw new Violation('applied-prefix', `databases differ at instance ${instance}: ${replica} and ${first.by}`, {
        checksums: [checksum, first.checksum],
      });
    }
  }

  #stands(replica: ReplicaId, instance: number): void {
    this.#applied.set(replica, instance);
    if (instance > (this.#furthest.get(replica) ?? 0)) this.#furthest.set(replica, instance);
  }

  /** Also by a process that has ended. */
  everAppliedUpTo(replica: ReplicaId): number {
    return this.#furthest.get(replica) ?? 0;
  }

  appliedUpTo(replica: ReplicaId): number {
    return this.#applied.get(replica) ?? 0;
  }
}

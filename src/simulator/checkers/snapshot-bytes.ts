/**
 * Snapshots (I14): two replicas that have one of the same instance have the same bytes.
 *
 * Source: design §4 "Snapshots are canonical".
 */
import { Violation } from './violation.ts';

export class SnapshotBytesChecker {
  readonly #first = new Map<number, { readonly sha256: string; readonly by: string }>();

  /** @throws {Violation} when another replica's snapshot of `instance` was another file. */
  taken(name: string, instance: number, sha256: string): void {
    const first = this.#first.get(instance);
    if (first === undefined) this.#first.set(instance, { sha256, by: name });
    else if (first.sha256 !== sha256) {
      throw new Violation('determinism', `snapshots of instance ${instance} differ: ${name} and ${first.by}`, {
        sha256: [sha256, first.sha256],
      });
    }
  }
}

/**
 * Log chain and database checksum of the last applied instances, so that two replicas that are asked at different moments
 * can be compared at an instance that both have applied (design §5).
 */
import type { Instance } from '../core/consensus/identity.ts';

const instancesKept = 512;
/** Of these, each; of the others one in sixteen is told. */
const toldWhole = 16;

interface Digests {
  readonly log: Uint8Array;
  readonly database: string;
}

export type ToldDigest = readonly [instance: number, log: string, database: string];

export class RecentDigests {
  readonly #at = new Map<Instance, Digests>();

  /** `database` is empty for an application that has no checksum. */
  applied(instance: Instance, log: Uint8Array, database: string): void {
    this.#at.set(instance, { log, database });
    if (this.#at.size > instancesKept) this.#at.delete(this.#at.keys().next().value as Instance);
  }

  /** The application holds another state than that which comes of applying. */
  clear(): void {
    this.#at.clear();
  }

  /** For another replica to compare with its own. */
  told(): readonly ToldDigest[] {
    const all = [...this.#at];
    return all
      .filter(([instance], i) => i >= all.length - toldWhole || instance % toldWhole === 0)
      .map(([instance, { log, database }]) => [instance, Buffer.from(log).toString('hex'), database]);
  }

  /** Do they agree at every instance that is known here too? Null when there is none. */
  agreesWith(told: readonly ToldDigest[]): boolean | null {
    let agrees: boolean | null = null;
    for (const [instance, log, database] of told) {
      const own = this.#at.get(instance as Instance);
      if (own === undefined) continue;
      if (own.database !== database || Buffer.from(own.log).toString('hex') !== log) return false;
      agrees = true;
    }
    return agrees;
  }
}

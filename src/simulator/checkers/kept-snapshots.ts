/**
 * Snapshots of one replica (I19): what a log was cut for is there, and the newest good one is never an older one than before.
 *
 * Source: pitfalls P24, P25; design §4.
 */
import { Violation } from './violation.ts';

export interface KeptSnapshot {
  readonly instance: number;
  readonly verified: boolean;
}

/**
 * `kept`: newest first, also those found bad. `standsFor`: the log may be cut up to here, as the replica has just said.
 * @throws {Violation}
 */
export function checkKept(name: string, kept: readonly KeptSnapshot[], standsFor: number): void {
  const instances = kept.map(({ instance }) => instance);
  if (Math.max(0, ...instances) < standsFor) {
    const message = `${name} has no snapshot of ${standsFor}, which it says it has taken`;
    throw new Violation('durability', message, { kept: instances });
  }
  const good = kept.filter(({ verified }) => verified);
  if (good.every(({ instance }, i) => i === 0 || instance < (good[i - 1] as KeptSnapshot).instance)) return;
  throw new Violation('durability', `${name} has put an older snapshot over a newer one`, { kept: instances });
}

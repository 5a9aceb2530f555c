/** Since when each peer is connected in both directions, or not: what `status` and `doctor` tell operators of one-way faults. */
import type { ReplicaId } from '../../core/consensus/identity.ts';
import type { PeerLink } from '../../ports/network.ts';

interface Seen {
  whole: boolean;
  /** When it became so. */
  sinceMs: number;
  met: boolean;
}

export interface LinkState {
  readonly id: ReplicaId;
  readonly url: string;
  readonly outbound: boolean;
  readonly inbound: boolean;
  readonly trouble: string | null;
}

export class LinkWatch {
  readonly #seen = new Map<ReplicaId, Seen>();

  /** To be told often enough for the wanted precision; peers that are not among `links` are forgotten. */
  look(links: readonly LinkState[], nowMs: number): readonly PeerLink[] {
    const present = new Set(links.map(({ id }) => id));
    for (const id of this.#seen.keys()) if (!present.has(id)) this.#seen.delete(id);
    return links.map((link) => {
      const whole = link.outbound && link.inbound;
      let seen = this.#seen.get(link.id);
      if (seen === undefined) {
        seen = { whole, sinceMs: nowMs, met: false };
        this.#seen.set(link.id, seen);
      }
      if (seen.whole !== whole) {
        seen.whole = whole;
        seen.sinceMs = nowMs;
      }
      seen.met ||= link.outbound || link.inbound;
      return { ...link, brokenMs: whole ? 0 : Math.round(nowMs - seen.sinceMs), met: seen.met };
    });
  }
}

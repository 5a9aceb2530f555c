/**
 * Other processes of members that are connected: turned away, and told of, since the one that is turned away tells only whoever asks
 * it, at an address that no member of the cell need know (pitfalls O2, P50).
 */
import { parseReplicaId, type ReplicaId } from '../core/consensus/identity.ts';
import type { SecondProcessDocument } from '../formats/operating-body.ts';
import type { PeerHello } from '../ports/network.ts';

/** A restart on another machine meets the connection of before for about a second; only what lasts is a second process. */
const lastsMsMin = 3_000;
/** Whoever is turned away comes back within a second or two. */
const forgottenMs = 15_000;
/** A member has few; a hello may claim any. */
const keptMax = 16;

interface Seen {
  readonly member: ReplicaId;
  readonly boot: PeerHello['boot'];
  /** The boot of the one that is connected. */
  readonly connected: PeerHello['boot'];
  readonly address: string | null;
  readonly firstMs: number;
  readonly lastMs: number;
}

export class SecondProcesses {
  readonly #nowMs: () => number;
  readonly #seen = new Map<string, Seen>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** `hello` was turned away, because the process of boot `connected` is heard. */
  turnedAway({ id: member, boot, address = null }: PeerHello, connected: PeerHello['boot']): void {
    const nowMs = this.#nowMs();
    this.#forget(nowMs);
    const key = `${member} ${boot.id}`;
    const firstMs = this.#seen.get(key)?.firstMs ?? nowMs;
    if (!this.#seen.has(key) && this.#seen.size >= keptMax) return;
    this.#seen.set(key, { member, boot, connected, address, firstMs, lastMs: nowMs });
  }

  /** Those that still come. */
  documents(): readonly SecondProcessDocument[] {
    const nowMs = this.#nowMs();
    this.#forget(nowMs);
    return [...this.#seen.values()]
      .filter(({ firstMs, lastMs }) => lastMs - firstMs >= lastsMsMin)
      .map(({ member, boot, connected, address, firstMs }) => ({
        ...parseReplicaId(member),
        boot: boot.id,
        connectedBoot: connected.id,
        address,
        forMs: Math.round(nowMs - firstMs),
      }));
  }

  #forget(nowMs: number): void {
    for (const [key, { lastMs }] of this.#seen) if (nowMs - lastMs > forgottenMs) this.#seen.delete(key);
  }
}

/** One direction between two hosts: what is cut, clogged or flickering, and what waits in it. */

/** What a link carries from one life of a replica to another. */
export interface Parcel {
  readonly deliver: () => void;
}

export class Link {
  /** N7, N8. */
  cut = false;
  /** N6. */
  partitioned = false;
  #flicker: { readonly periodMs: number; readonly downShare: number; readonly fromMs: number } | null = null;
  #clogged: Parcel[] | null = null;
  /** When the latest message that keeps its place arrives. */
  lastArrivalMs = 0;

  /** Why nothing passes at this time, or null. */
  blockedBy(nowMs: number): 'cut' | 'partition' | 'intermittent' | null {
    if (this.cut) return 'cut';
    if (this.partitioned) return 'partition';
    const flicker = this.#flicker;
    if (flicker === null) return null;
    const phase = ((nowMs - flicker.fromMs) % flicker.periodMs) / flicker.periodMs;
    return phase < flicker.downShare ? 'intermittent' : null;
  }

  /** N9. */
  flicker(fromMs: number, periodMs: number, downShare: number): void {
    this.#flicker = { fromMs, periodMs, downShare };
  }

  steady(): void {
    this.#flicker = null;
  }

  get clogged(): boolean {
    return this.#clogged !== null;
  }

  clog(): void {
    this.#clogged ??= [];
  }

  /** False when `most` wait already (N13). */
  hold(parcel: Parcel, most: number): boolean {
    if (this.#clogged === null || this.#clogged.length >= most) return false;
    this.#clogged.push(parcel);
    return true;
  }

  /** N5: everything that waited, in order, at once. */
  unclog(): readonly Parcel[] {
    const parcels = this.#clogged ?? [];
    this.#clogged = null;
    return parcels;
  }
}

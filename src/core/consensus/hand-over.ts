/**
 * One attempt of a master to give its mastership to a successor.
 *
 * Source: design §3 "Handing over". The master stops proposing, lets what is in flight be chosen, and waits until the
 * successor has applied it; only then it gives up its lease and says so. Its last word is a no-op, the marker: copies of
 * it ask the successor how far it has applied.
 */
import type { Instance, ReplicaId } from './identity.ts';

export interface HandOverView {
  /** Proposals not yet chosen. */
  readonly open: number;
  readonly chosenUpTo: Instance;
  /** How far the successor says that it has applied. */
  readonly successorAppliedUpTo: number;
  /** Proposes a no-op; its instance, or null when nothing can be proposed now. */
  proposeMarker(): Instance | null;
}

export class HandOver {
  readonly to: ReplicaId;
  readonly #deadlineMs: number;
  #marker: Instance | null = null;
  #probedMs = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly to: ReplicaId; readonly deadlineMs: number }) {
    this.to = options.to;
    this.#deadlineMs = options.deadlineMs;
  }

  hasFailed(nowMs: number): boolean {
    return nowMs >= this.#deadlineMs;
  }

  /** Goes as far as it can. True when the mastership may be released. */
  advance(view: HandOverView): boolean {
    if (this.#marker === null) {
      if (view.open > 0) return false;
      this.#marker = view.proposeMarker();
      return false;
    }
    return view.chosenUpTo >= this.#marker && view.successorAppliedUpTo >= this.#marker;
  }

  /** The instance whose accept is to be sent to the successor again, or null when none is due; at once when it is chosen. */
  probeDue(nowMs: number, everyMs: number, chosenUpTo: Instance): Instance | null {
    if (this.#marker === null || chosenUpTo < this.#marker || nowMs - this.#probedMs < everyMs) return null;
    this.#probedMs = nowMs;
    return this.#marker;
  }
}

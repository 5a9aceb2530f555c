/**
 * Points in time that listings go on reading: the first page that has a next one leaves its view here, and pages that
 * name its revision read from it. Views share structure with the database, so that keeping one costs only what has
 * changed since; they are few, and dropped when nobody has asked for a while.
 */
import type { Revision } from '../../core/database/command.ts';
import type { ReadState } from './service.ts';

export class ListViews {
  /** Least recently used first. */
  readonly #views = new Map<Revision, { readonly state: ReadState; usedMs: number }>();
  readonly #max: number;
  readonly #keepMs: number;

  constructor(limits: { readonly listViewsMax: number; readonly listViewMs: number }) {
    this.#max = limits.listViewsMax;
    this.#keepMs = limits.listViewMs;
  }

  keep(state: ReadState): void {
    this.dropOld();
    const { revision } = state;
    const kept = this.#views.get(revision)?.state ?? state.pin?.() ?? state;
    this.#views.delete(revision);
    this.#views.set(revision, { state: kept, usedMs: performance.now() });
    if (this.#views.size > this.#max) {
      for (const oldest of this.#views.keys()) {
        this.#views.delete(oldest);
        break;
      }
    }
  }

  /** Null when it was never kept here, or dropped, or has changed because it could not be pinned. */
  at(revision: Revision): ReadState | null {
    this.dropOld();
    const state = this.#views.get(revision)?.state;
    return state?.revision === revision ? state : null;
  }

  dropOld(): void {
    const before = performance.now() - this.#keepMs;
    for (const [revision, view] of this.#views) {
      if (view.usedMs > before) return;
      this.#views.delete(revision);
    }
  }
}

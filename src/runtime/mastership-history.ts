/** When and why mastership moved, as one replica saw it: for `master status`, never for a decision. */

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** A churning cell moves often; more than this in a day is counted no further. */
const keptMax = 10_000;

interface Move {
  readonly epoch: number;
  readonly atWallMs: number;
  readonly master: string;
  readonly cause: string;
}

export class MastershipHistory {
  #moves: Move[] = [];
  /** Since this process started, by cause; only grows. */
  readonly #totals = new Map<string, number>();

  /** An epoch began: one change of mastership, also when the same replica goes on in a new epoch. */
  began(move: Move): void {
    if ((this.#moves.at(-1)?.epoch ?? 0) >= move.epoch) return;
    this.#moves.push(move);
    this.#count(move.cause, 1);
    if (this.#moves.length > keptMax) this.#moves = this.#moves.slice(-keptMax);
  }

  /** The new master itself knows better than those who only saw the epoch begin. */
  explain(epoch: number, cause: string): void {
    const last = this.#moves.at(-1);
    if (last?.epoch !== epoch) return;
    this.#moves[this.#moves.length - 1] = { ...last, cause };
    this.#count(last.cause, -1);
    this.#count(cause, 1);
  }

  #count(cause: string, by: number): void {
    this.#totals.set(cause, (this.#totals.get(cause) ?? 0) + by);
  }

  /** Epochs that this replica saw begin, by cause. */
  totals(): ReadonlyMap<string, number> {
    return this.#totals;
  }

  /** Times RFC 3339. The cell's first epoch is no change. */
  summary(nowWallMs: number): {
    readonly since: string | null;
    readonly changesLastHour: number;
    readonly changesLastDay: number;
    /** Changes of the last day, by cause. */
    readonly causes: Readonly<Record<string, number>>;
    readonly lastChange: { readonly at: string; readonly cause: string } | null;
  } {
    const changes = this.#moves.filter(({ epoch }, i) => i > 0 || epoch > 1);
    const within = (ms: number) => changes.filter(({ atWallMs }) => nowWallMs - atWallMs <= ms);
    const day = within(dayMs);
    const causes: Record<string, number> = {};
    for (const { cause } of day) causes[cause] = (causes[cause] ?? 0) + 1;
    const last = this.#moves.at(-1);
    const at = last === undefined ? null : new Date(last.atWallMs).toISOString();
    return {
      since: at,
      changesLastHour: within(hourMs).length,
      changesLastDay: day.length,
      causes,
      lastChange: last === undefined || at === null ? null : { at, cause: last.cause },
    };
  }
}

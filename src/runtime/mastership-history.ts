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

  /** An epoch began: one change of mastership, also when the same replica goes on in a new epoch. */
  began(move: Move): void {
    if ((this.#moves.at(-1)?.epoch ?? 0) >= move.epoch) return;
    this.#moves.push(move);
    if (this.#moves.length > keptMax) this.#moves = this.#moves.slice(-keptMax);
  }

  /** The new master itself knows better than those who only saw the epoch begin. */
  explain(epoch: number, cause: string): void {
    const last = this.#moves.at(-1);
    if (last?.epoch === epoch) this.#moves[this.#moves.length - 1] = { ...last, cause };
  }

  /** Times RFC 3339. The cell's first epoch is no change. */
  summary(nowWallMs: number): {
    readonly since: string | null;
    readonly changesLastHour: number;
    readonly changesLastDay: number;
    readonly lastChange: { readonly at: string; readonly cause: string } | null;
  } {
    const changes = this.#moves.filter(({ epoch }, i) => i > 0 || epoch > 1);
    const within = (ms: number): number => changes.filter(({ atWallMs }) => nowWallMs - atWallMs <= ms).length;
    const last = this.#moves.at(-1);
    const at = last === undefined ? null : new Date(last.atWallMs).toISOString();
    return {
      since: at,
      changesLastHour: within(hourMs),
      changesLastDay: within(dayMs),
      lastChange: last === undefined || at === null ? null : { at, cause: last.cause },
    };
  }
}

/** When and why mastership moved, as one replica saw it: for `master status`, never for a decision. */

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** A churning cell moves often; more than this in a day is counted no further. */
const keptMax = 10_000;

interface Move {
  readonly atWallMs: number;
  readonly master: string | null;
  readonly cause: string;
}

export class MastershipHistory {
  #moves: Move[] = [];
  #master: string | null = null;

  /** Tells who is master now; remembers a move when that is somebody else than before. */
  observe(master: string | null, cause: string, atWallMs: number): void {
    if (master === null || master === this.#master) return;
    this.#master = master;
    this.#moves.push({ atWallMs, master, cause });
    if (this.#moves.length > keptMax) this.#moves = this.#moves.slice(-keptMax);
  }

  /** Times RFC 3339. The first master that this process saw is not counted as a change. */
  summary(nowWallMs: number): {
    readonly since: string | null;
    readonly changesLastHour: number;
    readonly changesLastDay: number;
    readonly lastChange: { readonly at: string; readonly cause: string } | null;
  } {
    const changes = this.#moves.slice(1);
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

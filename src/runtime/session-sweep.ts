/**
 * The master ends sessions that are due in cell time; `apply` checks once more that they are (pitfall P54).
 *
 * Under each new master a session has its full time once more before that one ends it (CHB §2.9): while there was none, nobody could
 * keep it alive.
 */
import type { CellTimeMs, Epoch } from '../core/consensus/identity.ts';
import { encodeCommand } from '../formats/command.ts';
import type { DatabaseApplication } from './database-application.ts';

export interface SessionSweepOptions {
  readonly database: Pick<DatabaseApplication, 'epoch' | 'sessionsDue'>;
  /** Calls back once it is known what came of it, whatever that is. */
  readonly submit: (item: Uint8Array, done: () => void) => void;
}

export class SessionSweep {
  readonly #options: SessionSweepOptions;
  #sweeping = false;
  /** The epoch that this replica was last found to serve in, and the cell time when it first was. */
  #served: { readonly epoch: Epoch; readonly since: CellTimeMs } | null = null;

  constructor(options: SessionSweepOptions) {
    this.#options = options;
  }

  /** To be called now and then while this replica serves as master. */
  sweep(now: CellTimeMs): void {
    const { database, submit } = this.#options;
    if (this.#served?.epoch !== database.epoch) this.#served = { epoch: database.epoch, since: now };
    if (this.#sweeping) return;
    const sessions = database.sessionsDue(now, this.#served.since);
    if (sessions.length === 0) return;
    this.#sweeping = true;
    submit(encodeCommand({ kind: 'expire-sessions', sessions }), () => {
      this.#sweeping = false;
    });
  }
}

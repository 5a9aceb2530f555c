/**
 * The cell checks itself: the master has an instance logged now and then, every replica scans what it holds there, and tells
 * the others (design §5; PML §6.2).
 *
 * Age is counted in cell time, which goes on over masters: a new one neither begins anew nor forgets. A check that nobody has
 * asked for is on by default.
 */
import type { ComparedDatabases, DatabaseEvidence } from '../core/consensus/database-comparison.ts';
import { parseReplicaId } from '../core/consensus/identity.ts';
import type { CommandResult } from '../core/database/command.ts';
import { encodeCommand } from '../formats/command.ts';
import { type ClockPort, fromNow, type Timer } from '../ports/clocks.ts';
import { type ChecksumPoint, DatabaseChecks } from './database-checks.ts';
import type { LogReplica } from './log-replica.ts';
import type { Logger } from './logger.ts';

export const checkEveryMsDefault = 3_600_000;
/** A master that knows of no earlier check does not wait longer than this. */
const firstCheckMsMax = 60_000;
/** How often the master looks whether one is due. */
const lookMsMax = 1_000;
/** Between two checks that members wait for. */
const wantedEveryMs = 1_000;

/** What the newest comparison says, for status. */
export interface CheckStatus {
  /** 0: the cell does not check itself. */
  readonly everyMs: number;
  readonly instance: number;
  readonly verdict: 'agree' | 'differ' | 'incomplete' | 'none';
  /** RFC 3339; null before the first. */
  readonly at: string | null;
  readonly ageMs: number | null;
  /** Names of members whose database is not the right one, and of those that have not reported. */
  readonly odd: readonly string[];
  readonly silent: readonly string[];
}

export interface SelfCheckOptions {
  readonly clocks: ClockPort;
  readonly logger: Logger;
  /** Between two checks, in ms of cell time; 0 for never. */
  readonly everyMs: number;
}

export class SelfCheck {
  readonly checks: DatabaseChecks;
  readonly #options: SelfCheckOptions;
  #log: LogReplica<CommandResult> | null = null;
  #timer: Timer | null = null;
  /** Cell time of the newest logged check that was applied here. */
  #newestCellMs: number | null = null;
  #servingSinceMs: number | null = null;
  #asking = false;
  #askedMs = Number.NEGATIVE_INFINITY;
  #wanted = false;
  #compared: { readonly atWallMs: number; readonly atMs: number } | null = null;

  constructor(options: SelfCheckOptions) {
    this.#options = options;
    const { clocks, logger } = options;
    this.checks = new DatabaseChecks({ clocks, logger });
    this.checks.onDone = ({ instance, logChain, checksum }) =>
      this.#log?.databaseChecked({ instance, logChain, database: checksum });
  }

  /** The application came to a logged check. */
  begin(point: ChecksumPoint): void {
    this.#newestCellMs = point.view.cellTimeMs;
    this.checks.begin(point);
  }

  start(log: LogReplica<CommandResult>): void {
    this.#log = log;
    if (this.#options.everyMs > 0) this.#lookLater();
  }

  close(): void {
    this.#timer?.cancel();
    this.checks.close();
    this.#log = null;
  }

  onCompared({ judgement, instance, full, silent }: ComparedDatabases): void {
    const { clocks, logger } = this.#options;
    const { wallMs, monotonicMs } = clocks.now();
    if (full) this.#compared = { atWallMs: wallMs, atMs: monotonicMs };
    // Before all have reported it may look otherwise than it is.
    if (judgement.kind === 'differ' && (judgement.by !== null || silent.length === 0)) {
      const { odd, by } = judgement;
      logger.error({ instance, odd, by }, 'databases differ');
    }
  }

  /** What is kept with the evidence: which entries were damaged, and what lies in their place. */
  onSetAside({ instance }: DatabaseEvidence): unknown {
    const check = this.checks.at(instance);
    // What is scanned just now is of the state that is given up.
    this.checks.giveUp(instance);
    if (check === null) return null;
    const entries = check.rotten.keys.flatMap(
      (key) => this.checks.entries(instance, { after: key, withAfter: true, to: key, limit: 1 }) ?? [],
    );
    return {
      ...check,
      rotten: entries.map(({ key, entry, digest }) => {
        const { value, ...rest } = entry;
        return { key, digest, ...rest, valueBase64: Buffer.from(value).toString('base64') };
      }),
    };
  }

  /** A member waits for a check, and this replica is master. */
  onCheckWanted(): void {
    this.#wanted = true;
    this.#look();
  }

  status(): CheckStatus {
    const { clocks, everyMs } = this.#options;
    const comparison = this.#log?.core.comparedDatabases ?? null;
    const compared = this.#compared;
    if (comparison === null || compared === null) {
      return { everyMs, instance: 0, verdict: 'none', at: null, ageMs: null, odd: [], silent: [] };
    }
    const { judgement, silent, instance } = comparison;
    const names = (members: readonly string[]) => members.map((member) => parseReplicaId(member as never).name);
    return {
      everyMs,
      instance,
      verdict: judgement.kind !== 'agree' ? 'differ' : silent.length > 0 ? 'incomplete' : 'agree',
      at: new Date(compared.atWallMs).toISOString(),
      ageMs: Math.round(clocks.now().monotonicMs - compared.atMs),
      odd: judgement.kind === 'differ' ? names(judgement.odd) : [],
      silent: names(silent),
    };
  }

  // --- asking, at the master ----------------------------------------------------------------------------------------

  #lookLater(): void {
    const { clocks, everyMs } = this.#options;
    const at = fromNow(clocks, Math.min(lookMsMax, everyMs / 4));
    this.#timer = clocks.schedule(at, () => {
      if (this.#log === null || this.#log.stopped) return;
      this.#lookLater();
      this.#look();
    });
  }

  #look(): void {
    const { clocks } = this.#options;
    const log = this.#log;
    if (log === null || log.stopped || this.#asking) return;
    const now = clocks.now();
    if (!log.isServing()) {
      this.#servingSinceMs = null;
      return;
    }
    this.#servingSinceMs ??= now.monotonicMs;
    const wanted = this.#wanted && now.monotonicMs >= this.#askedMs + wantedEveryMs;
    if (!wanted && !this.#isDue(log.core.cellTimeMs(now), now.monotonicMs)) return;
    this.#wanted = false;
    this.#asking = true;
    this.#askedMs = now.monotonicMs;
    log.submit(encodeCommand({ kind: 'checksum', deep: false }), () => {
      this.#asking = false;
    });
  }

  #isDue(cellTimeMs: number, nowMs: number): boolean {
    const { everyMs } = this.#options;
    if (everyMs <= 0) return false;
    if (this.#newestCellMs !== null) return cellTimeMs >= this.#newestCellMs + everyMs;
    return nowMs >= (this.#servingSinceMs ?? nowMs) + Math.min(everyMs, firstCheckMsMax);
  }
}

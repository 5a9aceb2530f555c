/**
 * A database that is not that of the majority: kept as evidence, and built anew while the log stays as it is.
 *
 * Source: design §5 "Same log, different database"; ADR 16. First from what lies on this disk, since the damage was in memory; when that
 * gives the same again, from a snapshot of a member that holds the right one. Whether it is right then a check says, not this.
 */
import type { DatabaseEvidence } from '../core/consensus/database-comparison.ts';
import type { Instance } from '../core/consensus/identity.ts';
import type { Replica } from '../core/consensus/replica.ts';
import { fromNow } from '../ports/clocks.ts';
import type { AppliedLog } from './applied-log.ts';
import { LogIncompleteError, rebuildDatabase } from './database-rebuild.ts';
import type { LogReplicaOptions } from './log-replica-options.ts';
import type { LogSnapshots } from './log-snapshots.ts';
import type { LoadedSnapshot } from './log-storage.ts';
import type { StepLoop } from './step-loop.ts';

/** Building the database anew did not help: the next try waits, twice as long each time. */
const rebuildRetryMs = { first: 1_000, max: 60_000 };

interface Parts {
  readonly core: Replica;
  readonly loop: StepLoop;
  readonly applied: AppliedLog<unknown>;
  readonly snapshots: LogSnapshots;
  fatal(error: Error): void;
}

type Options = Pick<
  LogReplicaOptions<unknown>,
  'self' | 'clocks' | 'logger' | 'storage' | 'digest' | 'initial' | 'onSetAside' | 'quarantined'
> & { readonly application: LogReplicaOptions<unknown>['application'] };

export class SetAsideDatabase {
  readonly #options: Options;
  readonly #parts: Parts;
  #attempts: number;

  constructor(options: Options, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    // What it was started with was read from this disk.
    this.#attempts = options.quarantined === true ? 1 : 0;
  }

  async setAside(evidence: DatabaseEvidence): Promise<void> {
    const { clocks, logger, onSetAside, self, storage } = this.#options;
    logger.error({ ...evidence }, 'this database is not that of the majority: set aside');
    try {
      const more = onSetAside?.(evidence);
      const seenAt = new Date(clocks.now().wallMs).toISOString();
      await storage.setAside({ instance: evidence.instance, details: { member: self, seenAt, ...evidence, more } });
    } catch (error) {
      return this.#parts.fatal(error instanceof Error ? error : new Error(String(error)));
    }
    this.#rebuildLater(evidence);
  }

  async takenBack(instance: Instance): Promise<void> {
    const { logger, storage } = this.#options;
    this.#attempts = 0;
    logger.info({ instance }, 'this database is that of the majority again');
    await storage.takeBack().catch((error: unknown) => {
      // It compares once more after a restart: no harm is done.
      logger.warn({ err: error }, 'that this member takes part again could not be written down');
    });
  }

  #rebuildLater(evidence: DatabaseEvidence): void {
    const { first, max } = rebuildRetryMs;
    const { clocks } = this.#options;
    const waitMs = this.#attempts === 0 ? 0 : Math.min(max, first * 2 ** (this.#attempts - 1));
    const at = fromNow(clocks, waitMs);
    clocks.schedule(at, () => {
      if (!this.#parts.loop.stopped && this.#parts.core.isSetAside) void this.#rebuild(evidence);
    });
  }

  async #rebuild(evidence: DatabaseEvidence): Promise<void> {
    const attempt = this.#attempts++;
    const { applied, core, loop, snapshots } = this.#parts;
    try {
      const base = attempt === 0 ? await this.#ownBase() : await this.#othersBase(evidence, attempt);
      if (loop.stopped || !core.isSetAside) return;
      if (base.handle.instance > applied.upTo) {
        await snapshots.install(base);
        loop.feed({ kind: 'database-replayed', at: loop.now() });
        return;
      }
      await this.#rebuildFrom(base);
    } catch (error) {
      this.#options.logger.warn({ err: error, attempt }, 'the database could not be built anew; trying again');
      this.#rebuildLater(evidence);
    }
    loop.feed({ kind: 'woken', at: loop.now() });
  }

  async #rebuildFrom(base: LoadedSnapshot): Promise<void> {
    const { application, clocks, digest, logger } = this.#options;
    const { applied, core, loop } = this.#parts;
    const upTo = applied.upTo;
    const first = (base.handle.instance + 1) as Instance;
    if (first <= upTo && core.chosenValue(first) === null) throw new LogIncompleteError(first);
    // Until this or a later attempt has come to its end: what peers say meanwhile is said again.
    applied.leavePoint();
    const logChain = await rebuildDatabase({
      ...{ application, digest, base, upTo },
      chosenValue: (instance) => core.chosenValue(instance),
      nextTurn: () => new Promise((resolve) => clocks.nextTurn(resolve)),
      isOver: () => loop.stopped,
    });
    logger.info({ from: base.handle.instance, upTo }, 'the database was built anew');
    applied.rebuilt(logChain);
    // Ahead of what a check found meanwhile: that is of the new state.
    loop.goOnWith({ kind: 'database-replayed', at: loop.now() });
  }

  async #ownBase(): Promise<LoadedSnapshot> {
    const newest = await this.#options.storage.newestSnapshot();
    const base = newest ?? this.#options.initial ?? null;
    if (base === null) throw new Error('there is no snapshot here');
    return base;
  }

  async #othersBase({ holders }: DatabaseEvidence, attempt: number): Promise<LoadedSnapshot> {
    const { self, storage } = this.#options;
    const others = holders.filter((holder) => holder !== self);
    const provider = others[attempt % Math.max(1, others.length)];
    if (provider === undefined) throw new Error('nobody is known to hold the right database');
    const above = (await storage.newestSnapshot().catch(() => null))?.handle.instance ?? 0;
    return this.#parts.snapshots.receive(provider, above as Instance);
  }
}

/**
 * A database that is not that of the majority: kept as evidence, and built anew while the log stays as it is.
 *
 * Source: design §5 "Same log, different database"; ADR 16. First from what lies on this disk, since the damage was in memory; when that
 * gives the same again, from a snapshot of a member that holds the right one. Whether it is right then a check says, not this.
 */
import type { DatabaseEvidence } from '../core/consensus/database-comparison.ts';
import type { Instance, ReplicaId } from '../core/consensus/identity.ts';
import type { Value } from '../core/consensus/value.ts';
import { fromNow } from '../ports/clocks.ts';
import { LogIncompleteError, rebuildDatabase } from './database-rebuild.ts';
import type { LogReplicaOptions } from './log-replica-options.ts';
import type { LoadedSnapshot } from './log-storage.ts';

/** Building the database anew did not help: the next try waits, twice as long each time. */
const rebuildRetryMs = { first: 1_000, max: 60_000 };

export interface SetAsideHost {
  stopped(): boolean;
  isSetAside(): boolean;
  /** What the application holds. */
  appliedUpTo(): Instance;
  chosenValue(instance: Instance): Value | null;
  /** A snapshot on its way from `provider`, of an instance above `above`. */
  receive(provider: ReplicaId, above: Instance): Promise<LoadedSnapshot>;
  /** The state of a snapshot that is ahead takes the place of the present one. */
  install(snapshot: LoadedSnapshot): Promise<void>;
  /** From here on the application is at no point of the log: nothing is fed. */
  leavePoint(): void;
  /** It is at the applied point again, with this log chain. */
  reachPoint(logChain: Uint8Array): void;
  /** The state is a new one. */
  replayed(): void;
  wake(): void;
  fatal(error: Error): void;
}

type Options = Pick<
  LogReplicaOptions<unknown>,
  'self' | 'clocks' | 'logger' | 'storage' | 'digest' | 'initial' | 'onSetAside' | 'quarantined'
> & { readonly application: LogReplicaOptions<unknown>['application'] };

export class SetAsideDatabase {
  readonly #options: Options;
  readonly #host: SetAsideHost;
  #attempts: number;

  constructor(options: Options, host: SetAsideHost) {
    this.#options = options;
    this.#host = host;
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
      return this.#host.fatal(error instanceof Error ? error : new Error(String(error)));
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
      if (!this.#host.stopped() && this.#host.isSetAside()) void this.#rebuild(evidence);
    });
  }

  async #rebuild(evidence: DatabaseEvidence): Promise<void> {
    const attempt = this.#attempts++;
    try {
      const base = attempt === 0 ? await this.#ownBase() : await this.#othersBase(evidence, attempt);
      if (this.#host.stopped() || !this.#host.isSetAside()) return;
      if (base.handle.instance > this.#host.appliedUpTo()) {
        await this.#host.install(base);
        this.#host.replayed();
        return;
      }
      await this.#rebuildFrom(base);
    } catch (error) {
      this.#options.logger.warn({ err: error, attempt }, 'the database could not be built anew; trying again');
      this.#rebuildLater(evidence);
    }
    this.#host.wake();
  }

  async #rebuildFrom(base: LoadedSnapshot): Promise<void> {
    const { application, clocks, digest, logger } = this.#options;
    const upTo = this.#host.appliedUpTo();
    const first = (base.handle.instance + 1) as Instance;
    if (first <= upTo && this.#host.chosenValue(first) === null) throw new LogIncompleteError(first);
    // Until this or a later attempt has come to its end: what peers say meanwhile is said again.
    this.#host.leavePoint();
    const logChain = await rebuildDatabase({
      ...{ application, digest, base, upTo },
      chosenValue: (instance) => this.#host.chosenValue(instance),
      nextTurn: () => new Promise((resolve) => clocks.nextTurn(resolve)),
      isOver: () => this.#host.stopped(),
    });
    logger.info({ from: base.handle.instance, upTo }, 'the database was built anew');
    this.#host.reachPoint(logChain);
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
    return this.#host.receive(provider, above as Instance);
  }
}

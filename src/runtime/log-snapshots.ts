/**
 * The snapshots of one replica of the log: taking them when the log has grown, giving them to peers, and taking over theirs.
 *
 * Source: PML §5.5; design §4. Keeps: handle, log chain and view of a snapshot are of one and the same instance (pitfall P23); a
 * database that is not known to be right teaches nobody (P30).
 */
import type { Instance, ReplicaId } from '../core/consensus/identity.ts';
import type { Replica } from '../core/consensus/replica.ts';
import { invariant } from '../core/invariant.ts';
import type { SnapshotStream } from '../ports/network.ts';
import type { AppliedLog } from './applied-log.ts';
import type { LogPeers } from './log-peers.ts';
import type { LogReplicaOptions, SnapshotOutcome, SnapshotPoint } from './log-replica-options.ts';
import type { LoadedSnapshot } from './log-storage.ts';
import { type IntakeProgress, SnapshotIntake } from './snapshot-intake.ts';
import type { StepLoop } from './step-loop.ts';
import { restoreFrom } from './storage-adapter.ts';

/** After a failed snapshot (a full disk, say) the next try waits, so that trying does not become the load. */
const snapshotRetryMs = 10_000;

type Options = Pick<LogReplicaOptions<unknown>, 'clocks' | 'network' | 'storage' | 'logger' | 'snapshotLogBytes'> & {
  readonly application: LogReplicaOptions<unknown>['application'];
};

export interface LogSnapshotsParts {
  readonly core: Replica;
  readonly loop: StepLoop;
  readonly applied: AppliedLog<unknown>;
  readonly peers: LogPeers;
  /** Frozen or fenced: nothing is taken over any more. */
  silent(): boolean;
  fatal(error: Error): void;
}

export class LogSnapshots {
  readonly #options: Options;
  readonly #parts: LogSnapshotsParts;
  readonly #intake: SnapshotIntake;
  #taking: Promise<SnapshotOutcome> | null = null;
  #notBeforeMs = 0;

  constructor(options: Options, parts: LogSnapshotsParts) {
    this.#options = options;
    this.#parts = parts;
    this.#intake = new SnapshotIntake(options);
  }

  /** The one that is on its way here; null when none is. */
  get catchUp(): IntakeProgress | null {
    return this.#intake.progress;
  }

  /** After the values of a step were applied. */
  applied(upTo: Instance): void {
    this.#intake.reached(upTo);
    this.#takeWhenDue();
  }

  #takeWhenDue(): void {
    const { storage, snapshotLogBytes } = this.#options;
    if (this.#taking !== null || storage.walBytesSinceSnapshot() < snapshotLogBytes) return;
    if (this.#parts.loop.now().monotonicMs >= this.#notBeforeMs) void this.take();
  }

  /** Takes one now, or joins the one that is under way. */
  take(): Promise<SnapshotOutcome> {
    if (this.#taking !== null) return this.#taking;
    const point = this.point();
    if (point === null) return Promise.resolve({ kind: 'unavailable' });
    const taking = this.#take(point).finally(() => {
      this.#taking = null;
    });
    this.#taking = taking;
    return taking;
  }

  /**
   * What a snapshot of this moment stands for and holds; its view is to be closed. Null while there is no such moment: in the
   * middle of a step, while another state is being restored, and after the replica has stopped.
   */
  point(): SnapshotPoint | null {
    const { applied, core, loop } = this.#parts;
    // What is not known to be right teaches nobody (pitfall P30).
    if (core.isSetAside) return null;
    if (loop.stopped || !applied.isCurrent) return null;
    const handle = core.handle();
    // Handle, chain and view belong together, or a restart would go on from one state at the place of another.
    invariant(handle.instance === applied.upTo, 'a snapshot is of what the application holds', { handle });
    return { handle, logChain: applied.chain, view: this.#options.application.view() };
  }

  async #take({ handle, logChain, view }: SnapshotPoint): Promise<SnapshotOutcome> {
    const { logger, storage } = this.#options;
    const { loop } = this.#parts;
    try {
      const { instance, bytes } = await storage.takeSnapshot({ handle, logChain, view });
      logger.info({ instance, bytes }, 'snapshot taken');
      loop.feed({ kind: 'snapshot-taken', at: loop.now(), instance });
      return { kind: 'taken', instance };
    } catch (error) {
      logger.error({ err: error, instance: handle.instance }, 'snapshot failed; the previous one stands');
      this.#notBeforeMs = loop.now().monotonicMs + snapshotRetryMs;
      return { kind: 'failed', error };
    } finally {
      view.close();
    }
  }

  /** For a peer that needs one above `above`; taken now where that is missing. A database that is not right teaches nobody. */
  async provide(above: number, digest: string | null): Promise<SnapshotStream | null> {
    const { storage } = this.#options;
    const { applied, core } = this.#parts;
    if (core.isSetAside) return null;
    const newest = await storage.serveNewest(above, digest);
    if (newest !== null || applied.upTo <= above) return newest;
    const { kind } = await this.take();
    return kind === 'taken' ? storage.serveNewest(above, null) : null;
  }

  /** A snapshot of `provider` above `above`, on this disk. */
  receive(provider: ReplicaId, above: Instance): Promise<LoadedSnapshot> {
    return this.#intake.fetch(provider, above, () => {
      if (this.#parts.silent()) throw new Error('this member was frozen meanwhile');
    });
  }

  /** Fetches one and goes on from it; where that fails, the core asks again. */
  async fetch(provider: ReplicaId, above: Instance): Promise<void> {
    const { logger } = this.#options;
    const { loop } = this.#parts;
    logger.info({ provider, above }, 'too far behind for the log: fetching a snapshot');
    try {
      await this.install(await this.receive(provider, above));
    } catch (error) {
      logger.warn({ err: error, provider }, 'snapshot was not fetched; asking again');
      loop.feed({ kind: 'snapshot-failed', at: loop.now() });
    }
  }

  /** While the application takes over the new state nothing is fed: what peers say meanwhile is said again. */
  async install(snapshot: LoadedSnapshot): Promise<void> {
    const { applied, core, loop, peers } = this.#parts;
    if (loop.stopped || this.#parts.silent()) return;
    if (snapshot.handle.instance <= core.appliedUpTo) {
      loop.feed({ kind: 'snapshot-failed', at: loop.now() });
      return;
    }
    applied.leavePoint();
    try {
      await restoreFrom(this.#options.application, snapshot);
    } catch (error) {
      // The old state is gone and the new one is not whole: only a restart from disk is safe.
      this.#parts.fatal(error instanceof Error ? error : new Error(String(error)));
      return;
    } finally {
      applied.reachPoint();
    }
    applied.restored(snapshot);
    // Before anything that waited: the core must not apply on the new state what came after the old one.
    loop.goOnWith({ kind: 'snapshot-installed', at: loop.now(), handle: snapshot.handle });
    loop.feed({ kind: 'woken', at: loop.now() });
    peers.update();
    applied.wakeWaiters(core.appliedUpTo);
  }
}

/**
 * What the application of one replica holds of the log: up to which instance, with which log chain, and who waits for more.
 *
 * Source: PML §3 (callback on every replica); design §5 "log chain". Keeps: instance, chain and state are of one point, but while
 * another state is being restored; they are behind the core's mark while the effects of a step are being carried out.
 */
import type { Effect } from '../core/consensus/effect.ts';
import type { Instance } from '../core/consensus/identity.ts';
import type { Replica } from '../core/consensus/replica.ts';
import { chainBefore, chained } from '../formats/log-chain.ts';
import type { LogReplicaOptions } from './log-replica-options.ts';
import type { LoadedSnapshot } from './log-storage.ts';
import { RecentDigests } from './recent-digests.ts';

/** So far a crash can have gone on from what another version must arrive at again before it runs on this data (design §6). */
const recordEveryInstances = 10_000;

type Options<Result> = Pick<LogReplicaOptions<Result>, 'application' | 'digest' | 'storage' | 'snapshot' | 'recovered'>;

export class AppliedLog<Result> {
  readonly #options: Options<Result>;
  readonly #core: Replica;
  readonly recentDigests = new RecentDigests();
  #upTo: Instance;
  #chain: Uint8Array;
  #restoring = false;
  #recordedUpTo: Instance;
  #waiters: { readonly instance: Instance; readonly done: () => void }[] = [];

  constructor(options: Options<Result>, core: Replica) {
    this.#options = options;
    this.#core = core;
    this.#upTo = options.recovered.handle.instance;
    this.#recordedUpTo = this.#upTo;
    this.#chain = options.snapshot?.logChain ?? chainBefore;
  }

  /** The last instance that the application holds. */
  get upTo(): Instance {
    return this.#upTo;
  }

  /** Digest over the chosen values up to the last applied instance, 32 bytes. */
  get chain(): Uint8Array {
    return this.#chain;
  }

  get chainHex(): string {
    return Buffer.from(this.#chain).toString('hex');
  }

  /** The application is at no point of the log: another state takes the place of its own. */
  get restoring(): boolean {
    return this.#restoring;
  }

  /** Whether the application holds all that the core calls applied. */
  get isCurrent(): boolean {
    return !this.#restoring && this.#upTo === this.#core.appliedUpTo;
  }

  /** The chosen value of the next instance; returns one result an item. */
  apply({ instance, epoch, value, current }: Extract<Effect, { kind: 'apply' }>): readonly Result[] {
    const { application, digest } = this.#options;
    const logChain = chained(digest, this.#chain, { instance, value });
    this.#chain = logChain;
    const results = application.apply({ instance, epoch, value, current, logChain });
    this.#upTo = instance;
    this.recentDigests.applied(instance, logChain, application.checksumHex?.() ?? '');
    return results;
  }

  /** Until {@link reachPoint} the application is at no point of the log. */
  leavePoint(): void {
    this.#restoring = true;
  }

  reachPoint(): void {
    this.#restoring = false;
  }

  /** The application holds the state of `snapshot`. */
  restored(snapshot: LoadedSnapshot): void {
    this.#chain = snapshot.logChain;
    this.recentDigests.clear();
    this.#upTo = snapshot.handle.instance;
  }

  /** It was built anew up to where it was, and this is the log's chain there. */
  rebuilt(chain: Uint8Array): void {
    this.#chain = chain;
    this.reachPoint();
  }

  /** Calls back when `instance` is applied here; at once when it is. */
  whenApplied(instance: Instance, done: () => void): { cancel(): void } {
    if (this.#upTo >= instance) {
      done();
      return { cancel() {} };
    }
    const waiter = { instance, done };
    this.#waiters.push(waiter);
    return {
      cancel: () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
      },
    };
  }

  /** Those who wait for an instance up to `applied`. */
  wakeWaiters(applied: Instance): void {
    // Nobody waits for most instances: then it costs nothing at all.
    if (this.#waiters.length > 0) this.#wakeThoseUpTo(applied);
  }

  #wakeThoseUpTo(applied: Instance): void {
    const ready = this.#waiters.filter(({ instance }) => instance <= applied);
    if (ready.length === 0) return;
    this.#waiters = this.#waiters.filter(({ instance }) => instance > applied);
    for (const { done } of ready) done();
  }

  get isRecordDue(): boolean {
    return this.#upTo - this.#recordedUpTo >= recordEveryInstances;
  }

  /** Records the applied point with its digests; in the middle of a step, and without a checksum, nothing. */
  record(): Promise<void> {
    const { application, storage } = this.#options;
    const checksum = application.checksumHex?.();
    if (checksum === undefined || !this.isCurrent) return Promise.resolve();
    this.#recordedUpTo = this.#upTo;
    return storage.record({ instance: this.#upTo, logChain: this.chainHex, checksum });
  }
}

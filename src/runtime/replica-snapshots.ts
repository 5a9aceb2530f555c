/**
 * This replica's snapshots for its operator: which there are, taking one, and reading one out.
 *
 * Source: contract §1 (`snapshot`), §2 (`/v1/snapshots`); design §4. Works on any replica with a state, master or not. A
 * frozen or quarantined one gives copies away and takes none to keep: that would cut from the log what is evidence.
 */
import { parseReplicaId } from '../core/consensus/identity.ts';
import type { ClockPort } from '../ports/clocks.ts';
import type { OpenSnapshot, ReplicaStorage, SnapshotDetails } from '../storage/replica-storage.ts';
import type { SnapshotDownload, SnapshotService, SnapshotTaking } from './http/service.ts';
import type { LogReplica } from './log-replica.ts';

/** Each holds a file of the size of the database, and a share of the disk's time. */
const downloadsMax = 2;
const attemptsMax = 3;

export interface ReplicaSnapshotsOptions {
  readonly log: Pick<LogReplica<unknown>, 'self' | 'appliedUpTo' | 'takeSnapshot' | 'snapshotPoint'>;
  readonly storage: Pick<
    ReplicaStorage,
    'snapshotDetails' | 'openKeptSnapshot' | 'exportSnapshot' | 'readOnly' | 'manifest'
  >;
  readonly clocks: ClockPort;
}

export class ReplicaSnapshots implements SnapshotService {
  readonly #options: ReplicaSnapshotsOptions;
  #downloads = 0;

  constructor(options: ReplicaSnapshotsOptions) {
    this.#options = options;
  }

  get #member(): string {
    return parseReplicaId(this.#options.log.self).name;
  }

  async list(): ReturnType<SnapshotService['list']> {
    const details = await this.#options.storage.snapshotDetails();
    return details.map((it) => ({ member: this.#member, ...it }));
  }

  /** Answers with a snapshot that holds everything applied here when it was asked for. */
  async take(dryRun: boolean): Promise<SnapshotTaking> {
    const { log } = this.#options;
    const refusal = this.#refusal();
    if (refusal !== null) return refusal;
    const wanted = log.appliedUpTo;
    for (let attempt = 1; ; attempt++) {
      const newest = (await this.list()).find(({ verified }) => verified);
      if (newest !== undefined && newest.instance >= wanted) return { kind: 'done', snapshot: newest, taken: false };
      if (wanted === 0) return failed('PAXOS_SNAPSHOT_FAILED', 'Nothing was applied here yet.');
      if (dryRun) return { kind: 'would', instance: wanted };
      const outcome = await log.takeSnapshot();
      if (outcome.kind === 'failed') return failed('PAXOS_SNAPSHOT_FAILED', whyFailed(outcome.error));
      if (outcome.kind === 'unavailable') return failed('PAXOS_NOT_SERVING', `${this.#member} has no state just now.`);
      const taken = (await this.list()).find(({ instance, verified }) => verified && instance >= wanted);
      if (taken !== undefined) return { kind: 'done', snapshot: taken, taken: true };
      // One that was under way may hold less; the next one begins after that.
      if (attempt === attemptsMax) return failed('PAXOS_SNAPSHOT_FAILED', 'Another snapshot came in between.');
    }
  }

  #refusal(): SnapshotTaking | null {
    const { flags } = this.#options.storage.manifest;
    if (!flags.frozen && !flags.quarantined) return null;
    const state = flags.frozen ? 'frozen' : 'quarantined';
    return failed(
      'PAXOS_SNAPSHOT_REFUSED',
      `${this.#member} is ${state}: taking a snapshot would cut from its log what is evidence. A copy can be saved.`,
    );
  }

  async open(which: 'current' | 'newest' | number, atLeast: number): ReturnType<SnapshotService['open']> {
    if (this.#downloads >= downloadsMax) {
      return failed('PAXOS_OVERLOADED', `${downloadsMax} snapshots are being read from ${this.#member} already.`);
    }
    this.#downloads++;
    try {
      const opened = which === 'current' ? await this.#current() : await this.#kept(which);
      if (opened === null) {
        this.#downloads--;
        const what = typeof which === 'number' ? `no good snapshot of instance ${which}` : 'no snapshot';
        return failed('PAXOS_SNAPSHOT_NOT_FOUND', `${this.#member} has ${what}.`);
      }
      if (opened.details.instance < atLeast) {
        await opened.close();
        this.#downloads--;
        const { instance } = opened.details;
        return failed(
          'PAXOS_SNAPSHOT_NOT_FOUND',
          `${this.#member} is at instance ${instance}, ${atLeast - instance} behind.`,
        );
      }
      return { kind: 'open', download: this.#counted(opened) };
    } catch (error) {
      this.#downloads--;
      return failed('PAXOS_SNAPSHOT_FAILED', whyFailed(error));
    }
  }

  /** Of this moment; what is kept when there is no such moment, on a replica that has stopped. */
  async #current(): Promise<OpenSnapshot | null> {
    const { log, storage, clocks } = this.#options;
    const point = log.snapshotPoint();
    if (point === null || point.handle.instance === 0) {
      point?.view.close();
      return storage.openKeptSnapshot(null);
    }
    const { handle, logChain, view } = point;
    const pause = (): Promise<void> => new Promise((resolve) => clocks.nextTurn(resolve));
    try {
      return await storage.exportSnapshot(handle, view, { logChain, pause });
    } finally {
      view.close();
    }
  }

  #kept(which: 'newest' | number): Promise<OpenSnapshot | null> {
    return this.#options.storage.openKeptSnapshot(which === 'newest' ? null : which);
  }

  #counted(opened: OpenSnapshot): SnapshotDownload {
    let open = true;
    return {
      snapshot: { member: this.#member, ...(opened.details satisfies SnapshotDetails) },
      bytes: opened.bytes,
      read: (offset, length) => opened.read(offset, length),
      close: async () => {
        if (open) this.#downloads--;
        open = false;
        await opened.close();
      },
    };
  }
}

const failed = (code: string, message: string) => ({ kind: 'refused', code, message }) as const;

const whyFailed = (error: unknown): string =>
  `The snapshot could not be written (${error instanceof Error ? error.message : String(error)}); the earlier ones stand.`;

/** What a replica of the log is made with, what it tells, and what it answers. */
import type { BadItem } from '../core/consensus/bad-item.ts';
import type { ComparedDatabases, DatabaseEvidence } from '../core/consensus/database-comparison.ts';
import type { Effect } from '../core/consensus/effect.ts';
import type { FreezeEvidence } from '../core/consensus/freeze.ts';
import type { Epoch, Instance, ReplicaId } from '../core/consensus/identity.ts';
import type { Input } from '../core/consensus/input.ts';
import type { Limits } from '../core/consensus/limits.ts';
import type { RecoveredState, Replica } from '../core/consensus/replica.ts';
import type { Random } from '../core/random.ts';
import type { ClockPort } from '../ports/clocks.ts';
import type { DigestPort } from '../ports/digest.ts';
import type { NetworkPort } from '../ports/network.ts';
import type { ApplicationView, LogApplication } from './application.ts';
import type { LoadedSnapshot, LogStorage } from './log-storage.ts';
import type { Logger } from './logger.ts';

export type SubmitOutcome<Result> =
  | { readonly kind: 'applied'; readonly result: Result; readonly instance: Instance; readonly epoch: Epoch }
  /** It had no effect and never will. */
  | { readonly kind: 'none'; readonly reason: 'not-master' | 'overloaded' | 'refused' | 'stopped' }
  | { readonly kind: 'unknown'; readonly reason: 'mastership-lost' | 'stopped' };

/** Of a change of the configuration. `refused`: it had no effect; `unknown`: it may be chosen yet. */
export type ChangeOutcome = 'changed' | 'refused' | 'unknown';

/** What a snapshot stands for, and the state that it holds. */
export interface SnapshotPoint {
  readonly handle: RecoveredState['handle'];
  readonly logChain: Uint8Array;
  readonly view: ApplicationView;
}

/** `failed`: the snapshots are as they were. `unavailable`: there is no state of this moment. */
export type SnapshotOutcome =
  | { readonly kind: 'taken'; readonly instance: Instance }
  | { readonly kind: 'unavailable' }
  | { readonly kind: 'failed'; readonly error: unknown };

export type SubmitCallback<Result> = (outcome: SubmitOutcome<Result>) => void;

export interface MastershipEvent {
  readonly role: 'master' | 'candidate' | 'replica';
  readonly cause: string;
}

export interface LogReplicaOptions<Result> {
  readonly self: ReplicaId;
  readonly clocks: ClockPort;
  readonly network: NetworkPort;
  readonly storage: LogStorage;
  readonly application: LogApplication<Result>;
  readonly digest: DigestPort;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits?: Partial<Limits>;
  /** A snapshot is taken when the log since the last one has this many bytes. */
  readonly snapshotLogBytes: number;
  /** Restored into the application before `start`; null for a new cell. */
  readonly snapshot: LoadedSnapshot | null;
  readonly recovered: RecoveredState;
  /** The state of before the first instance, where no snapshot was there at this start. */
  readonly initial?: LoadedSnapshot | null;
  /** What froze this member before this start; it takes no part then. */
  readonly frozen?: FreezeEvidence | null;
  /** A new generation is being made: it takes no part in this one any more. */
  readonly fenced?: boolean;
  /** Its freezing, by its own evidence or another member's, is durable. */
  readonly onFrozen?: (evidence: FreezeEvidence) => void;
  /** The replica stopped for good: a failed disk, a violated invariant, a value that it does not understand. */
  readonly onFatal: (error: Error) => void;
  /** No configuration in force or to come has this replica any more. */
  readonly onLeft?: () => void;
  /** And a majority of those that are left has that on its disks: nobody will need this replica to find it out. */
  readonly onParted?: () => void;
  /** Members that the log does not name yet, and where they are reached. */
  readonly acquaintances?: () => ReadonlyMap<ReplicaId, string>;
  /** All members have answered, and nobody can tell what was accepted at `item`: this replica has stopped, its process goes on. */
  readonly onHalted?: (item: BadItem) => void;
  readonly onMastership?: (event: MastershipEvent) => void;
  /** A mastership value was applied that was not known as chosen when this replica started. */
  readonly onEpoch?: (epoch: Epoch, owner: ReplicaId) => void;
  /** After each applied instance: how many submitted items it carried. */
  readonly onDelivered?: (items: number) => void;
  /** Its database was not the majority's before this start. */
  readonly quarantined?: boolean;
  /** Generation of the cell; names it in evidence. */
  readonly generation?: number;
  /** Of the program: while versions are mixed a difference may follow them. */
  readonly version?: string;
  /** What the members hold at one instance was put side by side. */
  readonly onCompared?: (comparison: ComparedDatabases) => void;
  /** This replica's database is not the right one. What it returns is kept with the evidence. */
  readonly onSetAside?: (evidence: DatabaseEvidence) => unknown;
  /** A member that was set aside waits for a check, and this replica is master. */
  readonly onCheckWanted?: () => void;
  /** Test builds and the simulator see each step. */
  readonly onStep?: (input: Input, effects: readonly Effect[], replica: Replica) => void;
}

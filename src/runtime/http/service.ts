/**
 * What the HTTP front needs of the replica behind it. Implemented by `runtime/replica-process`; a fake stands in for tests.
 *
 * Nothing here waits by itself: writes answer through a callback, reads are one synchronous step, so that the check of
 * the lease and the read that rests on it cannot be torn apart (pitfall P32).
 */

import type { Epoch, Instance } from '../../core/consensus/identity.ts';
import type { Command, CommandResult, Entry, Revision, RevisionChanges } from '../../core/database/command.ts';
import type { Lock } from '../../core/database/lock.ts';
import type { Session } from '../../core/database/session.ts';
import type { SystemCommand } from '../../core/database/system-entry.ts';
import type { Facts } from '../../errors/operator-error.ts';
import type { BackupChangeBody, BackupChangeDocument, BackupsDocument } from '../../formats/backup-body.ts';
import type { DrainedDocument, ReplicaStatusDocument } from '../../formats/http-body.ts';
import type { OpenUpgradeDocument } from '../../formats/operating-body.ts';
import type { SnapshotDetails } from '../../formats/snapshot-details.ts';
import type { AttemptManifestDocument, AttemptScanDocument, ScanVerdictDocument } from '../../formats/upgrade-body.ts';
import type { DatabaseChecks } from '../database-checks.ts';
import type { ChangeOptions, ChangeResult } from '../membership/membership-service.ts';
import type { MemberRequest } from '../membership/plan.ts';
import type { Recovery } from '../recovery.ts';

export type Serving =
  | { readonly kind: 'serving'; readonly epoch: Epoch; readonly appliedUpTo: Instance }
  /** Another replica is master: answer 307. */
  | {
      readonly kind: 'redirect';
      readonly name: string;
      readonly url: string;
      /** This replica answers no stale reads either. */
      readonly staleToo?: boolean;
    }
  /** Mastership is being handed over: hold the request back for up to two rounds, then ask again. */
  | { readonly kind: 'moving' }
  /** Nobody is known as master: 503 with Retry-After. */
  | { readonly kind: 'no-master'; readonly retryAfterMs: number }
  /** This replica answers no data at all (frozen, halted, waiting, removed …). */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string; readonly facts?: Facts };

export type WriteOutcome =
  | { readonly kind: 'result'; readonly result: CommandResult; readonly instance: Instance; readonly epoch: Epoch }
  /** It had no effect and may be sent again, to `redirect` when that is known. */
  | {
      readonly kind: 'none';
      readonly reason: 'not-master' | 'overloaded' | 'read-only' | 'stopping' | 'level' | 'membership-changing';
      readonly redirect: { readonly name: string; readonly url: string } | null;
      readonly retryAfterMs: number;
    }
  /** It was proposed, and whether it was chosen is not known here. */
  | { readonly kind: 'unknown'; readonly reason: 'mastership-lost' | 'timeout' | 'stopping' };

export interface Listing {
  readonly entries: readonly { readonly key: string; readonly entry: Entry }[];
  /** Pass as `after` to go on; null at the end. */
  readonly next: string | null;
  readonly revision: Revision;
}

/** The database as it is now; only {@link ReadState.pin} keeps it as it is. */
export interface ReadState {
  get(key: string): Entry | null;
  list(query: { readonly prefix: string; readonly after: string | null; readonly limit: number }): Listing;
  readonly revision: Revision;
  /**
   * The same state, unaffected by later writes, in O(1): the pages of one listing are read from it over many requests.
   * Without it such a listing ends with the first write.
   */
  pin?(): ReadState;
}

/** Locks and sessions as they are now; what they give lazily is to be read in the same step. */
export interface CoordinationState {
  lock(name: string): Lock | null;
  /** By name, from the first at or above `from`. */
  locksFrom(from: string): Iterable<readonly [string, Lock]>;
  /** By id, from the first at or above `from`. */
  sessionsFrom(from: string): Iterable<readonly [string, Pick<Session, 'ttlMs' | 'expiresCellTimeMs' | 'answerCount'>]>;
  locksHeldBy(session: string): number;
  /** Applied so far; lock-delays and the ends of sessions are points of it. */
  readonly cellTimeMs: number;
}

/** What `GET /v1/status` answers with (contract §2). */
export type ReplicaStatus = ReplicaStatusDocument;

/** The checks of one replica at logged instances (design §5). */
export type CheckedDatabase = Pick<DatabaseChecks, 'at' | 'state' | 'entries' | 'last' | 'newest'>;
/** What one member tells of a snapshot. */
export interface MemberSnapshot extends SnapshotDetails {
  readonly member: string;
}

export interface SnapshotRefusal {
  readonly kind: 'refused';
  readonly code: string;
  readonly message: string;
}

export type SnapshotTaking =
  /** `taken` is false when one that holds everything was there already. */
  | { readonly kind: 'done'; readonly snapshot: MemberSnapshot; readonly taken: boolean }
  /** A dry run: it would be taken at this instance or a later one. */
  | { readonly kind: 'would'; readonly instance: number }
  | SnapshotRefusal;

/** A snapshot file while it is read; it stays whole until it is closed. */
export interface SnapshotDownload {
  readonly snapshot: MemberSnapshot;
  readonly bytes: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** The snapshots of one replica. */
export interface SnapshotService {
  /** Newest first. */
  list(): Promise<readonly MemberSnapshot[]>;
  take(dryRun: boolean): Promise<SnapshotTaking>;
  /**
   * `current`: of this moment, kept by nobody afterwards; a number: the kept one of that instance. Refused when it holds
   * less than instance `atLeast`.
   */
  open(
    which: 'current' | 'newest' | number,
    atLeast: number,
  ): Promise<{ readonly kind: 'open'; readonly download: SnapshotDownload } | SnapshotRefusal>;
}

export type MembersAnswer =
  | Exclude<ChangeResult, { kind: 'hand-over' | 'not-master' }>
  /** Mastership has moved: there the same request is carried out. */
  | { readonly kind: 'redirect'; readonly name: string; readonly url: string }
  | { readonly kind: 'no-master' };

/** What upgrades need of one replica (design §6). */
export interface UpgradeService {
  /** In one synchronous step with the gate: linearizable at a master. */
  system(): {
    readonly level: number;
    readonly epoch: number;
    readonly cellTimeMs: number;
    /** Applied here. */
    readonly instance: number;
    readonly entries: ReadonlyMap<string, { readonly instance: number; readonly value: Uint8Array }>;
  };
  /** Null while none is open. */
  open(): OpenUpgradeDocument | null;
  /** Why a command is not proposed that would change the level, as a sentence; null where it may be. Asks every member. */
  levelProblem(command: SystemCommand): Promise<string | null>;
  /** With `nonce` in what is signed. */
  scan(nonce: string): Promise<AttemptScanDocument>;
  /** Whether a member of this cell signed it as it is. */
  verify(scan: AttemptScanDocument): ScanVerdictDocument;
  begin(manifest: AttemptManifestDocument): Promise<void>;
  clear(attempt: string): Promise<void>;
}

export type BackupChanged =
  | { readonly kind: 'done'; readonly document: BackupChangeDocument }
  | { readonly kind: 'unknown' }
  | SnapshotRefusal;

/** The cell's own backups, as this replica knows of them. */
export interface BackupService {
  document(): BackupsDocument;
  /** At the master. Refused, nothing was changed. */
  change(body: BackupChangeBody): Promise<BackupChanged>;
}

export interface ReplicaService {
  serving(): Serving;
  /** Only valid in the same synchronous step as a `serving()` that said 'serving', or for stale reads. */
  read(): ReadState;
  /** As {@link ReplicaService.read}. */
  coordination(): CoordinationState;
  /** `done` is called exactly once. `explicit` commands were validated in full by the caller. */
  submit(command: Command, done: (outcome: WriteOutcome) => void): void;
  status(): ReplicaStatus;
  /** Epochs that this replica saw begin since it started, by cause. */
  epochCauses?(): ReadonlyMap<string, number>;
  /**
   * The opaque value of the `Paxos-Position` header for the present applied point; for a request that came with a mark which was not judged,
   * that one where it is not in this history, or not yet.
   */
  position(unjudged?: string | null): string;
  /** What to do with a mark that a client sent. 'wait': call again after `whenApplied`. */
  judgePosition(mark: string):
    | { readonly kind: 'serve' }
    | { readonly kind: 'wait'; readonly instance: Instance }
    /** The master proves itself anew before it says more: ask again a moment later. */
    | { readonly kind: 'hold' }
    | {
        readonly kind: 'refuse';
        readonly status: 400 | 403 | 409;
        readonly code: string;
        readonly message: string;
        readonly facts?: Facts;
      };
  /** Why not even stale reads are served: the state is older than what this member had before. Null when they are. */
  incomplete?(): string | null;
  /** Calls back once, when `instance` was applied here (true) or `timeoutMs` has passed (false). */
  whenApplied(instance: Instance, timeoutMs: number, done: (applied: boolean) => void): void;
  /** Null while there is no state to speak of. */
  snapshots(): SnapshotService | null;
  /** Null while there is no database; absent where no backups are made. */
  backups?(): BackupService | null;
  /** At the master: keeps mastership away from a member, or no more with `forMs` null, and hands it over where it has it. */
  drainMember(request: {
    readonly member: string;
    readonly forMs: number | null;
    readonly dryRun: boolean;
  }): Promise<
    | { readonly kind: 'done'; readonly drained: Omit<DrainedDocument, 'dryRun'> }
    | { readonly kind: 'unknown' }
    | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  >;
  /** Null while there is no database. */
  upgrade(): UpgradeService | null;
  /** Hands mastership over; answers when the successor serves, or why not. */
  transfer(
    to: string | null,
    dryRun: boolean,
  ): Promise<
    | { readonly kind: 'done'; readonly from: string; readonly to: string; readonly epoch: number }
    | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  >;
  /** The checks of this replica; null while there is no database. */
  checks(): CheckedDatabase | null;
  /** Carries out one step of a change of the membership, or says what it would do; refused, nothing was proposed. */
  changeMembers(request: MemberRequest, options: ChangeOptions): Promise<MembersAnswer>;
  /** This member's part in making a new generation; null while it is not a member. */
  recovery(): Pick<Recovery, 'wholeReport' | 'handle' | 'openReady'> | null;
  /** Changes after `from`, oldest first and at most so many revisions, or null when compacted away. */
  changesAfter(from: Revision, revisionsMax: number): readonly RevisionChanges[] | null;
}

/**
 * JSON documents of the HTTP API, version 1, as types for both sides of the wire (contract §2). The server checks what it
 * receives against the schemas of `runtime/http/body-schemas.ts`, which are held to these types by the compiler.
 *
 * Values are bytes: `value` carries them when they are UTF-8, `valueBase64` always can. More keys may be added.
 */

import type { OperatingDocument } from './operating-body.ts';
import type { SnapshotDetails } from './snapshot-details.ts';

export type * from './operating-body.ts';

/** Exactly one of the two; the server refuses none and both. */
export interface ValueFields {
  readonly value?: string | undefined;
  readonly valueBase64?: string | undefined;
}

export type TestBody =
  | { readonly key: string; readonly test: 'absent' | 'present' }
  | ({ readonly key: string; readonly test: 'equals' | 'less' | 'greater' } & ValueFields)
  /** Revision of the last change; 0 means absent. */
  | { readonly key: string; readonly test: 'revision'; readonly revision: number };

export type OperationBody =
  | ({ readonly op: 'put'; readonly key: string } & ValueFields)
  | { readonly op: 'delete'; readonly key: string }
  | { readonly op: 'get'; readonly key: string };

/** `POST /v1/multiop`. */
export interface MultiOpBody {
  readonly guard?: readonly TestBody[] | undefined;
  readonly then?: readonly OperationBody[] | undefined;
  readonly else?: readonly OperationBody[] | undefined;
}

/** `ifRevision`: the entry's last change must have this revision; 0 means that the key must be absent. */
export type BatchOperationBody =
  | ({ readonly op: 'put'; readonly key: string; readonly ifRevision?: number | undefined } & ValueFields)
  | { readonly op: 'delete'; readonly key: string; readonly ifRevision?: number | undefined }
  | { readonly op: 'get'; readonly key: string }
  | ({ readonly op: 'multiop' } & MultiOpBody);

/** `POST /v1/batch`. Independent operations: each has its own outcome, none waits for another. */
export interface BatchBody {
  readonly operations: readonly BatchOperationBody[];
}

/** `POST /v1/sessions`. */
export interface OpenSessionBody {
  readonly ttlMs?: number | undefined;
}

/** `POST /v1/master/transfer`. */
export interface TransferBody {
  readonly to?: string | undefined;
  readonly dryRun?: boolean | undefined;
}

/** `POST /v1/snapshots`. */
export interface TakeSnapshotBody {
  readonly dryRun?: boolean | undefined;
}

/** `POST /v1/members`: beside the name an `url` (add), `role: 'voter'` (promote) or `rebuild: true`. */
export interface MembersChangeBody {
  readonly name: string;
  readonly url?: string | undefined;
  readonly role?: 'learner' | 'voter' | undefined;
  readonly replaces?: string | undefined;
  readonly rebuild?: boolean | undefined;
  readonly incarnation?: number | undefined;
  readonly dryRun?: boolean | undefined;
  readonly allowNoSpare?: boolean | undefined;
}

/** `POST /v1/drain`. `forMs` null ends a drain. */
export interface DrainBody {
  readonly member: string;
  readonly forMs: number | null;
  readonly dryRun?: boolean | undefined;
}

/** What a value looks like in an answer: `value` when it is UTF-8, else `valueBase64`. */
export interface EntryDocument {
  readonly key: string;
  readonly value?: string;
  readonly valueBase64?: string;
  readonly revision: number;
  readonly createRevision: number;
  readonly version: number;
}

/** `PUT /v1/kv/{key}`. */
export interface PutDocument {
  readonly revision: number;
  readonly instance: number;
  readonly epoch: number;
}

/** `DELETE /v1/kv/{key}`. */
export interface DeleteDocument {
  readonly deleted: boolean;
  /** Of the database, after it. */
  readonly revision: number;
  readonly instance: number;
  readonly epoch: number;
}

/** `GET /v1/kv`. `next` goes into `after` of the next page, with the same `revision`; null at the end. */
export interface ListDocument {
  readonly entries: readonly EntryDocument[];
  readonly next: string | null;
  readonly revision: number;
}

/** One event of `GET /v1/watch`: what a client's write did to one key. */
export type ChangeDocument =
  | ({ readonly op: 'put' } & EntryDocument)
  | { readonly op: 'delete'; readonly key: string; readonly revision: number };

export type OperationDocument =
  | { readonly op: 'put'; readonly key: string; readonly revision: number; readonly created: boolean }
  | { readonly op: 'delete'; readonly key: string; readonly deleted: boolean }
  | ({ readonly op: 'get'; readonly found: true } & EntryDocument)
  | { readonly op: 'get'; readonly key: string; readonly found: false };

/** `POST /v1/multiop`. */
export interface MultiOpDocument {
  readonly succeeded: boolean;
  /** One a test, in order. */
  readonly guard: readonly boolean[];
  /** One an operation of the branch that ran, in order. */
  readonly results: readonly OperationDocument[];
  /** Of the database, after it. */
  readonly revision: number;
  readonly instance: number;
  readonly epoch: number;
  /** It was carried out; its results are left out: too large for one answer, or to be kept for a second copy. */
  readonly resultsForgotten?: boolean;
}

export interface BatchErrorDocument {
  readonly code: string;
  readonly detail: string;
  readonly status: number;
  readonly outcome: 'none' | 'unknown';
}

/** One an operation, in order. A key that is absent is `found: false` or `deleted: false`, not an error. */
export type BatchResultDocument =
  | { readonly ok: false; readonly error: BatchErrorDocument }
  | ({ readonly ok: true; readonly op: 'put' } & PutDocument)
  | ({ readonly ok: true; readonly op: 'delete' } & DeleteDocument)
  | ({ readonly ok: true; readonly op: 'get'; readonly found: true } & EntryDocument)
  | { readonly ok: true; readonly op: 'get'; readonly key: string; readonly found: false }
  | ({ readonly ok: true; readonly op: 'multiop' } & MultiOpDocument);

/** `POST /v1/batch`. */
export interface BatchDocument {
  readonly results: readonly BatchResultDocument[];
}

/** `POST /v1/sessions` and `POST /v1/sessions/{id}/keep-alive`. */
export interface SessionDocument {
  readonly session: string;
  /** In cell time, which is advanced by the masters; null when the answer does not tell. */
  readonly expiresCellTimeMs: number | null;
  /** Only in the answer to the opening. */
  readonly ttlMs?: number;
}

/** `POST /v1/master/transfer`. */
export interface TransferDocument {
  readonly from: string;
  readonly to: string;
  readonly epoch: number;
  /** True when nothing was changed: this is what would happen. */
  readonly dryRun: boolean;
}

/** Answer to `POST /v1/drain`. */
export interface DrainedDocument {
  readonly member: string;
  /** RFC 3339; null: mastership may go there again. */
  readonly until: string | null;
  /** Who was made master instead; null when the member was not master. */
  readonly handedTo: string | null;
  /** Why mastership is still there, though it is drained; null when it is not. */
  readonly warning: string | null;
  readonly epoch: number;
  /** False when it was so already. */
  readonly changed: boolean;
  readonly dryRun: boolean;
}

/** With `?dryRun=true`: what a write would do now, evaluated on the master; nothing was proposed. */
export interface DryRunDocument {
  readonly dryRun: true;
  readonly succeeded: boolean;
  readonly guard: readonly boolean[];
  readonly wouldChange: boolean;
}

/** One member as another one's status names it. */
export interface MemberDocument {
  readonly name: string;
  readonly url: string;
  readonly role: string;
  readonly voting: boolean;
  readonly incarnation: number;
}

/** `GET /v1/members`. */
export interface MembersDocument {
  readonly version: number;
  readonly quorum: number;
  /** How many voters may fail while the cell goes on, were all of them well now. */
  readonly tolerates: number;
  /** The same once those that are being rebuilt have their vote again. */
  readonly intended: number;
  readonly members: readonly MemberDocument[];
}

export interface MembershipSizeDocument {
  readonly voters: number;
  readonly quorum: number;
  readonly tolerates: number;
}

/** `POST /v1/members`, `DELETE /v1/members/{name}`. */
export interface MembersChangeDocument {
  readonly action: 'add' | 'promote' | 'rebuild' | 'remove';
  readonly name: string;
  /** Nothing was changed: this is what would be. */
  readonly dryRun: boolean;
  /** False when it was so already. */
  readonly changed: boolean;
  /** First instance that the membership governs. */
  readonly version: number;
  /** As it is now; null when there is none of this name. */
  readonly member: MemberDocument | null;
  readonly before: MembershipSizeDocument;
  readonly after: MembershipSizeDocument;
  /** Who reached the replica that is to be added. */
  readonly probes: readonly { readonly from: string; readonly ok: boolean; readonly detail: string }[];
  readonly warnings: readonly string[];
}

export type RoleDocument =
  | 'master'
  | 'replica'
  | 'candidate'
  | 'waiting'
  | 'learner'
  | 'checking'
  | 'rebuilding'
  | 'quarantined'
  | 'frozen'
  | 'removed'
  | 'halted';

/** `GET /v1/status`: this replica's own view (contract §2). */
export interface ReplicaStatusDocument extends OperatingDocument {
  readonly name: string;
  readonly cell: { readonly id: string | null; readonly name: string; readonly generation: number };
  readonly role: RoleDocument;
  /** Whether the cell counts on its vote now: false until the change that gives it one governs. */
  readonly voting: boolean;
  readonly incarnation: number;
  readonly boot: { readonly number: number; readonly id: string };
  readonly epoch: number;
  readonly ballot: string;
  readonly master: { readonly name: string; readonly url: string } | null;
  readonly lease: { readonly held: boolean; readonly remainingMs: number };
  readonly instances: {
    readonly chosen: number;
    readonly applied: number;
    readonly firstRetained: number;
    readonly snapshot: number;
    /** Up to here its state is not on its disk, since its snapshots are bad, and others have to give it; 0 or absent: it is. */
    readonly missingUpTo?: number;
  };
  readonly revision: number;
  readonly entries: number;
  /** Digests at the last applied instance (design §5). */
  readonly checksum: { readonly instance: number; readonly log: string; readonly database: string };
  readonly version: string;
  readonly level: number;
  /** Levels that the program speaks; absent before it has a database. */
  readonly levels?: { readonly min: number; readonly max: number };
  readonly uptimeMs: number;
  readonly members: readonly MemberDocument[];
  /** First instance that the present membership governs; absent where it is not known. */
  readonly membershipFrom?: number;
  readonly peers: readonly string[];
  /** At a master: voters that have acknowledged nothing for two leases, though they may answer others. */
  readonly unheard?: readonly string[];
  /** Why mastership last moved, and how often, as this replica saw it. Times RFC 3339. */
  readonly mastership: {
    readonly since: string | null;
    readonly changesLastHour: number;
    readonly changesLastDay: number;
    /** Changes of the last day, by cause. */
    readonly causes?: Readonly<Record<string, number>>;
    readonly lastChange: { readonly at: string; readonly cause: string } | null;
  };
  readonly load: {
    readonly queuedWrites: number;
    readonly eventLoopLagMsP99: number;
    readonly flushMsP50: number;
    readonly flushMsP99: number;
    readonly itemsPerInstance: number;
  };
  /** How the newest comparison of all members' databases came out, as this replica knows it. */
  readonly check?: {
    /** 0: the cell does not check itself. */
    readonly everyMs: number;
    readonly instance: number;
    readonly verdict: 'agree' | 'differ' | 'incomplete' | 'none';
    readonly at: string | null;
    readonly ageMs: number | null;
    readonly odd: readonly string[];
    readonly silent: readonly string[];
  };
  readonly readOnly: boolean;
  /** A snapshot on its way here, because the log of the others no longer reaches back; null when none is. */
  readonly catchUp?: CatchUpDocument | null;
  readonly warnings: readonly string[];
  /** Why the cell is frozen (design §4); null or absent while it is not. */
  readonly frozen?: FrozenDocument | null;
}

/** Why the cell is frozen: the evidence, who saw it and when (RFC 3339). */
export interface FrozenDocument {
  readonly cause: string;
  readonly generation: number;
  readonly seenBy: string;
  readonly seenAt: string;
  readonly text: string;
  readonly facts: Readonly<Record<string, string | number>>;
}

/** A file of a data directory that was not what had been written there. */
export interface BadFileDocument {
  readonly file: string;
  readonly problem: string;
}

/** What one replica found when it digested everything that it stores, at the instance of a logged `checksum`. */
export interface CheckDocument {
  readonly instance: number;
  readonly deep: boolean;
  /** 64 hex digits: over all values chosen up to the instance. */
  readonly log: string;
  /** 32 hex digits: of what is stored. */
  readonly database: string;
  /** 32 hex digits: the sum that is kept up with each operation; another one shows damage in memory by itself. */
  readonly kept: string;
  readonly entries: number;
  /** Entries that are no longer what was written; some of their keys. */
  readonly rotten: { readonly count: number; readonly keys: readonly string[] };
  /** Of a deep check: files that are bad, and those that it has repaired; null otherwise. */
  readonly files: readonly BadFileDocument[] | null;
  readonly repaired: readonly BadFileDocument[] | null;
  readonly tookMs: number;
  /** RFC 3339. */
  readonly at: string;
}

/** A snapshot on its way to a replica that has fallen behind the others' log. */
export interface CatchUpDocument {
  readonly from: string;
  /** Of the snapshot; 0 while that is not known yet. */
  readonly instance: number;
  readonly bytes: number;
  readonly totalBytes: number;
  readonly ratePerSecond: number;
  /** Bytes of it that an earlier stream brought, perhaps from another member. */
  readonly resumedFrom: number;
}

export interface SnapshotDocument extends SnapshotDetails {
  /** Null: a file, whoever wrote it. */
  readonly member: string | null;
}

/** `GET` and `POST /v1/snapshots`. */
export interface SnapshotsDocument {
  readonly snapshots: readonly SnapshotDocument[];
  /** Of a dry run: whether one would be taken. */
  readonly dryRun?: boolean;
  readonly wouldTake?: boolean;
  /** False when the present one holds everything already. */
  readonly taken?: boolean;
}

/**
 * `GET /v1/checksums`: this replica's digests at its last applied instance, and its check at `?instance=`, or the newest one.
 * `state` is that of the instance that was asked for: `none` when it was not reached yet, or was jumped over by a snapshot.
 */
export interface ChecksumDocument {
  readonly member: string;
  readonly incarnation: number;
  readonly version: string;
  readonly role: string;
  readonly cell: string | null;
  readonly instance: number;
  readonly entries: number;
  readonly log: string;
  readonly database: string;
  readonly state: 'done' | 'running' | 'none';
  readonly check: CheckDocument | null;
}

/** `POST /v1/checksums`. */
export interface StartCheckBody {
  readonly deep?: boolean | undefined;
}

/** The instance at which every replica compares what it holds. */
export interface StartedCheckDocument {
  readonly instance: number;
  readonly epoch: number;
  readonly deep: boolean;
}

/** Digest of all records of one kind, or of the entries up to and with key `to`. */
export interface RangeDocument {
  readonly kind: 'system' | 'counters' | 'epochs' | 'system-entries' | 'sessions' | 'locks' | 'entries';
  readonly to: string | null;
  readonly records: number;
  readonly digest: string;
}

/** `GET /v1/checksums/ranges?instance=`. */
export interface RangesDocument {
  readonly instance: number;
  readonly ranges: readonly RangeDocument[];
}

/** One entry as it is stored; the value only when it was asked for. */
export interface ScannedEntryDocument {
  readonly key: string;
  readonly revision: number;
  readonly createRevision: number;
  readonly version: number;
  readonly bytes: number;
  readonly digest: string;
  /** False: its contents are no longer what was written. */
  readonly sound: boolean;
  readonly valueBase64?: string;
}

/** `GET /v1/checksums/entries?instance=`. `next` goes into `after` of the next page; null at the end. */
export interface ScannedEntriesDocument {
  readonly instance: number;
  readonly entries: readonly ScannedEntryDocument[];
  readonly next: string | null;
}

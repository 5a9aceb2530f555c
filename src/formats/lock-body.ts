/** JSON of locks and of the list of sessions, as the replicas answer and as clients read it. */
import type { LockMode } from '../core/database/lock.ts';
import { sessionIdPattern } from '../core/database/session-limits.ts';

export type { LockMode } from '../core/database/lock.ts';
export { lockDelayMsMax } from '../core/database/lock-limits.ts';

export const isSessionId = (text: string): boolean => sessionIdPattern.test(text);

/** `POST /v1/locks/{lock}`. */
export interface AcquireLockBody {
  readonly mode?: LockMode | undefined;
  /** For how long nobody else may take the lock when this session is lost. */
  readonly lockDelayMs?: number | undefined;
}

/** What a holder hands on to whomever it asks to act under the lock, and its number. */
export interface AcquisitionDocument {
  readonly session: string;
  /** Rises with every acquisition in the cell, and never repeats. */
  readonly generation: number;
  readonly sequencer: string;
}

/** Answer to `POST /v1/locks/{lock}`. */
export interface AcquiredDocument extends AcquisitionDocument {
  readonly lock: string;
  readonly mode: LockMode;
  readonly instance: number;
  readonly epoch: number;
}

/** Answer to `DELETE /v1/locks/{lock}`. */
export interface ReleasedDocument {
  readonly released: true;
  readonly lock: string;
  readonly generation: number;
  readonly instance: number;
  readonly epoch: number;
}

/** Answer to either with `dryRun`: what would come of it now. */
export interface LockDryRunDocument {
  readonly dryRun: true;
  readonly lock: string;
  readonly outcome: 'acquired' | 'released' | 'held' | 'delayed' | 'not-held';
}

/** `GET /v1/locks/{lock}`; one that nobody holds is answered all the same. */
export interface LockDocument {
  readonly lock: string;
  /** Null while nobody holds it. */
  readonly mode: LockMode | null;
  readonly holders: readonly (AcquisitionDocument & { readonly lockDelayMs: number })[];
  /** How long lock-delay goes on for whoever wants it in this mode; 0 where there is none. */
  readonly delayMs: Readonly<Record<LockMode, number>>;
}

/** `GET /v1/locks`. */
export interface LocksDocument {
  readonly locks: readonly LockDocument[];
  /** Pass as `after` to go on; null at the end. */
  readonly next: string | null;
}

/** `GET /v1/sequencers/{sequencer}` (CHB §2.4, CheckSequencer). */
export interface SequencerDocument {
  readonly sequencer: string;
  readonly valid: boolean;
}

/** `GET /v1/sessions`. */
export interface SessionsDocument {
  readonly sessions: readonly {
    readonly session: string;
    readonly ttlMs: number;
    /** Of cell time, which stands still while there is no master. */
    readonly expiresInMs: number;
    /** Numbers whose answers are kept. */
    readonly answers: number;
    /** Locks that it holds. */
    readonly locks: number;
  }[];
  readonly next: string | null;
}

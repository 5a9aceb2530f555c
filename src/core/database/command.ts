/**
 * What clients may ask of the database, and what they are answered: one command is one item of a submitted value.
 *
 * Source: PML §5.6 (MultiOp: guard, t_op, f_op); sessions: design §3 "Exactly once".
 */
import type { Epoch, Instance } from '../consensus/identity.ts';
import type { LevelRefusal } from './level-rule.ts';
import type { LockGeneration, LockMode, Sequencer } from './lock.ts';
import type { LockOutcome } from './lock-table.ts';
import type { SystemCommand } from './system-entry.ts';

/** Counts the MultiOps that changed the database; the first change has revision 1. Only clients' writes raise it. */
export type Revision = number;

export type Test =
  | { readonly test: 'absent' | 'present'; readonly key: string }
  | { readonly test: 'equals' | 'less' | 'greater'; readonly key: string; readonly value: Uint8Array }
  /** True when the entry's last change has exactly this revision; 0 means absent. */
  | { readonly test: 'revision'; readonly key: string; readonly revision: Revision };

export type Operation =
  | { readonly op: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly op: 'delete'; readonly key: string }
  | { readonly op: 'get'; readonly key: string };

export interface MultiOp {
  /** All are evaluated and reported; an empty guard is true. */
  readonly guard: readonly Test[];
  readonly then: readonly Operation[];
  readonly else: readonly Operation[];
}

/** Makes a write safe to send again: the second copy gets the first one's answer. */
export interface SessionNumber {
  readonly session: string;
  /** From 1. */
  readonly sequence: number;
}

export type Command =
  | {
      /** A put, delete, compare-and-swap or MultiOp: all are MultiOps. */
      readonly kind: 'multiop';
      readonly multiOp: MultiOp;
      readonly session: SessionNumber | null;
      /** The client's own condition (`Paxos-Epoch`): fails with 'epoch-changed' unless equal to the epoch at apply. */
      readonly ifEpoch: Epoch | null;
      /** Fails with 'sequencer-invalid' unless that acquisition of a lock stands at apply (CHB §2.4). */
      readonly sequencer?: Sequencer;
    }
  /** Answers with the new session's id, which carries the instance of its birth. */
  | { readonly kind: 'open-session'; readonly ttlMs: number }
  | { readonly kind: 'close-session'; readonly session: string }
  /** Proves that the client lives: moves the session's expiry to cell time + ttl. */
  | { readonly kind: 'keep-session'; readonly session: string }
  /** Takes a lock for the session, or says why not; nobody waits in the log. */
  | {
      readonly kind: 'acquire-lock';
      readonly lock: string;
      readonly mode: LockMode;
      /** For how long nobody else may take it when the session is lost (CHB §2.4). */
      readonly lockDelayMs: number;
      readonly session: SessionNumber;
    }
  | {
      readonly kind: 'release-lock';
      readonly lock: string;
      /** The acquisition that is to end; 0: whichever the session has. */
      readonly generation: LockGeneration;
      readonly session: SessionNumber;
    }
  /** Proposed by the master; ends those that are still due at the cell time of apply. */
  | { readonly kind: 'expire-sessions'; readonly sessions: readonly string[] }
  /** Names an instance at which all replicas compare what they hold (design §5); with `deep` also their files. */
  | { readonly kind: 'checksum'; readonly deep: boolean }
  /** Changes entries of the system: the level, the journal of upgrades. */
  | SystemCommand;

export interface Entry {
  readonly value: Uint8Array;
  readonly createRevision: Revision;
  /** Of the last change. */
  readonly revision: Revision;
  /** How often it changed since creation, from 1. */
  readonly version: number;
}

export type OperationResult =
  | { readonly op: 'put'; readonly revision: Revision; readonly created: boolean }
  | { readonly op: 'delete'; readonly deleted: boolean }
  | { readonly op: 'get'; readonly entry: Entry | null };

export type CommandResult =
  | {
      readonly kind: 'multiop';
      readonly succeeded: boolean;
      readonly guard: readonly boolean[];
      readonly results: readonly OperationResult[];
      /** The database's revision after it. */
      readonly revision: Revision;
      readonly instance: Instance;
      readonly epoch: Epoch;
      /** Set when a session's second copy got the first one's answer and its results were too large to keep. */
      readonly resultsForgotten?: boolean;
    }
  | { readonly kind: 'session'; readonly session: string; readonly expiresCellTimeMs: number }
  | { readonly kind: 'done' }
  | (LockOutcome & { readonly kind: 'lock'; readonly instance: Instance; readonly epoch: Epoch })
  /** Of a system command: whether all tests held, and each of them. */
  | {
      readonly kind: 'system';
      readonly succeeded: boolean;
      readonly guard: readonly boolean[];
      /** Why it may not change the level so; nothing was done then, whatever the tests say. */
      readonly refused: LevelRefusal | null;
      readonly instance: Instance;
      readonly epoch: Epoch;
    }
  /** The explicit `ifEpoch` did not hold. An answer like any other: remembered in the session. */
  | { readonly kind: 'epoch-changed'; readonly epoch: Epoch }
  /** The acquisition that the write rests on is over, or never was. An answer like any other: remembered in the session. */
  | { readonly kind: 'sequencer-invalid' }
  /** The implicit guard: proposed under an epoch that is over. As if never sent; nothing was recorded. */
  | { readonly kind: 'skipped'; readonly epoch: Epoch }
  /** The session, or this number of it, can no longer be told: outcome unknown, not applied now. */
  | { readonly kind: 'session-expired' }
  /** The table is full: no session was opened, none was forgotten. */
  | { readonly kind: 'sessions-full' };

/** One entry changed by a MultiOp, for watchers. `entry` is null when it was deleted. */
export interface Change {
  readonly key: string;
  readonly entry: Entry | null;
}

/** All changes of one revision, in the order of their keys. */
export interface RevisionChanges {
  readonly revision: Revision;
  readonly instance: Instance;
  readonly changes: readonly Change[];
}

/** Chubby's file limit (CHB §4.5, PML via contract §2). */
export const valueBytesMax = 256 * 1024;
/** UTF-8 bytes of a key, 1 to this many. */
export const keyBytesMax = 1024;
/** Keys and values of one MultiOp together. */
export const multiOpBytesMax = 1024 * 1024;
/** Tests and operations of one MultiOp together. */
export const multiOpPartsMax = 10_000;
/** First code unit of the system's own keys; clients may not name them. */
export const reservedKeyPrefix = '\u0000';

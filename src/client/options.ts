/** What callers of the client may set, and what they get. */
import { UsageError } from '../errors/cell-errors.ts';
import type { KnownCell } from './find-master.ts';
import type { MarkStore } from './marks.ts';

export interface ClientOptions {
  /** Replicas to begin with, `http://host:port`; redirects name the others. */
  readonly endpoints: readonly string[];
  /** Of each call, waiting for a master included. */
  readonly timeoutMs?: number;
  /** How long one attempt of a call that may be repeated takes before another replica is asked. */
  readonly attemptTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** To each replica. */
  readonly connections?: number;
  /** Keeps the newest position mark; by default for the life of the client. */
  readonly marks?: MarkStore;
  /** The cell that was met at these endpoints before; its members are asked when the endpoints do not answer. */
  readonly cell?: KnownCell | null;
  /** Gathers calls made at the same time into few requests. For programs with many callers. */
  readonly batch?: boolean;
  /** For tests: 0 up to, not including, 1. */
  readonly random?: () => number;
}

export interface CallOptions {
  readonly timeoutMs?: number;
}

export interface WriteOptions extends CallOptions {
  /** Only if the last change of the entry has this revision. */
  readonly ifRevision?: number;
  /** Only if the key is absent. */
  readonly ifAbsent?: boolean;
  /** Only if the master has been master without a break since this epoch. */
  readonly ifEpoch?: number;
  /** Only while the acquisition of a lock stands that this was the `sequencer` of. */
  readonly sequencer?: string;
}

export interface ReadOptions extends CallOptions {
  /** 'stale' is served by any replica from its own state. */
  readonly consistency?: 'linearizable' | 'stale';
}

export interface ListOptions extends ReadOptions {
  readonly prefix?: string;
  readonly after?: string;
  /** Entries of one request. */
  readonly pageSize?: number;
  /**
   * All pages show one point in time. The replica keeps it for a while only: when it is gone, the iteration ends with
   * {@link ConditionFailedError} `PAXOS_REVISION_GONE` and is to be begun anew.
   */
  readonly consistent?: boolean;
}

export interface DeleteResult {
  /** False when the key was absent. */
  readonly deleted: boolean;
  /** Of the database after it; null when the key was absent. */
  readonly revision: number | null;
}

/** @throws {UsageError} when it is no URL of http or https. */
export function originOf(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new UsageError(`Not an endpoint: ${JSON.stringify(endpoint)}. Give http://host:port.`, {
      facts: { endpoint },
    });
  }
  return url.origin;
}

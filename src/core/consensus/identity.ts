/**
 * Numbers and names of the fault-tolerant log, each with a type of its own so that a swapped argument does not compile.
 *
 * Source: PML §4; incarnations: design §3, docs/DIVERGENCE.md (PML §5.1 re-admits a lost disk under the same identity).
 */
import { invariant } from '../invariant.ts';

declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

/** Number of one run of Paxos. The first is 1; 0 means "before the first". */
export type Instance = Branded<number, 'Instance'>;
/** Equal at two times iff mastership was unbroken between them (PML §5.3). The first is 1; 0 means "none yet". */
export type Epoch = Branded<number, 'Epoch'>;
/** Milliseconds of the monotonic clock of one process. Meaningless in another process. */
export type MonotonicMs = Branded<number, 'MonotonicMs'>;
/** Milliseconds since the cell was formed, advanced by masters through the log; never read from a wall clock. */
export type CellTimeMs = Branded<number, 'CellTimeMs'>;
/** `name#incarnation`: one life of one member. Votes of `n#k` are never counted for `n#l`. */
export type ReplicaId = Branded<string, 'ReplicaId'>;
/** Number of a request within one process; local, never sent. */
export type RequestId = Branded<number, 'RequestId'>;
/** Number of a write to the local disk within one process, rising by one. */
export type WriteId = Branded<number, 'WriteId'>;

export const instance = (n: number): Instance => {
  invariant(Number.isSafeInteger(n) && n >= 0, 'an instance is a safe integer from 0', { n });
  return n as Instance;
};
export const epoch = (n: number): Epoch => {
  invariant(Number.isSafeInteger(n) && n >= 0, 'an epoch is a safe integer from 0', { n });
  return n as Epoch;
};

/** Names are 1-63 of a-z A-Z 0-9 . _ - and begin with a letter or digit, so they need no quoting anywhere. */
export const memberNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Names and lives met so far: a handful, asked for with every message. Begun anew before it could grow. */
const idsKnownMax = 1024;
const ids = new Map<string, { readonly incarnation: number; readonly id: ReplicaId }>();
const halves = new Map<ReplicaId, ReplicaIdHalves>();

/** The two halves of a {@link ReplicaId}. */
export interface ReplicaIdHalves {
  readonly name: string;
  readonly incarnation: number;
}

/** One string for one life, so that comparing two is comparing two references. */
export function replicaId(name: string, incarnation: number): ReplicaId {
  const known = ids.get(name);
  if (known !== undefined && known.incarnation === incarnation) return known.id;
  const id = `${name}#${incarnation}` as ReplicaId;
  if (ids.size >= idsKnownMax) ids.clear();
  ids.set(name, { incarnation, id });
  return id;
}

export function parseReplicaId(id: ReplicaId): ReplicaIdHalves {
  const known = halves.get(id);
  if (known !== undefined) return known;
  const at = id.lastIndexOf('#');
  const parsed = { name: id.slice(0, at), incarnation: Number(id.slice(at + 1)) };
  if (halves.size >= idsKnownMax) halves.clear();
  halves.set(id, parsed);
  return parsed;
}

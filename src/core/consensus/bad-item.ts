/**
 * Bad items: places of a replica's log of which it knows that something stood there, and can read it no more.
 *
 * Source: PAR (FAST '18) §3.3; design §4 "Repair by item". Keeps: a bad item is never evidence that nothing was accepted
 * (pitfalls P16, P17); what repairs it is the chosen value or one of the same ballot and digest (P29).
 */
import { type Ballot, ballotsEqual } from './ballot.ts';
import type { Instance } from './identity.ts';
import type { AcceptedEntry } from './message.ts';
import type { Value } from './value.ts';

/** 128 bits of a value, as the digest of the port gives them. */
export type ValueDigest = readonly [number, number, number, number];

/** What was accepted, though not the value itself. Kept a second time beside each record. */
export interface ItemIdentity {
  readonly ballot: Ballot;
  readonly digest: ValueDigest;
}

/** Of an unknown number of records: the range goes on for ever. */
export const endless = Number.MAX_SAFE_INTEGER as Instance;

/** Every instance from `instance` to `upTo` that has no later record. With an identity it is a single one. */
export interface BadItem {
  readonly instance: Instance;
  readonly upTo: Instance;
  readonly identity: ItemIdentity | null;
}

/** Pure: the same for equal values in every replica. */
export type DigestOfValue = (value: Value) => ValueDigest;

/** Is `entry` a copy of what `identity` names? */
export function isCopy(identity: ItemIdentity, entry: AcceptedEntry, digestOf: DigestOfValue): boolean {
  if (!ballotsEqual(identity.ballot, entry.ballot)) return false;
  const digest = digestOf(entry.value);
  return digest.every((word, i) => word === identity.digest[i]);
}

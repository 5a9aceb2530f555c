/** Messages of the core with short arguments: `accept({ ballot: '2.b', instance: 7, value: 'x' })`. */
import type { Ballot } from '../../src/core/consensus/ballot.ts';
import { zeroBallot } from '../../src/core/consensus/ballot.ts';
import type { CellTimeMs, Epoch, Instance, ReplicaId } from '../../src/core/consensus/identity.ts';
import type { AcceptedEntry, Message, Release } from '../../src/core/consensus/message.ts';
import { noop, type Value } from '../../src/core/consensus/value.ts';
import { itemOf } from './core-text.ts';

type Of<Kind extends Message['kind']> = Extract<Message, { kind: Kind }>;

/** `b`, or `b#2` for another incarnation than the first. */
export const id = (name: string): ReplicaId => (name.includes('#') ? name : `${name}#1`) as ReplicaId;

/** `3.b` or `3.b#2`; `0` is below all. */
export function ballot(text: string): Ballot {
  if (text === '0') return zeroBallot;
  const [, round, name, incarnation] = /^(\d+)\.([^#]+)(?:#(\d+))?$/.exec(text) ?? [];
  if (round === undefined || name === undefined) throw new Error(`not a ballot: ${text}`);
  return { round: Number(round), name, incarnation: Number(incarnation ?? 1) };
}

/** `noop`, or items separated by spaces, submitted in `epoch`: by default the one before any master's. */
export function value(text: string, epoch = 0): Value {
  if (text === 'noop') return noop;
  return {
    kind: 'submitted',
    epoch: epoch as Epoch,
    cellTimeMs: 0 as CellTimeMs,
    items: text.split(' ').map(itemOf),
  };
}

export const mastership = (owner: string): Value => ({ kind: 'mastership', owner: id(owner), id: '0'.repeat(32) });

/** `7@2.b=x`. */
export function entry(text: string): AcceptedEntry {
  const [, instance, at, what] = /^(\d+)@([^=]+)=(.*)$/.exec(text) ?? [];
  if (instance === undefined || at === undefined) throw new Error(`not an entry: ${text}`);
  return { instance: Number(instance) as Instance, ballot: ballot(at), value: value(what ?? 'noop') };
}

export const release = (from: string, successor: string): Release => ({
  ballot: ballot(from),
  successor: id(successor),
});

interface Fields {
  readonly ballot: string;
  readonly nonce?: number;
  readonly instance?: number;
  readonly from?: number;
  readonly chosen?: number;
}

const chosenOf = (fields: { readonly chosen?: number }): Instance => (fields.chosen ?? 0) as Instance;

export const preVote = (fields: Fields): Of<'pre-vote'> => ({
  kind: 'pre-vote',
  ballot: ballot(fields.ballot),
  nonce: fields.nonce ?? 1,
  chosenUpTo: chosenOf(fields),
});

export const prepare = (fields: Fields & { readonly release?: Release }): Of<'prepare'> => ({
  kind: 'prepare',
  ballot: ballot(fields.ballot),
  nonce: fields.nonce ?? 1,
  from: (fields.from ?? 1) as Instance,
  release: fields.release ?? null,
});

export const accept = (
  fields: Fields & { readonly value?: string | Value; readonly leaseMs?: number },
): Of<'accept'> => ({
  kind: 'accept',
  ballot: ballot(fields.ballot),
  instance: (fields.instance ?? 1) as Instance,
  value: typeof fields.value === 'object' ? fields.value : value(fields.value ?? 'noop'),
  chosenUpTo: chosenOf(fields),
  leaseMs: fields.leaseMs ?? 500,
});

export const commit = (fields: Fields): Of<'commit'> => ({
  kind: 'commit',
  ballot: ballot(fields.ballot),
  chosenUpTo: chosenOf(fields),
});

/** What a replica that got `message` answers when it grants: for tests that play the others. */
export const promiseTo = (message: Of<'prepare'>, entries: readonly string[] = []): Of<'promise'> => ({
  kind: 'promise',
  ballot: message.ballot,
  nonce: message.nonce,
  from: message.from,
  page: 0,
  last: true,
  chosenUpTo: 0 as Instance,
  entries: entries.map(entry),
  bad: [],
});

export const voteFor = (message: Of<'pre-vote'>, granted = true, chosen = 0): Of<'pre-vote-reply'> => ({
  kind: 'pre-vote-reply',
  ballot: message.ballot,
  nonce: message.nonce,
  granted,
  promised: zeroBallot,
  chosenUpTo: chosen as Instance,
});

export const acceptedOf = (message: Of<'accept'>, applied = 0): Of<'accepted'> => ({
  kind: 'accepted',
  ballot: message.ballot,
  instance: message.instance,
  chosenUpTo: applied as Instance,
  appliedUpTo: applied as Instance,
});

export const rejectOf = (
  message: { readonly ballot: Ballot; readonly nonce?: number },
  reason: Of<'reject'>['reason'],
  promised: string,
  chosen = 0,
): Of<'reject'> => ({
  kind: 'reject',
  ballot: message.ballot,
  nonce: message.nonce ?? 0,
  reason,
  promised: ballot(promised),
  chosenUpTo: chosen as Instance,
});

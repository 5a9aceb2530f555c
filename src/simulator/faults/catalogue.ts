/**
 * Every kind of fault that strikes at moments: its row in pitfalls §2, its class, and what it must come to.
 *
 * Steady faults of messages (loss, delay and the like) are in `network-faults`. `docs/TESTING.md` has the whole table, with what
 * is not here and why.
 */

import type { LockEffect } from '../lock-effects.ts';

/**
 * - `survives`: the replica goes on, or comes back, with nothing lost
 * - `halts`: it ends with a named error and stays out; nothing else is right
 * - `survives or halts`: either, depending on what was hit
 * - `refused`: a start that must not be gets a named error, and nothing on any disk has changed
 */
export type Expectation = 'survives' | 'halts' | 'survives or halts' | 'refused';

export type FaultClass =
  | 'process'
  | 'network'
  | 'disk'
  | 'clock'
  | 'operator'
  | 'operated'
  | 'membership'
  | 'upgrade'
  | 'upgraded'
  | 'restored';

export interface FaultFacts {
  /** Row of the catalogue. */
  readonly id: string;
  readonly class: FaultClass;
  readonly expects: Expectation;
  /** Struck in this mode alone. */
  readonly only?: 'beyond-repair';
}

const facts = <Class extends FaultClass>(
  id: string,
  ofClass: Class,
  expects: Expectation = 'survives',
): FaultFacts => ({
  id,
  class: ofClass,
  expects,
});

export const faultCatalogue = {
  crash: facts('P-3', 'process'),
  'crash-at-effect': facts('P-1', 'process'),
  'crash-majority': facts('P-7', 'process'),
  'crash-all': facts('P-7', 'process'),
  'crash-at-change': facts('P-7', 'process'),
  'restart-storm': facts('P-8', 'process'),
  'grantor-restart': facts('P-3', 'process'),
  'crash-in-recovery': facts('P-2', 'process'),
  'crash-at-snapshot': facts('P-2', 'process'),
  'stall-at-snapshot': facts('P-6', 'process'),
  'open-fails': facts('P-9', 'process'),
  'blocked-pool': facts('P-10', 'process'),
  pause: facts('P-4', 'process'),
  'slow-process': facts('P-5', 'process'),
  'hand-over': facts('design §3', 'process'),
  'graceful-stop': facts('design §3', 'process'),
  partition: facts('N6', 'network'),
  'isolate-one': facts('N6', 'network'),
  'isolate-master': facts('N6', 'network'),
  'one-way': facts('N7', 'network'),
  partial: facts('N8', 'network'),
  'flapping-link': facts('N9', 'network'),
  clog: facts('N5', 'network'),
  swizzle: facts('N5', 'network'),
  'client-cut': facts('N15', 'network'),
  'half-open': facts('N14', 'network'),
  'slow-flush': facts('D10', 'disk'),
  'hanging-flush': facts('D10', 'disk'),
  'disk-error': facts('D7', 'disk'),
  'disk-full': facts('D8', 'disk'),
  'read-only-disk': facts('D13', 'disk'),
  'deep-check': facts('D3', 'disk'),
  'bit-rot': facts('D3', 'disk', 'survives or halts'),
  'read-error': facts('D4', 'disk', 'survives or halts'),
  'misdirected-write': facts('D5', 'disk', 'survives or halts'),
  'missing-file': facts('D11', 'disk', 'survives or halts'),
  'wrong-size': facts('D12', 'disk', 'survives or halts'),
  'promise-copy-bad': facts('D14', 'disk'),
  'promise-copies-bad': facts('D14', 'disk', 'halts'),
  'promise-copies-disagree': facts('D14', 'disk'),
  'promises-rolled-back': facts('D15', 'disk', 'survives or halts'),
  'promises-put-back': facts('D15', 'disk', 'survives or halts'),
  'manifest-rolled-back': facts('D15', 'disk', 'survives or halts'),
  'newest-snapshot-bad': facts('D17', 'disk'),
  'snapshots-mixed': facts('D17', 'disk', 'survives or halts'),
  'bare-majority': facts('D18', 'disk', 'survives or halts'),
  'left-behind': facts('D17', 'disk', 'survives or halts'),
  'lost-write': facts('D6', 'disk', 'survives or halts'),
  'damaged-again': facts('D3', 'disk', 'survives or halts'),
  'clock-drift': facts('C1', 'clock'),
  'wall-jump': facts('C3', 'clock'),
  suspend: facts('C4', 'clock'),
  'lease-edge': facts('C7', 'clock'),
  'replace-member': facts('design §3', 'membership'),
  'foreign-directory': facts('O1', 'operator', 'refused'),
  'same-directory-twice': facts('O3', 'operator', 'refused'),
  'empty-directory': facts('O4', 'operator', 'refused'),
  'directory-of-another-cell': facts('O5', 'operator', 'refused'),
  'formation-disagrees': facts('O8', 'operator', 'refused'),
  'operator-sequence': facts('O9', 'operated', 'survives or halts'),
  'disk-wiped': facts('O4', 'operated', 'halts'),
  'directory-restored': facts('O6', 'operated', 'survives or halts'),
  'directory-copied': facts('O12', 'operated'),
  'directories-swapped': facts('O1', 'operated', 'survives or halts'),
  'second-process': facts('O2', 'operated', 'survives or halts'),
  'leftover-files': facts('U3', 'upgrade', 'refused'),
  'upgrade-sequence': facts('U3', 'upgraded', 'survives or halts'),
  'wrong-version': facts('U4', 'upgraded', 'refused'),
  'other-version': facts('U3', 'upgraded'),
  'backup-sequence': facts('design §3', 'restored'),
  'restore-sequence': facts('O11', 'restored', 'survives or halts'),
  'all-promises-lost': { ...facts('D14', 'disk', 'halts'), only: 'beyond-repair' },
  'all-logs-damaged': { ...facts('D3', 'disk', 'survives or halts'), only: 'beyond-repair' },
  'all-manifests-lost': { ...facts('D11', 'disk', 'halts'), only: 'beyond-repair' },
  'all-directories-lost': { ...facts('D16', 'disk', 'halts'), only: 'beyond-repair' },
  helix: { ...facts('D18', 'disk'), only: 'beyond-repair' },
} as const satisfies Readonly<Record<string, FaultFacts>>;

export type FaultKind = keyof typeof faultCatalogue;
export const faultKinds = Object.keys(faultCatalogue) as readonly FaultKind[];
const factsOf = (kind: FaultKind): FaultFacts => faultCatalogue[kind];
/** What strikes a cell that must come back. */
export const swarmKinds = faultKinds.filter((kind) => factsOf(kind).only === undefined);
/** Of those, what draws for itself how often it comes: all else that a seed means stays as it was before there was such a kind. */
export const ownDraws: ReadonlySet<FaultKind> = new Set<FaultKind>(['promises-put-back', 'damaged-again']);
/** What operators do to cells that are theirs to change. */
export const operatedKinds = faultKinds.filter((kind) => factsOf(kind).class === 'operated');
/** What is done to cells that somebody upgrades. */
export const upgradedKinds = faultKinds.filter((kind) => factsOf(kind).class === 'upgraded');
/** What is done to cells that somebody goes back to backups of. */
export const restoredKinds = faultKinds.filter((kind) => factsOf(kind).class === 'restored');
/** What no cell comes back from. */
export const destructionKinds = faultKinds.filter((kind) => factsOf(kind).only === 'beyond-repair');

/** What comes along with a strike or a profile and is counted for itself. */
export const sideEffects = {
  /** A power cut that found a write not flushed, and kept a part of it. */
  'torn-write': 'D1',
  /** A power cut that kept later writes and lost earlier ones, across files. */
  'reordered-writes': 'D2',
  'clock-reset': 'C5',
  'coarse-clock': 'C6',
  'late-timers': 'C8',
} as const;

/** What comes of operators' commands. */
export const commandEffects = {
  /** One sequence: a command and everything around it, typed again as often as drawn, until it is done or given up. */
  'command-sequence': 'O9 to O11',
  'members-add': 'O9',
  'members-remove': 'O9',
  'members-replace': 'O9',
  'members-promote': 'O9',
  'members-rebuild': 'O9',
  'node-drain': 'design §3',
  'master-transfer': 'design §3',
  /** At one of its calls to the cell. */
  'command-killed': 'O11',
  'command-again': 'O11',
  'command-refused': 'O9',
  /** With a name or an address of nobody, or of somebody else. */
  'command-wrong': 'O10',
} as const;

/** Of which there are as many as sequences of operators were played to their end. */
export const sequenceKind = 'command-sequence' satisfies keyof typeof commandEffects;

/** What comes of the commands of an upgrade. */
export const upgradeEffects = {
  'upgrade-run': 'U1',
  'upgrade-rolled-back': 'U2',
  'upgrade-aborted': 'U3',
  'upgrade-finalized': 'U5',
  /** A member was put back, or could not be judged. */
  'upgrade-stopped': 'U3',
  'upgrade-refused': 'U3',
  /** At one of its calls to the cell. */
  'upgrade-killed': 'U3',
  /** Its driver fell asleep, and somebody else was let drive. */
  'upgrade-slept': 'design §6',
  /** One more, when nothing goes wrong any more. */
  'upgrade-at-last': 'U3',
  /** A restart that did something else than it was asked to. */
  'restart-lies': 'design §6',
} as const;

/** What comes of `cell restore`, and of what is saved for it. */
export const restoreEffects = {
  'backup-saved': 'design §3',
  /** A new generation has begun on all its members. */
  'restore-done': 'design §3',
  /** By a run that was killed, and the members alone. */
  'restore-found-done': 'O11',
  /** It has named a price that nobody had accepted. */
  'restore-priced': 'design §3',
  'restore-refused': 'design §3',
  /** At one of its calls to the cell. */
  'restore-killed': 'O11',
  /** Somebody else types one at the same time. */
  'restore-rival': 'O11',
  /** What was open when the faults ended, and was brought to its end. */
  'restore-at-last': 'O11',
} as const;

export type SideEffect =
  | keyof typeof sideEffects
  | keyof typeof commandEffects
  | keyof typeof upgradeEffects
  | keyof typeof restoreEffects
  | LockEffect;
export type CountedKind = FaultKind | SideEffect;

/** Cells whose disks hold some entries, and lose some of them, before anybody starts: PAR's tables and what goes beyond. */
import {
  type CellTimeMs,
  type Epoch,
  type Instance,
  replicaId,
  type WriteId,
} from '../../src/core/consensus/identity.ts';
import type { AcceptedEntry } from '../../src/core/consensus/message.ts';
import { itemOf, valueText } from './core-text.ts';
import { LogCell } from './log-cell.ts';

export interface Contents {
  readonly names: readonly string[];
  /** Instances 1 to here hold a value on every disk, accepted in one ballot. */
  readonly entries: number;
  /** How far each member knows them as chosen; nobody anything when absent. */
  readonly chosenUpTo?: (member: number) => number;
  /** Members that never got any of them. */
  readonly without?: readonly string[];
  /** Members without a vote, of those and besides. */
  readonly learners?: readonly string[];
}

const ballot = { round: 1, name: 'a', incarnation: 1 };

const entryAt = (instance: number): AcceptedEntry => ({
  instance: instance as Instance,
  ballot,
  value: { kind: 'submitted', epoch: 0 as Epoch, cellTimeMs: 0 as CellTimeMs, items: [itemOf(`v${instance}`)] },
});

/** Nobody runs yet. */
export function cellWithEntries({ names, entries, chosenUpTo, learners = [], without = [] }: Contents): LogCell {
  const cell = new LogCell({ names, learners, leaseMs: 60, down: [...names, ...learners] });
  const list = Array.from({ length: entries }, (_, i) => entryAt(i + 1));
  for (const { value } of list) cell.checker.onSubmit(valueText(value).slice(1, -3));
  for (const [i, member] of cell.members.entries()) {
    if (without.some((name) => member.id === replicaId(name, 1))) continue;
    member.promise = { ballot, leaseMsMax: 0 };
    const chosen = (chosenUpTo?.(i) ?? 0) as Instance;
    for (const entry of list) member.entries.set(entry.instance, entry);
    member.durableChosenUpTo = chosen;
    cell.checker.onDurable(member, { write: 0 as WriteId, promise: member.promise, entries: list, chosenUpTo: chosen });
  }
  return cell;
}

/** Bit `member * entries + instance - 1` of `pattern`: that copy is bad. */
export function damagePattern(cell: LogCell, pattern: number, entries: number): void {
  for (const [i, member] of cell.members.entries()) {
    for (let instance = 1; instance <= entries; instance++) {
      if ((pattern >>> (i * entries + instance - 1)) & 1) member.damage(instance, 'identity known');
    }
  }
}

/** Every copy of it is bad: the first one, null when each has a good copy. */
export function lostIn(pattern: number, replicas: number, entries: number): number | null {
  for (let instance = 1; instance <= entries; instance++) {
    let bad = 0;
    for (let i = 0; i < replicas; i++) bad += (pattern >>> (i * entries + instance - 1)) & 1;
    if (bad === replicas) return instance;
  }
  return null;
}

export type Verdict =
  | { readonly kind: 'recovered' }
  | { readonly kind: 'halted'; readonly item: number }
  | { readonly kind: 'neither'; readonly why: string };

/** Runs until it serves with all entries applied as they were, or somebody halts and names what is lost. */
export function verdict(cell: LogCell, entries: number): Verdict {
  const halted = (): number | null => cell.members.find(({ lost }) => lost !== null)?.lost ?? null;
  try {
    cell.runUntil('it serves or halts', () => cell.serving !== null || halted() !== null, 5000);
  } catch (error) {
    return { kind: 'neither', why: String(error) };
  }
  const item = halted();
  if (item !== null) return { kind: 'halted', item };
  const master = cell.serving as LogCell['members'][number];
  for (let instance = 1; instance <= entries; instance++) {
    if (master.applied.get(instance) !== `[v${instance}]e0`)
      return { kind: 'neither', why: `${instance} is ${master.applied.get(instance)}` };
  }
  return { kind: 'recovered' };
}

export type Fate = 'good' | 'identity known' | 'identity lost';

/** Digits of `pattern` in base 3: what became of each entry of each member. */
export function fatesOf(pattern: number, replicas: number, entries: number): readonly (readonly Fate[])[] {
  const fates: readonly Fate[] = ['good', 'identity known', 'identity lost'];
  let rest = pattern;
  const next = (): Fate => {
    const fate = fates[rest % 3] as Fate;
    rest = Math.floor(rest / 3);
    return fate;
  };
  return Array.from({ length: replicas }, () => Array.from({ length: entries }, next));
}

export function inflict(cell: LogCell, fates: readonly (readonly Fate[])[]): void {
  for (const [i, member] of cell.members.entries()) {
    for (const [entry, fate] of (fates[i] as readonly Fate[]).entries()) {
      if (fate !== 'good') member.damage(entry + 1, fate);
    }
  }
}

/**
 * Design §4: with a good copy, the bad ones whose identity is known are reports; those without are none. Who has not reported must be no
 * majority: of an even number half of them may be missing.
 */
export function isRecoverable(fates: readonly Fate[]): boolean {
  const copy = fates.includes('good');
  const reports = fates.filter((fate) => fate === 'good' || (fate === 'identity known' && copy)).length;
  return reports > 0 && 2 * reports >= fates.length;
}

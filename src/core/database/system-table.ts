/**
 * The system's own entries, beside the key space of clients: the cell's level and the journal of upgrades.
 *
 * They raise no revision, are never listed, watched or exported, and are in every snapshot and in the checksum. Each remembers the
 * instance of its last change, which is what a guard compares: a writer that did not see the last change changes nothing.
 * Source: design §4 ("Snapshots are canonical"), §6.
 */
import type { Epoch, Instance } from '../consensus/identity.ts';
import type { DigestSum } from './checksum.ts';
import { digestOf } from './checksum.ts';
import { type LevelRefusal, levelRefusal } from './level-rule.ts';
import type { DatabasePorts } from './record.ts';
import type { SystemCommand, SystemWrite } from './system-entry.ts';

export interface SystemEntry {
  /** Of the last change. */
  readonly instance: Instance;
  /** Must not be changed. */
  readonly value: Uint8Array;
}

export type SystemVerdict =
  | { readonly kind: 'epoch-changed' }
  | {
      readonly kind: 'judged';
      /** Of each test, whether it holds. */
      readonly guard: readonly boolean[];
      /** Why it may not do what it would to the level, whatever its tests say. */
      readonly refused: LevelRefusal | null;
      /** Its writes happen. */
      readonly succeeded: boolean;
    };

/** What comes of a command where the entries are these; changes nothing. */
export function judgeSystem(
  command: SystemCommand,
  entries: ReadonlyMap<string, SystemEntry>,
  epoch: Epoch,
): SystemVerdict {
  if (command.ifEpoch !== null && command.ifEpoch !== epoch) return { kind: 'epoch-changed' };
  const guard = command.guard.map(({ key, instance }) => (entries.get(key)?.instance ?? 0) === instance);
  const refused = levelRefusal(command, entries);
  return { kind: 'judged', guard, refused, succeeded: refused === null && !guard.includes(false) };
}

/** What is left of the entries after the commands of one value, and nothing of it done. */
export function systemAfter(
  entries: ReadonlyMap<string, SystemEntry>,
  commands: readonly SystemCommand[],
  at: { readonly instance: Instance; readonly epoch: Epoch },
): ReadonlyMap<string, SystemEntry> {
  const after = new Map(entries);
  for (const command of commands) {
    const verdict = judgeSystem(command, after, at.epoch);
    if (verdict.kind !== 'judged' || !verdict.succeeded) continue;
    for (const { key, value } of command.writes) {
      if (value === null) after.delete(key);
      else after.set(key, { instance: at.instance, value });
    }
  }
  return after;
}

export class SystemTable {
  readonly #sum: DigestSum;
  readonly #ports: DatabasePorts;
  /** Replaced with every change, so that a view costs nothing: there are few, and they seldom change. */
  #entries: ReadonlyMap<string, SystemEntry> = new Map();

  constructor(sum: DigestSum, ports: DatabasePorts) {
    this.#sum = sum;
    this.#ports = ports;
  }

  get(key: string): SystemEntry | undefined {
    return this.#entries.get(key);
  }

  /** In the order of the keys; unaffected by later changes. */
  view(): ReadonlyMap<string, SystemEntry> {
    return this.#entries;
  }

  write(writes: readonly SystemWrite[], instance: Instance): void {
    const next = new Map(this.#entries);
    for (const { key, value } of writes) {
      const before = next.get(key);
      if (before !== undefined) this.#sum.subtract(digestOf(this.#ports, recordOf(key, before)));
      next.delete(key);
      if (value === null) continue;
      // A copy, and not `slice`: of a Buffer that is only another view of the same bytes.
      const entry = { instance, value: new Uint8Array(value) };
      this.#sum.add(digestOf(this.#ports, recordOf(key, entry)));
      next.set(key, entry);
    }
    this.#entries = new Map([...next].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** For a restore, which keeps the order. */
  load(key: string, entry: SystemEntry): void {
    this.#sum.add(digestOf(this.#ports, recordOf(key, entry)));
    this.#entries = new Map([...this.#entries, [key, entry]]);
  }
}

export const recordOf = (key: string, { instance, value }: SystemEntry) =>
  ({ kind: 'system-entry', key, instance, value }) as const;

/**
 * The system's own entries, beside the key space of clients: the cell's level and the journal of upgrades.
 *
 * They raise no revision, are never listed, watched or exported, and are in every snapshot and in the checksum. Each remembers the
 * instance of its last change, which is what a guard compares: a writer that did not see the last change changes nothing.
 * Source: design §4 ("Snapshots are canonical"), §6.
 */
import type { Instance } from '../consensus/identity.ts';
import type { DigestSum } from './checksum.ts';
import { digestOf } from './checksum.ts';
import type { DatabasePorts } from './record.ts';
import type { SystemTest, SystemWrite } from './system-entry.ts';

export interface SystemEntry {
  /** Of the last change. */
  readonly instance: Instance;
  /** Must not be changed. */
  readonly value: Uint8Array;
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

  holds({ key, instance }: SystemTest): boolean {
    return (this.#entries.get(key)?.instance ?? 0) === instance;
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

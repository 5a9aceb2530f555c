/**
 * Every epoch there was: its number, first instance, id and owner, kept for ever, since a position mark of any age must be
 * judged (PML §5.3; design §4 "Position mark").
 *
 * Keeps: epochs and their first instances rise.
 */
import type { Epoch, Instance } from '../consensus/identity.ts';
import { invariant } from '../invariant.ts';
import type { EpochRecord } from './record.ts';

export class EpochTable {
  readonly #epochs: EpochRecord[] = [];

  get size(): number {
    return this.#epochs.length;
  }

  add(record: EpochRecord): void {
    const last = this.#epochs.at(-1);
    invariant(
      last === undefined || (record.epoch > last.epoch && record.instance > last.instance),
      'epochs and their instances rise',
      { record, last },
    );
    this.#epochs.push(record);
  }

  /** Null when there was no such epoch. */
  at(epoch: Epoch): EpochRecord | null {
    const found = this.#epochs[this.#firstFrom(epoch)];
    return found?.epoch === epoch ? found : null;
  }

  /** The one that ended `epoch`; null when none did. */
  after(epoch: Epoch): EpochRecord | null {
    return this.#epochs[this.#firstFrom((epoch + 1) as Epoch)] ?? null;
  }

  /** The first `count` of them; never changes, since epochs are only added. */
  *first(count: number): IterableIterator<EpochRecord> {
    for (let i = 0; i < count; i++) yield this.#epochs[i] as EpochRecord;
  }

  #firstFrom(epoch: Epoch): number {
    let low = 0;
    let high = this.#epochs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#epochs[middle] as EpochRecord).epoch < epoch) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Whether `instance` lies in the epoch of `record`, given the one after it. */
export const epochCovers = (record: EpochRecord, next: EpochRecord | null, instance: Instance): boolean =>
  instance >= record.instance && (next === null || instance < next.instance);

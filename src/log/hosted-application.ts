/** The library user's application in the shape that the runtime of the log asks for. */
import type { CellTimeMs, Epoch } from '../core/consensus/identity.ts';
import { ByteReader, ByteWriter } from '../formats/bytes.ts';
import type { DigestPort } from '../ports/digest.ts';
import type { ApplicationView, Delivery, LogApplication } from '../runtime/application.ts';

export interface Place {
  /** The instance of Paxos that chose the value; rises, with gaps where the log talked to itself. */
  readonly instance: number;
  /** From 0, within the instance. */
  readonly position: number;
}

/** Yours. All three must be deterministic, synchronous where they return no promise, and must not throw. */
export interface Application<Result> {
  /** Called on every replica, in the same order. What it returns is what `submit` resolves with at the submitter. */
  deliver(value: Uint8Array, place: Place): Result;
  /** The whole state now, as records; the same state always gives the same records. */
  snapshot(): readonly Uint8Array[];
  /** Replaces the whole state by what `snapshot` gave elsewhere or earlier. */
  restore(records: readonly Uint8Array[]): void;
}

/** What a submitter gets; not delivered when its mastership was over before the value was. */
export type Hosted<Result> = { readonly delivered: true; readonly value: Result } | { readonly delivered: false };

export class HostedApplication<Result> implements LogApplication<Hosted<Result>> {
  readonly #application: Application<Result>;
  readonly #digest: DigestPort;
  #epoch = 0 as Epoch;
  #cellTimeMs = 0 as CellTimeMs;

  constructor(application: Application<Result>, digest: DigestPort) {
    this.#application = application;
    this.#digest = digest;
  }

  apply({ instance, epoch, value, current }: Delivery): readonly Hosted<Result>[] {
    this.#epoch = epoch;
    if (value.kind !== 'submitted') return [];
    if (value.cellTimeMs > this.#cellTimeMs) this.#cellTimeMs = value.cellTimeMs;
    if (!current) return value.items.map(() => ({ delivered: false }));
    return value.items.map((item, position) => ({
      delivered: true,
      value: this.#application.deliver(item, { instance, position }),
    }));
  }

  view(): ApplicationView {
    // The first record is ours: what the log itself must find again.
    const own = new ByteWriter(16).safe(this.#epoch).safe(this.#cellTimeMs).finish();
    const records = [own, ...this.#application.snapshot()];
    const lengths = records.map((record) => new ByteWriter(4).u32(record.length).finish());
    const hash = this.#digest.sha256(...records.flatMap((record, i) => [lengths[i] as Uint8Array, record]));
    return {
      epoch: this.#epoch,
      cellTimeMs: this.#cellTimeMs,
      count: records.length,
      checksum: Buffer.from(hash).toString('hex').slice(0, 32),
      records: () => records,
      close: () => undefined,
    };
  }

  async restore(records: AsyncIterable<Uint8Array>): Promise<void> {
    const list: Uint8Array[] = [];
    for await (const record of records) list.push(Uint8Array.from(record));
    const own = new ByteReader(list.shift() ?? new Uint8Array());
    this.#epoch = own.safe() as Epoch;
    this.#cellTimeMs = own.safe() as CellTimeMs;
    own.end();
    this.#application.restore(list);
  }
}

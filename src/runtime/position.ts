/**
 * Position marks (`Paxos-Position`): an opaque, authenticated mark of an applied point of one cell's history.
 *
 * Source: design §4 "Position mark", contract §2. A mark belongs to a history only if its epoch is there, under the same
 * id, and covers its instance. The key is derived from the root secret that lives in the database and its snapshots.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Epoch, Instance } from '../core/consensus/identity.ts';
import type { CellIdentity, EpochRecord } from '../core/database/record.ts';
import { encodePoint, type MarkedPoint, markProofBytes, splitMark } from '../formats/position-mark.ts';

/** Marks verified lately, so that a client that sends the same one again costs no second HMAC. */
const rememberedMax = 4096;

export interface Position extends MarkedPoint {
  readonly epoch: Epoch;
  readonly instance: Instance;
}

/** What the marks are judged against: the replicated history as far as it is applied here. */
export interface History {
  readonly identity: CellIdentity | null;
  readonly epoch: Epoch;
  readonly revision: number;
  epochAt(epoch: Epoch): EpochRecord | null;
  epochAfter(epoch: Epoch): EpochRecord | null;
}

export type PositionVerdict =
  /** In this history, and applied here. */
  | 'applied'
  /** Not applied here yet, as far as this replica can know. */
  | 'ahead'
  /** Not part of this history: at a master with a lease, proof that the cell went back or forked. */
  | 'foreign'
  | 'other-cell'
  /** Of an older generation, above the point where a newer one began: given up when that was decided. */
  | 'given-up';

export class PositionMarks {
  readonly #history: History;
  #key: Buffer | null = null;
  #last: { readonly instance: Instance; readonly mark: string } | null = null;
  readonly #verified = new Map<string, Position>();

  constructor(history: History) {
    this.#history = history;
  }

  /** The mark of the applied point `instance`; empty before the first epoch. */
  current(instance: Instance): string {
    if (this.#last?.instance === instance) return this.#last.mark;
    const { identity, epoch, revision } = this.#history;
    const record = epoch > 0 ? this.#history.epochAt(epoch) : null;
    if (identity === null || record === null) return '';
    const { cellId, generation, generationId } = identity;
    const mark = this.#seal({ cellId, generation, generationId, epoch, epochId: record.id, instance, revision });
    this.#last = { instance, mark };
    return mark;
  }

  /**
   * The mark for the answer to a request that came with `sent`, which nobody has judged: `sent` itself where it is not in the history that
   * is applied here. So whoever keeps the last mark that it was given never forgets what it has seen, whichever replica it asks.
   */
  answering(sent: string, appliedUpTo: Instance): string {
    const position = this.open(sent);
    const own = this.current(appliedUpTo);
    return position === null || own === '' || this.judge(position, appliedUpTo) === 'applied' ? own : sent;
  }

  #seal(position: Position): string {
    const body = encodePoint(position);
    return Buffer.concat([body, this.#tag(body)]).toString('base64url');
  }

  #tag(body: Uint8Array): Buffer {
    this.#key ??= createHmac('sha256', this.#history.identity?.rootSecret ?? Buffer.alloc(0))
      .update('paxosctl position mark')
      .digest();
    return createHmac('sha256', this.#key).update(body).digest().subarray(0, markProofBytes);
  }

  /** Null for a mark that is garbled, forged, or of another cell's key. */
  open(mark: string): Position | null {
    const known = this.#verified.get(mark);
    if (known !== undefined) return known;
    const parts = splitMark(mark);
    if (parts === null) return null;
    const position = parts.point as Position;
    // Another cell's mark is told by its id alone: its key is not known here.
    if (position.cellId !== this.#history.identity?.cellId) return position;
    if (!timingSafeEqual(this.#tag(parts.body), parts.proof)) return null;
    if (this.#verified.size >= rememberedMax) this.#verified.clear();
    this.#verified.set(mark, position);
    return position;
  }

  /** How `position` relates to what is applied here up to `appliedUpTo`. */
  judge(position: Position, appliedUpTo: Instance): PositionVerdict {
    const { identity } = this.#history;
    if (identity === null) return 'ahead';
    if (position.cellId !== identity.cellId) return 'other-cell';
    if (position.generation < identity.generation) return this.#isInherited(position) ? 'applied' : 'given-up';
    // A newer generation than this, or another of the same number: a state from before it began has come back.
    if (position.generation > identity.generation) return 'foreign';
    if (position.generationId !== identity.generationId) return 'foreign';
    const record = this.#history.epochAt(position.epoch);
    if (record === null) return position.epoch > this.#history.epoch ? 'ahead' : 'foreign';
    if (record.id !== position.epochId || position.instance < record.instance) return 'foreign';
    const next = this.#history.epochAfter(position.epoch);
    if (next !== null) return position.instance < next.instance ? 'applied' : 'foreign';
    return position.instance <= appliedUpTo ? 'applied' : 'ahead';
  }

  /** The epoch with which a generation begins starts right above the point where it left its parent. */
  #isInherited(position: Position): boolean {
    const record = this.#history.epochAt(position.epoch);
    const next = this.#history.epochAfter(position.epoch);
    if (record === null || next === null || record.id !== position.epochId) return false;
    return position.instance >= record.instance && position.instance < next.instance;
  }
}

/**
 * The newest position mark of a cell that this client has seen. Sent along, it keeps the client from ever being served
 * older state, even by a cell that was rolled back (contract §2).
 */
import { comparePoints, type MarkedPoint, readPositionMark } from '../formats/position-mark.ts';

/** Where marks are kept. Called on every answer, so it must be quick; a slow store writes behind. */
export interface MarkStore {
  /** The mark to send, or null. */
  newest(): string | null;
  /** A mark that came with an answer; answers may come out of order. */
  saw(mark: string): void;
}

/** For the life of the process. */
export class MemoryMarks implements MarkStore {
  #mark: string | null;
  #point: MarkedPoint | null;

  constructor(mark: string | null = null) {
    this.#mark = mark;
    this.#point = mark === null ? null : readPositionMark(mark);
  }

  newest(): string | null {
    return this.#mark;
  }

  saw(mark: string): void {
    if (mark === this.#mark) return;
    const point = readPositionMark(mark);
    // What cannot be compared replaces what was there: the server knows its own newest mark best.
    const older =
      point !== null &&
      this.#point !== null &&
      point.cellId === this.#point.cellId &&
      comparePoints(point, this.#point) < 0;
    if (older) return;
    this.#mark = mark;
    this.#point = point;
  }
}

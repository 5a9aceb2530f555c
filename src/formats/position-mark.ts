/**
 * What a position mark says, without its key: enough for clients to keep the newest of several. Only replicas can tell
 * whether it is genuine; the layout is that of `runtime/position.ts`, in base64url, followed by 16 bytes of proof.
 */
import { ByteReader, FormatError } from './bytes.ts';

const markFormat = 1;
const proofBytes = 16;

export interface MarkedPoint {
  readonly cellId: string;
  readonly generation: number;
  readonly epoch: number;
  readonly instance: number;
}

/** Null for a mark of a newer format, or for no mark at all. */
export function readPositionMark(mark: string): MarkedPoint | null {
  if (mark.length > 1024 || !/^[A-Za-z0-9_-]+$/.test(mark)) return null;
  const bytes = Buffer.from(mark, 'base64url');
  if (bytes.length <= proofBytes) return null;
  try {
    const from = new ByteReader(bytes.subarray(0, bytes.length - proofBytes));
    if (from.u8() !== markFormat) return null;
    const cellId = from.text();
    const generation = from.safe();
    from.text();
    const epoch = from.safe();
    from.text();
    const instance = from.safe();
    from.end();
    return { cellId, generation, epoch, instance };
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

/** Later in the history of one cell: positive when `a` is. */
export const comparePoints = (a: MarkedPoint, b: MarkedPoint): number =>
  a.generation - b.generation || a.epoch - b.epoch || a.instance - b.instance;

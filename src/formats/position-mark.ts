/**
 * Bytes of position marks, format 1: base64url of the point and 16 bytes of proof. Without the key a mark still tells
 * enough for clients to keep the newest of several; only replicas can tell whether it is genuine (`runtime/position.ts`).
 */
import { ByteReader, ByteWriter, FormatError } from './bytes.ts';

const markFormat = 1;
export const markProofBytes = 16;
const markCharactersMax = 1024;

export interface MarkedPoint {
  readonly cellId: string;
  readonly generation: number;
  /** Random id that the generation was born with. */
  readonly generationId: string;
  readonly epoch: number;
  /** Random id that the epoch was born with. */
  readonly epochId: string;
  readonly instance: number;
  /** Of the database at that point: what was acknowledged, counted. */
  readonly revision: number;
}

/** What the proof of a mark is made over. */
export function encodePoint(point: MarkedPoint): Buffer {
  const to = new ByteWriter(160).u8(markFormat).text(point.cellId).safe(point.generation).text(point.generationId);
  return to.safe(point.epoch).text(point.epochId).safe(point.instance).safe(point.revision).finish();
}

/** Point and proof of a mark, unchecked; null when it is none, or of a newer format. */
export function splitMark(
  mark: string,
): { readonly point: MarkedPoint; readonly body: Uint8Array; readonly proof: Uint8Array } | null {
  if (mark.length > markCharactersMax || !/^[A-Za-z0-9_-]+$/.test(mark)) return null;
  const bytes = Buffer.from(mark, 'base64url');
  if (bytes.length <= markProofBytes) return null;
  const body = bytes.subarray(0, bytes.length - markProofBytes);
  const point = decodePoint(body);
  return point === null ? null : { point, body, proof: bytes.subarray(body.length) };
}

function decodePoint(body: Uint8Array): MarkedPoint | null {
  try {
    const from = new ByteReader(body);
    if (from.u8() !== markFormat) return null;
    const cellId = from.text();
    const generation = from.safe();
    const generationId = from.text();
    const epoch = from.safe();
    const epochId = from.text();
    const instance = from.safe();
    const revision = from.safe();
    from.end();
    return { cellId, generation, generationId, epoch, epochId, instance, revision };
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

/** What a mark says, for clients; null for a mark of a newer format, or for no mark at all. */
export const readPositionMark = (mark: string): MarkedPoint | null => splitMark(mark)?.point ?? null;

/** Later in the history of one cell: positive when `a` is. */
export const comparePoints = (a: MarkedPoint, b: MarkedPoint): number =>
  a.generation - b.generation || a.epoch - b.epoch || a.instance - b.instance;

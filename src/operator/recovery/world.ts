/**
 * What the program that makes a new generation of a cell needs of the world around it (design §3 "Generations"): the cell's members, the
 * files of the operator's machine, its clock and its chance. All else, the whole of what is decided, stands above it, and runs the same
 * above a simulated cell.
 */
import type { KnownCell } from '../../client/find-master.ts';
import type { Survey } from '../../client/survey.ts';
import type { ReplicaStatusDocument } from '../../formats/http-body.ts';
import type { RecoverAnswer, RecoverReport, RecoverRequest } from '../../formats/recovery.ts';
import type { CellFlags } from '../connect.ts';
import type { SaveOptions } from '../snapshot-save.ts';

/** A file to be read in pieces. */
export interface OpenFile {
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
  close(): Promise<void>;
}

/** What one member has at this moment, as it is, in a file. */
export interface HeldState {
  readonly file: string;
  readonly member: string;
  readonly verify: SaveOptions['verify'];
}

export interface GenerationWorld {
  /** @throws {UnreachableError} when nobody answers. */
  survey(cell: CellFlags): Promise<Pick<Survey, 'answers'>>;
  /** Null when it does not answer, or cannot yet. */
  report(url: string, timeoutMs: number): Promise<RecoverReport | null>;
  /** Null when it does not answer. */
  status(url: string, timeoutMs: number): Promise<ReplicaStatusDocument | null>;
  /** @throws {OperatorError} of the member's refusal; {UnreachableError} when it does not answer. */
  step(url: string, step: RecoverRequest, timeoutMs: number): Promise<RecoverAnswer>;
  /** Where this tool has met a cell before; null where it has not. */
  knownCell(cellId: string): Promise<KnownCell | null>;
  /** The newest mark that this tool remembers of a cell. */
  newestMark(cellId: string): Promise<string | null>;
  /** What tells one file from another, whatever its name; null where there is none. */
  identity(file: string): Promise<{ readonly dev: number; readonly ino: number } | null>;
  openFile(file: string): Promise<OpenFile>;
  /** Under its name only when whole. */
  writeFile(file: string, parts: Generator<Uint8Array, string>): Promise<unknown>;
  removeFile(file: string): Promise<void>;
  saveHeld(cell: CellFlags, held: HeldState): Promise<unknown>;
  sha256(...parts: readonly Uint8Array[]): Uint8Array;
  /** Of a new generation: another one each time. */
  newId(): string;
  /** Of a clock that only goes forward. */
  nowMs(): number;
  sleep(ms: number): Promise<void>;
}

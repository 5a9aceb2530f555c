/**
 * What members and operators tell each other when a new generation of a cell is made (design §3 "Generations"), as JSON.
 * `cell restore` and the recovery of a lost majority go through the same requests.
 */
import type { FrozenDocument, MemberDocument } from './http-body.ts';

export interface EpochDocument {
  readonly epoch: number;
  /** Its first instance. */
  readonly instance: number;
  readonly id: string;
  /** Of the database when it began. */
  readonly revision: number;
}

export interface AcceptedDocument {
  readonly instance: number;
  readonly ballot: { readonly round: number; readonly name: string; readonly incarnation: number };
  readonly valueBase64: string;
}

interface StepDocument {
  readonly generation: number;
  readonly generationId: string;
  readonly step: 'fenced' | 'ready' | 'active';
  /** Digest of what was decided; empty while fenced. */
  readonly decision: string;
  /** Digest of the file that it was begun for; empty for none: a restore goes on with an attempt for its own file alone. */
  readonly source: string;
  readonly state: { readonly instance: number; readonly bytes: number; readonly sha256: string } | null;
}

export interface AttemptDocument extends StepDocument {
  /** What the fence of this one has displaced: a lift puts it back. Null else. */
  readonly before: StepDocument | null;
}

/**
 * What the others remember of a member's disk, as the fence has compared it since its process began (design §4): `not-compared` and
 * `copied` may be older than what was acknowledged there, `older` is.
 */
export type DiskDocument = 'compared' | 'not-compared' | 'copied' | 'older';

/** All that a member knows which a new generation depends on. */
export interface RecoverReport {
  readonly member: string;
  readonly incarnation: number;
  readonly cell: { readonly id: string; readonly name: string };
  readonly generation: number;
  readonly generationId: string;
  readonly applied: {
    readonly instance: number;
    readonly epoch: number;
    readonly epochId: string;
    readonly revision: number;
  };
  /** Digest over the chosen values up to there, hex. */
  readonly logChain: string;
  /** Where in its parent's history the generation began; zeros in the first. */
  readonly begun: { readonly epoch: number; readonly instance: number };
  readonly cellTimeMs: number;
  /** Of clients, in the applied state. */
  readonly entryCount: number;
  /** Its database is not known to be the right one: never the first state of a generation unasked. */
  readonly setAside: boolean;
  readonly disk: DiskDocument;
  readonly chosenUpTo: number;
  /** Rising; the newest of them where there are very many. */
  readonly epochs: readonly EpochDocument[];
  /** Of those all with which a generation began, however many epochs came after. */
  readonly generations: readonly EpochDocument[];
  /** Accepted or chosen above `applied`, ascending. */
  readonly entries: readonly AcceptedDocument[];
  /** Accepted records above `applied` that its disk cannot give back any more. */
  readonly unreadable: number;
  /** Up to there it has no state: what stood for it is bad, and nobody has given it another. Absent when it has. */
  readonly missingUpTo?: number;
  /** Highest number of any kind that it knows of. */
  readonly highest: number;
  readonly members: readonly MemberDocument[];
  readonly settings: { readonly alpha: number; readonly leaseMs: number; readonly driftPpm: number };
  readonly frozen: FrozenDocument | null;
  readonly attempt: AttemptDocument | null;
  /** What it is ready with, the newest first; also what that took the place of while nobody has begun it here. */
  readonly ready: readonly ReadyDocument[];
}

/** The first state of a generation that a member is ready for: a state of its own, which others may have gone on from. */
export interface ReadyDocument {
  /** As of a member that has begun the generation, and nothing more. */
  readonly report: RecoverReport;
  readonly state: OfferedState;
}

/** A file that a generation's first state is made of. */
export interface OfferedState {
  /** Digest of the snapshot, hex. */
  readonly sha256: string;
  readonly bytes: number;
}

export interface GenerationId {
  readonly generation: number;
  readonly generationId: string;
}

/** The first state of a generation, as decided from the reports of all that could be asked. */
export interface GenerationDecision extends GenerationId {
  /** The cell that it is a generation of: another one than the members' when they take the place of a cell that was lost whole. */
  readonly cellId: string;
  /** The member that makes the state. */
  readonly base: string;
  /** The file that was offered to it; null: its own applied state is gone on from. */
  readonly offered: OfferedState | null;
  /** Last instance of that state. */
  readonly baseApplied: number;
  /** What follows it, without gaps. */
  readonly tail: readonly { readonly instance: number; readonly valueBase64: string }[];
  readonly numbers: number;
  /** With the incarnations of the new generation. */
  readonly members: readonly {
    readonly name: string;
    readonly url: string;
    readonly role: string;
    readonly incarnation: number;
  }[];
}

/** Whom a step is meant for: addresses are given to other processes, and nobody else does it. */
export interface Addressee {
  readonly cell: string;
  readonly member: string;
  readonly incarnation: number;
}

export type RecoverRequest = Addressee & RecoverStep;

export type RecoverStep =
  /** Durably stops voting and serving for this id. `source`: as in {@link AttemptDocument}. */
  | ({ readonly op: 'fence'; readonly source: string } & GenerationId)
  /** Takes a fence back, when nothing else was done. */
  | ({ readonly op: 'lift' } & GenerationId)
  /**
   * A piece of a snapshot file at `offset`, in base64; one that does not go on where the member is changes nothing. The answer says
   * how many bytes it has; with the last one it has verified them.
   */
  | ({
      readonly op: 'offer';
      readonly offset: number;
      readonly pieceBase64: string;
    } & OfferedState &
      GenerationId)
  /** Makes the decided state out of its own or of the offered file, verifies it and is ready. */
  | { readonly op: 'build'; readonly decision: GenerationDecision; readonly digest: string }
  /** Fetches the state from `from`, verifies it and is ready. */
  | ({
      readonly op: 'take';
      readonly cellId: string;
      readonly from: string;
      readonly instance: number;
      readonly sha256: string;
      readonly digest: string;
    } & GenerationId);

export interface RecoverAnswer {
  readonly report: RecoverReport;
  /** Of a member that is ready. */
  readonly state: { readonly instance: number; readonly bytes: number; readonly sha256: string } | null;
  /** Bytes of the file that was offered last; 0 for none. */
  readonly offered: number;
}

/** What a replica that answers must be told by the process around it. */
import type { ReplicaId } from '../core/consensus/identity.ts';
import type { LevelRange } from '../formats/levels.ts';
import type { OperatingDocument } from '../formats/operating-body.ts';

/** What only the process around the replica can tell. */
export interface HostFacts {
  readonly version: string;
  /** Levels that this program speaks. */
  readonly levels: LevelRange;
  readonly cell: { readonly id: string; readonly name: string; readonly generation: number };
  readonly boot: { readonly number: number; readonly id: string };
  uptimeMs(): number;
  eventLoopLagMsP99(): number;
  flushMs(): { readonly p50: number; readonly p99: number };
  snapshotInstance(): number;
  readOnly(): boolean;
  /** The cell has this member no more. */
  removed(): boolean;
  peers(): readonly ReplicaId[];
  warnings(): readonly string[];
  /** What only a replica on a real machine can tell. */
  operating?(): OperatingDocument;
}

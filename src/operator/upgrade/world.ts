/** What the driver of an upgrade asks of the world. The cell of `cell-world.ts`, or a made-up one in tests. */
import { OperatorError } from '../../errors/index.ts';
import type { LevelRange } from '../../formats/levels.ts';
import type {
  AttemptManifestDocument,
  AttemptScanDocument,
  UpgradeStateDocument,
  UpgradeWriteBody,
} from '../../formats/upgrade-body.ts';
import type { Attempt, Backup, MemberProgress } from './journal.ts';
import type { Seen } from './seen.ts';
import type { VerifiedScan } from './verified-scan.ts';

export interface RestartRequest {
  readonly attempt: Attempt;
  readonly member: MemberProgress;
  readonly version: string;
  readonly role: 'canary' | 'follower' | 'master';
  readonly timeoutMs: number;
}

export interface Compared {
  readonly verdict: 'agree' | 'differ' | 'incomplete';
  readonly detail: string;
  /** Who said the same of that instance. */
  readonly agreeing: readonly string[];
}

/** Whether after it nobody knows: a member, or the cell, that could not be asked. Anything else was found wrong. */
export const leavesUnknown = (error: unknown): boolean =>
  error instanceof OperatorError && [3, 7, 8].includes(error.exitCode);

export interface UpgradeWorld {
  /** Never rejects: who does not answer has no status. `known` are members to ask when nobody names them. */
  see(
    known: readonly {
      readonly name: string;
      readonly url: string;
      readonly incarnation: number;
      readonly voting: boolean;
    }[],
  ): Promise<Seen>;
  /** @throws {OperatorError} when the cell does not tell. */
  readState(): Promise<UpgradeStateDocument>;
  /** @throws {OutcomeUnknownError} when it may have happened; {OperatorError} when it did not. */
  write(body: UpgradeWriteBody): Promise<boolean>;
  /** A verified copy of everything, outside of the members' directories. */
  backup(attempt: Attempt): Promise<Backup>;
  begin(member: MemberProgress, manifest: AttemptManifestDocument): Promise<AttemptScanDocument>;
  /** @throws {OperatorError} also when no member has signed it, or nobody can tell. */
  scan(member: { readonly url: string }): Promise<VerifiedScan>;
  /** What is there afterwards. @throws as `scan`. */
  clear(member: MemberProgress, attempt: string): Promise<VerifiedScan>;
  /** How the command ended, in words: nothing is judged by it. */
  restart(request: RestartRequest): Promise<string>;
  /** What `node rehearse` of the target said. @throws {CheckIncompleteError} when it shows nothing of this member; {Error} when the target refuses its data. */
  rehearse(request: RestartRequest): Promise<string>;
  /** Which levels the target speaks, by what its `node rehearse` prints of this member's data. @throws {Error} when it refuses that, too. */
  levelsOf(request: RestartRequest): Promise<LevelRange>;
  transfer(to: string): Promise<void>;
  /** Compares all databases at one instance. */
  verify(): Promise<Compared>;
  nowMs(): number;
  /** RFC 3339. */
  at(): string;
  sleep(ms: number): Promise<void>;
  /** Calls back again and again until the returned function is called. */
  every(ms: number, callback: () => void): () => void;
}

/** What the driver of an upgrade asks of the world. The cell of `cell-world.ts`, or a made-up one in tests. */
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
  /** What `node rehearse` of the target said. @throws {Error} when it was not this member's, or not good. */
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

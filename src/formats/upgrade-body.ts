/** JSON bodies of `/v1/upgrade`: the journal of upgrades in the cell, and what attempts have left on one member. */

export {
  openUpgradeKey as currentKey,
  upgradeClaimKey as claimKey,
  upgradeRenewedKey as claimRenewedKey,
} from '../core/database/system-entry.ts';

/** `GET /v1/upgrade`: linearizable. */
export interface UpgradeStateDocument {
  readonly level: number;
  readonly epoch: number;
  /** Now, by the master's running clock: what the age of a claim is measured in. */
  readonly cellTimeMs: number;
  /** Applied by the replica that answers: which of two stale answers is the later one. */
  readonly instance: number;
  /** Of the journal, in the order of their keys. */
  readonly entries: readonly { readonly key: string; readonly instance: number; readonly value: string }[];
}

/** `POST /v1/upgrade`: all tests hold, and all writes happen; or nothing does. */
export interface UpgradeWriteBody {
  /** `instance` of the entry's last change, 0 where it must be absent. */
  readonly guard?: readonly { readonly key: string; readonly instance: number }[] | undefined;
  readonly writes?: readonly { readonly key: string; readonly value: string | null }[] | undefined;
  /** The claim was renewed now. */
  readonly renew?: boolean | undefined;
}

export interface UpgradeWriteDocument {
  readonly succeeded: boolean;
  readonly guard: readonly boolean[];
  readonly instance: number;
  readonly epoch: number;
}

export interface AttemptFileDocument {
  readonly name: string;
  readonly bytes: number;
  /** RFC 3339. */
  readonly modifiedAt: string;
}

/** What one attempt has under `attempts/` of one member. */
export interface AttemptFolderDocument {
  readonly attempt: string;
  /** What the attempt said of itself when it began here; null where that cannot be read. */
  readonly manifest: AttemptManifestDocument | null;
  readonly files: readonly AttemptFileDocument[];
}

/** Written before anything else of an attempt. */
export interface AttemptManifestDocument {
  readonly attempt: string;
  readonly from: string;
  readonly to: string;
  readonly startedBy: string;
  readonly at: string;
  readonly generation: number;
  readonly instance: number;
  readonly checksum: string;
}

/** `GET /v1/upgrade/attempts`, and the answer to both changes: everything there is, signed by the member. */
export interface AttemptScanDocument {
  readonly member: string;
  readonly incarnation: number;
  readonly boot: string;
  readonly version: string;
  readonly instance: number;
  /** RFC 3339. */
  readonly at: string;
  readonly folders: readonly AttemptFolderDocument[];
  /** Of whoever asked: an answer to another question, or of another day, has another one. */
  readonly nonce: string;
  /** Over all of the above, with a key that only members of this cell have. */
  readonly signature: string;
}

/** `POST /v1/upgrade/scans`: whether a member of this cell signed the scan as it is. */
export interface ScanVerdictDocument {
  readonly valid: boolean;
  /** Who says so. */
  readonly by: string;
}

/** System keys that these requests may name, besides the level. */
export const upgradeKeyPrefix = 'upgrade/';
export const upgradeAttemptsPrefix = 'upgrade/attempt/';
export const attemptKey = (attempt: string): string => `${upgradeAttemptsPrefix}${attempt.toLowerCase()}`;
/** A claim that was not renewed for so long, in the time of the cell, is nobody's. */
export const claimLapsesMs = 10_000;

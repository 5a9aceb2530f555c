/**
 * What upgrades keep on a member: one folder an attempt, below `attempts/`, which no replica ever reads data from (design §6).
 * Adapter: `adapters/attempts-node`.
 */
import type { AttemptFolderDocument, AttemptManifestDocument } from '../formats/upgrade-body.ts';

export interface AttemptsPort {
  /** All that is there, sorted by name, what belongs to no attempt included; folders without a file are not. */
  list(): Promise<readonly AttemptFolderDocument[]>;
  /** Durable when it resolves. A second time it changes nothing. */
  begin(manifest: AttemptManifestDocument): Promise<void>;
  /** Nothing of the attempt is left when it resolves. No error when there was none. */
  clear(attempt: string): Promise<void>;
}

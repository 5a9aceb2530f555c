/** The part of a replica that upgrades work with: the journal in the database, and `attempts/` on the disk. */
import { parseReplicaId } from '../core/consensus/identity.ts';
import type { CommandResult } from '../core/database/command.ts';
import type { OpenUpgradeDocument } from '../formats/operating-body.ts';
import type { AttemptManifestDocument, AttemptScanDocument, ScanVerdictDocument } from '../formats/upgrade-body.ts';
import type { AttemptsPort } from '../ports/attempts.ts';
import type { ClockPort } from '../ports/clocks.ts';
import type { DatabaseApplication } from './database-application.ts';
import type { UpgradeService } from './http/service.ts';
import type { LogReplica } from './log-replica.ts';
import { openUpgradeOf } from './open-upgrade.ts';
import { isSigned, signed } from './signed-scan.ts';

export interface ReplicaUpgradeOptions {
  readonly log: Pick<LogReplica<CommandResult>, 'core' | 'self' | 'appliedUpTo'>;
  readonly database: DatabaseApplication;
  readonly clocks: ClockPort;
  readonly version: string;
  readonly boot: { readonly id: string };
  /** Null where the disk is not a real one. */
  readonly attempts: AttemptsPort | null;
}

export class ReplicaUpgrade implements UpgradeService {
  readonly #options: ReplicaUpgradeOptions;

  constructor(options: ReplicaUpgradeOptions) {
    this.#options = options;
  }

  system(): ReturnType<UpgradeService['system']> {
    const { clocks, database, log } = this.#options;
    const cellTimeMs = log.core.cellTimeMs(clocks.now());
    return { level: database.level, epoch: database.epoch, cellTimeMs, entries: database.system };
  }

  /** For status: what waits to be ended, finalized above all. Not a warning, which a judge of a restart would take for news. */
  open(): OpenUpgradeDocument | null {
    const { cellTimeMs, entries } = this.system();
    const open = openUpgradeOf(entries, cellTimeMs);
    if (open === null) return null;
    const { attempt, changedAt, from, state, to } = open;
    return { attempt, state, from, to, changedAt };
  }

  /** Signed, so that "nothing is left" is the word of this member and not of whoever asked it. */
  async scan(nonce: string): Promise<AttemptScanDocument> {
    const { attempts, boot, clocks, database, log, version } = this.#options;
    const { name, incarnation } = parseReplicaId(log.self);
    const scan = {
      member: name,
      incarnation,
      boot: boot.id,
      version,
      instance: log.appliedUpTo as number,
      at: new Date(clocks.now().wallMs).toISOString(),
      folders: (await attempts?.list()) ?? [],
      nonce,
    };
    return signed(scan, database.identity?.rootSecret ?? null);
  }

  verify(scan: AttemptScanDocument): ScanVerdictDocument {
    const { database, log } = this.#options;
    return { valid: isSigned(scan, database.identity?.rootSecret ?? null), by: parseReplicaId(log.self).name };
  }

  async begin(manifest: AttemptManifestDocument): Promise<void> {
    await this.#options.attempts?.begin(manifest);
  }

  async clear(attempt: string): Promise<void> {
    await this.#options.attempts?.clear(attempt);
  }
}

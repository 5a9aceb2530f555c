/** The part of a replica that upgrades work with: the journal in the database, and `attempts/` on the disk. */
import { memberId } from '../core/consensus/configuration.ts';
import { parseReplicaId } from '../core/consensus/identity.ts';
import type { CommandResult } from '../core/database/command.ts';
import { levelRefusal, touchesLevel } from '../core/database/level-rule.ts';
import { levelKey, levelOf, raiseKey, type SystemCommand } from '../core/database/system-entry.ts';
import { isSupported, type LevelRange, levelRefusalText, levelsText } from '../formats/levels.ts';
import type { OpenUpgradeDocument } from '../formats/operating-body.ts';
import type { AttemptManifestDocument, AttemptScanDocument, ScanVerdictDocument } from '../formats/upgrade-body.ts';
import type { AttemptsPort } from '../ports/attempts.ts';
import type { ClockPort } from '../ports/clocks.ts';
import type { DatabaseApplication } from './database-application.ts';
import type { UpgradeService } from './http/service.ts';
import type { LogReplica } from './log-replica.ts';
import type { PeerQuestions } from './membership/peer-questions.ts';
import { openUpgradeOf } from './open-upgrade.ts';
import { isSigned, signed } from './signed-scan.ts';

export interface ReplicaUpgradeOptions {
  readonly log: Pick<LogReplica<CommandResult>, 'core' | 'self' | 'appliedUpTo' | 'record'>;
  readonly database: DatabaseApplication;
  readonly clocks: ClockPort;
  readonly version: string;
  readonly boot: { readonly id: string };
  /** That this program speaks. */
  readonly levels: LevelRange;
  readonly questions: Pick<PeerQuestions, 'condition'>;
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
    const instance = log.appliedUpTo as number;
    return { level: database.level, epoch: database.epoch, cellTimeMs, instance, entries: database.system };
  }

  /** For status: what waits to be ended, finalized above all. Not a warning, which a judge of a restart would take for news. */
  open(): OpenUpgradeDocument | null {
    const { cellTimeMs, entries } = this.system();
    const open = openUpgradeOf(entries, cellTimeMs);
    if (open === null) return null;
    const { attempt, changedAt, from, state, to } = open;
    return { attempt, state, from, to, changedAt };
  }

  /** Every member is asked, since what a program speaks is not in the log, and a member that cannot follow is lost to the cell. */
  async levelProblem(command: SystemCommand): Promise<string | null> {
    if (!touchesLevel(command)) return null;
    const { database, levels, log, questions } = this.#options;
    const refused = levelRefusal(command, database.system);
    if (refused !== null) return levelRefusalText(refused, database.level);
    const wanted = command.writes.flatMap(({ key, value }) =>
      (key === levelKey || key === raiseKey) && value !== null ? [levelOf(value)] : [],
    );
    if (wanted.length === 0) return null;
    const others = new Map(
      log.core.configurations
        .flatMap(({ configuration }) => configuration.members)
        .filter((member) => memberId(member) !== log.self)
        .map((member) => [memberId(member), member]),
    );
    const asked = [...others.values()].map(async (member) => {
      const condition = await questions.condition(member);
      return { name: member.name, spoken: condition?.levels ?? null };
    });
    const own = { name: parseReplicaId(log.self).name, spoken: levels };
    for (const { name, spoken } of [own, ...(await Promise.all(asked))]) {
      if (spoken === null) return `${name} does not say which levels it speaks, and could be lost to the cell.`;
      const beyond = wanted.find((level) => !isSupported(level, spoken));
      if (beyond !== undefined) return `${name} speaks ${levelsText(spoken)}, and not level ${beyond}.`;
    }
    return null;
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

  /** With a recorded point of the attempt's own: a rehearsal that meets none compares nothing. */
  async begin(manifest: AttemptManifestDocument): Promise<void> {
    await this.#options.log.record();
    await this.#options.attempts?.begin(manifest);
  }

  async clear(attempt: string): Promise<void> {
    await this.#options.attempts?.clear(attempt);
  }
}

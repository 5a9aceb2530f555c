/** What a replica says of itself (contract §2, `/v1/status`), with what ails it in words. */
import { formatBallot } from '../core/consensus/ballot.ts';
import type { ReplicaId } from '../core/consensus/identity.ts';
import { parseReplicaId } from '../core/consensus/identity.ts';
import type { Replica } from '../core/consensus/replica.ts';
import type { CommandResult } from '../core/database/command.ts';
import type { CatchUpDocument } from '../formats/http-body.ts';
import type { DrainDocument } from '../formats/operating-body.ts';
import type { ClockPort } from '../ports/clocks.ts';
import type { DatabaseApplication } from './database-application.ts';
import { frozenDocument } from './frozen-document.ts';
import type { HostFacts } from './host-facts.ts';
import type { BackupService, ReplicaStatus, UpgradeService } from './http/service.ts';
import { knownMaster } from './known-master.ts';
import type { LogReplica } from './log-replica.ts';
import type { MastershipHistory } from './mastership-history.ts';
import type { SelfCheck } from './self-check.ts';

/** The replica that is spoken of. */
export interface DescribedReplica {
  readonly self: ReplicaId;
  readonly log: LogReplica<CommandResult>;
  readonly database: DatabaseApplication;
  readonly selfCheck: SelfCheck;
  readonly clocks: ClockPort;
  readonly host: HostFacts;
  readonly upgrade?: UpgradeService;
  /** Absent where the cell makes no backups by itself. */
  readonly backups?: BackupService | undefined;
}

export interface StatusSources extends DescribedReplica {
  readonly mastership: MastershipHistory;
  readonly drains: readonly DrainDocument[];
  /** Mean of what was applied since the start. */
  readonly itemsPerInstance: number;
}

export function replicaStatus(sources: StatusSources): ReplicaStatus {
  const { host, log, clocks, self, database } = sources;
  const now = clocks.now();
  const { name, incarnation } = parseReplicaId(self);
  const { core } = log;
  const master = knownMaster(core, clocks);
  const held = log.isServing();
  const flush = host.flushMs();
  const [, pending] = core.configurations;
  return {
    name,
    cell: host.cell,
    role: roleOf(sources, held),
    voting: core.isCountedOn && !log.stopped && !host.removed(),
    incarnation,
    boot: host.boot,
    epoch: core.epoch,
    ballot: formatBallot(core.ballot),
    master: master === null ? null : { name: master.name, url: master.url },
    lease: { held, remainingMs: Math.round(core.leaseRemainingMs(now)) },
    instances: {
      chosen: core.chosenUpTo,
      applied: log.appliedUpTo,
      firstRetained: core.firstRetained,
      snapshot: host.snapshotInstance(),
      missingUpTo: core.missingUpTo,
    },
    revision: database.revision,
    entries: database.entries,
    checksum: {
      instance: log.appliedUpTo,
      log: Buffer.from(log.logChain).toString('hex'),
      database: database.checksumHex(),
    },
    version: host.version,
    level: database.level,
    levels: host.levels,
    uptimeMs: Math.round(host.uptimeMs()),
    members: core.configuration.members.map((member) => ({
      name: member.name,
      url: member.url,
      role: member.role,
      voting: member.role === 'voter',
      incarnation: member.incarnation,
    })),
    membershipFrom: core.configurations[0]?.from ?? 0,
    unheard: core.unheard(now).map((peer) => parseReplicaId(peer).name),
    peers: host.peers().map((peer) => parseReplicaId(peer).name),
    mastership: sources.mastership.summary(now.wallMs),
    load: {
      queuedWrites: log.queued,
      eventLoopLagMsP99: host.eventLoopLagMsP99(),
      flushMsP50: flush.p50,
      flushMsP99: flush.p99,
      itemsPerInstance: Math.round(sources.itemsPerInstance * 100) / 100,
    },
    check: sources.selfCheck.status(),
    readOnly: host.readOnly(),
    catchUp: catchUpStatus(log.catchUp),
    warnings: [...damageWarnings(core, master !== null), ...removalWarnings(sources), ...host.warnings()],
    ...host.operating?.(),
    ...(sources.backups === undefined ? {} : { backups: sources.backups.document() }),
    drains: sources.drains,
    at: new Date(now.wallMs).toISOString(),
    leaseMs: core.configuration.leaseMs,
    pendingMembership:
      pending === undefined
        ? null
        : { from: pending.from, members: pending.configuration.members.map((member) => member.name) },
    upgrade: sources.upgrade?.open() ?? null,
    frozen: frozenDocument(log.frozen),
  };
}

function removalWarnings({ log, host }: StatusSources): readonly string[] {
  if (log.core.participation !== 'removed' || host.removed()) return [];
  const names = log.core.configuration.members.map(({ name }) => name).join(', ');
  return [`It was removed, and stays until a majority of ${names} has that on disk; it ends within ten seconds.`];
}

function roleOf({ log, host }: StatusSources, serving: boolean): ReplicaStatus['role'] {
  const { core } = log;
  if (host.removed()) return 'removed';
  if (core.participation !== 'voting') return core.participation;
  // It is about to end, as it was told to: nothing that waiting does not mend, as it would be of one that has halted.
  if (log.stopped) return 'replica';
  if (serving || core.state === 'handing-over') return 'master';
  return core.state === 'following' || core.state === 'serving' || core.state === 'boosting' ? 'replica' : 'candidate';
}

/** What of the log or the state is bad, in words: each of it ends by itself, once the others have given what is missing. */
function damageWarnings({ bad, isWhole, lost, missingUpTo }: Replica, hasMaster: boolean): readonly string[] {
  if (lost !== null) {
    return [`Nobody can tell any more what was accepted at instance ${lost.instance}: this replica has halted.`];
  }
  const warnings: string[] = [];
  const first = bad.find(({ upTo }) => upTo > missingUpTo);
  if (first !== undefined) {
    const more = bad.length > 1 || first.upTo > first.instance ? ' and later' : '';
    warnings.push(
      `Its log is damaged at instance ${first.instance}${more}; it keeps its vote and repairs it from the others.`,
    );
  }
  if (missingUpTo > 0) warnings.push(missingText(missingUpTo, hasMaster));
  else if (!isWhole) warnings.push('Its state is being completed from the other members: nothing older is served.');
  return warnings;
}

function missingText(upTo: number, hasMaster: boolean): string {
  const whoHasIt = hasMaster ? '' : ' Nobody is master: `paxosctl status` says whether any member has it.';
  return (
    `Its state is being completed from the other members: its snapshots are bad, and all up to instance ${upTo} ` +
    `is missing. Nothing older is served.${whoHasIt}`
  );
}

const catchUpStatus = (progress: LogReplica<unknown>['catchUp']): CatchUpDocument | null =>
  progress === null ? null : { ...progress, from: parseReplicaId(progress.from).name };

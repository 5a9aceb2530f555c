/** All that a running member knows which a new generation depends on (design §3 "Generations"). */
import type { Instance } from '../core/consensus/identity.ts';
import type { CommandResult } from '../core/database/command.ts';
import { numbersApart } from '../formats/history-points.ts';
import type { EpochDocument, RecoverReport } from '../formats/recovery.ts';
import { encodeValue } from '../formats/value.ts';
import type { DatabaseApplication } from './database-application.ts';
import { frozenDocument } from './frozen-document.ts';
import type { JoinedMember } from './member.ts';

/** More would be no report any more; marks older than these epochs are judged by the cell itself. */
export const epochsReportedMax = 10_000;

export function reportOf({
  log,
  application,
  storage,
  fencing,
}: JoinedMember<CommandResult, DatabaseApplication>): Omit<RecoverReport, 'ready'> {
  const { core } = log;
  const { cell, member, attempt } = storage.manifest;
  const next = (log.appliedUpTo + 1) as Instance;
  const entries = core.acceptedFrom(next);
  const { configuration } = core;
  const { alpha, leaseMs, driftPpm } = configuration;
  return {
    member: member.name,
    incarnation: member.incarnation,
    cell: { id: cell.id, name: cell.name },
    generation: cell.generation,
    ...historyIn(application, log.appliedUpTo),
    logChain: Buffer.from(log.logChain).toString('hex'),
    setAside: core.isSetAside || storage.manifest.flags.quarantined,
    disk: fencing.disk,
    chosenUpTo: core.chosenUpTo,
    entries: entries.map(({ instance, ballot, value }) => ({
      instance,
      ballot: { ...ballot },
      valueBase64: Buffer.from(encodeValue(value)).toString('base64'),
    })),
    unreadable: core.badFrom(Math.max(next, core.chosenUpTo + 1) as Instance).length,
    highest: Math.max(
      log.appliedUpTo,
      entries.at(-1)?.instance ?? 0,
      application.revision,
      application.epoch,
      storage.manifest.floor,
      attempt?.before?.state?.instance ?? 0,
      ...configuration.members.map(({ incarnation }) => incarnation),
    ),
    members: configuration.members.map((it) => ({ ...it, voting: it.role === 'voter' })),
    settings: { alpha, leaseMs, driftPpm },
    frozen: frozenDocument(log.frozen),
    attempt: attempt === null ? null : { ...attempt },
  };
}

/** What a database tells of the history that led to it. */
export function historyIn(
  application: DatabaseApplication,
  instance: number,
): Pick<RecoverReport, 'applied' | 'begun' | 'cellTimeMs' | 'entryCount' | 'epochs' | 'generationId' | 'generations'> {
  const { epoch, revision, identity } = application;
  const epochs = application
    .epochs()
    .map((it): EpochDocument => ({ epoch: it.epoch, instance: it.instance, id: it.id, revision: it.revision }));
  return {
    generationId: identity?.generationId ?? '',
    applied: { instance, epoch, epochId: application.epochAt(epoch)?.id ?? '', revision },
    begun: identity?.generationStart ?? { epoch: 0, instance: 0 },
    cellTimeMs: application.cellTimeMs,
    entryCount: application.entries,
    epochs: epochs.slice(-epochsReportedMax),
    generations: epochs.filter((it) => it.epoch % numbersApart === 0),
  };
}

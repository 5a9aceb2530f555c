/** All that a running member knows which a new generation depends on (design §3 "Generations"). */
import type { Configuration } from '../core/consensus/configuration.ts';
import type { Instance } from '../core/consensus/identity.ts';
import type { AcceptedEntry } from '../core/consensus/message.ts';
import type { CommandResult } from '../core/database/command.ts';
import { numbersApart } from '../formats/history-points.ts';
import type { Manifest } from '../formats/manifest.ts';
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
  const next = (log.appliedUpTo + 1) as Instance;
  return reportOfState(storage.manifest, {
    application,
    instance: log.appliedUpTo,
    logChain: log.logChain,
    configuration: core.configuration,
    entries: core.acceptedFrom(next),
    setAside: core.isSetAside || storage.manifest.flags.quarantined,
    disk: fencing.disk,
    chosenUpTo: core.chosenUpTo,
    unreadable: core.badFrom(Math.max(next, core.chosenUpTo + 1) as Instance).length,
    frozen: log.frozen,
    ...(core.missingUpTo === 0 ? {} : { missingUpTo: core.missingUpTo }),
  });
}

/** What is known of a member beyond its manifest, from memory or from its files. */
interface ReportedState extends Pick<RecoverReport, 'setAside' | 'disk' | 'chosenUpTo' | 'unreadable' | 'missingUpTo'> {
  readonly application: DatabaseApplication;
  /** The last that the application has applied. */
  readonly instance: number;
  readonly logChain: Uint8Array;
  readonly configuration: Configuration;
  /** Accepted ones beyond `instance`, in their order. */
  readonly entries: readonly AcceptedEntry[];
  readonly frozen: Parameters<typeof frozenDocument>[0];
}

/** The report of a member with this manifest. */
export function reportOfState(
  { cell, member, attempt, floor }: Manifest,
  { application, instance, logChain, configuration, entries, frozen, ...said }: ReportedState,
): Omit<RecoverReport, 'ready'> {
  const { alpha, leaseMs, driftPpm } = configuration;
  return {
    member: member.name,
    incarnation: member.incarnation,
    cell: { id: cell.id, name: cell.name },
    generation: cell.generation,
    ...historyIn(application, instance),
    logChain: Buffer.from(logChain).toString('hex'),
    ...said,
    entries: entries.map((it) => ({
      instance: it.instance,
      ballot: { ...it.ballot },
      valueBase64: Buffer.from(encodeValue(it.value)).toString('base64'),
    })),
    highest: Math.max(
      instance,
      entries.at(-1)?.instance ?? 0,
      application.revision,
      application.epoch,
      floor,
      attempt?.before?.state?.instance ?? 0,
      ...configuration.members.map(({ incarnation }) => incarnation),
    ),
    members: configuration.members.map((it) => ({ ...it, voting: it.role === 'voter' })),
    settings: { alpha, leaseMs, driftPpm },
    frozen: frozenDocument(frozen),
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

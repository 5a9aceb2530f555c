/**
 * States that a generation could begin with: what those that answer hold, what was collected of others, and what members are ready with
 * for another generation, which some may have begun and gone on from (design §3 "Generations"). Pure.
 */
import type { GenerationId, OfferedState, ReadyDocument, RecoverReport } from '../../formats/recovery.ts';
import { historyContains } from './history.ts';
import { hasState, isMemberOf, isReadyFor } from './takes-part.ts';

/** What was collected of a member that does not take part. */
export interface CollectedCopy {
  readonly report: RecoverReport;
  /** Its applied state as a file; null where there is none. */
  readonly state: OfferedState | null;
}

export interface Candidate {
  /** How `--branch` names it. */
  readonly label: string;
  readonly report: RecoverReport;
  /** `own`: a member that takes part stands there. Null: what is known of it is no whole state. */
  readonly source: 'own' | OfferedState | null;
  /** The member that has the file; null where it has to be offered, and for `own` the member itself. */
  readonly holder: string | null;
  /** Somebody may have begun the generation that it is the first state of: what it was gone behind for was accepted then. */
  readonly mayHaveBegun: boolean;
}

interface Known {
  readonly to: GenerationId;
  /** Of those that answer, all of one generation. */
  readonly reports: readonly RecoverReport[];
  readonly collected: readonly CollectedCopy[];
}

/** In an order that does not depend on who answered first. */
export function candidatesOf({ to, reports, collected }: Known): readonly Candidate[] {
  const present = reports[0]?.generation ?? 0;
  const same = collected.filter(({ report }) => report.generation === present);
  const newest = newestOf([...reports, ...same.map(({ report }) => report)]);
  const sorted = [...reports].sort((a, b) => (a.member < b.member ? -1 : 1));
  const standing = sorted.map((report): Candidate => {
    // An older life of a member is known of, and takes no part; whose state is gone has nothing to begin with.
    const source = isMemberOf(newest, report) && hasState(report) ? 'own' : null;
    return { label: report.member, report, source, holder: report.member, mayHaveBegun: false };
  });
  const copies = same.map(({ report, state }): Candidate => {
    return { label: report.member, report, source: hasState(report) ? state : null, holder: null, mayHaveBegun: false };
  });
  const known = [...standing, ...copies];
  return [...known, ...readyCandidates({ to, reports: sorted, collected }, known)];
}

function readyCandidates({ to, reports, collected }: Known, known: readonly Candidate[]): readonly Candidate[] {
  const linked = new Set(reports.flatMap(({ ready }) => ready.map(({ report }) => report.generationId)));
  const held = [
    ...reports.flatMap(({ member, ready }) => ready.map((it) => ({ ...it, holder: member as string | null }))),
    ...collected.flatMap(({ report, state }) =>
      state !== null && linked.has(report.generationId) ? [{ report, state, holder: null }] : [],
    ),
  ];
  const once = new Map<string, (typeof held)[number]>();
  for (const it of held) if (!once.has(it.state.sha256)) once.set(it.state.sha256, it);
  return [...once.values()].flatMap(({ report, state, holder }): Candidate[] => {
    // The very attempt that is being made.
    if (report.generationId === to.generationId) return [];
    const mayHaveBegun = mayBegin(report, reports);
    const parent = parentOf(report);
    // Never begun, and all that it was made of is known besides: it is nothing of its own.
    if (!mayHaveBegun && known.some((it) => historyContains(it.report, parent))) return [];
    const label = `${report.member}:generation-${report.generation}`;
    return [{ label, report, source: state, holder, mayHaveBegun }];
  });
}

/**
 * The first becomes active when all are ready. So nobody has where one of its members, on a disk that can be relied on, is not; and while
 * all of them answer, and are ready only, nobody has either.
 */
function mayBegin({ members, generationId }: RecoverReport, reports: readonly RecoverReport[]): boolean {
  const answers = members.flatMap(({ name }) => reports.find(({ member }) => member === name) ?? []);
  if (answers.some((it) => it.disk === 'compared' && !isReadyFor(it, generationId))) return false;
  return answers.length < members.length || !answers.every((it) => isReadyFor(it, generationId));
}

/** The point of the generation before that it goes on from. */
function parentOf({ begun, epochs, applied }: RecoverReport): RecoverReport['applied'] {
  const epochId = epochs.find(({ epoch }) => epoch === begun.epoch)?.id ?? '';
  return { instance: begun.instance, epoch: begun.epoch, epochId, revision: applied.revision };
}

/** Whoever has applied most knows the newest membership. */
export const newestOf = (reports: readonly RecoverReport[]): RecoverReport =>
  reports.reduce((best, it) => (it.applied.instance > best.applied.instance ? it : best));

/** Of all that answer, without the attempt that is being made. */
export const readyBeside = ({ to, reports }: Pick<Known, 'to' | 'reports'>): readonly ReadyDocument[] =>
  candidatesOf({ to, reports, collected: [] }).flatMap(({ report, source }) =>
    source !== null && source !== 'own' ? [{ report, state: source }] : [],
  );

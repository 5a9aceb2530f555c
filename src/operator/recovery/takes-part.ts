/** Who is a member of what a report tells of: by name and incarnation, or by being ready for its generation. Pure. */
import type { RecoverReport } from '../../formats/recovery.ts';

export const isSameMember = (
  { name, incarnation }: RecoverReport['members'][number],
  report: Pick<RecoverReport, 'member' | 'incarnation'>,
): boolean => name === report.member && incarnation === report.incarnation;

export const isMemberOf = ({ members }: RecoverReport, report: RecoverReport): boolean =>
  members.some((it) => isSameMember(it, report));

/** False where what stood for its state is bad: it may have records that follow it, and they are of no use alone. */
export const hasState = ({ missingUpTo = 0 }: RecoverReport): boolean => missingUpTo === 0;

/** Ready for that generation, or was until a later one was begun over it. */
export const isReadyFor = ({ attempt }: RecoverReport, generationId: string): boolean =>
  [attempt, attempt?.before ?? null].some((it) => it?.generationId === generationId && it.step !== 'fenced');

/** Whether that member takes part in what begins with this state. */
export const takesPart = (base: RecoverReport, report: RecoverReport): boolean =>
  base.generation === report.generation
    ? isMemberOf(base, report)
    : base.members.some(({ name }) => name === report.member) && isReadyFor(report, base.generationId);

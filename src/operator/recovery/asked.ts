/**
 * Of which members it is known what they hold. A member is (name, incarnation): an older life of it says nothing for the present
 * one; and a directory counts only when others have compared what they remember of it (design §3 "Incarnations", §4 "Fence").
 */
import type { GenerationId, RecoverReport } from '../../formats/recovery.ts';
import { takesPart } from './takes-part.ts';

/** Members that are ready for another generation than this one, which others may have begun. */
export interface ReadyElsewhere {
  readonly member: string;
  readonly text: string;
}

/**
 * While all answer nobody has begun it; else those that do not may have, and what they acknowledged there is in nothing that was
 * reported.
 */
export function readyElsewhere(
  { generationId }: GenerationId,
  newest: RecoverReport,
  live: readonly RecoverReport[],
): readonly ReadyElsewhere[] {
  if (newest.members.every(({ name }) => live.some((it) => it.member === name && takesPart(newest, it)))) return [];
  return live.flatMap(({ member, generation, attempt }) => {
    const steps = [attempt, attempt?.before ?? null].flatMap((it) => it ?? []);
    const ready = steps.find(
      (it) =>
        it.step !== 'fenced' &&
        it.generation > generation &&
        it.generationId !== generationId &&
        // Gone on from itself, nothing of it is left out.
        it.generationId !== newest.generationId,
    );
    if (ready === undefined) return [];
    const what = `generation ${ready.generation} (${ready.generationId})`;
    return [{ member, text: `${member} is ready for ${what}, which members that do not answer may have begun` }];
  });
}

export interface NotAsked {
  readonly member: string;
  readonly why: string;
}

/** Nobody knows what a copy's member did after the copy was made: only who answers was asked. */
export function notAskedOf(
  to: GenerationId,
  newest: RecoverReport,
  { reports, elsewhere }: { readonly reports: readonly RecoverReport[]; readonly elsewhere: readonly ReadyElsewhere[] },
): readonly NotAsked[] {
  return newest.members.flatMap(({ name, incarnation }) => {
    const report = reports.find((it) => it.member === name && takesPart(newest, it));
    const why = report === undefined ? whyAbsent(reports, name, incarnation) : whyUnknown(report, to, elsewhere);
    return why === null ? [] : [{ member: name, why }];
  });
}

function whyAbsent(reports: readonly RecoverReport[], name: string, incarnation: number): string {
  const other = reports.find(({ member }) => member === name);
  if (other === undefined) return `${name} does not answer`;
  return `${name} answers with the disk of incarnation ${other.incarnation}; the cell has incarnation ${incarnation}`;
}

function whyUnknown(
  { member, unreadable, missingUpTo = 0, disk, attempt }: RecoverReport,
  { generationId }: GenerationId,
  elsewhere: readonly ReadyElsewhere[],
): string | null {
  if (missingUpTo > 0) return `${member} has lost its state up to instance ${missingUpTo}`;
  if (unreadable > 0) return `${member} cannot read ${unreadable} of what it has accepted`;
  const ready = elsewhere.find((it) => it.member === member);
  if (ready !== undefined) return ready.text;
  // What it is ready with was priced when it was made.
  if (attempt?.generationId === generationId && attempt.step !== 'fenced') return null;
  switch (disk) {
    case 'compared':
      return null;
    case 'not-compared':
      return `${member} has not compared its disk with a majority since it started: it may be older than what it acknowledged`;
    case 'copied':
      return `${member} runs on a copied directory that not all others have confirmed: it may be older than what it acknowledged`;
    case 'older':
      return `${member} runs on a disk that is older than what others remember of it`;
  }
}

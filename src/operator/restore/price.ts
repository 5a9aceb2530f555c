/**
 * What going back to a backup costs, from what everybody reports, and the decision that its generation begins with. Pure: the same
 * reports give the same (design §3 "Generations").
 */
import { contains, type KnownHistory, lostAtLeast } from '../../formats/history-points.ts';
import type { EpochDocument, GenerationDecision, GenerationId, RecoverReport } from '../../formats/recovery.ts';
import { decodeValue } from '../../formats/value.ts';
import { notAskedOf, readyElsewhere } from '../recovery/asked.ts';
import { readyBeside } from '../recovery/candidates.ts';
import {
  type Decided,
  digestOf,
  membersOf,
  numbersAbove,
  type Price,
  tailOf,
  type Witnessed,
} from '../recovery/decide.ts';
import { beginnings, historyContains, historyOf, type ToldHistory, toldBy, writtenApart } from '../recovery/history.ts';
import { hasState } from '../recovery/takes-part.ts';

/** What a verified backup file stands for. */
export interface Backup {
  readonly file: string;
  readonly cell: string;
  readonly generation: number;
  readonly instance: number;
  readonly epoch: number;
  readonly epochId: string;
  readonly revision: number;
  readonly epochs: readonly EpochDocument[];
  readonly entries: number;
  readonly cellTimeMs: number;
  readonly level: number;
  readonly logChain: string;
  readonly digest: string;
  readonly bytes: number;
}

/** In the document of `cell restore`. */
export interface RestorePrice extends Price {
  /** The furthest that can be reached. */
  readonly present: {
    readonly member: string;
    readonly generation: number;
    readonly epoch: number;
    readonly instance: number;
    readonly revision: number;
    readonly entries: number;
  };
  /** From the file to the present: entries are fewer or more by so many, whatever was changed in between. */
  readonly lost: {
    readonly instances: number;
    readonly entries: number;
    readonly cellTimeMs: number;
  };
}

export interface RestoreDecided extends Pick<Decided, 'decision' | 'digest'> {
  readonly price: RestorePrice;
  /** What follows the state of the furthest, and may have been chosen: it belongs to the present. */
  readonly beyond: GenerationDecision['tail'];
}

interface Facts {
  readonly to: GenerationId;
  readonly backup: Backup;
  /** Of the members that take part, one at least. */
  readonly reports: readonly RecoverReport[];
  readonly witnessed: readonly Witnessed[];
}

export function decideRestore({ to, backup, reports, witnessed }: Facts): RestoreDecided {
  const live = [...reports].sort((a, b) => (a.member < b.member ? -1 : 1));
  const furthest = furthestOf(live);
  const further = [backup.instance, backup.revision, backup.epoch];
  const numbers = numbersAbove(to, live, witnessed, further);
  const decision: GenerationDecision = {
    ...to,
    cellId: backup.cell,
    base: live[0]?.member ?? '',
    offered: { sha256: backup.digest, bytes: backup.bytes },
    baseApplied: backup.instance,
    tail: [],
    numbers,
    members: membersOf(furthest, live, numbers),
  };
  // Records that follow a state which is gone are nothing that could be gone back to.
  const beyond = hasState(furthest)
    ? tailOf(
        furthest,
        live.filter((it) => it === furthest || historyContains(furthest, it.applied)),
      )
    : [];
  const price = priceOf(backup, furthest, { to, live, witnessed, beyond });
  return { decision, digest: digestOf(backup, decision), price, beyond };
}

/** The same one every time; what is set aside stands back, and behind it whose state is gone. */
export const furthestOf = (reports: readonly RecoverReport[]): RecoverReport =>
  [...reports].sort(
    (a, b) =>
      Number(hasState(b)) - Number(hasState(a)) ||
      Number(a.setAside) - Number(b.setAside) ||
      b.applied.instance - a.applied.instance ||
      (a.member < b.member ? -1 : 1),
  )[0] as RecoverReport;

/** Nothing was ever written to it: nothing is lost when it takes the place of another. */
export const isBlank = (report: RecoverReport): boolean =>
  hasState(report) && report.generation === 1 && report.applied.revision === 0 && report.entryCount === 0;

/** Whether the present generation began with this very state. */
export const beganWith = (report: RecoverReport, backup: Backup): boolean =>
  report.generation > backup.generation &&
  report.begun.instance === backup.instance &&
  report.begun.epoch === backup.epoch &&
  historyContains(report, backup);

function priceOf(
  backup: Backup,
  furthest: RecoverReport,
  {
    to,
    live,
    witnessed,
    beyond: tail,
  }: Pick<RestoreDecided, 'beyond'> & Pick<Facts, 'to' | 'witnessed'> & { readonly live: readonly RecoverReport[] },
): RestorePrice {
  const because: string[] = [];
  let revisionsAtLeast = 0;
  const count = (lost: number, text: string): void => {
    if (lost === 0) return;
    revisionsAtLeast = Math.max(revisionsAtLeast, lost);
    because.push(text);
  };
  for (const report of live) {
    const { applied } = report;
    const beyond = report === furthest ? itemsOf(tail) : 0;
    const lost = revisionsBeyond(report, backup) + beyond;
    const may = beyond > 0 ? `, ${beyond} of them accepted and perhaps chosen` : '';
    count(
      lost,
      `${report.member} holds epoch ${applied.epoch}, instance ${applied.instance}, revision ${applied.revision}: ${lost} revisions more${may}`,
    );
  }
  for (const { report } of readyBeside({ to, reports: live })) {
    const lost = revisionsBeyond(report, backup);
    count(
      lost,
      `${report.member} is ready for generation ${report.generation}, which may have begun: ${lost} revisions more`,
    );
  }
  const known = revisionsBeyond(furthest, backup);
  const continues = historyContains(furthest, backup);
  for (const point of witnessed) {
    if (point.instance === 0 || contains(historyOfBackup(backup), backup.instance, point)) continue;
    const inPresent = contains(historyOf(furthest), furthest.applied.instance, point);
    // What a mark proves beyond the present is lost besides what the present holds beyond the file.
    const beside = inPresent || !continues ? 0 : known + lostAtLeast(point, historyOf(furthest));
    const lost = Math.max(lostAtLeast(point, historyOfBackup(backup)), beside);
    count(
      lost,
      `${point.by} has seen epoch ${point.epoch}, instance ${point.instance}, revision ${point.revision}: at least ${lost} revisions more`,
    );
  }
  const elsewhere = readyElsewhere(to, furthest, live);
  because.push(...elsewhere.map(({ text }) => text));
  const notAsked = notAskedOf(to, furthest, { reports: live, elsewhere });
  const { member, generation, applied, entryCount, cellTimeMs } = furthest;
  const { epoch, instance, revision } = applied;
  return {
    revisionsAtLeast,
    because,
    notAsked: notAsked.map(({ member }) => member),
    unknown: notAsked.map(({ why }) => why),
    present: { member, generation, epoch, instance, revision, entries: entryCount },
    lost: {
      instances: Math.max(0, counted(furthest, backup, 'instance')),
      entries: entryCount - backup.entries,
      cellTimeMs: Math.max(0, cellTimeMs - backup.cellTimeMs),
    },
  };
}

const historyOfBackup = ({ epochs, generation, revision }: Backup): KnownHistory =>
  historyOf({ epochs, generation, applied: { instance: 0, epoch: 0, epochId: '', revision } });

/** A file has all of its epochs. */
const toldByFile = ({ epochs, revision }: Backup): ToldHistory => ({
  epochs,
  generations: beginnings(epochs),
  revision,
});

/** The member holds nothing that the file has not. */
const isIn = (backup: Backup, { generation, applied }: RecoverReport): boolean =>
  applied.instance === 0 || contains(historyOfBackup(backup), backup.instance, { generation, ...applied });

/** Revisions of a member's history that are not in the file. */
function revisionsBeyond(report: RecoverReport, backup: Backup): number {
  if (isIn(backup, report)) return 0;
  if (historyContains(report, backup)) return Math.max(0, counted(report, backup, 'revision'));
  const ownAtLeast = lostAtLeast({ generation: report.generation, ...report.applied }, historyOfBackup(backup));
  return Math.max(ownAtLeast, writtenApart(toldBy(report), toldByFile(backup)));
}

/** From the file to the member's point, over all generations that began in between: each counts on from a multiple. */
function counted({ generations, applied }: RecoverReport, backup: Backup, what: 'revision' | 'instance'): number {
  let from = backup[what];
  let sum = 0;
  // The epoch with which a generation begins says where its parent ended.
  for (const { epoch, instance, revision } of generations) {
    if (epoch <= backup.epoch) continue;
    sum += Math.max(0, (what === 'revision' ? revision : instance - 1) - from);
    from = epoch;
  }
  return sum + Math.max(0, applied[what] - from);
}

/** What cannot be excluded is counted. */
function itemsOf(tail: GenerationDecision['tail']): number {
  return tail.reduce((sum, { valueBase64 }) => {
    const value = decodeValue(Buffer.from(valueBase64, 'base64'));
    return sum + (value.kind === 'submitted' ? value.items.length : 0);
  }, 0);
}

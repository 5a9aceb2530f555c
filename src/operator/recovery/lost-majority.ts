/**
 * Whether a majority is lost that an operator says to be lost. Nothing here finds that out: it only finds what speaks against
 * it, and then nothing is recovered, since whoever can come back brings back everything (design §3, operators' mistake O9).
 */
import { RefusedError, UnreachableError, UsageError } from '../../errors/index.ts';
import type { RecoverReport } from '../../formats/recovery.ts';
import { newestOf } from './candidates.ts';
import type { CollectedFile } from './collected.ts';
import { type Heard, signsOfLife } from './signs-of-life.ts';

export interface LostMajority {
  /** Named by the operator. */
  readonly lost: readonly string[];
  /** Of whom a sound directory was collected, and on which no replica can be started all the same. */
  readonly cannotStart: readonly string[];
  readonly collected: readonly CollectedFile[];
  readonly reports: readonly RecoverReport[];
  readonly statuses: readonly Heard[];
}

/** @throws {RefusedError} (exit 5) with what is to be started instead; {UsageError} for names that the cell does not have; {UnreachableError} when nobody answers. */
export function refuseNotLost(facts: LostMajority): void {
  const { lost, cannotStart, collected, reports, statuses } = facts;
  if (reports.length === 0) {
    throw new UnreachableError('No member can say now what it holds.', { suggestions: ['paxosctl status'] });
  }
  const present = reports[0]?.generation ?? 0;
  const copies = collected.map(({ report }) => report).filter(({ generation }) => generation === present);
  const newest = newestOf([...reports, ...copies]);
  const voters = newest.members.filter(({ voting }) => voting).map(({ name }) => name);
  const quorum = Math.floor(voters.length / 2) + 1;
  refuseUnknown([...lost, ...cannotStart], newest);
  const answering = reports.map(({ member }) => member);
  const alive = signsOfLife(lost, { statuses, reports });
  if (alive.length > 0) throw refused(`${alive.map(({ text }) => text).join(', ')}: it is not lost.`, { alive });
  const master = statuses.find((it) => it.master !== null);
  if (master !== undefined) throw refused(`${master.name} follows master ${master.master?.name}: the cell serves.`, {});
  const sound = collected
    .filter(({ startable, report }) => startable && !answering.includes(report.member))
    .map(({ report }) => report.member)
    .filter((name) => !cannotStart.includes(name));
  const couldCome = voters.filter((name) => !lost.includes(name) || sound.includes(name));
  if (couldCome.length < quorum) return;
  const missing = couldCome.filter((name) => !answering.includes(name));
  throw refused(
    `${couldCome.join(', ')} ${couldCome.length === 1 ? 'is' : 'are'} a majority of ${voters.length} voters and could come back: ` +
      `${missing.length === 0 ? 'they answer' : `start ${missing.join(', ')}`}, and nothing is lost.`,
    { couldCome, missing, voters },
    missing.flatMap((name) => {
      const copy = collected.find(({ report }) => report.member === name);
      return copy?.directory == null ? [] : [`paxosctl node start --name ${name} --data-dir ${copy.directory} …`];
    }),
  );
}

function refuseUnknown(named: readonly string[], { members }: RecoverReport): void {
  const unknown = named.filter((name) => !members.some((it) => it.name === name));
  if (unknown.length === 0) return;
  throw new UsageError(`${unknown.join(', ')} is no member of this cell.`, {
    facts: { unknown, members: members.map(({ name }) => name) },
  });
}

const refused = (message: string, facts: object, suggestions: readonly string[] = []): RefusedError =>
  new RefusedError(`No majority is lost: ${message}`, {
    facts: { ...facts },
    suggestions: [...suggestions, 'paxosctl status', 'paxosctl wait master --timeout 2m'],
  });

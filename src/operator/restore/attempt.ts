/**
 * Which attempt at a new generation a `cell restore` is: the one that was begun for this very file and is gone on with, whoever began it,
 * or a fresh one; and who has a say in it (design §3 "Generations").
 */
import { RefusedError, UnreachableError } from '../../errors/index.ts';
import type { ReplicaStatusDocument } from '../../formats/http-body.ts';
import type { AttemptDocument, GenerationId, RecoverReport } from '../../formats/recovery.ts';
import type { CellFlags } from '../connect.ts';
import { newestOf } from '../recovery/candidates.ts';
import type { Witnessed } from '../recovery/decide.ts';
import { nextId, reportsFrom, witnessedBy } from '../recovery/plan.ts';
import { askWhileMoving } from '../recovery/signs-of-life.ts';
import { isMemberOf } from '../recovery/takes-part.ts';
import type { GenerationWorld } from '../recovery/world.ts';
import { type Backup, decideRestore } from './price.ts';

export interface AskOptions {
  readonly backup: Backup;
  /** Another attempt takes the place of one that is under way. */
  readonly again: boolean;
  readonly onStep: (what: string) => void;
}

export interface AskedMembers {
  readonly newest: RecoverReport;
  /** Without those who were removed or are an older life of a member: they may answer still, and have no part in it. */
  readonly reports: readonly RecoverReport[];
  /** Of all that answer. */
  readonly statuses: readonly ReplicaStatusDocument[];
  readonly witnessed: readonly Witnessed[];
}

/**
 * Members that are about to begin the generation of this file are waited for.
 * @throws {UnreachableError} (exit 3) when nobody can say what it holds.
 */
export async function askMembers(
  cell: CellFlags,
  { backup, again, onStep }: AskOptions,
  world: GenerationWorld,
): Promise<AskedMembers> {
  const asked = await askWhileMoving(
    () => askOnce(cell, backup, world),
    (it) => (again ? [] : movingOf(it, backup)),
    { timeoutMs: cell.timeout, onStep, world },
  );
  if (isReported(asked)) return asked;
  throw new UnreachableError('No member can say yet what it holds.', { suggestions: ['paxosctl status'] });
}

type Asked = Pick<AskedMembers, 'statuses'> & (AskedMembers | { readonly newest: null });

const isReported = (asked: Asked): asked is AskedMembers => asked.newest !== null;

async function askOnce(cell: CellFlags, backup: Backup, world: GenerationWorld): Promise<Asked> {
  const { answers } = await world.survey(cell);
  const statuses = answers.flatMap(({ status }) => status ?? []);
  const urls = answers.flatMap(({ url, status }) => (status === null ? [] : [url]));
  const answering = await reportsFrom(urls, cell.timeout, world);
  if (answering.length === 0) return { newest: null, statuses };
  const newest = newestOf(answering);
  const reports = answering.filter((it) => isMemberOf(newest, it));
  return { newest, reports, statuses, witnessed: await witnessedBy(reports, backup.cell, world) };
}

/** Who does not say what it holds, where all open their directories, or somebody is ready with what is decided only where it does. */
function movingOf(asked: Asked, backup: Backup): readonly string[] {
  if (!isReported(asked)) return asked.statuses.flatMap(({ name, role }) => (role === 'waiting' ? [name] : []));
  const { reports, newest } = asked;
  const own = ownOf(openAttempts(reports, backup), backup);
  return own === undefined || readyWithOther(asked, own, backup) === undefined ? [] : awayOf(newest, reports);
}

/** Members of whom nothing was reported. */
export const awayOf = ({ members }: RecoverReport, reports: readonly RecoverReport[]): readonly string[] =>
  members.map(({ name }) => name).filter((name) => !reports.some(({ member }) => member === name));

interface OpenAttempt {
  readonly attempt: AttemptDocument;
  readonly member: string;
}

/** At generations that nobody of those who answer has begun, the latest first. */
const openAttempts = (reports: readonly RecoverReport[], backup: Backup): readonly OpenAttempt[] =>
  reports
    .flatMap(({ attempt, generation, member }) => (attempt === null ? [] : [{ attempt, generation, member }]))
    .filter(({ attempt, generation }) => attempt.generation > Math.max(generation, backup.generation))
    .sort((a, b) => b.attempt.generation - a.attempt.generation);

function ownOf(open: readonly OpenAttempt[], { digest }: Backup): GenerationId | undefined {
  const own = open.find(({ attempt }) => attempt.source === digest)?.attempt;
  return own && { generation: own.generation, generationId: own.generationId };
}

/** A member that is ready for it with something else than what is decided of these reports. */
function readyWithOther(
  { reports, witnessed }: AskedMembers,
  to: GenerationId,
  backup: Backup,
): OpenAttempt | undefined {
  const { digest } = decideRestore({ to, backup, reports, witnessed });
  return openAttempts(reports, backup).find(
    ({ attempt }) =>
      attempt.generationId === to.generationId && attempt.step !== 'fenced' && attempt.decision !== digest,
  );
}

/**
 * An attempt that was begun for this very file is gone on with; one for anything else is another recovery, and takes the place of none
 * unasked. `isOther`: why it is refused. `command`: the one that goes on.
 */
export function attemptFor(
  asked: AskedMembers,
  { backup, again }: Pick<AskOptions, 'backup' | 'again'>,
  { command, world }: { readonly command: string; readonly world: GenerationWorld },
): { readonly to: GenerationId; readonly isOther: RefusedError | null } {
  const { reports, witnessed } = asked;
  const open = openAttempts(reports, backup);
  const own = ownOf(open, backup);
  const fresh = nextId(reports, { witnessed, atLeast: backup.generation, world });
  if (own === undefined) return { to: fresh, isOther: again ? null : otherAttempt(open, 0) };
  const isOther = otherDecision(asked, own, { backup, command }) ?? otherAttempt(open, own.generation);
  return isOther !== null && again ? { to: fresh, isOther: null } : { to: own, isOther };
}

function otherDecision(
  asked: AskedMembers,
  to: GenerationId,
  { backup, command }: { readonly backup: Backup; readonly command: string },
): RefusedError | null {
  const other = readyWithOther(asked, to, backup);
  if (other === undefined) return null;
  const away = awayOf(asked.newest, asked.reports);
  const why =
    away.length === 0
      ? 'other members answer than when it was made'
      : `${away.join(', ')} ${away.length === 1 ? 'does' : 'do'} not say what it was made with`;
  return new RefusedError(`${other.member} is ready for generation ${to.generation} with another state: ${why}.`, {
    facts: { ...other, away },
    suggestions: ['paxosctl status', ...(away.length === 0 ? [] : [command]), 'paxosctl cell restore FILE --again'],
  });
}

/** Above `generation`. */
function otherAttempt(open: readonly OpenAttempt[], generation: number): RefusedError | null {
  const other = open.find(({ attempt }) => attempt.generation > generation);
  if (other === undefined) return null;
  const { attempt, member } = other;
  return new RefusedError(
    `${member} is ${attempt.step} for generation ${attempt.generation} by another recovery, of something else than this file: it is ` +
      'under way, or was left where it was. Nothing was done.',
    { facts: { member, attempt }, suggestions: ['paxosctl status', 'paxosctl cell restore FILE --again'] },
  );
}

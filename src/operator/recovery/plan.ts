/** `recover plan`: what going on from what is there costs, and the document that `recover apply` carries out. */
import { NotAllowedError, RefusedError, UnreachableError, UsageError } from '../../errors/index.ts';
import type { ReplicaStatusDocument } from '../../formats/http-body.ts';
import { readPositionMark } from '../../formats/position-mark.ts';
import type { GenerationId, RecoverReport } from '../../formats/recovery.ts';
import { currentMaster } from '../cell-status.ts';
import type { CellFlags } from '../connect.ts';
import { newestOf } from './candidates.ts';
import { type CollectedFile, readCollected } from './collected.ts';
import { type Decided, decide, type Price, type Witnessed } from './decide.ts';
import { refuseNotLost } from './lost-majority.ts';
import { realWorld } from './real-world.ts';
import { readSealed, sealed, writeSealed } from './sealed.ts';
import { askSettled, refuseAlive } from './signs-of-life.ts';
import { isSameMember } from './takes-part.ts';
import type { GenerationWorld } from './world.ts';

export interface RecoverPlan {
  /** A frozen cell as it stands, or what is left when a majority is lost. */
  readonly kind: 'keep-present' | 'lost-majority';
  readonly madeAt: string;
  readonly cell: { readonly id: string; readonly name: string };
  readonly from: { readonly generation: number };
  readonly to: GenerationId;
  readonly branch: string | null;
  readonly members: readonly { readonly name: string; readonly url: string }[];
  /** Said to be lost; asked for again before anything is done. */
  readonly lost: readonly string[];
  readonly cannotStart: readonly string[];
  readonly collected: readonly CollectedFile[];
  /** What clients and members have seen: fixed here, so that a second run decides the same. */
  readonly witnessed: readonly Witnessed[];
  /** The id that the cell has then: another one where a state is gone on from that took the place of a cell that was lost whole. */
  readonly becomes: string;
  /** What the generation counts on from, at least: whoever knew of a higher number may not answer any more. */
  readonly numbers: number;
  /** Whose state is taken; `collected`: a copy in a file, else what the member itself holds. */
  readonly base: {
    readonly member: string;
    readonly collected: boolean;
    /** Above `from`: the state that a member is ready with, whose generation others may have begun. */
    readonly generation: number;
    readonly epoch: number;
    readonly instance: number;
    readonly revision: number;
    /** Instances beyond it that somebody has accepted, and that may have been chosen: they are kept. */
    readonly further: number;
  };
  readonly takesPart: readonly string[];
  readonly price: Price;
  /** SHA-256 of all the rest, hex. */
  readonly hash: string;
}

export interface PlanOptions {
  readonly branch: string | null;
  /** Members said to be lost for good; null: the present state of a frozen cell is gone on from. */
  readonly lost?: readonly string[] | null;
  readonly cannotStart?: readonly string[];
  /** A folder of `recover collect`. */
  readonly collected?: string | null;
}

const reportMsMax = 5_000;
/** More than a lease and what connecting takes. */
const compareMsMax = 3_000;
const askEveryMs = 100;

/**
 * Asks every member; writes nothing and changes nothing.
 * @throws {RefusedError} (exit 5) when the cell serves or could again, or when a branch must be chosen; {UnreachableError} when nobody answers.
 */
export async function makePlan(
  cell: CellFlags,
  { branch, lost = null, cannotStart = [], collected: folder = null }: PlanOptions,
  world: GenerationWorld = realWorld,
): Promise<RecoverPlan> {
  const { asked } = await askSettled(lost ?? [], () => askAll(cell, world), world);
  const { statuses } = asked;
  refuseServing(statuses);
  const reports = await compared(asked, world);
  const first = reports[0];
  if (first === undefined)
    throw new UnreachableError('No member can say yet what it holds.', { suggestions: ['paxosctl status'] });
  const all = folder === null ? [] : await readCollected(folder, first.cell.id);
  const ready = reports.flatMap((it) => it.ready.map(({ report }) => report.generationId));
  const collected = all.filter(
    ({ report }) => report.generation === first.generation || ready.includes(report.generationId),
  );
  refuseNewer(
    first,
    all.filter((it) => !collected.includes(it)),
  );
  if (lost === null) refuseNotFrozen(reports, statuses);
  else refuseNotLost({ lost, cannotStart, collected, reports, statuses });
  const same = collected.map(({ report }) => report).filter(({ generation }) => generation === first.generation);
  const newest = newestOf([...reports, ...same]);
  await refuseAway(cell, { newest, reports, lost }, world);
  const ids = new Set([first.cell.id, ...reports.flatMap((it) => it.ready.map(({ report }) => report.cell.id))]);
  const witnessed = (await Promise.all([...ids].map((id) => witnessedBy(reports, id, world)))).flat();
  const to = nextId([...reports, ...all.map(({ report }) => report)], { witnessed, world });
  const decided = decide({ to, reports, collected, witnessed, branch });
  return sealed({
    kind: lost === null ? ('keep-present' as const) : ('lost-majority' as const),
    madeAt: new Date().toISOString(),
    cell: first.cell,
    from: { generation: first.generation },
    to,
    branch,
    members: newest.members.map(({ name, url }) => ({ name, url })),
    lost: lost ?? [],
    cannotStart,
    collected,
    witnessed,
    becomes: decided.decision.cellId,
    numbers: decided.decision.numbers,
    base: baseOf(decided, reports, collected),
    takesPart: decided.decision.members.map(({ name }) => name),
    price: decided.price,
  });
}

interface AskedCell {
  readonly statuses: readonly ReplicaStatusDocument[];
  readonly reports: readonly RecoverReport[];
  readonly urls: readonly string[];
  readonly timeoutMs: number;
}

async function askAll(cell: CellFlags, world: GenerationWorld): Promise<AskedCell> {
  const { answers } = await world.survey(cell);
  const statuses = answers.flatMap(({ status }) => status ?? []);
  const urls = answers.flatMap(({ url, status }) => (status === null ? [] : [url]));
  return { statuses, urls, reports: await reportsFrom(urls, cell.timeout, world), timeoutMs: cell.timeout };
}

/** Members that were just started are given a while to compare their disks. */
async function compared(
  { reports: first, urls, timeoutMs }: AskedCell,
  world: GenerationWorld,
): Promise<readonly RecoverReport[]> {
  const deadline = world.nowMs() + Math.min(compareMsMax, timeoutMs);
  let reports = first;
  while (reports.some(({ disk }) => disk === 'not-compared') && world.nowMs() < deadline) {
    await world.sleep(askEveryMs);
    reports = await reportsFrom(urls, timeoutMs, world);
  }
  return reports;
}

/** Members that would be left out, and that somebody is connected to. */
async function refuseAway(
  cell: CellFlags,
  {
    newest,
    reports,
    lost,
  }: {
    readonly newest: RecoverReport;
    readonly reports: readonly RecoverReport[];
    readonly lost: readonly string[] | null;
  },
  world: GenerationWorld,
): Promise<void> {
  const away = newest.members.filter((it) => !reports.some((report) => isSameMember(it, report)));
  await refuseAlive({
    members: newest.members,
    lost: away.map(({ name }) => name),
    reports: () => Promise.resolve([]),
    cells: [newest.cell.id],
    timeoutMs: cell.timeout,
    again: lost === null ? 'paxosctl recover plan --keep-present' : `paxosctl recover plan --lost ${lost.join(',')}`,
    world,
  });
}

function baseOf(
  { decision }: Decided,
  reports: readonly RecoverReport[],
  collected: readonly CollectedFile[],
): RecoverPlan['base'] {
  const copy = collected.find(({ state }) => decision.offered !== null && state?.sha256 === decision.offered.sha256);
  const live = reports.find(({ member }) => member === decision.base) as RecoverReport;
  const ready = live.ready.find(({ state }) => state.sha256 === decision.offered?.sha256);
  const own = ready?.report ?? live;
  const { member, generation, applied } = copy?.report ?? own;
  const { epoch, instance, revision } = applied;
  const further = decision.tail.length;
  return { member, collected: copy !== undefined, generation, epoch, instance, revision, further };
}

/** Above every generation that anybody knows of: a number that comes a second time is another history to who has seen the first. */
export const nextId = (
  reports: readonly RecoverReport[],
  {
    witnessed,
    atLeast = 0,
    world,
  }: {
    readonly witnessed: readonly Pick<Witnessed, 'generation'>[];
    readonly atLeast?: number;
    readonly world: Pick<GenerationWorld, 'newId'>;
  },
): GenerationId => ({
  generation:
    Math.max(
      atLeast,
      ...reports.flatMap(({ generation, attempt }) => [
        generation,
        attempt?.generation ?? 0,
        attempt?.before?.generation ?? 0,
      ]),
      ...witnessed.map(({ generation }) => generation),
    ) + 1,
  generationId: world.newId(),
});

function refuseServing(statuses: readonly ReplicaStatusDocument[]): void {
  const master = currentMaster(statuses);
  if (master === null || statuses.some(({ frozen }) => frozen != null)) return;
  throw new RefusedError(
    `The cell serves: ${master.name} is master, and no member is frozen. There is nothing to recover.`,
    { suggestions: ['paxosctl status'] },
  );
}

/** Who answers was left out of it, or has an old disk. */
function refuseNewer(first: RecoverReport, collected: readonly CollectedFile[]): void {
  const newer = collected.find(({ report }) => report.generation > first.generation);
  if (newer === undefined) return;
  const { member, generation } = newer.report;
  throw new RefusedError(
    `The copy of ${member} is of generation ${generation}; those that answer are of generation ${first.generation}, which ended with it.`,
    {
      facts: { member, generation, answering: first.generation, file: newer.file },
      suggestions: ['paxosctl status', ...(newer.state === null ? [] : [`paxosctl cell restore ${newer.file}`])],
    },
  );
}

/** Frozen, or stopped by a recovery that was begun: nothing else ends that. */
function refuseNotFrozen(reports: readonly RecoverReport[], statuses: readonly ReplicaStatusDocument[]): void {
  if (statuses.some(({ frozen }) => frozen != null)) return;
  if (reports.some(({ attempt, generation }) => attempt !== null && attempt.generation > generation)) return;
  throw new RefusedError(
    'No member is frozen: the cell goes on by itself as soon as a majority runs. Only if a majority is lost for good, say which.',
    { suggestions: ['paxosctl wait master --timeout 2m', 'paxosctl recover plan --lost MEMBER[,MEMBER]'] },
  );
}

/** Of the newest generation among those that answer: members that were left out of it have no say. */
export async function reportsFrom(
  urls: readonly string[],
  timeoutMs: number,
  world: Pick<GenerationWorld, 'report'>,
): Promise<RecoverReport[]> {
  const limit = Math.min(timeoutMs, reportMsMax);
  const answers = (await Promise.all(urls.map((url) => world.report(url, limit)))).flatMap((it) => it ?? []);
  refuseOtherCells(answers);
  const newest = Math.max(0, ...answers.map(({ generation }) => generation));
  return answers.filter(({ generation }) => generation === newest);
}

/** An address may be another cell's by now. @throws {NotAllowedError} (exit 12) */
function refuseOtherCells(reports: readonly RecoverReport[]): void {
  const [first] = reports;
  const own = reports.filter(({ cell }) => cell.id === first?.cell.id);
  // On the way into the place of another cell its members change one after the other.
  const attempts = own.flatMap(({ attempt }) => attempt?.generationId ?? []);
  const others = reports.filter((it) => !own.includes(it) && !attempts.includes(it.attempt?.generationId ?? ''));
  if (first === undefined || others.length === 0) return;
  const text = [first, ...others].map(({ member, cell }) => `${member} is of cell ${cell.id}`).join(', ');
  throw new NotAllowedError(`The addresses lead to more than one cell: ${text}. Name those of one.`, {
    code: 'PAXOS_WRONG_CELL',
    facts: { cells: [first, ...others].map(({ member, cell }) => ({ member, cell: cell.id })) },
    suggestions: ['paxosctl status'],
  });
}

/** What is remembered outside of the state that is gone on from. */
export const witnessedBy = async (
  reports: readonly RecoverReport[],
  cellId: string,
  world: Pick<GenerationWorld, 'newestMark'>,
): Promise<Witnessed[]> => [...frozenMarks(reports), ...(await ownMark(cellId, world))];

/** The marks that froze members. */
function frozenMarks(reports: readonly RecoverReport[]): Witnessed[] {
  const seen = reports.flatMap(({ frozen }) => {
    const { markGeneration, markEpoch, markEpochId, markInstance, markRevision } = frozen?.facts ?? {};
    const numbers = [markGeneration, markEpoch, markInstance, markRevision];
    if (!numbers.every((it) => typeof it === 'number') || typeof markEpochId !== 'string') return [];
    const [generation, epoch, instance, revision] = numbers as [number, number, number, number];
    return [{ generation, epoch, epochId: markEpochId, instance, revision, by: 'a client' }];
  });
  // Members that were told have the same evidence.
  return [...new Map(seen.map((it) => [JSON.stringify(it), it])).values()];
}

/** The newest mark that this tool remembers of the cell. */
async function ownMark(cellId: string, world: Pick<GenerationWorld, 'newestMark'>): Promise<Witnessed[]> {
  const mark = await world.newestMark(cellId);
  const point = mark === null ? null : readPositionMark(mark);
  if (point === null) return [];
  const { generation, epoch, epochId, instance, revision } = point;
  return [{ generation, epoch, epochId, instance, revision, by: 'this tool' }];
}

/** @throws {UsageError} (exit 2) when it cannot be written. */
export const writePlan = (file: string, plan: RecoverPlan): Promise<void> => writeSealed(file, plan);

/** @throws {UsageError} (exit 2) when it is none, or was changed. */
export async function readPlan(file: string): Promise<RecoverPlan> {
  const plan = await readSealed<RecoverPlan>(file, 'plan');
  if (plan.kind === 'keep-present' || plan.kind === 'lost-majority') return plan;
  throw new UsageError(`File ${file} is not a plan as recover plan wrote it.`, {
    suggestions: ['paxosctl recover plan --keep-present'],
  });
}

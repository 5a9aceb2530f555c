/** `recover plan`: what going on from the present state costs, and the document that `recover apply` carries out. */
import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { StateFile } from '../../client/state-file.ts';
import { RefusedError, UnreachableError, UsageError } from '../../errors/index.ts';
import { readPositionMark } from '../../formats/position-mark.ts';
import type { GenerationId, RecoverReport } from '../../formats/recovery.ts';
import { currentMaster, survey } from '../cell-status.ts';
import type { CellFlags } from '../connect.ts';
import { askReport } from './ask.ts';
import { decide, type Price, type Witnessed } from './decide.ts';

export interface RecoverPlan {
  readonly kind: 'keep-present';
  readonly madeAt: string;
  readonly cell: { readonly id: string; readonly name: string };
  readonly from: { readonly generation: number };
  readonly to: GenerationId;
  readonly branch: string | null;
  readonly members: readonly { readonly name: string; readonly url: string }[];
  /** What clients and members have seen: fixed here, so that a second run decides the same. */
  readonly witnessed: readonly Witnessed[];
  readonly base: {
    readonly member: string;
    readonly epoch: number;
    readonly instance: number;
    readonly revision: number;
  };
  readonly price: Price;
  /** SHA-256 of all the rest, hex. */
  readonly hash: string;
}

const reportMsMax = 5_000;

/**
 * Asks every member; writes nothing and changes nothing.
 * @throws {RefusedError} (exit 5) when the cell serves, or when a branch must be chosen; {UnreachableError} when nobody answers.
 */
export async function planKeepPresent(
  cell: CellFlags,
  { branch }: { readonly branch: string | null },
): Promise<RecoverPlan> {
  const { answers } = await survey(cell.endpoints, cell.timeout);
  const statuses = answers.flatMap(({ status }) => status ?? []);
  const master = currentMaster(statuses);
  if (master !== null && statuses.every(({ frozen }) => frozen == null)) {
    throw new RefusedError(
      `The cell serves: ${master.name} is master, and no member is frozen. There is nothing to recover.`,
      {
        suggestions: ['paxosctl status'],
      },
    );
  }
  const reports = await reportsFrom(
    answers.flatMap(({ url, status }) => (status === null ? [] : [url])),
    cell.timeout,
  );
  const first = reports[0];
  if (first === undefined)
    throw new UnreachableError('No member can say yet what it holds.', { suggestions: ['paxosctl status'] });
  const witnessed = [...frozenMarks(reports), ...(await ownMark(first.cell.id))];
  const to = {
    generation: Math.max(...reports.flatMap((it) => [it.generation, it.attempt?.generation ?? 0])) + 1,
    generationId: randomBytes(16).toString('hex'),
  };
  const { decision, price } = decide({ to, reports, witnessed, branch });
  const base = reports.find(({ member }) => member === decision.base) as RecoverReport;
  const { epoch, instance, revision } = base.applied;
  return sealed({
    kind: 'keep-present',
    madeAt: new Date().toISOString(),
    cell: base.cell,
    from: { generation: base.generation },
    to,
    branch,
    members: base.members.map(({ name, url }) => ({ name, url })),
    witnessed,
    base: { member: base.member, epoch, instance, revision },
    price,
  });
}

/** Of the newest generation among those that answer: members that were left out of it have no say. */
export async function reportsFrom(urls: readonly string[], timeoutMs: number): Promise<RecoverReport[]> {
  const limit = Math.min(timeoutMs, reportMsMax);
  const answers = (await Promise.all(urls.map((url) => askReport(url, limit)))).flatMap((it) => it ?? []);
  const newest = Math.max(0, ...answers.map(({ generation }) => generation));
  return answers.filter(({ generation }) => generation === newest);
}

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
async function ownMark(cellId: string): Promise<Witnessed[]> {
  const mark = await new StateFile().newestMark(cellId).catch(() => null);
  const point = mark === null ? null : readPositionMark(mark);
  if (point === null) return [];
  const { generation, epoch, epochId, instance, revision } = point;
  return [{ generation, epoch, epochId, instance, revision, by: 'this tool' }];
}

const hashOf = (plan: Omit<RecoverPlan, 'hash'>): string =>
  createHash('sha256').update(JSON.stringify(plan)).digest('hex');

const sealed = (plan: Omit<RecoverPlan, 'hash'>): RecoverPlan => ({ ...plan, hash: hashOf(plan) });

/** For the owner's eyes only: it names the generation that it begins. */
export const writePlan = (file: string, plan: RecoverPlan): Promise<void> =>
  writeFile(file, `${JSON.stringify(plan, null, 2)}\n`, { mode: 0o600 });

/** @throws {UsageError} (exit 2) when it is none, or was changed. */
export async function readPlan(file: string): Promise<RecoverPlan> {
  let plan: RecoverPlan;
  try {
    plan = JSON.parse(await readFile(file, 'utf8')) as RecoverPlan;
  } catch (error) {
    throw new UsageError(`File ${file} holds no plan: ${(error as Error).message}.`, { cause: error });
  }
  const { hash, ...rest } = plan;
  if (hash !== hashOf(rest) || rest.kind !== 'keep-present') {
    throw new UsageError(`File ${file} is not a plan as recover plan wrote it.`, {
      suggestions: ['paxosctl recover plan --keep-present'],
    });
  }
  return plan;
}

/**
 * `recover apply`: carries a plan out, step by step: fence, price, ready, active (design §3 "Generations"). Each step is asked of the
 * members, which find it done when it was; so a program that was killed is simply run again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { OperatorError, RefusedError, UnreachableError, UsageError } from '../../errors/index.ts';
import type { RecoverAnswer, RecoverReport, RecoverRequest } from '../../formats/recovery.ts';
import { askReport, askStep } from './ask.ts';
import { type Decided, decide } from './decide.ts';
import { type RecoverPlan, reportsFrom } from './plan.ts';

export interface ApplyOptions {
  readonly confirm: string;
  readonly acceptLoss: number | null;
  readonly acceptUnknownLoss: readonly string[];
  readonly dryRun: boolean;
  readonly timeoutMs: number;
  /** Before each step. What it throws ends the program there. */
  readonly onStep: (what: string) => void;
}

export interface ApplyResult {
  readonly cell: { readonly id: string; readonly name: string };
  readonly generation: number;
  readonly members: readonly string[];
  readonly dryRun: boolean;
  readonly price: Decided['price'];
}

const stepMsMax = 10_000;
const pollMs = 100;

/** @throws {RefusedError} (exit 5) when it would cost more than was accepted: the cell is then as it was before. */
export async function applyPlan(plan: RecoverPlan, options: ApplyOptions): Promise<ApplyResult> {
  refuseWrongName(plan, options);
  refuseDearer(plan, plan.price, options);
  const names = (reports: readonly RecoverReport[]): string[] => reports.map(({ member }) => member).sort();
  const result = (members: readonly string[], price: Decided['price']): ApplyResult => ({
    cell: plan.cell,
    generation: plan.to.generation,
    members,
    dryRun: options.dryRun,
    price,
  });
  const before = await reportsOf(plan, options.timeoutMs);
  const begun = before.filter(({ generation }) => generation >= plan.to.generation);
  const active = begun.filter((it) => it.attempt?.generationId === plan.to.generationId);
  if (begun.length > active.length) {
    throw new RefusedError(
      `The cell is in generation ${begun[0]?.generation} already, which this plan did not begin.`,
      {
        suggestions: ['paxosctl status', 'paxosctl recover plan --keep-present'],
      },
    );
  }
  if (options.dryRun) return result(names(before), plan.price);
  if (active.length > 0) {
    const members = await allActive(
      plan,
      before.map(({ member }) => member),
      options,
    );
    return result(members, plan.price);
  }
  options.onStep('fencing the members');
  const fenced = await fence(plan, before, options);
  const decided = decide({ ...plan, reports: fenced });
  await refuseDearerAfterFence(plan, decided, { fenced, options });
  options.onStep(`making the state of generation ${plan.to.generation} on ${decided.decision.base}`);
  const { state } = await untilReady(plan, decided.decision.base, options, {
    op: 'build',
    decision: decided.decision,
    digest: decided.digest,
  });
  for (const { name } of decided.decision.members) {
    if (name === decided.decision.base || state === null) continue;
    options.onStep(`bringing it to ${name}`);
    const { base } = decided.decision;
    const { instance, sha256 } = state;
    await untilReady(plan, name, options, {
      op: 'take',
      ...plan.to,
      from: base,
      instance,
      sha256,
      digest: decided.digest,
    });
  }
  options.onStep('waiting until all are active');
  const members = await allActive(
    plan,
    decided.decision.members.map(({ name }) => name),
    options,
  );
  return result(members, decided.price);
}

function refuseWrongName({ cell }: RecoverPlan, { confirm }: ApplyOptions): void {
  if (confirm === cell.name) return;
  throw new UsageError(`The plan is for cell ${cell.name}; --confirm says ${confirm}.`, {
    facts: { cell: cell.name, confirm },
  });
}

/** @throws {RefusedError} (exit 5) with the price. */
function refuseDearer(plan: RecoverPlan, price: Decided['price'], options: ApplyOptions): void {
  const unnamed = price.notAsked.filter((name) => !options.acceptUnknownLoss.includes(name));
  const accepted = options.acceptLoss ?? -1;
  const missing = price.because.length > 0 && accepted < price.revisionsAtLeast;
  if (!missing && unnamed.length === 0) return;
  const flags = [
    ...(price.because.length > 0 ? [`--accept-loss ${price.revisionsAtLeast}`] : []),
    ...(price.notAsked.length > 0 ? [`--accept-unknown-loss ${price.notAsked.join(',')}`] : []),
  ].join(' ');
  const lost = missing ? `at least ${price.revisionsAtLeast} revisions would be lost` : '';
  const unknown = unnamed.length > 0 ? `what only ${unnamed.join(', ')} had cannot be known` : '';
  throw new RefusedError(`Going on from the present state: ${[lost, unknown].filter((it) => it !== '').join('; ')}.`, {
    facts: { price, acceptLoss: options.acceptLoss, acceptUnknownLoss: options.acceptUnknownLoss },
    suggestions: [`paxosctl recover apply PLAN --confirm ${plan.cell.name} ${flags}`],
  });
}

const reportsOf = (plan: RecoverPlan, timeoutMs: number): Promise<RecoverReport[]> =>
  Promise.all(plan.members.map(({ url }) => askReport(url, Math.min(timeoutMs, stepMsMax)))).then((all) =>
    all.flatMap((it) => (it === null || it.cell.id !== plan.cell.id ? [] : [it])),
  );

const urlOf = (plan: RecoverPlan, name: string): string => plan.members.find((it) => it.name === name)?.url ?? '';

/** All that answer; whoever does not must have been named as lost, which the price checks. */
async function fence(
  plan: RecoverPlan,
  before: readonly RecoverReport[],
  { timeoutMs }: ApplyOptions,
): Promise<RecoverReport[]> {
  const same = before.filter(({ generation }) => generation === plan.from.generation);
  if (same.length === 0)
    throw new UnreachableError('No member of the plan answers.', { suggestions: ['paxosctl status'] });
  const limit = Math.min(timeoutMs, stepMsMax);
  const answers = await Promise.all(
    same.map((it) => askStep(urlOf(plan, it.member), { op: 'fence', ...plan.to }, limit)),
  );
  return answers.map(({ report }) => report);
}

async function refuseDearerAfterFence(
  plan: RecoverPlan,
  { price }: Decided,
  { fenced, options }: { readonly fenced: readonly RecoverReport[]; readonly options: ApplyOptions },
): Promise<void> {
  try {
    refuseDearer(plan, price, options);
  } catch (error) {
    // As it was before: nobody is ready yet, or this is the second run of a plan that was accepted at that price.
    for (const { member, attempt } of fenced) {
      if (attempt?.step !== 'fenced') continue;
      await askStep(urlOf(plan, member), { op: 'lift', ...plan.to }, stepMsMax).catch(() => undefined);
    }
    throw error;
  }
}

/** Asks again until the member says that it is ready. */
async function untilReady(
  plan: RecoverPlan,
  name: string,
  { timeoutMs }: ApplyOptions,
  step: RecoverRequest,
): Promise<RecoverAnswer> {
  const deadline = performance.now() + timeoutMs;
  let why = 'it is at work';
  while (performance.now() < deadline) {
    try {
      const answer = await askStep(urlOf(plan, name), step, stepMsMax);
      if (answer.state !== null) return answer;
    } catch (error) {
      if (error instanceof OperatorError && error.code === 'PAXOS_REFUSED') throw error;
      why = (error as Error).message;
    }
    await sleep(pollMs);
  }
  throw new UnreachableError(
    `${name} is not ready for the new generation within ${timeoutMs} ms (${why}). Run it again.`,
    {
      facts: { member: name, timeoutMs },
      suggestions: [`paxosctl recover apply PLAN --confirm ${plan.cell.name}`],
    },
  );
}

/** They become active by themselves, once all are ready. */
async function allActive(plan: RecoverPlan, wanted: readonly string[], { timeoutMs }: ApplyOptions): Promise<string[]> {
  const deadline = performance.now() + timeoutMs;
  const urls = wanted.map((name) => urlOf(plan, name));
  while (performance.now() < deadline) {
    const reports = await reportsFrom(urls, timeoutMs);
    const active = reports.filter(
      (it) => it.generation === plan.to.generation && it.generationId === plan.to.generationId,
    );
    if (active.length === wanted.length) return [...wanted].sort();
    await sleep(pollMs);
  }
  throw new UnreachableError(
    `Not all of ${wanted.join(', ')} are active within ${timeoutMs} ms; they go on by themselves.`,
    {
      facts: { members: wanted, generation: plan.to.generation },
      suggestions: ['paxosctl status'],
    },
  );
}

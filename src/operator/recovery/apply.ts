/**
 * `recover apply`: carries a plan out: fence, price, ready, active (design §3 "Generations"). Killed anywhere it is simply run again.
 */
import { RefusedError, UnreachableError, UsageError } from '../../errors/index.ts';
import type { RecoverReport } from '../../formats/recovery.ts';
import { type Decided, decide } from './decide.ts';
import { refuseNotLost } from './lost-majority.ts';
import type { RecoverPlan } from './plan.ts';
import { realWorld } from './real-world.ts';
import { askSettled, askWhileMoving } from './signs-of-life.ts';
import { type Acceptance, refuseDearer, Steps } from './steps.ts';
import { isReadyFor } from './takes-part.ts';
import type { GenerationWorld } from './world.ts';

export interface ApplyOptions extends Acceptance {
  readonly confirm: string;
  readonly dryRun: boolean;
  readonly timeoutMs: number;
  /** Before each step. What it throws ends the program there. */
  readonly onStep: (what: string) => void;
  /** Where the plan lies, for the commands that are suggested. */
  readonly planFile?: string;
  /** The real one where absent. */
  readonly world?: GenerationWorld;
}

export interface ApplyResult {
  readonly cell: { readonly id: string; readonly name: string };
  readonly generation: number;
  readonly members: readonly string[];
  readonly dryRun: boolean;
  readonly price: Decided['price'];
}

/** @throws {RefusedError} (exit 5) when it would cost more than was accepted: the cell is then as it was before. */
export async function applyPlan(plan: RecoverPlan, options: ApplyOptions): Promise<ApplyResult> {
  const command = `paxosctl recover apply ${options.planFile ?? 'PLAN'} --confirm ${plan.cell.name}`;
  const asking = { what: whatItIs(plan), command };
  refuseWrongName(plan, options);
  refuseDearer(plan.price, options, asking);
  const steps = new Steps({ ...plan, ...options, source: '', again: command, anew: planningOf(plan) });
  const names = (reports: readonly RecoverReport[]): string[] => reports.map(({ member }) => member).sort();
  const result = (members: readonly string[], price: Decided['price']): ApplyResult => ({
    cell: plan.cell,
    generation: plan.to.generation,
    members,
    dryRun: options.dryRun,
    price,
  });
  const before = await askWhileMoving(
    () => steps.reports(),
    (reports) => movingOf(plan, reports),
    {
      world: realWorld,
      ...options,
    },
  );
  const active = activeOf(plan, before);
  if (options.dryRun && active.length > 0) return result(names(active), plan.price);
  const begunBefore = steps.begunBy(active);
  if (begunBefore !== null) return result(await steps.allActive(begunBefore), plan.price);
  const same = before.filter(({ generation }) => generation === plan.from.generation);
  if (same.length === 0) {
    throw new UnreachableError('No member of the plan answers.', { suggestions: ['paxosctl status'] });
  }
  await refuseNotGone(plan, steps, same, options);
  if (options.dryRun) return result(names(before), plan.price);
  const fenced = await steps.fence(same);
  const begun = steps.begunBy(fenced);
  if (begun !== null) return result(await steps.allActive(begun), plan.price);
  const orLift = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (error) {
      throw await steps.givenUp(error, fenced);
    }
  };
  // Somebody may have come back while they were fenced; and while a large file was brought there.
  const look = (): Promise<void> => orLift(() => refuseNotGone(plan, steps, fenced, options));
  const decided = await orLift(async () => {
    const now = decide({ ...plan, reports: await steps.compared(fenced), collected: plan.collected });
    refuseDearer(now.price, options, asking);
    return now;
  });
  await look();
  return result(await steps.carryOut(decided, sourceOf(plan, decided), look), decided.price);
}

const whatItIs = ({ kind }: RecoverPlan): string =>
  kind === 'keep-present' ? 'Going on from the present state' : 'Going on from what is left';

function refuseWrongName({ cell }: RecoverPlan, { confirm }: ApplyOptions): void {
  if (confirm === cell.name) return;
  throw new UsageError(`The plan is for cell ${cell.name}; --confirm says ${confirm}.`, {
    facts: { cell: cell.name, confirm },
  });
}

/** Members that have begun the generation of this plan. @throws {RefusedError} for those of another one. */
function activeOf(plan: RecoverPlan, reports: readonly RecoverReport[]): readonly RecoverReport[] {
  const begun = reports.filter(({ generation }) => generation >= plan.to.generation);
  const active = begun.filter((it) => it.generationId === plan.to.generationId);
  if (begun.length === active.length) return active;
  throw new RefusedError(`The cell is in generation ${begun[0]?.generation} already, which this plan did not begin.`, {
    suggestions: ['paxosctl status', 'paxosctl recover plan --keep-present'],
  });
}

/** Who took part when somebody was made ready, and does not say now how far it is. */
function movingOf({ to, takesPart }: RecoverPlan, reports: readonly RecoverReport[]): readonly string[] {
  const begun = reports.some(({ generationId }) => generationId === to.generationId);
  if (begun || !reports.some((it) => isReadyFor(it, to.generationId))) return [];
  return takesPart.filter((name) => !reports.some(({ member }) => member === name));
}

/**
 * Who does not take part is lost by somebody's word: asked for once more. Whoever is ready goes on by itself, and lives without those;
 * once all are there is nothing left to refuse.
 */
async function refuseNotGone(
  plan: RecoverPlan,
  steps: Steps,
  taking: readonly RecoverReport[],
  { timeoutMs, world = realWorld }: ApplyOptions,
): Promise<void> {
  if (steps.allReady(taking)) return;
  const away = plan.members.map(({ name }) => name).filter((name) => !taking.some(({ member }) => member === name));
  if (plan.kind === 'lost-majority') {
    const { asked } = await askSettled(
      plan.lost,
      async () => {
        const statuses = await Promise.all(plan.members.map(({ url }) => world.status(url, timeoutMs)));
        return { statuses: statuses.flatMap((it) => it ?? []), reports: await steps.reports() };
      },
      world,
    );
    refuseNotLost({ ...plan, ...asked });
  }
  await steps.refuseAlive(taking, away);
}

/** The command that made such a plan. */
const planningOf = ({ kind, lost }: RecoverPlan): string =>
  kind === 'keep-present' ? 'paxosctl recover plan --keep-present' : `paxosctl recover plan --lost ${lost.join(',')}`;

function sourceOf(plan: RecoverPlan, { decision }: Decided): { readonly file: string } | null {
  const { offered } = decision;
  if (offered === null) return null;
  const copy = plan.collected.find(({ state }) => state?.sha256 === offered.sha256);
  return copy === undefined ? null : { file: copy.file };
}

/**
 * `recover verify`: whether a plan was carried out: its generation active on all its members, one database at one instance, nobody
 * serving the older one. Asks everybody and changes nothing but the log, by one check.
 */
import type { RecoverReport } from '../../formats/recovery.ts';
import type { CellFlags } from '../connect.ts';
import { type ChecksumsDocument, verifyChecksums } from '../verify-checksums.ts';
import { askReport, getStatus } from './ask.ts';
import type { RecoverPlan } from './plan.ts';

export interface VerifiedMember {
  readonly name: string;
  /** `parent`: of the generation before, and no part of this one; `other`: of a generation that this plan did not begin. */
  readonly step: 'active' | 'ready' | 'fenced' | 'parent' | 'other' | 'no-answer';
  readonly generation: number | null;
  readonly role: string | null;
}

/** The JSON document of `recover verify`. */
export interface RecoveryVerified {
  readonly ok: boolean;
  /** `begun`: members are fenced or ready, and the plan is to be applied again; `differs`: somebody serves something else. */
  readonly verdict: 'done' | 'begun' | 'not-begun' | 'differs' | 'incomplete';
  readonly cell: { readonly id: string; readonly name: string };
  readonly generation: number;
  readonly members: readonly VerifiedMember[];
  readonly checksums: Pick<ChecksumsDocument, 'verdict' | 'instance'> | null;
}

const reportMsMax = 5_000;

/** @throws what `verify checksums` throws, when the generation is active and no master takes the check. */
export async function verifyPlan(plan: RecoverPlan, cell: CellFlags): Promise<RecoveryVerified> {
  const limit = Math.min(cell.timeout, reportMsMax);
  const asked = await Promise.all(
    plan.members.map(async ({ name, url }) => {
      const [report, status] = await Promise.all([askReport(url, limit), getStatus(url, limit)]);
      return { name, report: report?.cell.id === plan.cell.id ? report : null, role: status?.role ?? null };
    }),
  );
  const members = asked.map(({ name, report, role }) => ({
    name,
    step: stepOf(plan, report),
    generation: report?.generation ?? null,
    role,
  }));
  const active = asked.flatMap(({ report }) => (report !== null && stepOf(plan, report) === 'active' ? [report] : []));
  // The generation knows its members better than the plan: somebody named as lost may have come back before the fence.
  const wanted = active[0]?.members.map(({ name }) => name) ?? [...plan.takesPart];
  const before = verdictOf(members, wanted);
  // Whoever carried it out may hold the mark of what it gave up, which says nothing against what is there.
  const present = { ...cell, unmarked: true };
  const checksums = before === 'done' ? await verifyChecksums(present, { deep: false, values: false }) : null;
  const verdict =
    checksums === null || checksums.verdict === 'agree'
      ? before
      : checksums.verdict === 'differ'
        ? 'differs'
        : 'incomplete';
  return {
    ok: verdict === 'done',
    verdict,
    cell: plan.cell,
    generation: plan.to.generation,
    members,
    checksums: checksums === null ? null : { verdict: checksums.verdict, instance: checksums.instance },
  };
}

function stepOf({ to, from }: RecoverPlan, report: RecoverReport | null): VerifiedMember['step'] {
  if (report === null) return 'no-answer';
  const { generation, generationId, attempt } = report;
  if (generation === to.generation && generationId === to.generationId) return 'active';
  if (generation !== from.generation) return 'other';
  if (attempt === null || attempt.generationId !== to.generationId) return 'parent';
  return attempt.step === 'fenced' ? 'fenced' : 'ready';
}

function verdictOf(members: readonly VerifiedMember[], wanted: readonly string[]): RecoveryVerified['verdict'] {
  const steps = members.filter(({ name }) => wanted.includes(name)).map(({ step }) => step);
  const serving = members.some(({ step, role }) => step === 'parent' && role === 'master');
  if (steps.includes('other') || (serving && steps.includes('active'))) return 'differs';
  if (steps.every((step) => step === 'active')) return 'done';
  if (steps.some((step) => step === 'active' || step === 'ready' || step === 'fenced')) {
    return steps.includes('no-answer') ? 'incomplete' : 'begun';
  }
  return steps.every((step) => step === 'no-answer') ? 'incomplete' : 'not-begun';
}

/** `begun` and `not-begun`: what was asked for is not there yet. */
export const exitCodeOfRecovery = (verdict: RecoveryVerified['verdict']): 0 | 4 | 8 =>
  verdict === 'done' ? 0 : verdict === 'differs' ? 4 : 8;

/** Who is master, and handing mastership over. */
import { UnreachableError } from '../errors/index.ts';
import type { DrainedDocument, TransferDocument } from '../formats/http-body.ts';
import { currentMaster, survey } from './cell-status.ts';
import { type CellFlags, withCell } from './connect.ts';

/** The JSON document of `master status` (contract §1). */
export interface MasterStatus {
  readonly master: { readonly name: string; readonly url: string };
  readonly epoch: number | null;
  readonly since: string | null;
  readonly leaseRemainingMs: number | null;
  readonly changes: { readonly lastHour: number | null; readonly lastDay: number | null };
  readonly lastChange: { readonly at: string; readonly cause: string } | null;
}

/** @throws {UnreachableError} (exit 3) when nobody answers, or nobody is master. */
export async function masterStatus(cell: {
  readonly endpoints: readonly string[];
  readonly timeout: number;
}): Promise<MasterStatus> {
  const { answers } = await survey(cell.endpoints, cell.timeout);
  const statuses = answers.flatMap(({ status }) => (status ? [status] : []));
  const master = currentMaster(statuses);
  if (!master) {
    const roles = statuses.map(({ name, role }) => `${name} is ${role}`).join(', ');
    throw new UnreachableError(`The cell has no master just now (${roles}).`, {
      code: 'PAXOS_NO_MASTER',
      facts: { roles: Object.fromEntries(statuses.map(({ name, role }) => [name, role])) },
    });
  }
  const url = answers.find(({ status }) => status === master)?.url ?? '';
  const { mastership } = master;
  return {
    master: { name: master.name, url: master.master?.url ?? url },
    epoch: master.epoch ?? null,
    since: mastership?.since ?? null,
    leaseRemainingMs: master.lease?.remainingMs ?? null,
    changes: { lastHour: mastership?.changesLastHour ?? null, lastDay: mastership?.changesLastDay ?? null },
    lastChange: mastership?.lastChange ?? null,
  };
}

/** @throws {RefusedError} (exit 5) when the successor cannot take it; nothing was changed. */
export function transferMaster(
  cell: CellFlags,
  { to, dryRun }: { readonly to: string | undefined; readonly dryRun: boolean },
): Promise<TransferDocument> {
  return withCell(cell, (client) => client.transfer({ dryRun, ...(to === undefined ? {} : { to }) }));
}

/** Keeps mastership away from a member, or no more where `forMs` is null; hands it over first where the member has it. */
export function drainMember(
  cell: CellFlags,
  request: { readonly member: string; readonly forMs: number | null; readonly dryRun: boolean },
): Promise<DrainedDocument> {
  return withCell(cell, (client) => client.drain(request));
}

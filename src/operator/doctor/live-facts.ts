/** What the checks of a live cell are asked about: one survey of all replicas, and a second look where something moves. */
import { setTimeout as sleep } from 'node:timers/promises';
import { answersOfCell } from '../../client/cell-status.ts';
import type { ReplicaStatusDocument } from '../../formats/http-body.ts';
import { type CellStatus, lagInstancesMax, type Survey, statusOf, survey } from '../cell-status.ts';
import type { CellFlags } from '../connect.ts';

/** A replica that catches up has moved on by then. */
const secondLookMs = 1_000;

export interface LiveFacts {
  readonly asked: Survey;
  readonly status: CellStatus;
  /** Answers of replicas of this cell. */
  readonly own: readonly ReplicaStatusDocument[];
  /** A second later; null when nobody is behind. */
  readonly later: readonly ReplicaStatusDocument[] | null;
}

/** @throws {UnreachableError} (exit 3) when no replica answers. */
export async function liveFacts({ endpoints, timeout }: CellFlags): Promise<LiveFacts> {
  const first = factsOf(await survey(endpoints, timeout));
  if (!first.status.members.some(({ lag }) => lag !== null && lag > lagInstancesMax)) return first;
  await sleep(secondLookMs);
  return { ...first, later: answersOfCell(await survey(endpoints, timeout)) };
}

export const factsOf = (asked: Survey): LiveFacts => ({
  asked,
  status: statusOf(asked),
  own: answersOfCell(asked),
  later: null,
});

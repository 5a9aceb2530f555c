/**
 * The cell at a glance, as `status`, `wait` and `doctor` need it: the survey of the client's library, with what this tool
 * remembers of the cell.
 *
 * Replicas are asked over plain HTTP without the client's connections, so that `status` starts quickly and never waits for a master.
 */
import { answersOfCell, type CellStatusDocument, cellStatusOf, currentMaster } from '../client/cell-status.ts';
import type { KnownCell } from '../client/find-master.ts';
import { survey as ask, isSilent, nobodyAnswers, type Survey } from '../client/survey.ts';
import type { ReplicaStatusDocument } from '../formats/http-body.ts';
import { rememberedCell, rememberMembers } from './connect.ts';
import { getJson } from './replica-http.ts';

export { currentMaster, lagInstancesMax } from '../client/cell-status.ts';
export type { Answer, Survey } from '../client/survey.ts';

/** The JSON document of `status` (contract §1). */
export type CellStatus = CellStatusDocument;

/**
 * Asks the endpoints, then whoever they name as members and was not asked yet; where none answers, the members of the cell that
 * was met there before.
 *
 * @param timeoutMs for each replica, 2 s at the most.
 * @throws {UnreachableError} (exit 3) when nobody answers.
 */
export async function survey(endpoints: readonly string[], timeoutMs: number): Promise<Survey> {
  let met: KnownCell | null = null;
  const asked = await ask(endpoints, askStatus, timeoutMs, async () => {
    met = await rememberedCell(endpoints);
    return met?.members ?? [];
  });
  const known = met === null ? asked : ofCell(asked, met);
  if (isSilent(known)) throw silent(known, met);
  const described = knownCellOf(known);
  if (described !== null) await rememberMembers(endpoints, described);
  return known;
}

const askStatus = async (url: string, timeoutMs: number) =>
  (await getJson(`${url}/v1/status`, timeoutMs)) as ReplicaStatusDocument;

/** Where a remembered member was, somebody of another cell may be by now. */
function ofCell(asked: Survey, { id }: KnownCell): Survey {
  const answers = asked.answers.map((answer) => {
    if (answer.status === null || answer.status.cell.id === id) return answer;
    return { ...answer, status: null, why: `belongs to cell ${answer.status.cell.id ?? 'none'} now` };
  });
  return { ...asked, answers };
}

function knownCellOf(asked: Survey): KnownCell | null {
  const statuses = answersOfCell(asked);
  const described = currentMaster(statuses) ?? statuses[0];
  if (described === undefined || described.cell.id === null) return null;
  const { cell, members } = described;
  const urls = members.flatMap(({ url }) => (URL.canParse(url) ? [new URL(url).origin] : []));
  return { id: described.cell.id, name: cell.name, members: urls };
}

/** Where a cell was met before, forming another one is the last thing to do. */
function silent(asked: Survey, met: KnownCell | null) {
  const suggestions =
    met === null
      ? ['paxosctl cell start', 'paxosctl status --endpoints http://HOST:PORT']
      : ['paxosctl wait master --timeout 30s', 'paxosctl status --endpoints http://HOST:PORT'];
  return nobodyAnswers(asked, { suggestions, ...(met === null ? {} : { facts: { cell: met.id } }) });
}

/** What the answers of one survey say of the cell. */
export const statusOf = (asked: Survey): CellStatus => cellStatusOf(asked);

const healthExitCodes = { healthy: 0, degraded: 9, unavailable: 3 } as const;

/** The exit code that says the same as the health (contract §1). */
export const exitCodeOfHealth = (health: CellStatus['cell']['health']): 0 | 3 | 9 => healthExitCodes[health];

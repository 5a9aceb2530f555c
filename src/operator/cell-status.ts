/**
 * The cell at a glance, as `status` and `wait` need it: what the client's library makes of the members' answers, the answers
 * themselves, and what operators want to see beside it.
 *
 * Replicas are asked over plain HTTP without the client's connections, so that `status` starts quickly and never waits for a master.
 */
import { type CellStatusDocument, cellStatusOf, type MemberStatusDocument } from '../client/cell-status.ts';
import type { KnownCell } from '../client/find-master.ts';
import { UnreachableError } from '../errors/index.ts';
import type { ReplicaStatusDocument } from '../formats/http-body.ts';
import { rememberedCell, rememberMembers } from './connect.ts';
import { getJson } from './replica-http.ts';

export { lagInstancesMax } from '../client/cell-status.ts';

export interface MemberState extends MemberStatusDocument {
  /** Where the checksum was taken. */
  readonly checksumInstance: number | null;
  readonly uptimeMs: number | null;
  readonly flushMsP99: number | null;
}

/** The JSON document of `status` (contract §1). */
export interface CellStatus {
  readonly cell: CellStatusDocument['cell'] & { readonly voters: number; readonly votersAnswering: number };
  readonly members: readonly MemberState[];
}

export interface Answer {
  readonly url: string;
  readonly status: ReplicaStatusDocument | null;
  /** Why there is none. */
  readonly why: string | null;
}

/** One round of questions. */
export interface Survey {
  readonly answers: readonly Answer[];
}

/** One that hangs must not hide the others for as long as a write may wait. */
const answerMsMax = 2_000;

/**
 * Asks the endpoints, then whoever they name as members and was not asked yet.
 *
 * @param timeoutMs for each replica, 2 s at the most.
 * @throws {UnreachableError} (exit 3) when nobody answers.
 */
export async function survey(endpoints: readonly string[], timeoutMs: number): Promise<Survey> {
  const limit = Math.round(Math.min(timeoutMs, answerMsMax));
  const first = await Promise.all(endpoints.map((url) => ask(url, limit)));
  const known = new Set(endpoints);
  const named = first.flatMap(({ status }) => status?.members ?? []).map(({ url }) => url.replace(/\/$/, ''));
  const others = [...new Set(named)].filter((url) => !known.has(url));
  const answers = [...first, ...(await Promise.all(others.map((url) => ask(url, limit))))];
  if (answers.every(({ status }) => status === null)) {
    const met = await rememberedCell(endpoints);
    const more = await askMembers(met, known, limit);
    if (more.every(({ status }) => status === null)) throw nobodyAnswers([...answers, ...more], met);
    return { answers: [...answers, ...more] };
  }
  const described = knownCellOf(answers);
  if (described !== null) await rememberMembers(endpoints, described);
  return { answers };
}

/** The members of the cell that was met at the endpoints before; one that is of another cell by now does not count. */
async function askMembers(met: KnownCell | null, asked: ReadonlySet<string>, limit: number): Promise<Answer[]> {
  const urls = (met?.members ?? []).filter((url) => !asked.has(url));
  const answers = await Promise.all(urls.map((url) => ask(url, limit)));
  return answers.map((answer) => {
    if (answer.status === null || answer.status.cell.id === met?.id) return answer;
    return { url: answer.url, status: null, why: `belongs to cell ${answer.status.cell.id ?? 'none'} now` };
  });
}

function knownCellOf(answers: readonly Answer[]): KnownCell | null {
  const statuses = answers.flatMap(({ status }) => (status === null ? [] : [status]));
  const { cell, members } = (currentMaster(statuses) ?? statuses[0]) as ReplicaStatusDocument;
  if (cell.id === null) return null;
  const urls = members.flatMap(({ url }) => (URL.canParse(url) ? [new URL(url).origin] : []));
  return { id: cell.id, name: cell.name, members: urls };
}

async function ask(url: string, timeoutMs: number): Promise<Answer> {
  try {
    const document = await getJson(`${url}/v1/status`, timeoutMs);
    if (isStatus(document)) return { url, status: document, why: null };
    return { url, status: null, why: 'answers, but is no replica' };
  } catch (error) {
    return { url, status: null, why: (error as Error).message };
  }
}

/** Enough of it to work with; a web server that happens to listen there has none of these. */
function isStatus(document: unknown): document is ReplicaStatusDocument {
  if (typeof document !== 'object' || document === null) return false;
  const { name, role, cell, members, instances } = document as Record<string, unknown>;
  const objects = [cell, instances].every((it) => typeof it === 'object' && it !== null);
  return typeof name === 'string' && typeof role === 'string' && objects && Array.isArray(members);
}

function nobodyAnswers(answers: readonly Answer[], met: KnownCell | null): UnreachableError {
  const what = answers.map(({ url, why }) => `${url}: ${why}`).join('; ');
  // Where a cell was met before, forming another one is the last thing to do.
  const suggestions =
    met === null
      ? ['paxosctl cell start', 'paxosctl status --endpoints http://HOST:PORT']
      : ['paxosctl wait master --timeout 30s', 'paxosctl status --endpoints http://HOST:PORT'];
  return new UnreachableError(`No replica answers (${what}).`, {
    facts: { endpoints: answers.map(({ url, why }) => ({ url, why })), ...(met === null ? {} : { cell: met.id }) },
    suggestions,
  });
}

/** What the answers of one survey say of the cell. */
export function statusOf({ answers }: Survey): CellStatus {
  const { cell, members } = cellStatusOf(answers);
  const voters = members.filter(({ voting }) => voting);
  return {
    cell: { ...cell, voters: voters.length, votersAnswering: voters.filter(({ answered }) => answered).length },
    members: members.map((member) => {
      const status = member.answered ? answers.find((it) => it.status?.name === member.name)?.status : undefined;
      return {
        ...member,
        checksumInstance: status?.checksum?.instance ?? null,
        uptimeMs: status?.uptimeMs ?? null,
        flushMsP99: status?.load?.flushMsP99 ?? null,
      };
    }),
  };
}

/** Who says that he is master and holds the lease; of two, the one of the later epoch. */
export function currentMaster(statuses: readonly ReplicaStatusDocument[]): ReplicaStatusDocument | null {
  const masters = statuses.filter(({ role, lease }) => role === 'master' && lease.held);
  return masters.sort((a, b) => b.epoch - a.epoch)[0] ?? null;
}

const healthExitCodes = { healthy: 0, degraded: 9, unavailable: 3 } as const;

/** The exit code that says the same as the health (contract §1). */
export const exitCodeOfHealth = (health: CellStatus['cell']['health']): 0 | 3 | 9 => healthExitCodes[health];

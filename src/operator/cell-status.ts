/**
 * The cell at a glance: every member is asked about itself, and the answers are put together.
 *
 * The endpoints are only a hint; the members that the replicas name are the truth, and who does not answer counts as down
 * (never as "not asked").
 */
import { UnreachableError } from '../errors/index.ts';
import { getJson } from './replica-http.ts';

/** What is read of `GET /v1/status` (contract §2). All of it is optional: an older or newer replica is shown, not refused. */
export interface ReplicaAnswer {
  readonly name: string;
  readonly cell?: { readonly id?: string | null; readonly name?: string; readonly generation?: number };
  readonly role: string;
  readonly voting?: boolean;
  readonly incarnation?: number;
  readonly epoch?: number;
  readonly master?: { readonly name: string; readonly url: string } | null;
  readonly lease?: { readonly held?: boolean; readonly remainingMs?: number };
  readonly instances?: { readonly chosen?: number; readonly applied?: number; readonly snapshot?: number };
  readonly checksum?: { readonly instance: number; readonly database: string };
  readonly revision?: number;
  readonly entries?: number;
  readonly version?: string;
  readonly level?: number;
  readonly uptimeMs?: number;
  readonly members?: readonly MemberEntry[];
  readonly mastership?: {
    readonly since?: string | null;
    readonly changesLastHour?: number;
    readonly changesLastDay?: number;
    readonly lastChange?: { readonly at: string; readonly cause: string } | null;
  };
  readonly load?: { readonly flushMsP99?: number; readonly eventLoopLagMsP99?: number };
  readonly readOnly?: boolean;
  readonly warnings?: readonly string[];
}

interface MemberEntry {
  readonly name: string;
  readonly url: string;
  readonly role?: string;
  readonly voting?: boolean;
  readonly incarnation?: number;
}

export type Health = 'healthy' | 'degraded' | 'unavailable';
export type ChecksumState = 'agrees' | 'differs' | 'unknown';

export interface MemberState {
  readonly name: string;
  readonly url: string;
  /** As the replica itself says; `unreachable` when it did not. */
  readonly role: string;
  readonly voting: boolean;
  readonly incarnation: number | null;
  readonly version: string | null;
  readonly applied: number | null;
  /** Instances behind the furthest member. */
  readonly lag: number | null;
  readonly answered: boolean;
  /** Why it did not answer, or what is wrong with it. */
  readonly detail: string | null;
  readonly checksum: {
    readonly state: ChecksumState;
    readonly instance: number | null;
    readonly database: string | null;
  };
  readonly uptimeMs: number | null;
  readonly flushMsP99: number | null;
}

/** The JSON document of `status` (contract §1). */
export interface CellStatus {
  readonly cell: {
    readonly id: string | null;
    readonly name: string | null;
    readonly generation: number | null;
    readonly level: number | null;
    readonly health: Health;
    /** Failures that the cell survives now, and that it would survive with every voter well. */
    readonly tolerates: number;
    readonly intended: number;
    readonly why: readonly string[];
    readonly master: string | null;
    readonly epoch: number | null;
    readonly leaseRemainingMs: number | null;
    readonly revision: number | null;
    readonly entries: number | null;
    readonly votersAnswering: number;
    readonly voters: number;
    readonly warnings: readonly string[];
  };
  readonly members: readonly MemberState[];
}

/** One round of questions and what came of it. */
export interface Survey {
  readonly answers: readonly Answer[];
}

export interface Answer {
  readonly url: string;
  readonly status: ReplicaAnswer | null;
  readonly why: string | null;
}

/** A replica this many instances behind is still called caught up: writes are under way all the time. */
export const lagInstancesMax = 100;

/** One that hangs must not hide the others for as long as a write may wait. */
const answerMsMax = 2_000;

/**
 * Asks the endpoints, then whoever they name as members and was not asked yet.
 *
 * @param timeoutMs for each replica, 2 s at the most.
 * @throws {UnreachableError} when nobody answers.
 */
export async function survey(endpoints: readonly string[], timeoutMs: number): Promise<Survey> {
  const first = await Promise.all(endpoints.map((url) => ask(url, timeoutMs)));
  const known = new Set(endpoints);
  const named = first.flatMap(({ status }) => status?.members ?? []).map(({ url }) => url);
  const others = [...new Set(named)].filter((url) => !known.has(url));
  const second = await Promise.all(others.map((url) => ask(url, timeoutMs)));
  const answers = [...first, ...second];
  if (answers.every(({ status }) => status === null)) throw nobodyAnswers(answers);
  return { answers };
}

async function ask(url: string, timeoutMs: number): Promise<Answer> {
  try {
    const document = await getJson(`${url}/v1/status`, Math.min(timeoutMs, answerMsMax));
    if (isReplicaAnswer(document)) return { url, status: document, why: null };
    return { url, status: null, why: 'answers, but is no replica' };
  } catch (error) {
    return { url, status: null, why: (error as Error).message };
  }
}

function isReplicaAnswer(document: unknown): document is ReplicaAnswer {
  if (typeof document !== 'object' || document === null) return false;
  const { name, role } = document as Record<string, unknown>;
  return typeof name === 'string' && typeof role === 'string';
}

/** Nobody at all: exit 3, with what each endpoint did instead. */
export function nobodyAnswers(answers: readonly Answer[]): UnreachableError {
  const what = answers.map(({ url, why }) => `${url}: ${why}`).join('; ');
  return new UnreachableError(`No replica answers (${what}).`, {
    facts: { endpoints: answers.map(({ url, why }) => ({ url, why })) },
    suggestions: ['paxosctl cell start', 'paxosctl status --endpoints http://HOST:PORT'],
  });
}

/** What the answers of one survey say of the cell. */
export function cellStatusOf({ answers }: Survey): CellStatus {
  const heard = answers.flatMap(({ url, status }) => (status ? [{ url, status }] : []));
  const statuses = heard.map(({ status }) => status);
  const best = mostAdvanced(statuses);
  const furthest = Math.max(0, ...statuses.map(({ instances }) => instances?.applied ?? 0));
  const checksums = checksumStates(statuses);
  const members = membersOf(answers, best).map((entry) => memberState(entry, answers, furthest, checksums));

  const master = currentMaster(statuses);
  const voters = members.filter(({ voting }) => voting);
  const quorum = Math.floor(voters.length / 2) + 1;
  const well = voters.filter(isWell);
  const serves = master !== null && voters.filter(({ answered }) => answered).length >= quorum;
  const intended = Math.max(0, voters.length - quorum);
  const tolerates = serves ? Math.max(0, well.length - quorum) : 0;
  const why = [...(serves ? [] : [whyNotServing(master, voters, quorum)]), ...members.flatMap(complaint)];
  return {
    cell: {
      id: best?.cell?.id ?? null,
      name: best?.cell?.name ?? null,
      generation: best?.cell?.generation ?? null,
      level: best?.level ?? null,
      health: !serves ? 'unavailable' : why.length > 0 || tolerates < intended ? 'degraded' : 'healthy',
      tolerates,
      intended,
      why,
      master: master?.name ?? null,
      epoch: master?.epoch ?? best?.epoch ?? null,
      leaseRemainingMs: master?.lease?.remainingMs ?? null,
      revision: (master ?? best)?.revision ?? null,
      entries: (master ?? best)?.entries ?? null,
      votersAnswering: voters.filter(({ answered }) => answered).length,
      voters: voters.length,
      warnings: [...new Set(statuses.flatMap(({ warnings }) => warnings ?? []))].sort(),
    },
    members,
  };
}

/** Who says that he is master and holds the lease; of two, the one of the later epoch. */
export function currentMaster(statuses: readonly ReplicaAnswer[]): ReplicaAnswer | null {
  const masters = statuses.filter(({ role, lease }) => role === 'master' && lease?.held !== false);
  return masters.sort((a, b) => (b.epoch ?? 0) - (a.epoch ?? 0))[0] ?? null;
}

const mostAdvanced = (statuses: readonly ReplicaAnswer[]): ReplicaAnswer | null =>
  [...statuses].sort((a, b) => (b.instances?.applied ?? -1) - (a.instances?.applied ?? -1))[0] ?? null;

/** The configuration as the furthest replica knows it; before a cell is formed, those who answered. */
function membersOf(answers: readonly Answer[], best: ReplicaAnswer | null): MemberEntry[] {
  const listed = best?.members ?? [];
  const entries = listed.length > 0 ? [...listed] : [];
  for (const { url, status } of answers) {
    if (status && !entries.some(({ name }) => name === status.name)) {
      entries.push({ name: status.name, url, voting: listed.length === 0 && status.voting !== false });
    }
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function memberState(
  entry: MemberEntry,
  answers: readonly Answer[],
  furthest: number,
  checksums: ReadonlyMap<string, ChecksumState>,
): MemberState {
  const answer = answers.find(({ status }) => status?.name === entry.name);
  const status = answer?.status ?? null;
  const applied = status?.instances?.applied ?? null;
  return {
    name: entry.name,
    url: entry.url,
    role: status?.role ?? 'unreachable',
    voting: entry.voting ?? true,
    incarnation: status?.incarnation ?? entry.incarnation ?? null,
    version: status?.version ?? null,
    applied,
    lag: applied === null ? null : furthest - applied,
    answered: status !== null,
    detail: status ? troubleOf(status, furthest) : (answers.find(({ url }) => url === entry.url)?.why ?? 'no answer'),
    checksum: {
      state: checksums.get(entry.name) ?? 'unknown',
      instance: status?.checksum?.instance ?? null,
      database: status?.checksum?.database ?? null,
    },
    uptimeMs: status?.uptimeMs ?? null,
    flushMsP99: status?.load?.flushMsP99 ?? null,
  };
}

const wellRoles: ReadonlySet<string> = new Set(['master', 'replica', 'candidate']);

function troubleOf(status: ReplicaAnswer, furthest: number): string | null {
  if (!wellRoles.has(status.role)) return `is ${status.role}`;
  if (status.voting === false) return 'does not vote yet';
  if (status.readOnly) return 'is read-only (disk nearly full)';
  const lag = furthest - (status.instances?.applied ?? 0);
  if (lag > lagInstancesMax) return `is ${lag} instances behind`;
  return null;
}

const isWell = (member: MemberState): boolean =>
  member.answered && member.detail === null && member.checksum.state !== 'differs';

function complaint(member: MemberState): string[] {
  const complaints: string[] = [];
  if (member.detail !== null) {
    complaints.push(
      member.answered ? `${member.name} ${member.detail}` : `${member.name} does not answer (${member.detail})`,
    );
  }
  if (member.checksum.state === 'differs') {
    complaints.push(`${member.name} holds another database than the majority at instance ${member.checksum.instance}`);
  }
  return complaints;
}

function whyNotServing(master: ReplicaAnswer | null, voters: readonly MemberState[], quorum: number): string {
  const answering = voters.filter(({ answered }) => answered).length;
  if (answering < quorum) return `no quorum: ${answering} of ${voters.length} voters answer, ${quorum} are needed`;
  return master === null ? 'no master: nobody holds the lease' : 'no quorum';
}

/**
 * Compares the databases of those who stand at the same instance. The odd one out differs; where there is no majority, all
 * of them do, since nobody can say who is right.
 */
export function checksumStates(statuses: readonly ReplicaAnswer[]): Map<string, ChecksumState> {
  const states = new Map<string, ChecksumState>();
  const reported = statuses.flatMap(({ name, checksum }) =>
    checksum && checksum.instance > 0 ? [{ name, ...checksum }] : [],
  );
  for (const group of grouped(reported, ({ instance }) => instance).values()) {
    if (group.length < 2) continue;
    const votes = grouped(group, ({ database }) => database);
    const right = [...votes.values()].find((holders) => holders.length * 2 > group.length);
    for (const one of group) states.set(one.name, votes.size === 1 || right?.includes(one) ? 'agrees' : 'differs');
  }
  return states;
}

function grouped<Item, Key>(items: readonly Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

const healthExitCodes = { healthy: 0, degraded: 9, unavailable: 3 } as const;

/** The exit code that says the same as the health (contract §1). */
export const exitCodeOfHealth = (health: Health): 0 | 3 | 9 => healthExitCodes[health];

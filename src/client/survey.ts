/**
 * One round of questions to the replicas of a cell: first those that were given, then whoever they name as members.
 *
 * The endpoints are a hint; the members that replicas name are the truth. Who does not answer counts as down, never as "not
 * asked".
 */
import { UnreachableError } from '../errors/cell-errors.ts';
import type { ReplicaStatusDocument } from '../formats/http-body.ts';

/** Asks one replica; rejects with a message that says in a few words why there is no answer. */
export type AskStatus = (url: string, timeoutMs: number) => Promise<ReplicaStatusDocument>;

export interface Answer {
  readonly url: string;
  readonly status: ReplicaStatusDocument | null;
  /** Why there is none. */
  readonly why: string | null;
  /** Wall clock of who asked, when the answer was there, and how long that took: to see whose clock is wrong. */
  readonly at: { readonly wallMs: number; readonly tookMs: number };
}

export interface Survey {
  /** In the order in which they were asked: endpoints first. */
  readonly answers: readonly Answer[];
  readonly endpoints: readonly string[];
}

/** One that hangs must not hide the others for as long as a write may wait. */
const answerMsMax = 2_000;
/** Replicas name members, who name members: a chain of strangers has an end. */
const roundsMax = 4;

/** Asks everybody who can be learned of. Nobody may have answered: see {@link nobodyAnswers}. */
export async function survey(
  endpoints: readonly string[],
  ask: AskStatus,
  timeoutMs: number,
  /** Members that a caller remembers; asked when nobody else answers. */
  remembered: () => Promise<readonly string[]> = async () => [],
): Promise<Survey> {
  const limit = Math.max(1, Math.round(Math.min(timeoutMs, answerMsMax)));
  const answers: Answer[] = [];
  const asked = new Set<string>();
  let next: readonly string[] = endpoints.map(bare);
  for (let round = 0; next.length > 0 && round < roundsMax; round += 1) {
    for (const url of next) asked.add(url);
    answers.push(...(await Promise.all(next.map((url) => askOne(url, ask, limit)))));
    const named = answers.flatMap(({ status }) => status?.members ?? []).map(({ url }) => bare(url));
    next = [...new Set(named)].filter((url) => !asked.has(url));
    if (next.length === 0 && round === 0 && answers.every(({ status }) => status === null)) {
      next = (await remembered()).map(bare).filter((url) => !asked.has(url));
    }
  }
  return { answers, endpoints };
}

const bare = (url: string): string => url.replace(/\/$/, '');

async function askOne(url: string, ask: AskStatus, timeoutMs: number): Promise<Answer> {
  const started = performance.now();
  const at = () => ({ wallMs: Date.now(), tookMs: performance.now() - started });
  try {
    const status: unknown = await ask(url, timeoutMs);
    if (isStatus(status)) return { url, status, why: null, at: at() };
    return { url, status: null, why: 'answers, but is no replica', at: at() };
  } catch (error) {
    return { url, status: null, why: (error as Error).message, at: at() };
  }
}

/** Enough of it to work with; a web server that happens to listen there has none of these. */
function isStatus(document: unknown): document is ReplicaStatusDocument {
  if (typeof document !== 'object' || document === null) return false;
  const { name, role, cell, members, instances } = document as Record<string, unknown>;
  const objects = [cell, instances].every((it) => typeof it === 'object' && it !== null);
  return typeof name === 'string' && typeof role === 'string' && objects && Array.isArray(members);
}

/** True when no replica answered at all. */
export const isSilent = ({ answers }: Survey): boolean => answers.every(({ status }) => status === null);

export function nobodyAnswers({ answers }: Survey, options: ConstructorParameters<typeof UnreachableError>[1] = {}) {
  const what = answers.map(({ url, why }) => `${url}: ${why}`).join('; ');
  const facts = { endpoints: answers.map(({ url, why }) => ({ url, why })), ...options.facts };
  return new UnreachableError(`No replica answers (${what}).`, { ...options, facts });
}

/**
 * RFC 9457 problem documents: what the HTTP front writes and what clients make of them.
 */
import { catalogued, type Outcome } from './catalogue.ts';
import {
  CellRolledBackError,
  ConditionFailedError,
  NotAllowedError,
  OutcomeUnknownError,
  RefusedError,
  UnreachableError,
  UsageError,
} from './cell-errors.ts';
import { type Facts, OperatorError } from './operator-error.ts';

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly outcome: Outcome;
  readonly facts?: Facts;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Reads what a server, or a proxy before it, answered with an error status. An answer without a code of ours says
 * nothing about the fate of the request, so its outcome is 'unknown' unless the status alone rules out an effect.
 */
export function problemFrom(status: number, body: unknown): Problem {
  if (isRecord(body) && typeof body.code === 'string') {
    const code = body.code;
    const outcome = body.outcome;
    return {
      type: typeof body.type === 'string' ? body.type : 'about:blank',
      title: typeof body.title === 'string' ? body.title : code,
      status,
      detail: typeof body.detail === 'string' ? body.detail : catalogued(code, status).meaning,
      code,
      outcome: outcome === 'none' || outcome === 'unknown' ? outcome : catalogued(code, status).outcome,
      ...(isRecord(body.facts) ? { facts: body.facts } : {}),
    };
  }
  return {
    type: 'about:blank',
    title: `HTTP ${status}`,
    status,
    detail: `The server answered HTTP ${status} without a problem document.`,
    code: status >= 500 ? 'PAXOS_INTERNAL' : 'PAXOS_BAD_REQUEST',
    outcome: status >= 500 ? 'unknown' : 'none',
  };
}

/** How long ago the evidence was seen that froze the cell; nothing where the facts do not say. */
function ageOf(facts: Facts = {}): string {
  const seenAt = isRecord(facts.frozen) ? Date.parse(String(facts.frozen.seenAt)) : Number.NaN;
  const minutes = Math.floor((Date.now() - seenAt) / 60_000);
  if (!(minutes >= 0)) return '';
  const age = minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
  return ` (${minutes === 0 ? 'just now' : `${age} ago`})`;
}

/** The error that a caller of the client gets for a problem. */
export function errorFromProblem(problem: Problem): OperatorError {
  const known = catalogued(problem.code, problem.status);
  const { next, ...facts } = problem.facts ?? {};
  const suggestions = Array.isArray(next) && next.length > 0 ? { suggestions: next.map(String) } : {};
  const options = { facts: { status: problem.status, ...facts }, outcome: problem.outcome, ...suggestions };
  const coded = { ...options, code: problem.code as never };
  if (problem.outcome === 'unknown') return new OutcomeUnknownError(problem.detail, coded);
  switch (known.exit) {
    case 2:
      return new UsageError(problem.detail, coded);
    case 3:
      return new UnreachableError(problem.detail, coded);
    case 5:
      return new RefusedError(problem.detail, coded);
    case 6:
      return new ConditionFailedError(problem.detail, coded);
    case 12:
      return new NotAllowedError(problem.detail, coded);
    case 13:
      return new CellRolledBackError(`${problem.detail}${ageOf(problem.facts)}`, options);
    default:
      return new OperatorError(problem.code, problem.detail, options);
  }
}

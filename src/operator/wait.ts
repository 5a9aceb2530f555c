/** Waits for a condition of the cell: ends when it holds, when it can no longer come to hold, or when time is up. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CellRolledBackError,
  CheckFailedError,
  CheckIncompleteError,
  DegradedError,
  OperatorError,
  RefusedError,
  UnreachableError,
  UsageError,
} from '../errors/index.ts';
import { type CellStatus, lagInstancesMax, type Survey, statusOf, survey } from './cell-status.ts';
import type { CellFlags } from './connect.ts';
import { verifyChecksums } from './verify-checksums.ts';

export type Condition =
  | { readonly kind: 'master' | 'healthy' | 'checksums-agree' }
  | { readonly kind: 'caught-up'; readonly member: string }
  | { readonly kind: 'version'; readonly version: string };

export const conditionNames = ['master', 'healthy', 'caught-up=N', 'version=V', 'checksums-agree'] as const;

/** @throws {UsageError} for a word that is no condition. */
export function parseCondition(text: string): Condition {
  const [, kind, value] = /^([a-z-]+)(?:=(.+))?$/.exec(text) ?? [];
  if ((kind === 'master' || kind === 'healthy' || kind === 'checksums-agree') && value === undefined) return { kind };
  if (kind === 'caught-up' && value !== undefined) return { kind, member: value };
  if (kind === 'version' && value !== undefined) return { kind, version: value };
  throw new UsageError(`Not a condition: ${text}. There are ${conditionNames.join(', ')}.`);
}

export interface WaitResult {
  readonly condition: string;
  readonly waitedMs: number;
  readonly status: CellStatus;
}

/** What one look at the cell says of the condition. */
type Verdict =
  | { readonly kind: 'holds' }
  | { readonly kind: 'not-yet'; readonly why: string }
  | { readonly kind: 'never'; readonly error: OperatorError };

const pollMs = 100;
const lookMsMin = 200;
/** From these a member does not come back by waiting. */
const finalRoles: ReadonlySet<string> = new Set(['removed', 'frozen', 'halted', 'quarantined']);

export interface WaitOptions {
  readonly endpoints: readonly string[];
  readonly timeoutMs: number;
  /** Called with what is missing, whenever that changes. */
  readonly onWaiting?: (why: string) => void;
}

/**
 * @throws {OperatorError} when it cannot come to hold (exit 4, 5 or 13), or when time is up: 3 when it does not serve, 9 when the cell
 *   serves but is not as asked for, 8 when checksums could not be compared.
 */
export async function waitFor(
  condition: Condition,
  { endpoints, timeoutMs, onWaiting }: WaitOptions,
): Promise<WaitResult> {
  const started = performance.now();
  const judge = judgeOf(condition);
  let why = 'nobody was asked yet';
  let unreachable: UnreachableError | null = null;
  let serves = false;
  let looks = 0;
  for (;;) {
    const left = timeoutMs - (performance.now() - started);
    // A look that has no time finds nobody: what the last one saw is the truth.
    if (left <= 0 || (looks > 0 && left < Math.min(lookMsMin, timeoutMs / 2))) {
      throw timedOut(condition, { why, timeoutMs, unreachable, serves });
    }
    looks += 1;
    let asked: Survey | null = null;
    let said: string;
    try {
      asked = await survey(endpoints, Math.max(1, Math.round(left)));
      unreachable = null;
      said = '';
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      unreachable = error;
      said = error.message;
    }
    if (asked) {
      const status = statusOf(asked);
      serves = status.cell.health !== 'unavailable';
      let verdict = (condition.kind === 'version' ? null : frozenForGood(status)) ?? judge(asked, status);
      // The running sums agree, which do not see what rots in memory: now what is stored.
      if (verdict.kind === 'holds' && condition.kind === 'checksums-agree') {
        verdict = await fullCheck({ endpoints, timeout: Math.max(1, timeoutMs - (performance.now() - started)) });
      }
      if (verdict.kind === 'never') throw verdict.error;
      if (verdict.kind === 'holds') {
        return { condition: nameOf(condition), waitedMs: Math.round(performance.now() - started), status };
      }
      said = verdict.why;
    }
    if (said !== why) onWaiting?.(said);
    why = said;
    await sleep(Math.min(pollMs, Math.max(1, timeoutMs - (performance.now() - started))));
  }
}

const nameOf = (condition: Condition): string =>
  condition.kind === 'caught-up'
    ? `caught-up=${condition.member}`
    : condition.kind === 'version'
      ? `version=${condition.version}`
      : condition.kind;

interface Last {
  readonly why: string;
  readonly timeoutMs: number;
  readonly unreachable: UnreachableError | null;
  readonly serves: boolean;
}

function timedOut(condition: Condition, { why, timeoutMs, unreachable, serves }: Last): OperatorError {
  if (unreachable) return unreachable;
  const message = `Not ${nameOf(condition)} within ${timeoutMs} ms: ${why}.`;
  const options = { facts: { condition: nameOf(condition), why, timeoutMs }, suggestions: ['paxosctl status'] };
  if (condition.kind === 'checksums-agree') return new CheckIncompleteError(message, options);
  if (!serves && condition.kind !== 'version')
    return new UnreachableError(message, { ...options, code: 'PAXOS_NO_MASTER' });
  return new DegradedError(message, options);
}

function judgeOf(condition: Condition): (asked: Survey, status: CellStatus) => Verdict {
  switch (condition.kind) {
    case 'master':
      return (_asked, { cell }) => (cell.master === null ? notYet(cell.why[0] ?? 'no master') : { kind: 'holds' });
    case 'healthy':
      return (_asked, { cell }) =>
        cell.health === 'healthy' ? { kind: 'holds' } : notYet(cell.why.join('; ') || cell.health);
    case 'caught-up':
      return (_asked, status) => caughtUp(condition.member, status);
    case 'version':
      return (_asked, { members }) => {
        const others = members.filter(({ version }) => version !== condition.version);
        if (others.length === 0) return { kind: 'holds' };
        return notYet(others.map(({ name, version }) => `${name} runs ${version ?? 'an unknown version'}`).join(', '));
      };
    case 'checksums-agree':
      return checksumJudge();
  }
}

/** What every replica holds at one logged instance. A member that is being rebuilt is no final failure. */
async function fullCheck(cell: CellFlags): Promise<Verdict> {
  const { members, verdict, instance } = await verifyChecksums(cell, { deep: false, values: false });
  if (verdict === 'agree') return { kind: 'holds' };
  const odd = members.filter((it) => it.verdict === 'differs').map(({ name }) => name);
  if (verdict === 'differ') return { kind: 'never', error: differError(odd, instance) };
  const missing = members.filter((it) => it.verdict !== 'agrees').map(({ name, detail }) => `${name} ${detail ?? ''}`);
  return notYet(`not checked at instance ${instance}: ${missing.join(', ')}`);
}

/** Nobody is left who may go on: only an operator ends that. While a new generation begins, some answer as its members already. */
function frozenForGood({ cell: { frozen }, members }: CellStatus): Verdict | null {
  const there = members.filter(({ answered }) => answered);
  if (frozen === null || !there.every(({ role }) => role === 'frozen')) return null;
  const message = `The cell is frozen since ${frozen.seenAt}: ${frozen.text}`;
  const error =
    frozen.cause === 'log-fork'
      ? new OperatorError('PAXOS_CELL_FROZEN', message, { facts: { frozen } })
      : new CellRolledBackError(message, { facts: { frozen } });
  return { kind: 'never', error };
}

const notYet = (why: string): Verdict => ({ kind: 'not-yet', why });

function caughtUp(name: string, { cell, members }: CellStatus): Verdict {
  const member = members.find((it) => it.name === name);
  if (!member) {
    if (cell.master === null) return notYet('the members are not known without a master');
    const error = new RefusedError(
      `The cell has no member ${name}; it has ${members.map((it) => it.name).join(', ')}.`,
      {
        code: 'PAXOS_MEMBER_UNKNOWN',
        facts: { member: name },
        suggestions: ['paxosctl status'],
      },
    );
    return { kind: 'never', error };
  }
  if (finalRoles.has(member.role)) {
    const error = new RefusedError(`Member ${name} is ${member.role}; it will not catch up by waiting.`, {
      facts: { member: name, role: member.role },
      suggestions: ['paxosctl status'],
    });
    return { kind: 'never', error };
  }
  if (cell.master === null) return notYet('no master, so nobody knows how far the cell is');
  if (!member.answered) return notYet(`${name} ${member.detail ?? 'does not answer'}`);
  if (member.lag === null || member.lag > lagInstancesMax)
    return notYet(`${name} is ${member.lag ?? '?'} instances behind`);
  return member.detail === null ? { kind: 'holds' } : notYet(`${name} ${member.detail}`);
}

/**
 * Replicas are asked one after another while writes go on, so two rarely stand at one instance when they answer. What each said
 * of each instance is kept, until one instance has been heard of from all.
 */
function checksumJudge(): (asked: Survey, status: CellStatus) => Verdict {
  const heard = new Map<number, Map<string, string>>();
  const instancesKept = 1000;
  return ({ answers }, { members }) => {
    const differing = members.filter(({ checksum }) => checksum === 'differs').map(({ name }) => name);
    if (differing.length > 0) return { kind: 'never', error: differError(differing) };
    for (const { name, checksum } of answers.flatMap(({ status }) => (status ? [status] : []))) {
      if (!checksum || checksum.instance === 0) continue;
      const at = heard.get(checksum.instance) ?? new Map<string, string>();
      at.set(name, checksum.database);
      heard.set(checksum.instance, at);
      if (new Set(at.values()).size > 1)
        return { kind: 'never', error: differError([...at.keys()], checksum.instance) };
      if (members.every((member) => at.has(member.name))) return { kind: 'holds' };
    }
    while (heard.size > instancesKept) heard.delete(heard.keys().next().value as number);
    const silent = members.filter(({ answered }) => !answered).map(({ name }) => name);
    return notYet(
      silent.length > 0 ? `${silent.join(', ')} did not answer` : 'no instance at which all replicas were seen yet',
    );
  };
}

const differError = (members: readonly string[], instance?: number): OperatorError =>
  new CheckFailedError(
    `Databases differ${instance === undefined ? '' : ` at instance ${instance}`}: ${members.join(', ')}.`,
    {
      facts: { members, ...(instance === undefined ? {} : { instance }) },
      suggestions: ['paxosctl status --json'],
    },
  );

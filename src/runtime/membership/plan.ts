/**
 * What a request to change the membership comes to: the next configuration, nothing, or a refusal that says why and what to
 * do. Pure: who answers, how far, and with which database was asked just before.
 *
 * Source: design §3 "Membership"; pitfalls P45, P49, O9-O11. Keeps: one voter more or less at most; afterwards the members
 * that answer now and are caught up are a quorum; the last spare is given up only when the operator says so.
 */
import { type Configuration, incarnationToCome, type Member, memberId } from '../../core/consensus/configuration.ts';
import type { ReplicaId } from '../../core/consensus/identity.ts';
import { quorumSize, voters } from '../../core/consensus/quorum.ts';
import { unreachable } from '../../core/invariant.ts';
import type { ErrorCode } from '../../errors/catalogue.ts';
import type { Facts } from '../../errors/operator-error.ts';
import type { OpenUpgrade } from '../open-upgrade.ts';

/** Closer than this a member counts as caught up: writes are under way all the time. */
export const lagInstancesMax = 100;
const membersMax = 31;

export type MemberRequest =
  /**
   * Admits a member without a vote; in the same step `replaces` goes, which is refused when it is well. With `vote` it is to get one
   * as soon as it may: what that comes to is judged and told now.
   */
  | {
      readonly kind: 'add';
      readonly name: string;
      readonly url: string;
      readonly replaces: string | null;
      readonly vote: boolean;
    }
  | { readonly kind: 'promote'; readonly name: string }
  /** Ends an incarnation, the given one where it is named, and admits the next of that member without a vote. */
  | { readonly kind: 'rebuild'; readonly name: string; readonly incarnation: number | null }
  | { readonly kind: 'remove'; readonly name: string };

/** What a member said of itself a moment ago. */
export interface MemberCondition {
  /** Why there is no answer that could be used; null when there is one. */
  readonly silent: string | null;
  readonly voting: boolean;
  readonly appliedUpTo: number;
  /** Whether its log and database are the master's at an instance that both know; null where there is none. */
  readonly agrees: boolean | null;
}

export interface Situation {
  /** The newest that is chosen. */
  readonly configuration: Configuration;
  /** No change is under way any more. */
  readonly settled: boolean;
  readonly master: ReplicaId;
  /** At the master, when the others were asked. */
  readonly appliedUpTo: number;
  readonly conditions: ReadonlyMap<ReplicaId, MemberCondition>;
  /** Why the replica at the address of a member to be added cannot be admitted; null when it can. */
  readonly notReady: string | null;
  /** The upgrade that is open, or is being opened; null when there is none. */
  readonly upgrade: OpenUpgrade | null;
  /** One of these voters may be given up though none could then fail. */
  readonly allowNoSpare: boolean;
}

/** Sizes of a membership. */
export interface MembershipSize {
  readonly voters: number;
  readonly quorum: number;
  /** How many voters may fail, were all of them well. */
  readonly tolerates: number;
}

export interface PlannedChange {
  readonly kind: 'change' | 'nothing';
  readonly configuration: Configuration;
  readonly before: MembershipSize;
  readonly after: MembershipSize;
  readonly warnings: readonly string[];
}

export interface RefusedChange {
  readonly kind: 'refused';
  readonly code: ErrorCode;
  readonly message: string;
  readonly facts: Facts;
  readonly suggestions: readonly string[];
}

export type ChangePlan = PlannedChange | RefusedChange;

/** Judges `request` by what is known now. */
export function planChange(request: MemberRequest, situation: Situation): ChangePlan {
  const next = nextMembers(request, situation);
  if (!Array.isArray(next)) return next as RefusedChange;
  const { configuration } = situation;
  if (next === configuration.members) return planned('nothing', configuration, configuration, []);
  const held = heldByUpgrade(request, situation);
  if (held !== null) return held;
  if (!situation.settled) {
    return refused('PAXOS_MEMBERSHIP_CHANGING', 'Another change of the membership is under way.', {}, [
      'paxosctl members list',
    ]);
  }
  const members = [...next].sort((a, b) => (a.name < b.name ? -1 : 1));
  const after = { ...configuration, members };
  const refusal = atRisk(request, after, situation);
  if (refusal !== null) return refusal;
  if (request.kind !== 'add' || !request.vote) {
    return planned('change', configuration, after, warningsOf(after));
  }
  const promoted = { ...after, members: withVote(members, request.name) };
  const later = atRisk({ kind: 'promote', name: request.name }, promoted, { ...situation, configuration: after });
  if (later !== null) return later;
  const { before } = planned('change', configuration, after, []);
  return { kind: 'change', configuration: after, before, after: sizeOf(promoted), warnings: warningsOf(promoted) };
}

/**
 * An upgrade counts on its members from beginning to end (design §6): they are the same ones afterwards. What heals the cell goes
 * on: a lost disk is rebuilt, up to its vote; and one who does not answer may go while nobody drives, or an upgrade whose machine
 * is lost could never end.
 */
function heldByUpgrade(
  request: MemberRequest,
  { upgrade, configuration, conditions }: Situation,
): RefusedChange | null {
  if (upgrade === null || request.kind === 'rebuild') return null;
  const member = configuration.members.find(({ name }) => name === request.name);
  if (request.kind === 'promote' && member?.role === 'rebuilding') return null;
  const { attempt, driver, startedBy, state, to } = upgrade;
  if (request.kind === 'remove' && driver === null && member !== undefined) {
    if (conditions.get(memberId(member))?.silent != null) return null;
  }
  const driven = driver === null ? '' : `, driven by ${driver}`;
  return refused(
    'PAXOS_UPGRADE_OPEN',
    `Upgrade ${attempt} to version ${to}, begun by ${startedBy}, is ${state}${driven}: members are not changed before it has ended.`,
    { attempt, state, to, startedBy, driver },
    ['paxosctl upgrade status', 'paxosctl upgrade resume', 'paxosctl upgrade abort'],
  );
}

const withVote = (members: readonly Member[], name: string): readonly Member[] =>
  members.map((member) => (member.name === name ? { ...member, role: 'voter' as const } : member));

const isWell = (
  condition: MemberCondition | undefined,
  appliedUpTo: number,
): condition is MemberCondition & { readonly silent: null } =>
  condition !== undefined && condition.silent === null && appliedUpTo - condition.appliedUpTo <= lagInstancesMax;

const planned = (
  kind: PlannedChange['kind'],
  before: Configuration,
  configuration: Configuration,
  warnings: readonly string[],
): PlannedChange => ({ kind, configuration, before: sizeOf(before), after: sizeOf(configuration), warnings });

export function sizeOf(configuration: Configuration): MembershipSize {
  const count = voters(configuration).size;
  const quorum = quorumSize(configuration);
  return { voters: count, quorum, tolerates: Math.max(0, count - quorum) };
}

function warningsOf(after: Configuration): string[] {
  const { voters: count, tolerates } = sizeOf(after);
  if (count % 2 === 1) return [];
  return [`${count} voters are an even number: they tolerate ${tolerates}, as ${count - 1} would.`];
}

const refused = (
  code: ErrorCode,
  message: string,
  facts: Facts = {},
  suggestions: readonly string[] = ['paxosctl status'],
): RefusedChange => ({ kind: 'refused', code, message, facts, suggestions });

/** The members afterwards; those of before, themselves, when there is nothing to do. */
function nextMembers(request: MemberRequest, situation: Situation): readonly Member[] | RefusedChange {
  switch (request.kind) {
    case 'add':
      return added(request, situation);
    case 'promote':
      return promoted(request, situation);
    case 'rebuild':
      return renewed(request, situation);
    case 'remove':
      return removed(request, situation);
    default:
      return unreachable(request);
  }
}

const sameUrl = (a: string, b: string): boolean => a.replace(/\/+$/, '') === b.replace(/\/+$/, '');

function added(
  { name, url, replaces }: Extract<MemberRequest, { kind: 'add' }>,
  situation: Situation,
): readonly Member[] | RefusedChange {
  const { configuration, notReady } = situation;
  const { members } = configuration;
  const known = members.find((member) => member.name === name);
  if (known !== undefined && sameUrl(known.url, url)) return members;
  if (known !== undefined) {
    return refused(
      'PAXOS_MEMBER_EXISTS',
      `${name} is a member already, at ${known.url}; one that moves is replaced by a member of another name.`,
      { member: name, url: known.url },
      [`paxosctl members replace ${name} NEW --url ${url}`, 'paxosctl members list'],
    );
  }
  const neighbour = members.find((member) => sameUrl(member.url, url) && member.name !== replaces);
  if (neighbour !== undefined) {
    const facts = { member: neighbour.name, url };
    return refused('PAXOS_MEMBER_EXISTS', `${url} is the address of member ${neighbour.name}.`, facts);
  }
  const leaving = members.find((member) => member.name === replaces);
  if (replaces !== null && leaving === undefined) return unknown(replaces, members);
  if (leaving !== undefined && isCountedOn(leaving, situation)) {
    return refused(
      'PAXOS_MEMBER_ALIVE',
      `${replaces} answers the master and is caught up: it goes when ${name} has its vote, not before.`,
      { member: replaces, url: leaving.url },
      [`paxosctl members replace ${replaces} ${name} --url ${url}`],
    );
  }
  if (members.length >= membersMax) {
    return refused('PAXOS_REFUSED', `A cell has at most ${membersMax} members.`, { members: members.length });
  }
  if (notReady !== null) {
    return refused('PAXOS_MEMBER_NOT_READY', `${name} cannot be admitted: ${notReady}.`, { member: name, url }, [
      `paxosctl node start --name ${name} --data-dir DIR --listen ${hostOf(url)} --join ${members[0]?.url}`,
    ]);
  }
  const stay = members.filter((member) => member.name !== replaces);
  return [...stay, { name, incarnation: incarnationToCome, role: 'learner', url: url.replace(/\/+$/, '') }];
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : url);

const unknown = (name: string, members: readonly Member[]): RefusedChange =>
  refused(
    'PAXOS_MEMBER_UNKNOWN',
    `${name} is not a member of this cell; its members are ${members.map((member) => member.name).join(', ')}.`,
    { member: name },
    ['paxosctl members list'],
  );

function promoted(
  { name }: Extract<MemberRequest, { kind: 'promote' }>,
  { configuration, conditions, appliedUpTo }: Situation,
): readonly Member[] | RefusedChange {
  const { members } = configuration;
  const member = members.find((candidate) => candidate.name === name);
  if (member === undefined) return unknown(name, members);
  if (member.role === 'voter') return members;
  const condition = conditions.get(memberId(member));
  const behind = (message: string, facts: Facts = {}): RefusedChange =>
    refused('PAXOS_MEMBER_BEHIND', message, { member: name, ...facts }, [
      `paxosctl wait caught-up=${name} --timeout 10m`,
      `paxosctl members promote ${name}`,
    ]);
  if (condition === undefined || condition.silent !== null) {
    return behind(`${name} gets no vote: ${condition?.silent ?? 'it was not asked'}.`);
  }
  const lag = Math.max(0, appliedUpTo - condition.appliedUpTo);
  if (lag > lagInstancesMax) {
    const facts = { lag, applied: condition.appliedUpTo, master: appliedUpTo };
    return behind(`${name} gets no vote yet: it is ${lag} instances behind.`, facts);
  }
  if (condition.agrees === false) {
    return refused(
      'PAXOS_MEMBER_DIFFERS',
      `${name} gets no vote: at an instance that both have applied its database is not the master's.`,
      { member: name },
      [`paxosctl members rebuild ${name}`],
    );
  }
  if (condition.agrees === null) {
    return behind(`${name} gets no vote yet: its checksum was not compared with the master's at one instance.`);
  }
  return withVote(members, name);
}

function renewed(
  { name, incarnation }: Extract<MemberRequest, { kind: 'rebuild' }>,
  { configuration, conditions, appliedUpTo }: Situation,
): readonly Member[] | RefusedChange {
  const { members } = configuration;
  const member = members.find((candidate) => candidate.name === name);
  if (member === undefined) return unknown(name, members);
  // Asked again, or asked for a life that has ended: the next one is on its way already.
  if (incarnation === null ? member.role === 'rebuilding' : member.incarnation !== incarnation) return members;
  const condition = conditions.get(memberId(member));
  // Asked again after it was done: a sound voter is not taken apart.
  if (incarnation === null && isWell(condition, appliedUpTo) && condition.voting && condition.agrees !== false) {
    return members;
  }
  if (voters(configuration).size === 1 && member.role === 'voter') return lastVoter(name);
  const role = member.role === 'learner' ? 'learner' : 'rebuilding';
  const next: Member = { ...member, incarnation: incarnationToCome, role };
  return members.map((candidate) => (candidate === member ? next : candidate));
}

const lastVoter = (name: string): RefusedChange =>
  refused('PAXOS_QUORUM_AT_RISK', `${name} is the only voter: without it there is no cell.`, { member: name });

function removed(
  { name }: Extract<MemberRequest, { kind: 'remove' }>,
  { configuration }: Situation,
): readonly Member[] | RefusedChange {
  const { members } = configuration;
  const member = members.find((candidate) => candidate.name === name);
  if (member === undefined) return members;
  if (voters(configuration).size === 1 && member.role === 'voter') return lastVoter(name);
  return members.filter((candidate) => candidate !== member);
}

/** The two rules that keep a cell alive through a change of its voters. Nothing that leaves the voters as they are is one. */
function atRisk(request: MemberRequest, after: Configuration, situation: Situation): RefusedChange | null {
  const { configuration, allowNoSpare } = situation;
  const [old, next] = [voters(configuration), voters(after)];
  if (old.size === next.size && [...old].every((id) => next.has(id))) return null;
  const gains = request.kind === 'promote' ? request.name : null;
  const well = (of: Configuration): string[] => wellVoters(of, situation, gains);
  const wellAfter = well(after);
  const quorum = quorumSize(after);
  const names = wellAfter.join(', ') || 'nobody';
  if (wellAfter.length < quorum) {
    return refused(
      'PAXOS_QUORUM_AT_RISK',
      `Afterwards ${quorum} of ${next.size} voters would be needed, and ${wellAfter.length} answer and are caught up (${names}).`,
      { quorum, voters: next.size, well: wellAfter },
    );
  }
  const sparesNow = well(configuration).length - quorumSize(configuration);
  if (sparesNow > 0 && wellAfter.length === quorum && !allowNoSpare) {
    return refused(
      'PAXOS_NO_SPARE',
      `The cell survives the failure of a member now, and would survive none afterwards: all of ${names} would be needed.`,
      { quorum, voters: next.size, well: wellAfter },
      [...waysToASpare(request, situation), `${commandOf(request)} --allow-no-spare`],
    );
  }
  return null;
}

/** A voter that is no use to the cell is the one to be given up; only where there is none a further one helps. */
function waysToASpare(request: MemberRequest, situation: Situation): readonly string[] {
  const { members } = situation.configuration;
  const unwell = members.filter((member) => member.role === 'voter' && !isCountedOn(member, situation));
  const dead = unwell.find(({ name }) => name !== request.name);
  if (dead === undefined) return ['paxosctl members add NAME --url URL'];
  return [`paxosctl members replace ${dead.name} NAME --url URL`, `paxosctl members remove ${dead.name}`];
}

/** It answers at this moment, votes, and has what the master has. */
function isCountedOn(member: Member, { master, appliedUpTo, conditions }: Situation): boolean {
  const id = memberId(member);
  if (id === master) return true;
  const condition = conditions.get(id);
  return isWell(condition, appliedUpTo) && condition.voting;
}

function wellVoters(of: Configuration, situation: Situation, gains: string | null): string[] {
  // Nobody is given a vote before it is caught up.
  const counts = (member: Member): boolean => member.name === gains || isCountedOn(member, situation);
  return of.members.filter((member) => member.role === 'voter' && counts(member)).map(({ name }) => name);
}

function commandOf(request: MemberRequest): string {
  if (request.kind !== 'add') return `paxosctl members ${request.kind} ${request.name}`;
  if (request.replaces === null) return `paxosctl members add ${request.name} --url ${request.url}`;
  return `paxosctl members replace ${request.replaces} ${request.name} --url ${request.url}`;
}

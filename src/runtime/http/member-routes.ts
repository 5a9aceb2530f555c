/** The membership: who is in it, and one step of changing it at a time, carried out by the master (contract §2). */
import { memberNamePattern } from '../../core/consensus/identity.ts';
import { catalogued } from '../../errors/catalogue.ts';
import type { MembersChangeDocument, MembersDocument } from '../../formats/http-body.ts';
import { sizeOfMembers } from '../../formats/membership-size.ts';
import type { MemberRequest } from '../membership/plan.ts';
import { readBody, readJson } from './body-reader.ts';
import { type MembersBody, membersSchema } from './body-schemas.ts';
import type { Exchange } from './exchange.ts';
import { onMasterSince } from './gate.ts';
import { isFault, readFlag } from './query.ts';
import type { Route } from './route.ts';
import type { MembersAnswer, ReplicaStatus } from './service.ts';

export function membersDocument(status: ReplicaStatus): MembersDocument {
  const { quorum, tolerates, intended } = sizeOfMembers(status.members);
  return { version: status.membershipFrom ?? 0, quorum, tolerates, intended, members: status.members };
}

/** What the body asks for; null when it asks for nothing, or for two things. */
export function membersRequestOf({
  name,
  url,
  role,
  replaces,
  rebuild,
  incarnation,
}: MembersBody): MemberRequest | null {
  if (rebuild === true) {
    const alone = url === undefined && role === undefined && replaces === undefined;
    return alone ? { kind: 'rebuild', name, incarnation: incarnation ?? null } : null;
  }
  if (incarnation !== undefined) return null;
  if (url !== undefined) return { kind: 'add', name, url, replaces: replaces ?? null, vote: role === 'voter' };
  return role === 'voter' && replaces === undefined ? { kind: 'promote', name } : null;
}

function change(exchange: Exchange): void {
  readJson(exchange, membersSchema, {}, (body) => {
    const request = membersRequestOf(body);
    if (request === null) {
      const what = 'an url (to add), "role":"voter" (to promote) or "rebuild":true';
      return exchange.problem('PAXOS_BAD_BODY', `Body: beside the name there must be one of ${what}.`);
    }
    const dryRun = body.dryRun ?? false;
    carryOut(exchange, request, { dryRun, allowNoSpare: body.allowNoSpare ?? false });
  });
}

function remove(exchange: Exchange): void {
  const { parameter: name, query } = exchange;
  if (!memberNamePattern.test(name)) return exchange.problem('PAXOS_MEMBER_UNKNOWN', 'No member can have this name.');
  const dryRun = readFlag(query, 'dryRun');
  const allowNoSpare = readFlag(query, 'allowNoSpare');
  if (isFault(dryRun)) return exchange.fault(dryRun);
  if (isFault(allowNoSpare)) return exchange.fault(allowNoSpare);
  readBody(exchange, 0, () => carryOut(exchange, { kind: 'remove', name }, { dryRun, allowNoSpare }));
}

function carryOut(
  exchange: Exchange,
  request: MemberRequest,
  options: { readonly dryRun: boolean; readonly allowNoSpare: boolean },
): void {
  onMasterSince(exchange, () => {
    exchange.proposed();
    exchange.service.changeMembers(request, options).then(
      (answer) => {
        exchange.settled();
        tell(exchange, request, { answer, dryRun: options.dryRun });
      },
      (error: unknown) => {
        exchange.settled();
        exchange.problem('PAXOS_INTERNAL', 'The change of the membership failed in an unexpected way.');
        throw error;
      },
    );
  });
}

function tell(
  exchange: Exchange,
  request: MemberRequest,
  { answer, dryRun }: { readonly answer: MembersAnswer; readonly dryRun: boolean },
): void {
  switch (answer.kind) {
    case 'done':
      return exchange.json(membersChangeDocument(request, answer.report, dryRun));
    case 'refused': {
      const { code, message, facts, suggestions } = answer;
      const status = catalogued(code).status ?? 409;
      return exchange.problem(code, message, { outcome: 'none', status, facts: { ...facts, next: suggestions } });
    }
    case 'redirect':
      return exchange.redirect(answer);
    case 'no-master':
      return exchange.problem('PAXOS_NO_MASTER', 'Mastership has just moved.', { retryAfterMs: 200 });
    case 'unknown':
      return exchange.problem('PAXOS_OUTCOME_UNKNOWN', answer.message);
  }
}

/** The answer to a change, as a client gets it. */
export function membersChangeDocument(
  request: MemberRequest,
  { plan, member, probes, version, warnings }: Extract<MembersAnswer, { kind: 'done' }>['report'],
  dryRun: boolean,
): MembersChangeDocument {
  return {
    action: request.kind,
    name: request.name,
    dryRun,
    changed: plan.kind === 'change',
    version,
    member: member === null ? null : { ...member, voting: member.role === 'voter' },
    before: plan.before,
    after: plan.after,
    probes,
    warnings,
  };
}

const answer =
  '{"action","name","dryRun","changed","version","member","before":{"voters","quorum","tolerates"},"after":{…},"probes":[…],"warnings":[…]}.';
const problems = [
  'PAXOS_MEMBERSHIP_CHANGING',
  'PAXOS_MEMBER_EXISTS',
  'PAXOS_MEMBER_UNKNOWN',
  'PAXOS_MEMBER_NOT_READY',
  'PAXOS_MEMBER_BEHIND',
  'PAXOS_MEMBER_DIFFERS',
  'PAXOS_QUORUM_AT_RISK',
  'PAXOS_NO_SPARE',
  'PAXOS_MEMBER_ALIVE',
  'PAXOS_UPGRADE_OPEN',
];

export const memberRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/members',
    operation: 'members',
    summary: 'The members of the configuration in force.',
    answer: '{"version","quorum","tolerates","intended","members":[…]}.',
    handle: (exchange) => exchange.json(membersDocument(exchange.service.status())),
  },
  {
    method: 'POST',
    path: '/v1/members',
    operation: 'changeMembers',
    summary: 'Admits a member without a vote, gives one its vote, or has the next incarnation of one admitted.',
    body: { json: membersSchema },
    answer,
    problems,
    handle: change,
  },
  {
    method: 'DELETE',
    path: '/v1/members/{name}',
    operation: 'removeMember',
    summary: 'Removes a member; the master hands over first. Of a name that is no member, nothing is changed.',
    query: {
      dryRun: { description: 'Only say what would change', type: 'boolean' },
      allowNoSpare: { description: 'Also when no voter could fail afterwards', type: 'boolean' },
    },
    answer,
    problems,
    handle: remove,
  },
];

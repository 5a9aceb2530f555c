/** One command of the operators about the members: how it is typed, and what it has done when it says that it is done. */
import type { Configuration } from '../../core/consensus/configuration.ts';
import type { StepOptions } from '../../operator/members/steps.ts';
import {
  addMember,
  type MembersResult,
  promoteMember,
  rebuildMember,
  removeMember,
  replaceMember,
} from '../../operator/members/workflows.ts';
import type { Desk } from './desk.ts';
import type { Order } from './order.ts';

/** What a command that named nobody, or somebody else, may end with. */
export const harmless: ReadonlySet<string> = new Set([
  ...['PAXOS_MEMBER_UNKNOWN', 'PAXOS_MEMBER_EXISTS', 'PAXOS_MEMBER_NOT_READY', 'PAXOS_MEMBERSHIP_CHANGING'],
  ...['PAXOS_NO_MASTER', 'PAXOS_OUTCOME_UNKNOWN', 'PAXOS_QUORUM_AT_RISK', 'PAXOS_NO_SPARE', 'PAXOS_NOT_MASTER'],
  ...['PAXOS_TRANSFER_FAILED', 'PAXOS_MEMBER_BEHIND', 'PAXOS_NO_SUCCESSOR', 'PAXOS_REFUSED', 'PAXOS_USAGE'],
  ...['PAXOS_MEMBER_ALIVE', 'PAXOS_UPGRADE_OPEN'],
]);

export const countedAs = {
  add: 'members-add',
  remove: 'members-remove',
  replace: 'members-replace',
  promote: 'members-promote',
  rebuild: 'members-rebuild',
  drain: 'node-drain',
  transfer: 'master-transfer',
} as const;

/** By the workflows of the product. Rejects as they do. */
export function typed(order: Order, desk: Desk, leaseMs: number): Promise<MembersResult | unknown> {
  const { command, member, old, spare, allowNoSpare, forMs } = order;
  const url = order.url === '' ? `http://${member}.simulated` : order.url;
  const options: StepOptions = { port: desk, timeoutMs: Math.max(1_500, 10 * leaseMs), onProgress: () => undefined };
  const flags = { dryRun: false, allowNoSpare };
  switch (command) {
    case 'add':
      return addMember(options, { name: member, url, promote: !spare, ...flags });
    case 'remove':
      return removeMember(options, member, flags);
    case 'replace':
      return replaceMember(options, { old, name: member, url, ...flags });
    case 'promote':
      return promoteMember(options, member, flags);
    case 'rebuild':
      return rebuildMember(options, member, { dryRun: false, allowNoSpare: true });
    case 'drain':
      return desk.drain(member, forMs);
    default:
      return desk.transfer(member === '' ? null : member);
  }
}

export const roleOf = (
  name: string,
  { members }: Configuration,
): Configuration['members'][number]['role'] | undefined => members.find((member) => member.name === name)?.role;

/** Whether the members are what a right command about them was to bring about. */
export function isDone({ command, member, old, spare }: Order, before: Configuration, after: Configuration): boolean {
  const [was, role] = [roleOf(member, before), roleOf(member, after)];
  switch (command) {
    case 'add':
      return role !== undefined && (spare || role === 'voter');
    case 'remove':
      return role === undefined;
    case 'replace':
      return role === 'voter' && roleOf(old, after) === undefined;
    case 'promote':
      return role === 'voter';
    case 'rebuild':
      // The next incarnation of a spare is a spare.
      return role === 'voter' || (role === 'learner' && was !== 'voter');
    default:
      return true;
  }
}

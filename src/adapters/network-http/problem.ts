/** Refusals between replicas, as problem documents (RFC 9457) with a stable code, the same as the client API's. */
import { STATUS_CODES } from 'node:http';

export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

export const problemBody = (problem: Problem): string =>
  JSON.stringify({
    type: 'about:blank',
    title: STATUS_CODES[problem.status] ?? 'Error',
    status: problem.status,
    code: problem.code,
    detail: problem.message,
    outcome: 'none',
  });

/** Every refusal of this adapter itself; `admit` may add others. */
export const refusals = {
  badHello: { status: 400, code: 'PAXOS_PEER_BAD_HELLO', message: 'The hello of a replica could not be read.' },
  noChallenge: {
    status: 401,
    code: 'PAXOS_PEER_NO_CHALLENGE',
    message: 'Ask for a challenge first, on the same connection, and answer it within five seconds.',
  },
  unauthenticated: {
    status: 401,
    code: 'PAXOS_PEER_UNAUTHENTICATED',
    message: "The proof of the cell's secret is wrong.",
  },
  wrongCell: { status: 403, code: 'PAXOS_WRONG_CELL', message: 'This replica belongs to another cell.' },
  wrongGeneration: {
    status: 403,
    code: 'PAXOS_WRONG_GENERATION',
    message: 'This replica is in another generation of the cell.',
  },
  otherMember: {
    status: 403,
    code: 'PAXOS_PEER_OTHER_MEMBER',
    message: 'Another replica answers at this address now.',
  },
  self: { status: 403, code: 'PAXOS_PEER_SELF', message: 'This is the identity of the answering replica itself.' },
  oldBoot: {
    status: 403,
    code: 'PAXOS_PEER_OLD_BOOT',
    message: 'A later boot of this replica, or another with the same number, has been heard of.',
  },
  version: {
    status: 409,
    code: 'PAXOS_PEER_VERSION',
    message: 'The two programs speak no common version of the peer protocol.',
  },
  stopping: { status: 503, code: 'PAXOS_PEER_STOPPING', message: 'This replica is stopping.' },
  noSnapshot: { status: 404, code: 'PAXOS_PEER_NO_SNAPSHOT', message: 'There is no such snapshot here.' },
  snapshotBusy: {
    status: 429,
    code: 'PAXOS_PEER_SNAPSHOT_BUSY',
    message: 'A snapshot is already being sent to this replica.',
  },
  badRequest: { status: 400, code: 'PAXOS_BAD_REQUEST', message: 'The request could not be read.' },
  method: { status: 405, code: 'PAXOS_METHOD_NOT_ALLOWED', message: 'This path takes GET only.' },
  upgrade: { status: 426, code: 'PAXOS_PEER_UPGRADE', message: 'This path wants an upgrade to paxos-peer.' },
  unknownPath: { status: 404, code: 'PAXOS_UNKNOWN_PATH', message: 'Nothing is upgraded at this path.' },
} as const satisfies Record<string, Problem>;

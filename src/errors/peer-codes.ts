/** Codes of refusals between replicas. They travel on peer connections alone, and end in logs and in `status`. */
import type { CatalogueEntry } from './catalogue-entry.ts';

const refusal = (status: number, meaning: string, solve: string): CatalogueEntry => ({
  meaning,
  solve,
  status,
  exit: 12,
  outcome: 'none',
});

export const peerCatalogue = {
  PAXOS_PEER_BAD_HELLO: refusal(400, 'The hello of a replica could not be read.', 'Compare the versions of both.'),
  PAXOS_PEER_NO_CHALLENGE: refusal(
    401,
    'The proof came without a challenge on the same connection, or too late.',
    'Look for a proxy between the replicas: peers need a direct connection.',
  ),
  PAXOS_PEER_UNAUTHENTICATED: refusal(
    401,
    'The proof of the secret of the cell is wrong.',
    'Give the same --secret-file to all members; check that the peer is of this cell.',
  ),
  PAXOS_PEER_REFUSED: refusal(403, 'The other replica refused the connection.', 'Its answer and its log say why.'),
  PAXOS_PEER_OTHER_MEMBER: refusal(
    403,
    'Another replica answers at the address of this member.',
    'Correct the address of the member, or free it.',
  ),
  PAXOS_PEER_SELF: refusal(
    403,
    'The peer presents the identity of the replica that answers.',
    'Two processes run as one member, or an address points back: stop one, correct it.',
  ),
  PAXOS_PEER_OLD_BOOT: refusal(
    403,
    'A later boot of this replica, or another with the same number, has been heard of.',
    'Stop the older of the two processes; its data directory may be a copy.',
  ),
  PAXOS_PEER_TWICE: refusal(
    409,
    'Another process of this replica is connected.',
    'Two processes run as one member: stop the one that should not be; its data directory is a copy.',
  ),
  PAXOS_PEER_VERSION: refusal(
    409,
    'The two programs speak no common version of the peer protocol.',
    'Upgrade one step at a time.',
  ),
  PAXOS_PEER_ROLLED_BACK: refusal(
    503,
    'The other replica runs on a data directory that is older than what it acknowledged, and ends.',
    'See `paxosctl status`; `paxosctl members rebuild NAME` brings it back. Where that is a majority, the cell freezes.',
  ),
  PAXOS_PEER_STOPPING: refusal(503, 'The other replica is stopping.', 'Nothing is to be done: it is dialled again.'),
  PAXOS_PEER_NO_SNAPSHOT: refusal(404, 'The other replica has no such snapshot any more.', 'A newer one is asked for.'),
  PAXOS_PEER_SNAPSHOT_BUSY: refusal(
    429,
    'A snapshot is being sent to this replica already.',
    'Nothing is to be done: it is tried again.',
  ),
  PAXOS_PEER_UPGRADE: refusal(426, 'The path wants an upgrade to the peer protocol.', 'It is for replicas alone.'),
  PAXOS_WRONG_GENERATION: refusal(
    403,
    'The two replicas are in different generations of the cell.',
    'The older one must stop: its lineage has ended.',
  ),
  PAXOS_UNKNOWN_PATH: refusal(404, 'Nothing is upgraded at this path.', 'Peers dial /peer/v1/ alone.'),
} as const satisfies Readonly<Record<string, CatalogueEntry>>;

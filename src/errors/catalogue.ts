/**
 * Every stable error code: what it means, how to solve it, and the numbers that programs see.
 *
 * One table for HTTP problems, exit codes and docs/ERRORS.md (a test compares them). A code is never renamed or reused;
 * what it means is a contract (contract §1 "Exit codes", §2).
 */
import type { CatalogueEntry, Outcome } from './catalogue-entry.ts';
import { peerCatalogue } from './peer-codes.ts';

export type { CatalogueEntry, Outcome } from './catalogue-entry.ts';

const entry = (
  status: number | null,
  exit: number,
  meaning: string,
  solve: string,
  outcome: Outcome = 'none',
): CatalogueEntry => ({ meaning, solve, status, exit, outcome });

export const catalogue = {
  // The request is wrong: sent again as it is, it fails again.
  PAXOS_USAGE: entry(null, 2, 'A command, flag or value is unknown or malformed.', 'Run the command with --help.'),
  PAXOS_BAD_REQUEST: entry(
    400,
    2,
    'The bytes are not a well-formed HTTP request.',
    'Check the client or proxy that wrote them; the connection was closed.',
  ),
  PAXOS_BAD_JSON: entry(
    400,
    2,
    'The body is not strict JSON: syntax, duplicate keys, depth, encoding or a number that is no plain integer.',
    'Send UTF-8 JSON without byte order mark, each key once, numbers as plain integers below 2^53.',
  ),
  PAXOS_BAD_BODY: entry(
    400,
    2,
    'The body is JSON but not what this request takes: a wrong type, an unknown or a missing field.',
    'Compare with /openapi.json; `detail` names the field.',
  ),
  PAXOS_BAD_KEY: entry(
    400,
    2,
    'The path does not spell a key: bad percent-encoding, or a segment "." or "..", which clients resolve away.',
    'Percent-encode the UTF-8 of the key, slashes as %2F; keys "." and ".." are reached by POST /v1/multiop.',
  ),
  PAXOS_KEY_EMPTY: entry(400, 2, 'The key is empty.', 'Keys hold 1 to 1024 bytes.'),
  PAXOS_KEY_TOO_LONG: entry(400, 2, 'The key is longer than 1024 bytes of UTF-8.', 'Choose a shorter key.'),
  PAXOS_KEY_NOT_UTF8: entry(
    400,
    2,
    'The key has half a surrogate pair, which UTF-8 cannot carry.',
    'Encode the key correctly; bytes that are no text belong into a value.',
  ),
  PAXOS_MULTIOP_TOO_MANY_PARTS: entry(
    400,
    2,
    'The MultiOp has more than 10,000 tests and operations.',
    'Split it; what must be atomic must fit.',
  ),
  PAXOS_REVISION_INVALID: entry(400, 2, 'A revision is no whole number from 0 below 2^53.', 'Take it from an answer.'),
  PAXOS_EPOCH_INVALID: entry(400, 2, 'An epoch is no whole number from 0 below 2^53.', 'Take it from an answer.'),
  PAXOS_SESSION_INVALID: entry(400, 2, 'This is not the id of a session.', 'Take it from POST /v1/sessions.'),
  PAXOS_SESSION_NUMBER_INVALID: entry(
    400,
    2,
    'The number of a request within its session is no whole number from 1 below 2^53.',
    'Count from 1, one number a write.',
  ),
  PAXOS_SESSION_TTL_INVALID: entry(
    400,
    2,
    'The lifetime of the session is out of range.',
    'Ask for 1 second to 24 hours, in milliseconds.',
  ),
  PAXOS_LOCK_INVALID: entry(
    400,
    2,
    'The name, mode, lock-delay or generation is none of a lock.',
    'Names are those of keys without "." and ".."; modes are exclusive and shared; a lock-delay is 0 to 60 s; generations come from answers.',
  ),
  PAXOS_SYSTEM_ENTRY_INVALID: entry(
    400,
    2,
    'A system entry has a bad name, is too large, or does not parse; nothing was done.',
    'Follow the message.',
  ),
  PAXOS_TOO_MANY_SESSIONS: entry(400, 2, 'Too many sessions are named at once.', 'Name fewer.'),
  PAXOS_BAD_QUERY: entry(
    400,
    2,
    'A query parameter is unknown, repeated or malformed.',
    'Compare with /openapi.json; `detail` names the parameter.',
  ),
  PAXOS_BAD_HEADER: entry(
    400,
    2,
    'A request header is repeated or malformed.',
    'If-Match: "revision"; If-None-Match: *; Paxos-Epoch: number; Idempotency-Key: session/sequence.',
  ),
  PAXOS_POSITION_INVALID: entry(
    400,
    12,
    'The position mark is damaged, forged, or names a point that its own epoch never reached.',
    'Drop the mark: `paxosctl cell forget NAME`, or send no Paxos-Position.',
  ),
  PAXOS_NOT_FOUND: entry(404, 2, 'Nothing is served at this path.', 'See /openapi.json for the paths.'),
  PAXOS_METHOD_NOT_ALLOWED: entry(405, 2, 'The path does not take this method.', 'Use one of those in `Allow`.'),
  PAXOS_REQUEST_TIMEOUT: entry(
    408,
    3,
    'The request did not arrive in full within the time limit.',
    'Send it again over a faster connection.',
  ),
  PAXOS_TOO_LARGE: entry(413, 2, 'The body is larger than allowed.', 'Split it; a batch takes 1000 operations, 2 MiB.'),
  PAXOS_VALUE_TOO_LARGE: entry(413, 2, 'The value is larger than 256 KiB.', 'Split it, or keep it elsewhere.'),
  PAXOS_MULTIOP_TOO_LARGE: entry(
    413,
    2,
    'Keys and values of the MultiOp together are larger than 1 MiB.',
    'Split it; what must be atomic must fit.',
  ),
  PAXOS_ANSWER_TOO_LARGE: entry(
    413,
    2,
    'What is asked for is larger than one answer may be (8 MiB of values).',
    'Ask for less at a time; list keys page by page with GET /v1/kv.',
  ),
  PAXOS_URL_TOO_LONG: entry(414, 2, 'The URL is longer than allowed.', 'Keys hold at most 1024 bytes.'),
  PAXOS_MEDIA_TYPE: entry(
    415,
    2,
    'The body is not declared as JSON.',
    'Send `Content-Type: application/json` (UTF-8, not compressed).',
  ),
  PAXOS_HEADERS_TOO_LARGE: entry(431, 2, 'The header block is larger than 16 KiB.', 'Send fewer or shorter headers.'),

  // Not allowed.
  PAXOS_KEY_RESERVED: entry(
    403,
    12,
    'Keys that begin with U+0000 belong to the system.',
    'Choose another key; system entries change through their own requests.',
  ),
  PAXOS_HOST_REFUSED: entry(
    403,
    12,
    'The Host header names neither this replica nor loopback (protection against DNS rebinding).',
    'Use the address that the replica listens on, or start it with that name in --cell.',
  ),
  PAXOS_WRONG_CELL: entry(
    403,
    12,
    'The position mark, or the memory of these endpoints, belongs to another cell.',
    'Check --endpoints. If the change is wanted: `paxosctl cell forget NAME`.',
  ),
  PAXOS_NOT_ALLOWED: entry(403, 12, 'The credentials do not allow this.', 'Use the credentials of an operator.'),
  PAXOS_UNAUTHENTICATED: entry(
    401,
    12,
    'The peer or operator did not prove that it knows the secret of the cell.',
    'Give the right --secret-file on both sides.',
  ),

  // A condition of the client did not hold.
  PAXOS_KEY_NOT_FOUND: entry(404, 6, 'The key is absent.', 'Check the key: `paxosctl kv list --prefix …`.'),
  PAXOS_CONDITION_FAILED: entry(
    412,
    6,
    'The condition of a conditional write did not hold; nothing was written.',
    'Read the key again and decide anew.',
  ),
  PAXOS_EPOCH_CHANGED: entry(
    409,
    6,
    'Mastership was broken since the epoch that the request names; nothing was written.',
    'Read again what the request rests on, and name the new epoch.',
  ),
  PAXOS_REVISION_GONE: entry(
    410,
    6,
    'The point in time that the request asks for is no longer kept by this replica, or was never reached.',
    'Start the listing again from its first page; watch from the revision after the one that it names.',
  ),
  PAXOS_LOCK_HELD: entry(
    409,
    6,
    'The lock is held in a mode that excludes the one asked for; nothing was done.',
    'Wait for its holder: `paxosctl lock acquire --wait`; `paxosctl lock list` names it.',
  ),
  PAXOS_LOCK_DELAYED: entry(
    409,
    6,
    'The last holder of the lock was lost, and its lock-delay is not over; nothing was done.',
    'Ask again after `facts.availableInMs`.',
  ),
  PAXOS_LOCK_NOT_HELD: entry(
    409,
    6,
    'The session does not hold the lock, or not by the acquisition that is named; nothing was done.',
    'See who holds it: `paxosctl lock list`.',
  ),
  PAXOS_LOCK_LOST: entry(
    null,
    7,
    'The session of a lock was lost while a program ran under it, so others may hold it; the program was ended.',
    'See what the program has done, then run it again.',
    'unknown',
  ),
  PAXOS_SEQUENCER_INVALID: entry(
    409,
    6,
    'The acquisition of a lock that the write rests on is over, or never was; nothing was written.',
    'Acquire the lock again, and read again what the write rests on.',
  ),
  PAXOS_SESSION_EXPIRED: entry(
    409,
    7,
    'The session, or this number of it, is no longer known: whether the write took place cannot be told.',
    'Read what the write should have done, then open a new session.',
    'unknown',
  ),

  // The cell cannot answer now; nothing was done.
  PAXOS_NOT_MASTER: entry(
    503,
    3,
    'The replica is not the master, and mastership moved before the request was carried out.',
    'Send it again, to the master when `Location` names it.',
  ),
  PAXOS_NO_MASTER: entry(
    503,
    3,
    'No replica is known as master.',
    'Wait for an election: `paxosctl wait master --timeout 30s`; see `paxosctl status`.',
  ),
  PAXOS_OVERLOADED: entry(
    503,
    3,
    'The replica has as much work as it takes; the request was refused before any of it was done.',
    'Send it again after `Retry-After`, with fewer at a time.',
  ),
  PAXOS_TOO_MANY_CONNECTIONS: entry(
    503,
    3,
    'The replica, or this client address, has as many connections as allowed; the rest is kept for peers.',
    'Use fewer connections and keep them open.',
  ),
  PAXOS_SESSIONS_FULL: entry(
    503,
    3,
    'The table of sessions is full: none was opened, none was forgotten.',
    'Close sessions that are not used, or wait until some end.',
  ),
  PAXOS_LOCKS_FULL: entry(
    503,
    3,
    'The cell, or this lock, has as many holders as there may be: none was added, none was dropped.',
    'Release locks that are not needed, or wait until some sessions end.',
  ),
  PAXOS_READ_ONLY: entry(
    507,
    3,
    'The replica is read-only because its disk is nearly full.',
    'Free space on the master, or `paxosctl master transfer`.',
  ),
  PAXOS_STOPPING: entry(503, 3, 'The replica is shutting down.', 'Send it again, to another replica.'),
  PAXOS_NOT_APPLIED: entry(
    503,
    3,
    'The replica has not reached the position that the client has seen, and did not within the time limit.',
    'Send it again, or to the master.',
  ),
  PAXOS_REPLICA_STOPPED: entry(
    503,
    3,
    'The replica has stopped: its disk failed, or it found a bug in itself. It serves nothing until it is restarted.',
    'Use another replica; see the log of this one.',
  ),
  PAXOS_ITEM_LOST: entry(
    503,
    25,
    'All members have answered, and of one item of the log nobody can tell any more what was accepted: the replica has halted.',
    'Bring back the disk of a member that may have it and restart the members; without one: `paxosctl recover plan`.',
  ),
  PAXOS_NOT_SERVING: entry(
    503,
    3,
    'The replica serves no data in its present role.',
    'See `paxosctl status`; use another replica.',
  ),
  PAXOS_UNREACHABLE: entry(
    null,
    3,
    'None of the endpoints could be reached within the time limit; nothing was done.',
    'Check --endpoints and that the replicas run: `paxosctl status`.',
  ),

  // Refused to protect data.
  PAXOS_REFUSED: entry(409, 5, 'A precondition does not hold; nothing was done.', 'Follow the message.'),
  PAXOS_LEVEL_REFUSED: entry(
    409,
    5,
    'The level of the cell only rises, to what the upgrade that is being finalized announced, and within what every member says it speaks; nothing was done.',
    'The level is raised by `paxosctl upgrade finalize` alone; `paxosctl upgrade status` says what is open, `paxosctl status` who does not answer.',
  ),
  PAXOS_LEVEL_TOO_LOW: entry(
    409,
    5,
    'The cell is at a level whose members do not all know this request; nothing was done.',
    'See the level in `paxosctl status`; `paxosctl upgrade finalize` raises it.',
  ),
  PAXOS_NO_SUCCESSOR: entry(
    409,
    5,
    'Mastership cannot be handed over: the member, or every other voter, is down or not caught up.',
    'Choose a voter that is up and caught up: `paxosctl status`.',
  ),
  PAXOS_ALREADY_MASTER: entry(409, 5, 'The member is the master already.', 'Nothing is to be done.'),
  PAXOS_MEMBER_DRAINED: entry(
    409,
    5,
    'Mastership is kept away from the member for a while; nothing was done.',
    'Choose another, wait, or end it: `paxosctl node drain N --end`.',
  ),
  PAXOS_TRANSFER_FAILED: entry(
    409,
    5,
    'The successor did not become master in time; another member may have.',
    'See `paxosctl master status`, then try again.',
  ),
  PAXOS_MEMBERSHIP_CHANGING: entry(
    409,
    5,
    'Another change of the membership is under way; there is one at a time.',
    'Wait for it: `paxosctl members list`; then run the command again.',
  ),
  PAXOS_MEMBER_ALIVE: entry(
    409,
    5,
    'The member that is to go at once, in the step that admits another, is well: it goes when the other has its vote.',
    'Use `paxosctl members replace`, which keeps that order.',
  ),
  PAXOS_UPGRADE_OPEN: entry(
    409,
    5,
    'An upgrade is open: its members are not changed before it has ended. A lost disk may be rebuilt.',
    'End it: `paxosctl upgrade status` names the commands. Who does not answer may be removed while nobody drives.',
  ),
  PAXOS_MEMBER_EXISTS: entry(
    409,
    5,
    'The name or the address belongs to a member already.',
    'Choose another, or remove that member first: `paxosctl members list`.',
  ),
  PAXOS_MEMBER_NOT_READY: entry(
    409,
    5,
    'The replica that is to be added does not wait there, is another one, has data, or is not reached by a voter.',
    'Start it with `paxosctl node start … --join URL`, and let every member reach its address.',
  ),
  PAXOS_MEMBER_BEHIND: entry(
    409,
    5,
    'The member cannot have a vote yet: it does not answer, is not caught up, or was not compared.',
    'Wait until it is: `paxosctl wait caught-up=NAME`; `paxosctl members add` does so by itself.',
  ),
  PAXOS_MEMBER_DIFFERS: entry(
    409,
    4,
    "The member's database is not the master's at an instance that both have applied; it gets no vote.",
    'Keep it as evidence and rebuild it: `paxosctl members rebuild NAME`.',
  ),
  PAXOS_QUORUM_AT_RISK: entry(
    409,
    5,
    'Afterwards fewer voters would answer and be caught up than the new quorum needs: the cell would stop.',
    'Bring members back first; the message names those that answer.',
  ),
  PAXOS_NO_SPARE: entry(
    409,
    5,
    'The cell survives a failure now and would survive none afterwards.',
    'Add a member first: `paxosctl members replace OLD NEW --url URL`; or say that it is wanted: --allow-no-spare.',
  ),
  PAXOS_MEMBER_UNKNOWN: entry(404, 5, 'The configuration has no member of this name.', 'See `paxosctl status`.'),
  PAXOS_GENERATION_CHANGED: entry(
    409,
    5,
    'The cell is in a newer generation that gave up what this client has seen.',
    'Read what was given up, then drop the old mark: --accept-generation G.',
  ),
  PAXOS_CELL_FROZEN: entry(
    409,
    5,
    'The cell is frozen by evidence of a fork; it serves nothing until an operator decides.',
    'See `paxosctl doctor` and `paxosctl recover plan`.',
  ),
  PAXOS_CELL_ROLLED_BACK: entry(
    409,
    13,
    "The cell's state went backwards: it no longer has what it once acknowledged, and serves nothing.",
    'Stop; keep all data directories; `paxosctl recover plan`.',
  ),

  // The fate of a write is not known.
  PAXOS_OUTCOME_UNKNOWN: entry(
    504,
    7,
    'The write was sent and its fate could not be learned: it may take effect, now or later.',
    'Read what it should have done before sending it again; use a session to make retries safe.',
    'unknown',
  ),

  // Checks and their results.
  PAXOS_CHECK_FAILED: entry(null, 4, 'A check found databases that differ, or corruption.', 'Follow the message.'),
  PAXOS_QUARANTINED: entry(
    503,
    3,
    "The replica's database is not that of the majority: it answers nothing from it, and is rebuilding it.",
    'Use another replica; see `paxosctl verify checksums` and `paxosctl status`.',
  ),
  PAXOS_CHECK_GONE: entry(
    410,
    8,
    'This replica has no check at that instance, or keeps it no longer.',
    'Check again: `paxosctl verify checksums`.',
  ),
  PAXOS_CHECK_INCOMPLETE: entry(
    null,
    8,
    'A configured member could not be checked.',
    'Bring the member back and run the check again.',
  ),
  PAXOS_DEGRADED: entry(
    null,
    9,
    'The cell serves, with less fault tolerance than intended.',
    'See `why` in `paxosctl status`.',
  ),

  // Snapshots.
  PAXOS_SNAPSHOT_NOT_FOUND: entry(
    404,
    6,
    'The replica has no good snapshot as new as the one that is asked for.',
    'See `paxosctl snapshot list`; take one: `paxosctl snapshot take`.',
  ),
  PAXOS_SNAPSHOT_FAILED: entry(
    503,
    3,
    'A snapshot could not be written; the earlier ones stand, and the log goes on.',
    'See the log of the replica; the disk is full or fails.',
  ),
  PAXOS_SNAPSHOT_REFUSED: entry(
    409,
    5,
    'The replica is frozen or quarantined: a snapshot that it keeps would cut evidence from its log.',
    'Save a copy instead: `paxosctl snapshot save FILE --member NAME`.',
  ),
  PAXOS_SNAPSHOT_CORRUPT: entry(
    null,
    4,
    'The file is no whole snapshot.',
    'Use another copy; `paxosctl snapshot inspect FILE` says whether one is good.',
  ),

  PAXOS_ETCD_COMPACTED: entry(
    null,
    5,
    'etcd has forgotten the revision at which it was being copied: it was compacted meanwhile.',
    'Run the import again without --resume; let etcd keep its revisions for longer (`--auto-compaction-retention`).',
  ),
  PAXOS_SIGNATURE_INVALID: entry(
    null,
    4,
    'What was said in the name of a member is not signed by a member of this cell, or answers another question.',
    'Find out who answers at the address of the member: a proxy, a cache, another process.',
  ),

  // `node start` ends with one of these.
  PAXOS_DATA_DIRECTORY_LOST: entry(
    null,
    20,
    'The data directory is empty although the cell knows this member.',
    'Find the right directory, or rebuild from the others: `paxosctl node start … --rebuild`.',
  ),
  PAXOS_DATA_ROLLED_BACK: entry(
    null,
    20,
    'The data directory is older than what this member acknowledged.',
    'Put the newest directory back, or rebuild: `paxosctl node start … --rebuild`.',
  ),
  PAXOS_LEFTOVER_FILES: entry(
    null,
    21,
    'The data directory holds files that do not belong to it.',
    'Look at the list; `--quarantine-leftovers` moves them aside, nothing is deleted.',
  ),
  PAXOS_VERSION_REFUSED: entry(
    null,
    22,
    'The version or level is out of range for this data, or the rehearsal failed; the data is as it was.',
    'Start the version that last ran on this data.',
  ),
  PAXOS_GENERATION_OVER: entry(
    null,
    23,
    'The cell went on in a newer generation without this data directory.',
    'Keep the directory; add the member anew with an empty one, if it is wanted.',
  ),
  PAXOS_MEMBER_REMOVED: entry(
    null,
    23,
    'This member was removed from the cell.',
    'Stop its supervisor once the others serve; to take part again it is added anew: `paxosctl members add`. Where `paxosctl members list` has a newer incarnation of it, start it again as it is: it begins as that.',
  ),
  PAXOS_DATA_DIRECTORY_FOREIGN: entry(
    null,
    24,
    'The data directory belongs to another cell or member.',
    'Give the directory of this member (--data-dir) or the name of its owner (--name).',
  ),
  PAXOS_DATA_CORRUPT: entry(
    null,
    25,
    'The data directory is corrupt or unreadable, and this member cannot repair it alone.',
    'Keep it as evidence; `paxosctl node start … --rebuild` rebuilds from the others.',
  ),
  PAXOS_WITNESS_FOREIGN: entry(
    null,
    24,
    'The file at `--witness` is the witness of another cell or member.',
    'Give the witness of this member.',
  ),
  PAXOS_WITNESS_UNUSABLE: entry(
    null,
    25,
    'The file at `--witness` is damaged, or may not be read or written; the data directory is sound.',
    'Look at that storage; with the file moved aside the member starts, and the other members alone remember how far it was.',
  ),
  PAXOS_DISK_FULL: entry(null, 26, 'The disk is full.', 'Free space, then start again; nothing was harmed.'),
  PAXOS_ADDRESS_IN_USE: entry(
    null,
    27,
    'The address to listen on is in use, or not of this machine.',
    'Stop its user or choose another --listen.',
  ),
  PAXOS_DATA_DIRECTORY_IN_USE: entry(
    null,
    28,
    'Another process uses the data directory.',
    'Stop that process first; two replicas must never share a directory.',
  ),

  PAXOS_DISK_FAILED: entry(
    null,
    1,
    'The disk failed in a way that nothing more precise describes.',
    'See the cause and the log of the machine; the replica can be started again once the disk works.',
  ),

  ...peerCatalogue,

  PAXOS_INTERRUPTED: entry(null, 130, 'The command was interrupted.', 'The message says whether the work goes on.'),
  PAXOS_INTERNAL: entry(
    500,
    1,
    'Something failed that nothing above describes: a bug.',
    'Report it with the log of the replica.',
    'unknown',
  ),
} as const satisfies Readonly<Record<string, CatalogueEntry>>;

export type ErrorCode = keyof typeof catalogue;

export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(catalogue, code);

/** The entry of a code; of a code from a newer version, what its HTTP status suggests. */
export function catalogued(code: string, status: number | null = null): CatalogueEntry {
  if (isErrorCode(code)) return catalogue[code];
  const exit = status === null || status >= 500 ? 1 : status === 403 || status === 401 ? 12 : status === 409 ? 5 : 2;
  return { meaning: 'A code of a newer version.', solve: 'Upgrade this tool.', status, exit, outcome: 'unknown' };
}

/**
 * Everything that must hold of a command before it is proposed (pitfall P51): once chosen it is executed by every replica.
 * What passes here is encoded, decoded and applied without an error.
 */
import { unreachable } from '../invariant.ts';
import {
  type Command,
  keyBytesMax,
  type MultiOp,
  multiOpBytesMax,
  multiOpPartsMax,
  reservedKeyPrefix,
  type SessionNumber,
  valueBytesMax,
} from './command.ts';
import { isWellFormed, utf8Length } from './key.ts';
import { lockModes, type Sequencer } from './lock.ts';
import { lockDelayMsMax } from './lock-limits.ts';
import { sessionIdPattern, sessionsExpiredAtOnceMax, sessionTtlMsMax, sessionTtlMsMin } from './session-limits.ts';
import { type SystemCommand, systemKeyPattern, systemPartsMax, systemValueBytesMax } from './system-entry.ts';

export type CommandProblemCode =
  | 'PAXOS_KEY_EMPTY'
  | 'PAXOS_KEY_TOO_LONG'
  | 'PAXOS_KEY_NOT_UTF8'
  | 'PAXOS_KEY_RESERVED'
  | 'PAXOS_VALUE_TOO_LARGE'
  | 'PAXOS_MULTIOP_TOO_LARGE'
  | 'PAXOS_MULTIOP_TOO_MANY_PARTS'
  | 'PAXOS_REVISION_INVALID'
  | 'PAXOS_EPOCH_INVALID'
  | 'PAXOS_SESSION_INVALID'
  | 'PAXOS_SESSION_NUMBER_INVALID'
  | 'PAXOS_SESSION_TTL_INVALID'
  | 'PAXOS_TOO_MANY_SESSIONS'
  | 'PAXOS_LOCK_INVALID'
  | 'PAXOS_SYSTEM_ENTRY_INVALID';

export interface CommandProblem {
  readonly code: CommandProblemCode;
  /** One sentence with the numbers; holds no key and no value. */
  readonly message: string;
  /** Which part: `guard[0]`, `then[3]`, `session` … */
  readonly at: string;
}

/** Enough to show what is wrong; a MultiOp of ten thousand bad parts is not worth ten thousand sentences. */
const problemsMax = 10;

/** The first ten problems; empty for a command that may be proposed. */
export function validateCommand(command: Command): readonly CommandProblem[] {
  const problems: CommandProblem[] = [];
  switch (command.kind) {
    case 'multiop':
      checkMultiOp(command.multiOp, problems);
      checkSessionNumber(command.session, problems);
      if (command.ifEpoch !== null && !isCount(command.ifEpoch)) {
        problems.push(problem('PAXOS_EPOCH_INVALID', 'ifEpoch', 'An epoch is a whole number from 0 below 2^53.'));
      }
      if (command.sequencer !== undefined) checkSequencer(command.sequencer, problems);
      break;
    case 'acquire-lock': {
      checkSessionNumber(command.session, problems);
      checkLockName(command.lock, problems);
      const { lockDelayMs, mode } = command;
      if (!isCount(lockDelayMs) || lockDelayMs > lockDelayMsMax) {
        problems.push(problem('PAXOS_LOCK_INVALID', 'lockDelayMs', `A lock-delay is 0 to ${lockDelayMsMax} ms.`));
      }
      if (!lockModes.includes(mode)) problems.push(problem('PAXOS_LOCK_INVALID', 'mode', lockModeText));
      break;
    }
    case 'release-lock':
      checkSessionNumber(command.session, problems);
      checkLockName(command.lock, problems);
      checkGeneration(command.generation, problems);
      break;
    case 'open-session':
      if (!isCount(command.ttlMs) || command.ttlMs < sessionTtlMsMin || command.ttlMs > sessionTtlMsMax) {
        const range = `${sessionTtlMsMin} to ${sessionTtlMsMax} ms`;
        problems.push(problem('PAXOS_SESSION_TTL_INVALID', 'ttlMs', `A session lives for ${range}.`));
      }
      break;
    case 'close-session':
    case 'keep-session':
      checkSessionId(command.session, 'session', problems);
      break;
    case 'expire-sessions':
      checkExpiry(command.sessions, problems);
      break;
    case 'checksum':
      break;
    case 'system':
      checkSystem(command, problems);
      break;
    default:
      return unreachable(command);
  }
  return problems;
}

/** For the front, where a key stands alone. Null when it is a key that clients may name. */
export function validateKey(key: string, at = 'key'): CommandProblem | null {
  if (key.length === 0) return problem('PAXOS_KEY_EMPTY', at, 'A key has at least one byte.');
  if (key.startsWith(reservedKeyPrefix)) {
    return problem('PAXOS_KEY_RESERVED', at, 'Keys that begin with U+0000 belong to the system.');
  }
  if (!isWellFormed(key)) return problem('PAXOS_KEY_NOT_UTF8', at, 'The key has half a surrogate pair.');
  if (key.length * 3 > keyBytesMax && utf8Length(key) > keyBytesMax) {
    return problem(
      'PAXOS_KEY_TOO_LONG',
      at,
      `The key has ${utf8Length(key)} bytes, at most ${keyBytesMax} are allowed.`,
    );
  }
  return null;
}

function checkMultiOp(multiOp: MultiOp, problems: CommandProblem[]): void {
  const parts = multiOp.guard.length + multiOp.then.length + multiOp.else.length;
  if (parts > multiOpPartsMax) {
    const message = `The MultiOp has ${parts} tests and operations, at most ${multiOpPartsMax} are allowed.`;
    problems.push(problem('PAXOS_MULTIOP_TOO_MANY_PARTS', 'multiop', message));
    return;
  }
  let bytes = 0;
  for (const list of ['guard', 'then', 'else'] as const) {
    for (const [i, part] of multiOp[list].entries()) {
      if (problems.length >= problemsMax) return;
      bytes += checkPart(part, `${list}[${i}]`, problems);
    }
  }
  if (bytes > multiOpBytesMax) {
    const message = `The MultiOp has ${bytes} bytes of keys and values, at most ${multiOpBytesMax} are allowed.`;
    problems.push(problem('PAXOS_MULTIOP_TOO_LARGE', 'multiop', message));
  }
}

function checkSystem({ guard, writes }: SystemCommand, problems: CommandProblem[]): void {
  const bad = (at: string, message: string): void =>
    void problems.push(problem('PAXOS_SYSTEM_ENTRY_INVALID', at, message));
  if (guard.length + writes.length > systemPartsMax)
    return bad('system', `At most ${systemPartsMax} tests and writes.`);
  for (const { key, instance } of guard) {
    if (!systemKeyPattern.test(key) || !isCount(instance)) bad('guard', 'Not a test of a system entry.');
  }
  for (const { key, value } of writes) {
    if (!systemKeyPattern.test(key)) bad('writes', 'Not the key of a system entry.');
    if (value !== null && value.length > systemValueBytesMax) {
      bad('writes', `The value has ${value.length} bytes, at most ${systemValueBytesMax} are allowed.`);
    }
  }
  const bytes = writes.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
  if (bytes > multiOpBytesMax) bad('writes', `${bytes} bytes, at most ${multiOpBytesMax} are allowed.`);
}

/** Returns the part's bytes. */
function checkPart(part: MultiOp['guard' | 'then'][number], at: string, problems: CommandProblem[]): number {
  const bad = validateKey(part.key, `${at}.key`);
  if (bad !== null) problems.push(bad);
  if ('revision' in part && !isCount(part.revision)) {
    problems.push(problem('PAXOS_REVISION_INVALID', at, 'A revision is a whole number from 0 below 2^53.'));
  }
  if (!('value' in part)) return utf8Length(part.key);
  const { length } = part.value;
  if (length > valueBytesMax) {
    const message = `The value has ${length} bytes, at most ${valueBytesMax} are allowed.`;
    problems.push(problem('PAXOS_VALUE_TOO_LARGE', `${at}.value`, message));
  }
  return utf8Length(part.key) + length;
}

function checkSessionNumber(number: SessionNumber | null, problems: CommandProblem[]): void {
  if (number === null) return;
  checkSessionId(number.session, 'session', problems);
  if (!isCount(number.sequence) || number.sequence < 1) {
    const message = 'The number of a request within its session is a whole number from 1 below 2^53.';
    problems.push(problem('PAXOS_SESSION_NUMBER_INVALID', 'sequence', message));
  }
}

function checkSessionId(id: string, at: string, problems: CommandProblem[]): void {
  if (problems.length >= problemsMax || sessionIdPattern.test(id)) return;
  problems.push(problem('PAXOS_SESSION_INVALID', at, 'This is not the id of a session.'));
}

const lockModeText = `The mode of a lock is ${lockModes.join(' or ')}.`;

function checkSequencer({ lock, mode, generation }: Sequencer, problems: CommandProblem[]): void {
  checkLockName(lock, problems);
  checkGeneration(generation, problems);
  if (!lockModes.includes(mode)) problems.push(problem('PAXOS_LOCK_INVALID', 'mode', lockModeText));
}

/** Locks are named as keys are, in a space of their own. */
function checkLockName(name: string, problems: CommandProblem[]): void {
  const bad = validateKey(name, 'lock');
  if (bad !== null) problems.push(bad);
}

function checkGeneration(generation: number, problems: CommandProblem[]): void {
  if (isCount(generation)) return;
  problems.push(problem('PAXOS_LOCK_INVALID', 'generation', 'A generation is a whole number from 0 below 2^53.'));
}

function checkExpiry(sessions: readonly string[], problems: CommandProblem[]): void {
  if (sessions.length > sessionsExpiredAtOnceMax) {
    const message = `${sessions.length} sessions at once, at most ${sessionsExpiredAtOnceMax} are allowed.`;
    problems.push(problem('PAXOS_TOO_MANY_SESSIONS', 'sessions', message));
    return;
  }
  for (const [i, id] of sessions.entries()) checkSessionId(id, `sessions[${i}]`, problems);
}

/** `Object.is` keeps -0 out, which would not survive the way through bytes. */
const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 0 && !Object.is(n, -0);

const problem = (code: CommandProblemCode, at: string, message: string): CommandProblem => ({ code, at, message });

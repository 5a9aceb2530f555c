/**
 * Bytes of a command: one item of a submitted value. Level 1, and from level 2 on locks and sequencers.
 *
 *     command  = tag(1) body
 *     multiop  = flags(1) [session sequence(8)] [ifEpoch(8)] [sequencer] tests operations operations
 *     tests    = count(2) { kind(1) key [value | revision(8)] }
 *     operations = count(2) { kind(1) key [value] }
 *     checksum = deep(1)
 *     acquire-lock = session sequence(8) name mode(1) lockDelayMs(4)
 *     release-lock = session sequence(8) name generation(8)
 *     system   = flags(1) [ifEpoch(8)] count(2) { key instance(8) } count(2) { key present(1) [value] }
 *
 * One command has one encoding. What {@link encodeCommand} writes, {@link decodeCommand} reads: both refuse what is beyond
 * the limits, so that nothing is ever proposed that a replica could not read (pitfall P51).
 */
import type { Epoch } from '../core/consensus/identity.ts';
import {
  type Command,
  keyBytesMax,
  type MultiOp,
  multiOpBytesMax,
  multiOpPartsMax,
  type Operation,
  type SessionNumber,
  type Test,
  valueBytesMax,
} from '../core/database/command.ts';
import { sessionIdPattern, sessionsExpiredAtOnceMax } from '../core/database/session-limits.ts';
import {
  type SystemCommand,
  systemKeyPattern,
  systemPartsMax,
  systemValueBytesMax,
} from '../core/database/system-entry.ts';
import { unreachable } from '../core/invariant.ts';
import { ByteReader, ByteWriter, FormatError } from './bytes.ts';
import { readKey, writeKey } from './key-bytes.ts';
import {
  lockDelay,
  readLockName,
  readMode,
  readSequencer,
  writeLockName,
  writeMode,
  writeSequencer,
} from './lock-bytes.ts';

export { type CommandProblem, validateCommand, validateKey } from '../core/database/validate-command.ts';

/**
 * A chosen item that this version cannot read: it is of a newer format. The replica halts before anything of its value is
 * applied, rather than skip what others execute.
 */
export class UnknownCommandError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'UnknownCommandError';
  }
}

const tags = {
  multiop: 1,
  'open-session': 2,
  'close-session': 3,
  'keep-session': 4,
  'expire-sessions': 5,
  checksum: 6,
  system: 7,
  'acquire-lock': 8,
  'release-lock': 9,
} as const;
const flagSession = 1;
const flagIfEpoch = 2;
const flagSequencer = 4;
const flagsMax = flagSession | flagIfEpoch | flagSequencer;
const testKinds = { absent: 0, present: 1, equals: 2, less: 3, greater: 4, revision: 5 } as const;
const operationKinds = { put: 0, delete: 1, get: 2 } as const;
const testNames = ['absent', 'present', 'equals', 'less', 'greater', 'revision'] as const;
const operationNames = ['put', 'delete', 'get'] as const;

/** Tag, flags, three counts, and a session's id and numbers. */
const multiOpOverhead = 64;

/** @throws {FormatError} for a command beyond the limits that `validateCommand` checks. */
export function encodeCommand(command: Command): Uint8Array {
  const to = new ByteWriter(command.kind === 'multiop' ? multiOpCapacity(command.multiOp) : 64);
  to.u8(tags[command.kind]);
  switch (command.kind) {
    case 'multiop':
      writeMultiOp(to, command);
      break;
    case 'open-session':
      to.u32(ttl(command.ttlMs));
      break;
    case 'close-session':
    case 'keep-session':
      to.text(sessionName(command.session));
      break;
    case 'expire-sessions':
      to.u16(atMost(command.sessions.length, sessionsExpiredAtOnceMax, 'sessions'));
      for (const session of command.sessions) to.text(sessionName(session));
      break;
    case 'checksum':
      to.u8(command.deep ? 1 : 0);
      break;
    case 'system':
      writeSystem(to, command);
      break;
    case 'acquire-lock':
      writeSessionNumber(to, command.session);
      writeLockName(to, command.lock);
      writeMode(to, command.mode);
      to.u32(lockDelay(command.lockDelayMs));
      break;
    case 'release-lock':
      writeSessionNumber(to, command.session);
      writeLockName(to, command.lock);
      to.safe(command.generation);
      break;
    default:
      return unreachable(command);
  }
  return to.finish();
}

/**
 * Keeps views into `bytes`, which must not change.
 * @throws {UnknownCommandError} for a kind of command that this version does not know.
 * @throws {FormatError} for anything else that {@link encodeCommand} would not write.
 */
export function decodeCommand(bytes: Uint8Array): Command {
  const from = new ByteReader(bytes);
  const command = readCommand(from);
  from.end();
  return command;
}

function readCommand(from: ByteReader): Command {
  const tag = from.u8();
  switch (tag) {
    case tags.multiop:
      return readMultiOp(from);
    case tags['open-session']:
      return { kind: 'open-session', ttlMs: from.u32() };
    case tags['close-session']:
      return { kind: 'close-session', session: sessionName(from.text()) };
    case tags['keep-session']:
      return { kind: 'keep-session', session: sessionName(from.text()) };
    case tags['expire-sessions']: {
      const count = atMost(from.u16(), sessionsExpiredAtOnceMax, 'sessions');
      return { kind: 'expire-sessions', sessions: Array.from({ length: count }, () => sessionName(from.text())) };
    }
    case tags.checksum:
      return { kind: 'checksum', deep: atMost(from.u8(), 1, 'in a flag') === 1 };
    case tags.system:
      return readSystem(from);
    case tags['acquire-lock']: {
      const session = readSessionNumber(from);
      const lock = readLockName(from);
      return { kind: 'acquire-lock', lock, mode: readMode(from), lockDelayMs: lockDelay(from.u32()), session };
    }
    case tags['release-lock']: {
      const session = readSessionNumber(from);
      return { kind: 'release-lock', lock: readLockName(from), generation: from.safe(), session };
    }
    default:
      throw new UnknownCommandError(`a command of unknown kind ${tag}`);
  }
}

// ---- MultiOps ----

type MultiOpCommand = Command & { readonly kind: 'multiop' };

function writeMultiOp(to: ByteWriter, { multiOp, session, ifEpoch, sequencer }: MultiOpCommand): void {
  const { guard, then, else: otherwise } = multiOp;
  atMost(guard.length + then.length + otherwise.length, multiOpPartsMax, 'tests and operations');
  to.u8(
    (session === null ? 0 : flagSession) |
      (ifEpoch === null ? 0 : flagIfEpoch) |
      (sequencer === undefined ? 0 : flagSequencer),
  );
  if (session !== null) writeSessionNumber(to, session);
  if (ifEpoch !== null) to.safe(ifEpoch);
  if (sequencer !== undefined) writeSequencer(to, sequencer);
  to.u16(guard.length);
  for (const test of guard) writeTest(to, test);
  writeOperations(to, then);
  writeOperations(to, otherwise);
  atMost(contentBytes(multiOp, to.length), multiOpBytesMax, 'bytes of keys and values');
}

function readMultiOp(from: ByteReader): MultiOpCommand {
  const { offset: start } = from;
  const flags = from.u8();
  if (flags > flagsMax) throw new FormatError(`a command of unknown flags ${flags}`);
  const session = (flags & flagSession) === 0 ? null : readSessionNumber(from);
  const ifEpoch = (flags & flagIfEpoch) === 0 ? null : (from.safe() as Epoch);
  const sequencer = (flags & flagSequencer) === 0 ? undefined : readSequencer(from);
  const guard: Test[] = [];
  const tests = atMost(from.u16(), multiOpPartsMax, 'tests');
  for (let i = 0; i < tests; i++) guard.push(readTest(from));
  const then = readOperations(from);
  const otherwise = readOperations(from);
  atMost(tests + then.length + otherwise.length, multiOpPartsMax, 'tests and operations');
  const multiOp = { guard, then, else: otherwise };
  atMost(contentBytes(multiOp, from.offset - start), multiOpBytesMax, 'bytes of keys and values');
  return sequencer === undefined
    ? { kind: 'multiop', multiOp, session, ifEpoch }
    : { kind: 'multiop', multiOp, session, ifEpoch, sequencer };
}

function writeTest(to: ByteWriter, test: Test): void {
  to.u8(testKinds[test.test]);
  writeKey(to, keyInLimits(test.key));
  if ('revision' in test) to.safe(test.revision);
  else if ('value' in test) to.bytes(valueInLimits(test.value));
}

function readTest(from: ByteReader): Test {
  const kind = from.u8();
  const test = testNames[kind];
  if (test === undefined) throw new FormatError(`a test of unknown kind ${kind}`);
  const key = readCommandKey(from);
  switch (test) {
    case 'absent':
    case 'present':
      return { test, key };
    case 'revision':
      return { test, key, revision: from.safe() };
    default:
      return { test, key, value: valueInLimits(from.bytes()) };
  }
}

function writeOperations(to: ByteWriter, operations: readonly Operation[]): void {
  to.u16(operations.length);
  for (const operation of operations) {
    to.u8(operationKinds[operation.op]);
    writeKey(to, keyInLimits(operation.key));
    if (operation.op === 'put') to.bytes(valueInLimits(operation.value));
  }
}

function readOperations(from: ByteReader): Operation[] {
  const count = atMost(from.u16(), multiOpPartsMax, 'operations');
  const operations: Operation[] = [];
  for (let i = 0; i < count; i++) {
    const kind = from.u8();
    const op = operationNames[kind];
    if (op === undefined) throw new FormatError(`an operation of unknown kind ${kind}`);
    const key = readCommandKey(from);
    operations.push(op === 'put' ? { op, key, value: valueInLimits(from.bytes()) } : { op, key });
  }
  return operations;
}

// ---- system entries ----

function writeSystem(to: ByteWriter, { guard, writes, ifEpoch }: SystemCommand): void {
  atMost(guard.length + writes.length, systemPartsMax, 'tests and writes');
  to.u8(ifEpoch === null ? 0 : flagIfEpoch);
  if (ifEpoch !== null) to.safe(ifEpoch);
  to.u16(guard.length);
  for (const { key, instance } of guard) to.text(systemKey(key)).safe(instance);
  to.u16(writes.length);
  for (const { key, value } of writes) {
    to.text(systemKey(key)).u8(value === null ? 0 : 1);
    if (value !== null) to.bytes(systemValue(value));
  }
}

function readSystem(from: ByteReader): SystemCommand {
  const flags = from.u8();
  if (flags !== 0 && flags !== flagIfEpoch) throw new FormatError(`a system command of unknown flags ${flags}`);
  const ifEpoch = flags === 0 ? null : (from.safe() as Epoch);
  const guard: SystemCommand['guard'][number][] = [];
  const tests = atMost(from.u16(), systemPartsMax, 'tests');
  for (let i = 0; i < tests; i++) guard.push({ key: systemKey(from.text()), instance: from.safe() });
  const writes: SystemCommand['writes'][number][] = [];
  const count = atMost(from.u16(), systemPartsMax - tests, 'writes');
  for (let i = 0; i < count; i++) {
    const key = systemKey(from.text());
    const present = atMost(from.u8(), 1, 'values');
    writes.push({ key, value: present === 0 ? null : systemValue(from.bytes()) });
  }
  return { kind: 'system', guard, writes, ifEpoch };
}

function systemKey(key: string): string {
  if (!systemKeyPattern.test(key)) throw new FormatError('not the key of a system entry');
  return key;
}

function systemValue<Value extends Uint8Array>(value: Value): Value {
  atMost(value.length, systemValueBytesMax, 'bytes of a system entry');
  return value;
}

// ---- limits ----

function writeSessionNumber(to: ByteWriter, { session, sequence }: SessionNumber): void {
  to.text(sessionName(session)).safe(sequenceNumber(sequence));
}

function readSessionNumber(from: ByteReader): SessionNumber {
  return { session: sessionName(from.text()), sequence: sequenceNumber(from.safe()) };
}

function readCommandKey(from: ByteReader): string {
  return keyInLimits(readKey(from, keyBytesMax));
}

function keyInLimits(key: string): string {
  // Bytes are never fewer than code units; where they may be too many, reading them counts.
  if (key.length === 0 || key.length > keyBytesMax) throw new FormatError(`a key of ${key.length} units`);
  if (key.length * 3 > keyBytesMax && Buffer.byteLength(key, 'utf8') > keyBytesMax) throw new FormatError('a long key');
  return key;
}

function valueInLimits<Value extends Uint8Array>(value: Value): Value {
  atMost(value.length, valueBytesMax, 'bytes of a value');
  return value;
}

function sessionName(session: string): string {
  if (!sessionIdPattern.test(session)) throw new FormatError('not the id of a session');
  return session;
}

function sequenceNumber(sequence: number): number {
  if (!(sequence >= 1)) throw new FormatError('the numbers of a session begin with 1');
  return sequence;
}

function ttl(ttlMs: number): number {
  if (!Number.isInteger(ttlMs)) throw new FormatError('not a whole number of milliseconds');
  return atMost(ttlMs, 0xffff_ffff, 'milliseconds');
}

function atMost(n: number, max: number, what: string): number {
  if (!(n >= 0 && n <= max)) throw new FormatError(`${n} ${what}, at most ${max} allowed`);
  return n;
}

/** Bytes of all keys and values; counted only where the whole is large enough for it to matter. */
function contentBytes(multiOp: MultiOp, encodedBytes: number): number {
  if (encodedBytes <= multiOpBytesMax) return 0;
  let bytes = 0;
  for (const list of [multiOp.guard, multiOp.then, multiOp.else]) {
    for (const part of list) {
      bytes += Buffer.byteLength(part.key, 'utf8') + ('value' in part ? part.value.length : 0);
    }
  }
  return bytes;
}

/** Enough for ASCII keys, so that the writer seldom grows. */
function multiOpCapacity(multiOp: MultiOp): number {
  let bytes = multiOpOverhead;
  for (const list of [multiOp.guard, multiOp.then, multiOp.else]) {
    for (const part of list) bytes += 16 + part.key.length + ('value' in part ? part.value.length : 0);
  }
  return bytes;
}

/**
 * Bytes of a command's result, as sessions keep them: replicated state, so one result has one encoding. Level 1, and from level 2 on those of locks.
 *
 *     multiop = 1 flags(1) guard:count(2){0|1} results:count(2){kind(1) …} revision(8) instance(8) epoch(8)
 *     system  = 8 outcome(1) guard:count(2){0|1} instance(8) epoch(8); outcome: 0 a test failed, 1 done, from 2 a refusal
 *     lock    = 9 outcome(1) generation(8) instance(8) epoch(8)
 */
import type { Epoch, Instance } from '../core/consensus/identity.ts';
import type { CommandResult, Entry, OperationResult } from '../core/database/command.ts';
import { levelRefusals } from '../core/database/level-rule.ts';
import { lockOutcomes } from '../core/database/lock-table.ts';
import { unreachable } from '../core/invariant.ts';
import { ByteReader, ByteWriter, FormatError } from './bytes.ts';

const kinds = {
  multiop: 1,
  session: 2,
  done: 3,
  'epoch-changed': 4,
  skipped: 5,
  'session-expired': 6,
  'sessions-full': 7,
  system: 8,
  lock: 9,
  'sequencer-invalid': 10,
} as const;
const flagSucceeded = 1;
const flagForgotten = 2;
const resultKinds = { put: 0, delete: 1, get: 2 } as const;

/** @throws {FormatError} for numbers beyond 2^53. */
export function encodeCommandResult(result: CommandResult): Uint8Array {
  const to = new ByteWriter(128);
  to.u8(kinds[result.kind]);
  switch (result.kind) {
    case 'multiop':
      to.u8((result.succeeded ? flagSucceeded : 0) | (result.resultsForgotten === true ? flagForgotten : 0));
      to.u16(result.guard.length);
      for (const held of result.guard) to.u8(held ? 1 : 0);
      to.u16(result.results.length);
      for (const part of result.results) writeOperationResult(to, part);
      to.safe(result.revision).safe(result.instance).safe(result.epoch);
      break;
    case 'session':
      to.text(result.session).safe(result.expiresCellTimeMs);
      break;
    case 'system':
      to.u8(outcomeOf(result)).u16(result.guard.length);
      for (const held of result.guard) to.u8(held ? 1 : 0);
      to.safe(result.instance).safe(result.epoch);
      break;
    case 'lock':
      to.u8(lockOutcomes.indexOf(result.outcome)).safe(result.generation).safe(result.instance).safe(result.epoch);
      break;
    case 'epoch-changed':
    case 'skipped':
      to.safe(result.epoch);
      break;
    case 'done':
    case 'session-expired':
    case 'sessions-full':
    case 'sequencer-invalid':
      break;
    default:
      return unreachable(result);
  }
  return to.finish();
}

/** Keeps views into `bytes`. @throws {FormatError} for anything that {@link encodeCommandResult} would not write. */
export function decodeCommandResult(bytes: Uint8Array): CommandResult {
  const from = new ByteReader(bytes);
  const result = readCommandResult(from);
  from.end();
  return result;
}

function readCommandResult(from: ByteReader): CommandResult {
  const kind = from.u8();
  switch (kind) {
    case kinds.multiop:
      return readMultiOpResult(from);
    case kinds.session:
      return { kind: 'session', session: from.text(), expiresCellTimeMs: from.safe() };
    case kinds.done:
      return { kind: 'done' };
    case kinds['epoch-changed']:
      return { kind: 'epoch-changed', epoch: from.safe() as Epoch };
    case kinds.skipped:
      return { kind: 'skipped', epoch: from.safe() as Epoch };
    case kinds['session-expired']:
      return { kind: 'session-expired' };
    case kinds['sessions-full']:
      return { kind: 'sessions-full' };
    case kinds.system:
      return readSystemResult(from);
    case kinds.lock:
      return readLockResult(from);
    case kinds['sequencer-invalid']:
      return { kind: 'sequencer-invalid' };
    default:
      throw new FormatError(`a result of unknown kind ${kind}`);
  }
}

type SystemResult = CommandResult & { readonly kind: 'system' };

const firstRefusal = 2;

const outcomeOf = ({ refused, succeeded }: SystemResult): number =>
  refused !== null ? firstRefusal + levelRefusals.indexOf(refused) : succeeded ? 1 : 0;

function readSystemResult(from: ByteReader): SystemResult {
  const outcome = from.u8();
  const refused = levelRefusals[outcome - firstRefusal] ?? null;
  if (outcome >= firstRefusal && refused === null) throw new FormatError(`a refusal of unknown kind ${outcome}`);
  const succeeded = outcome === 1;
  const tests = from.u16();
  const guard: boolean[] = [];
  for (let i = 0; i < tests; i++) guard.push(readFlag(from));
  return { kind: 'system', succeeded, guard, refused, instance: from.safe() as Instance, epoch: from.safe() as Epoch };
}

function readLockResult(from: ByteReader): CommandResult {
  const outcome = lockOutcomes[from.u8()];
  if (outcome === undefined) throw new FormatError('the outcome of a lock of unknown kind');
  const generation = from.safe();
  return { kind: 'lock', outcome, generation, instance: from.safe() as Instance, epoch: from.safe() as Epoch };
}

function readMultiOpResult(from: ByteReader): CommandResult {
  const flags = from.u8();
  if (flags > (flagSucceeded | flagForgotten)) throw new FormatError(`a result of unknown flags ${flags}`);
  const guard: boolean[] = [];
  const tests = from.u16();
  for (let i = 0; i < tests; i++) guard.push(readFlag(from));
  const results: OperationResult[] = [];
  const operations = from.u16();
  for (let i = 0; i < operations; i++) results.push(readOperationResult(from));
  return {
    kind: 'multiop',
    succeeded: (flags & flagSucceeded) !== 0,
    guard,
    results,
    revision: from.safe(),
    instance: from.safe() as Instance,
    epoch: from.safe() as Epoch,
    ...((flags & flagForgotten) === 0 ? {} : { resultsForgotten: true }),
  };
}

function writeOperationResult(to: ByteWriter, result: OperationResult): void {
  to.u8(resultKinds[result.op]);
  switch (result.op) {
    case 'put':
      to.u8(result.created ? 1 : 0).safe(result.revision);
      break;
    case 'delete':
      to.u8(result.deleted ? 1 : 0);
      break;
    case 'get':
      to.u8(result.entry === null ? 0 : 1);
      if (result.entry !== null) writeEntry(to, result.entry);
      break;
    default:
      unreachable(result);
  }
}

function readOperationResult(from: ByteReader): OperationResult {
  const kind = from.u8();
  switch (kind) {
    case resultKinds.put: {
      const created = readFlag(from);
      return { op: 'put', revision: from.safe(), created };
    }
    case resultKinds.delete:
      return { op: 'delete', deleted: readFlag(from) };
    case resultKinds.get:
      return { op: 'get', entry: readFlag(from) ? readEntry(from) : null };
    default:
      throw new FormatError(`an operation's result of unknown kind ${kind}`);
  }
}

function writeEntry(to: ByteWriter, entry: Entry): void {
  to.safe(entry.createRevision).safe(entry.revision).safe(entry.version).bytes(entry.value);
}

function readEntry(from: ByteReader): Entry {
  const createRevision = from.safe();
  const revision = from.safe();
  const version = from.safe();
  return { value: from.bytes(), createRevision, revision, version };
}

function readFlag(from: ByteReader): boolean {
  const flag = from.u8();
  if (flag > 1) throw new FormatError('a flag that is neither 0 nor 1');
  return flag === 1;
}

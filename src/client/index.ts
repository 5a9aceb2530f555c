/**
 * `paxosctl/client`: a cell from a program.
 *
 *     const cell = connect({ endpoints: ['http://127.0.0.1:7401'] });
 *     await cell.put('greeting', 'hello');
 *     const entry = await cell.get('greeting');
 *     await cell.close();
 */
export {
  type CatalogueEntry,
  CellRolledBackError,
  ConditionFailedError,
  type ErrorCode,
  NotAllowedError,
  OperatorError,
  type Outcome,
  OutcomeUnknownError,
  RefusedError,
  UnreachableError,
  UsageError,
} from '../errors/index.ts';
export type * from '../formats/http-body.ts';
export type * from '../formats/lock-body.ts';
export {
  type CellStatusDocument,
  type ChecksumVerdict,
  cellStatus,
  cellStatusOf,
  type LastChecksumDocument,
  type MemberStatusDocument,
} from './cell-status.ts';
export { connect, PaxosClient } from './client.ts';
export type { KnownCell } from './find-master.ts';
export type { AcquireOptions, CellLocks, LockListOptions } from './locks.ts';
export { type MarkStore, MemoryMarks } from './marks.ts';
export {
  type CallOptions,
  type ClientOptions,
  type DeleteResult,
  type ListOptions,
  originOf,
  type ReadOptions,
  type WriteOptions,
} from './options.ts';
export type { ClientSession, SessionNumber } from './session.ts';
export { StateFile, StoredMarks, stateDirectory } from './state-file.ts';
export type { Entry } from './text.ts';
export type { WatchedChange, WatchOptions } from './watch.ts';

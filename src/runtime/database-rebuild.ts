/**
 * Builds the application's state anew while the log stays as it is: from a snapshot, and the chosen values after it.
 *
 * Source: design §4 ("never as older": up to the very instance that was applied), §5; PML §5.5. The log and the promises of
 * this replica are sound, so it needs nothing from others as long as its own snapshot is good.
 */
import type { Epoch, Instance } from '../core/consensus/identity.ts';
import type { Value } from '../core/consensus/value.ts';
import { chainBefore, chained } from '../formats/log-chain.ts';
import type { DigestPort } from '../ports/digest.ts';
import type { LogApplication } from './application.ts';
import type { LoadedSnapshot } from './log-storage.ts';
import { restoreFrom } from './storage-adapter.ts';

/** Values applied before the event loop gets its turn. */
const sliceValues = 200;

/** What lies between the snapshot and the applied point is not all here. */
export class LogIncompleteError extends Error {
  constructor(instance: number) {
    super(`the chosen value of instance ${instance} is no longer in memory`);
    this.name = 'LogIncompleteError';
  }
}

/** The state of before the first instance, as a snapshot of instance 0: for a cell that has taken none yet. */
export function initialSnapshot(
  application: LogApplication<unknown>,
  handle: LoadedSnapshot['handle'],
): LoadedSnapshot {
  const view = application.view();
  const { checksum } = view;
  const records = [...view.records()].map((record) => new Uint8Array(record));
  view.close();
  return {
    handle,
    logChain: chainBefore,
    checksum,
    async *records() {
      yield* records;
    },
  };
}

export interface RebuildOptions {
  readonly application: LogApplication<unknown>;
  readonly digest: DigestPort;
  readonly base: LoadedSnapshot;
  /** The application is to hold everything up to here. */
  readonly upTo: Instance;
  chosenValue(instance: Instance): Value | null;
  nextTurn(): Promise<void>;
  /** True when it is of no use any more. */
  isOver(): boolean;
}

/**
 * When it resolves the application holds the state at `upTo`; returns the log chain there.
 * @throws {LogIncompleteError | SnapshotCorruptError} the application then holds a state of no use to anybody.
 */
export async function rebuildDatabase(options: RebuildOptions): Promise<Uint8Array> {
  const { application, digest, base, upTo, chosenValue } = options;
  const first = (base.handle.instance + 1) as Instance;
  await restoreFrom(application, base);
  let { logChain } = base;
  let { epoch } = base.handle;
  for (let at = first; at <= upTo && !options.isOver(); at = (at + 1) as Instance) {
    const value = chosenValue(at);
    if (value === null) throw new LogIncompleteError(at);
    const current = value.kind !== 'submitted' || value.epoch === epoch;
    if (value.kind === 'mastership') epoch = (epoch + 1) as Epoch;
    logChain = chained(digest, logChain, { instance: at, value });
    application.apply({ instance: at, epoch, value, current, logChain });
    if (at % sliceValues === 0) await options.nextTurn();
  }
  return logChain;
}

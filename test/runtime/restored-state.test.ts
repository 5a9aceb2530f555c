/** What a replica goes on from after a start: nothing of it may come from elsewhere than disk and log (P30, P46). */
import { expect, it } from 'vitest';
import type { CellTimeMs, Epoch, Instance } from '../../src/core/consensus/identity.ts';
import type { LogApplication } from '../../src/runtime/application.ts';
import { toOperatorError } from '../../src/runtime/directory-errors.ts';
import type { LoadedSnapshot } from '../../src/runtime/log-storage.ts';
import { recoveredState } from '../../src/runtime/recovered-state.ts';
import { restoreFrom } from '../../src/runtime/storage-adapter.ts';
import { SnapshotCorruptError } from '../../src/storage/errors.ts';
import { configurationOf } from './log-replica-ports.ts';

const handleAt = (instance: number, names: readonly string[]) => ({
  instance: instance as Instance,
  epoch: 3 as Epoch,
  cellTimeMs: 9 as CellTimeMs,
  configurations: [{ from: instance as Instance, configuration: configurationOf(names) }],
});

const snapshot: LoadedSnapshot = {
  handle: handleAt(57, ['n1', 'n2', 'n4']),
  logChain: new Uint8Array(32),
  checksum: 'as it was',
  records: async function* () {},
};

const holding = (checksum: string): LogApplication<null> => ({
  apply: () => [],
  view: () => ({
    epoch: 3 as Epoch,
    cellTimeMs: 9 as CellTimeMs,
    count: 0,
    checksum,
    records: () => [],
    close: () => undefined,
  }),
  restore: async () => undefined,
});

it('the members after a restart are those of the snapshot, not those of the formation (P46)', () => {
  const recovered = {
    promise: { ballot: { round: 5, name: 'n2', incarnation: 1 }, leaseMsMax: 500 },
    entries: [],
    chosenUpTo: 3 as Instance,
    formation: handleAt(0, ['n1', 'n2', 'n3']),
  };
  const { handle, chosenUpTo } = recoveredState({ ...recovered, snapshot });
  expect(handle).toEqual(snapshot.handle);
  expect(chosenUpTo).toBe(57);
  expect(recoveredState({ ...recovered, snapshot: null }).handle).toEqual(recovered.formation);
});

it('a state that was restored is compared with what the snapshot says of itself (P30)', async () => {
  await restoreFrom(holding('as it was'), snapshot);
  await expect(restoreFrom(holding('one value rotted'), snapshot)).rejects.toThrow(SnapshotCorruptError);
});

it('a verified snapshot that reads otherwise now is the failure of a disk, after which the replica may be started again', async () => {
  const problem = { file: 'snapshot-00000007', problem: 'chunk 0 with a bad checksum', instance: 57 };
  const drained: LogApplication<null> = {
    ...holding('as it was'),
    restore: async (records) => {
      for await (const _ of records);
    },
  };
  const turned: LoadedSnapshot = {
    ...snapshot,
    // biome-ignore lint/correctness/useYield: nothing of it can be read.
    records: async function* () {
      throw new SnapshotCorruptError(problem);
    },
  };
  const failure: Error = await restoreFrom(drained, turned).then(
    () => new Error('it was restored'),
    (error: Error) => error,
  );
  expect(toOperatorError(failure, 'data', 0)).toMatchObject({ code: 'PAXOS_DISK_FAILED', exitCode: 1 });
  expect(failure.message).toContain(problem.file);
});

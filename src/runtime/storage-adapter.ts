/** The replica's storage in the shape that the log's runtime asks for, and the check that a restored state is the right one. */
import type { Instance } from '../core/consensus/identity.ts';
import type { ClockPort } from '../ports/clocks.ts';
import { DiskError } from '../ports/disk.ts';
import { SnapshotCorruptError } from '../storage/errors.ts';
import type { ReplicaStorage } from '../storage/replica-storage.ts';
import type { LogApplication } from './application.ts';
import type { LoadedSnapshot, LogStorage } from './log-storage.ts';
import type { Logger } from './logger.ts';

export function logStorage(storage: ReplicaStorage, clocks: ClockPort, logger: Logger): LogStorage {
  const pause = (): Promise<void> => new Promise((resolve) => clocks.nextTurn(resolve));
  return {
    persist: (request) => storage.persist(request),
    onPersisted: (callback) => storage.onPersisted(callback),
    onFailed: (callback) => storage.onFailed(callback),
    settleBad: (above) => storage.settleBad(above),
    walBytesSinceSnapshot: () => storage.walBytesSinceSnapshot,
    takeSnapshot: async ({ handle, logChain, view }) => {
      const { instance, bytes } = await storage.takeSnapshot(handle, view, { logChain, pause });
      // Done already, in effect: what is left over now is cut after the next snapshot.
      // Of a frozen member the log is evidence.
      if (!storage.manifest.flags.frozen) {
        await storage.cut().catch((error: unknown) => logger.warn({ err: error }, 'the log was not cut'));
      }
      return { instance: instance as Instance, bytes };
    },
    newestSnapshot: () => storage.openSnapshot(),
    setAside: async ({ instance, details }) => {
      await storage.setFlags({ quarantined: true });
      const name = `database-${instance}-${storage.recovered.boot.number}`;
      await storage
        .keepEvidence(name, Buffer.from(`${JSON.stringify(details, null, 2)}\n`))
        .catch((error: unknown) => logger.warn({ err: error }, 'the evidence was not kept'));
    },
    takeBack: () => storage.setFlags({ quarantined: false }),
    receiveSnapshot: (announced) => storage.receiveSnapshot(announced),
    unfinishedSnapshot: () => storage.manifest.receiving,
    resumeSnapshot: () => storage.resumeSnapshot(),
    record: (point) => storage.record(point),
    freeze: (evidence) => storage.freeze(evidence),
    serveNewest: (above, digest) => storage.serveNewest(above, digest),
  };
}

/**
 * `snapshot` was verified as a whole before.
 * @throws {SnapshotCorruptError} when what was restored is not what the snapshot's checksum says.
 * @throws {DiskError} when it reads otherwise now: no verdict on the directory, since the next start finds it bad and goes on without it.
 */
export async function restoreFrom(application: LogApplication<unknown>, snapshot: LoadedSnapshot): Promise<void> {
  try {
    await application.restore(snapshot.records());
  } catch (error) {
    if (!(error instanceof SnapshotCorruptError)) throw error;
    const { file, problem } = error.facts;
    throw new DiskError('io', file, `${file} was verified, and reads otherwise now (${problem})`, { cause: error });
  }
  const view = application.view();
  const { checksum } = view;
  view.close();
  if (checksum !== snapshot.checksum) {
    const problem = `its entries give checksum ${checksum}, its header says ${snapshot.checksum}`;
    throw new SnapshotCorruptError({ file: 'in memory', problem, instance: snapshot.handle.instance });
  }
}

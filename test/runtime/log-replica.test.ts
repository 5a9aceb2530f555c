import { expect, it } from 'vitest';
import { createNodeDigest } from '../../src/adapters/digest-node/digest-node.ts';
import type { Configuration } from '../../src/core/consensus/configuration.ts';
import type { CellTimeMs, Epoch, Instance, MonotonicMs, ReplicaId } from '../../src/core/consensus/identity.ts';
import type { AcceptedEntry } from '../../src/core/consensus/message.ts';
import type { Value } from '../../src/core/consensus/value.ts';
import { Random } from '../../src/core/random.ts';
import type { NetworkPort } from '../../src/ports/network.ts';
import type { LogApplication } from '../../src/runtime/application.ts';
import { LogReplica } from '../../src/runtime/log-replica.ts';
import type { LogStorage } from '../../src/runtime/log-storage.ts';
import { type LogFacts, silentLogger } from '../../src/runtime/logger.ts';

const ballot = { round: 1, name: 'n1', incarnation: 1 };
const configuration: Configuration = {
  members: ['n1', 'n2', 'n3'].map((name) => ({ name, incarnation: 1, role: 'voter', url: `http://${name}` })),
  alpha: 32,
  leaseMs: 500,
  driftPpm: 10_000,
};

const submitted: Value = {
  kind: 'submitted',
  epoch: 0 as Epoch,
  cellTimeMs: 0 as CellTimeMs,
  items: [new Uint8Array(1)],
};

/** A log replica that comes back with `count` chosen values above an empty state, on ports that do nothing. */
async function comingBack(count: number, options: { snapshotLogBytes: number }) {
  const applied: number[] = [];
  const snapshots: { handle: number; state: number }[] = [];
  const delivered: { appliedUpTo: number; serving: boolean }[] = [];
  const debugged: (LogFacts & { readonly message: string })[] = [];
  const network: NetworkPort = {
    send() {},
    onMessage() {},
    setPeers() {},
    fetchSnapshot: () => Promise.reject(new Error('nobody is there')),
    onSnapshotRequest() {},
    connected: () => [],
    close: async () => undefined,
  };
  const storage: LogStorage = {
    persist() {},
    onPersisted() {},
    onFailed() {},
    settleBad: () => undefined,
    walBytesSinceSnapshot: () => 1_000,
    takeSnapshot: async ({ handle, view }) => {
      snapshots.push({ handle: handle.instance, state: view.count });
      return { instance: handle.instance, bytes: 0 };
    },
    receiveSnapshot: () => Promise.reject(new Error('not asked for')),
    unfinishedSnapshot: () => null,
    resumeSnapshot: async () => null,
    record: async () => undefined,
    newestSnapshot: async () => null,
    setAside: async () => undefined,
    takeBack: async () => undefined,
    freeze: async () => undefined,
    serveNewest: async () => null,
  };
  const application: LogApplication<null> = {
    apply: ({ instance }) => {
      applied.push(instance);
      return [];
    },
    view: () => ({
      epoch: 0 as Epoch,
      cellTimeMs: 0 as CellTimeMs,
      count: applied.length,
      checksum: '',
      records: () => [],
      close() {},
    }),
    restore: async () => undefined,
  };
  const entries = Array.from(
    { length: count },
    (_, at): AcceptedEntry => ({ instance: (at + 1) as Instance, ballot, value: submitted }),
  );
  const log: LogReplica<null> = new LogReplica({
    self: 'n1#1' as ReplicaId,
    clocks: {
      now: () => ({ monotonicMs: 0 as MonotonicMs, wallMs: 0, bootMs: 0 }),
      schedule: () => ({ cancel() {} }),
      nextTurn() {},
    },
    network,
    storage,
    application,
    digest: await createNodeDigest(),
    random: new Random(1),
    logger: { ...silentLogger, debug: (facts, message) => debugged.push({ ...facts, message }) },
    snapshotLogBytes: options.snapshotLogBytes,
    snapshot: null,
    recovered: {
      promise: { ballot, leaseMsMax: 500 },
      entries,
      chosenUpTo: count as Instance,
      handle: {
        instance: 0 as Instance,
        epoch: 0 as Epoch,
        cellTimeMs: 0 as CellTimeMs,
        configurations: [{ from: 1 as Instance, configuration }],
      },
    },
    onDelivered: () => delivered.push({ appliedUpTo: log.appliedUpTo, serving: log.isServing() }),
    onFatal: (error) => {
      throw error;
    },
  });
  return { log, applied, snapshots, delivered, debugged };
}

it('a snapshot is of the state that its handle names, however many values one step applied', async () => {
  const { log, applied, snapshots } = await comingBack(40, { snapshotLogBytes: 1 });
  log.start();
  expect(applied).toHaveLength(40);
  expect(snapshots).toEqual([{ handle: 40, state: 40 }]);
});

it('who waits for an instance goes on when the application holds the whole step', async () => {
  const { log, applied } = await comingBack(40, { snapshotLogBytes: 1e9 });
  const seen: number[] = [];
  for (const instance of [40, 3, 17]) log.whenApplied(instance as Instance, () => seen.push(applied.length));
  expect(seen).toEqual([]);
  log.start();
  expect(seen).toEqual([40, 40, 40]);
});

it('in the middle of a step the applied point is that of the application', async () => {
  const { log, delivered } = await comingBack(40, { snapshotLogBytes: 1e9 });
  expect(log.appliedUpTo).toBe(0);
  log.start();
  expect(delivered.map(({ appliedUpTo }) => appliedUpTo)).toEqual(Array.from({ length: 40 }, (_, at) => at + 1));
  expect(delivered.some(({ serving }) => serving)).toBe(false);
});

it('the moves of the state machines stand in the log, with the section that asks for them', async () => {
  const { log, debugged } = await comingBack(0, { snapshotLogBytes: 1e9 });
  log.start();
  expect(debugged).toEqual([
    {
      message: 'transition',
      machine: 'participation',
      from: 'waiting',
      event: 'admitted-as-voter',
      to: 'voting',
      section: 'PML §5.4, §6.1',
      cause: 'admitted-as-voter',
    },
  ]);
});

/**
 * One life of a replica on a machine: core, runtime and storage as in production, put together as `runtime/member` does, above
 * simulated ports, with the observer told of everything.
 */
import type { Configuration } from '../core/consensus/configuration.ts';
import type { CellTimeMs, Epoch, Instance, MonotonicMs, ReplicaId } from '../core/consensus/identity.ts';
import { instance, parseReplicaId } from '../core/consensus/identity.ts';
import type { SnapshotHandle } from '../core/consensus/input.ts';
import { defaultLimits } from '../core/consensus/limits.ts';
import type { CommandResult } from '../core/database/command.ts';
import type { EntryStoreMaker } from '../core/database/record.ts';
import type { Random } from '../core/random.ts';
import { DataRolledBackError } from '../errors/index.ts';
import { supportedLevels } from '../formats/levels.ts';
import type { RandomnessPort } from '../ports/randomness.ts';
import type { Delivery, LogApplication } from '../runtime/application.ts';
import { DatabaseApplication } from '../runtime/database-application.ts';
import { initialSnapshot } from '../runtime/database-rebuild.ts';
import { type CheckedFiles, checkAndRepair } from '../runtime/file-repair.ts';
import { LogReplica } from '../runtime/log-replica.ts';
import type { LogStorage, SnapshotReceiver } from '../runtime/log-storage.ts';
import type { Logger } from '../runtime/logger.ts';
import { comparisonOf, fenceOf } from '../runtime/member-fence.ts';
import { recoveredState } from '../runtime/recovered-state.ts';
import { DatabaseService } from '../runtime/replica-service.ts';
import { SelfCheck } from '../runtime/self-check.ts';
import { logStorage, restoreFrom } from '../runtime/storage-adapter.ts';
import { ReplicaStorage } from '../storage/replica-storage.ts';
import { PendingRequests } from './checkers/pending-requests.ts';
import { simulatedDigest } from './digest.ts';
import type { SimulatedDisk } from './disk.ts';
import { ItemLost } from './fatal-errors.ts';
import { GatedNetwork } from './gated-ports.ts';
import type { SimulatedNetwork } from './network.ts';
import type { Observed, Observer } from './observer.ts';
import type { SimulatedProcess } from './process.ts';
import type { Profile } from './profile.ts';

/** What every simulated cell is called. */
export const simulatedCell = {
  id: '0123456789abcdef0123456789abcdef',
  name: 'simulated',
  generation: 1,
  secretHex: '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff',
  level: 1,
} as const;

/** What a life tells of itself. */
export type LifeObserver = Pick<
  Observer,
  | 'applied'
  | 'durable'
  | 'generationBegun'
  | 'issued'
  | 'levelRaised'
  | 'mastership'
  | 'measured'
  | 'proposes'
  | 'recovered'
  | 'restored'
  | 'snapshotCounts'
  | 'snapshotsKept'
  | 'snapshotsStandFor'
  | 'stepped'
  | 'turnsAway'
>;

export interface LifeOptions {
  readonly observed: Observed;
  readonly process: SimulatedProcess;
  readonly disk: SimulatedDisk;
  readonly random: Random;
  readonly network: SimulatedNetwork;
  readonly profile: Profile;
  readonly formation: Configuration;
  readonly observer: LifeObserver;
  readonly logger: Logger;
  readonly randomness: RandomnessPort;
  readonly makeEntryStore: EntryStoreMaker | undefined;
  /** Who is at the address of this member now. */
  readonly presentId: (name: string) => ReplicaId | undefined;
  readonly onFatal: (error: Error) => void;
  /** The disk was read, and the process goes on from it. */
  readonly onRecovered: () => void;
  /** A snapshot begins to be taken or received. */
  readonly onSnapshot: () => void;
}

/** What runs, once the disk has been read. */
export interface Life {
  readonly log: LogReplica<CommandResult>;
  readonly service: DatabaseService;
  readonly database: DatabaseApplication;
  readonly storage: ReplicaStorage;
  /** Requests of clients that were not answered yet. */
  readonly pending: PendingRequests;
  /** `verify checksums --deep` of this replica's files. @throws {DiskError} */
  readonly checkFiles: () => Promise<CheckedFiles>;
  /** That it is in. */
  readonly generation: number;
}

/** Reads the disk and puts the replica together. `log.start()` is the caller's. */
export async function startLife(options: LifeOptions): Promise<Life> {
  const { observed, process, random, network, profile, observer, logger } = options;
  const storage = await ReplicaStorage.open(options.disk, {
    expectName: observed.name,
    segmentBytes: profile.segmentBytes,
    digest: simulatedDigest,
    randomness: options.randomness,
    programVersion: '0.0.0',
    now: () => process.now().monotonicMs,
    wallMs: () => process.now().wallMs,
  });
  const { recovered } = storage;
  const compare = await comparisonOf(storage, null, logger);
  const { snapshot } = recovered;
  options.onRecovered();
  observer.recovered(observed, {
    ...recovered,
    snapshot: snapshot === null ? null : { instance: snapshot.handle.instance, checksum: snapshot.checksum },
  });
  const selfCheck = new SelfCheck({ clocks: process, logger, everyMs: profile.checkEveryMs ?? 0 });
  const database = new DatabaseApplication({
    digest: simulatedDigest,
    makeEntryStore: options.makeEntryStore,
    nextTurn: (callback) => process.nextTurn(callback),
    onChecksum: (point) => selfCheck.begin(point),
  });
  if (snapshot === null) database.initialize(identity, storage.manifest.formedLevel);
  else await restoreFrom(database, snapshot);
  const port = network.port(observed.id, {
    boot: recovered.boot,
    flushNumber: () => storage.flushNumber,
    promiseFlush: () => storage.promiseFlush,
    testimony: (to) => fencing.testimony(to),
    admit: (hello) => fencing.admit(hello),
    awake: () => process.alive && !process.paused,
    found: (id) => options.presentId(parseReplicaId(id).name) === id,
  });
  const fencing = fenceOf({
    self: observed.id,
    storage,
    clocks: process,
    logger,
    rule: compare,
    log: () => log,
    connected: () => [],
    onRolledBack: (evidence) =>
      options.onFatal(new DataRolledBackError({ directory: 'data', member: observed.name, evidence })),
  });
  port.onPeerMark((from, mark) => fencing.onMark(from, mark));
  port.onPeerRefusal((from, refusal) => fencing.onRefusal(from, refusal));
  const pendingItemsMax = profile.limits.pendingItemsMax ?? defaultLimits.pendingItemsMax;
  const log = new LogReplica<CommandResult>({
    self: observed.id,
    clocks: process,
    network: new GatedNetwork(port, process),
    storage: observe(options, storage, logStorage(storage, process, logger)),
    application: watch(options, database),
    digest: simulatedDigest,
    random: random.fork('core'),
    logger,
    limits: profile.limits,
    snapshotLogBytes: profile.snapshotLogBytes,
    snapshot,
    recovered: recoveredState({ ...recovered, formation: formationHandle(options.formation), compare }),
    onFatal: options.onFatal,
    initial: snapshot === null ? initialSnapshot(database, formationHandle(options.formation)) : null,
    quarantined: recovered.manifest.flags.quarantined,
    generation: simulatedCell.generation,
    version: '0.0.0',
    onCompared: (comparison) => selfCheck.onCompared(comparison),
    onSetAside: (evidence) => selfCheck.onSetAside(evidence),
    onCheckWanted: () => selfCheck.onCheckWanted(),
    onHalted: ({ instance: at }) => options.onFatal(new ItemLost(at)),
    onMastership: (event) => {
      observer.mastership(observed, event.role, event.cause);
      service.onMastership(event);
    },
    onDelivered: (items) => service.onApplied(items),
    onStep: (input, effects, replica) => {
      observer.stepped(observed, input, effects, replica, () => database.checksumHex());
      observer.measured(observed, { replica, pendingItemsMax, openFiles: options.disk.openFiles }, effects);
    },
  });
  const service = new DatabaseService({
    self: observed.id,
    log,
    database,
    selfCheck,
    clocks: process,
    snapshots: null,
    recovery: null,
    host: {
      version: '0.0.0',
      levels: supportedLevels,
      cell: simulatedCell,
      boot: recovered.boot,
      uptimeMs: () => 0,
      eventLoopLagMsP99: () => 0,
      flushMs: () => ({ p50: 0, p99: 0 }),
      snapshotInstance: () => storage.snapshots()[0]?.instance ?? 0,
      readOnly: () => storage.readOnly,
      peers: () => port.connected(),
      removed: () => false,
      warnings: () => [],
    },
  });
  selfCheck.start(log);
  watchSpace(storage, process, profile.leaseMs / 2);
  const checkFiles = deepCheck({ storage, log, logger, process });
  const { generation } = simulatedCell;
  return { log, service, database, storage, pending: new PendingRequests(), generation, checkFiles };
}

/** As the process around a real replica has it. */
export const deepCheck =
  ({ storage, log, logger, process }: Pick<Life, 'storage' | 'log'> & Pick<LifeOptions, 'logger' | 'process'>) =>
  (): Promise<CheckedFiles> =>
    checkAndRepair(storage, log, logger, () => new Promise((resolve) => process.nextTurn(resolve)));

/** As the process around a real replica does, only sooner: simulated leases are short. */
export function watchSpace(storage: ReplicaStorage, process: SimulatedProcess, everyMs: number): void {
  const look = (): void => {
    if (!storage.readOnly) return;
    storage.checkSpace().catch(() => undefined);
    process.schedule((process.now().monotonicMs + everyMs) as MonotonicMs, look);
  };
  storage.onSpaceLow((low) => low && look());
  look();
}

const formationHandle = (formation: Configuration): SnapshotHandle => ({
  instance: 0 as Instance,
  epoch: 0 as Epoch,
  cellTimeMs: 0 as CellTimeMs,
  configurations: [{ from: instance(1), configuration: formation }],
});

/** The storage itself, with the observer told what it was asked and what it said. */
export function observe(
  { observed, observer, onSnapshot, onFatal }: Pick<LifeOptions, 'observed' | 'observer' | 'onSnapshot' | 'onFatal'>,
  whole: ReplicaStorage,
  storage: LogStorage,
): LogStorage {
  const issued: Parameters<LogStorage['persist']>[0][] = [];
  const snapshots = [0, 0];
  /** The replica takes what is thrown at it here for a snapshot that failed, and goes on. */
  const told = (tell: () => void): void => {
    try {
      tell();
    } catch (error) {
      onFatal(error as Error);
    }
  };
  const kept = (standsFor: number): void => {
    observer.snapshotsKept(observed, whole.snapshots(), standsFor);
    const newest = whole.snapshots()[0];
    if (newest?.verified === true) observer.snapshotCounts(observed, newest.instance, newest.sha256);
  };
  const received = (receiver: SnapshotReceiver): SnapshotReceiver => ({
    append: (chunk) => receiver.append(chunk),
    rewind: () => receiver.rewind(),
    abort: () => receiver.abort(),
    finish: async (digest) => {
      const loaded = await receiver.finish(digest);
      told(() => kept(loaded.handle.instance));
      return loaded;
    },
  });
  return {
    ...storage,
    persist: (request) => {
      observer.issued(observed, request);
      issued.push(request);
      storage.persist(request);
    },
    onPersisted: (callback) =>
      storage.onPersisted((write) => {
        while (issued[0] !== undefined && issued[0].write <= write) {
          observer.durable(observed, issued.shift() as (typeof issued)[0]);
        }
        callback(write);
      }),
    receiveSnapshot: async (announced) => {
      onSnapshot();
      return received(await storage.receiveSnapshot(announced));
    },
    resumeSnapshot: async () => {
      const receiver = await storage.resumeSnapshot();
      return receiver && received(receiver);
    },
    takeSnapshot: async (wanted) => {
      onSnapshot();
      const taken = await storage.takeSnapshot(wanted);
      told(() => {
        kept(taken.instance);
        snapshots.unshift(taken.instance);
        observer.snapshotsStandFor(observed, snapshots[1] ?? 0);
      });
      return taken;
    },
  };
}

export function watch(
  { observed, observer }: Pick<LifeOptions, 'observed' | 'observer'>,
  database: DatabaseApplication,
): LogApplication<CommandResult> {
  let restored = false;
  return {
    apply: (delivery: Delivery) => {
      // A state that was built anew is told by what comes after it, which may have been applied before.
      if (restored) observer.restored(observed, delivery.instance - 1);
      restored = false;
      const results = database.apply(delivery);
      observer.applied(observed, delivery, results, database.checksumHex());
      return results;
    },
    view: () => database.view(),
    checksumHex: () => database.checksumHex(),
    restore: async (records) => {
      await database.restore(records);
      restored = true;
    },
  };
}

/** What every simulated database begins with. */
export const identity: Parameters<DatabaseApplication['initialize']>[0] = {
  cellId: simulatedCell.id,
  generation: simulatedCell.generation,
  generationId: '00000000000000000000000000000001',
  generationStart: { epoch: 0 as Epoch, instance: 0 as Instance },
  rootSecret: Buffer.from(simulatedCell.secretHex, 'hex'),
};

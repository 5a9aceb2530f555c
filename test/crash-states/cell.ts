/**
 * A cell for scripts: core, runtime, storage and database of production above simulated disks, a calm network and virtual
 * time. Everything that each replica does is in its journal.
 */
import type { Configuration } from '../../src/core/consensus/configuration.ts';
import type { CellTimeMs, Epoch } from '../../src/core/consensus/identity.ts';
import { instance, replicaId } from '../../src/core/consensus/identity.ts';
import type { SnapshotHandle } from '../../src/core/consensus/input.ts';
import type { Limits } from '../../src/core/consensus/limits.ts';
import type { CommandResult } from '../../src/core/database/command.ts';
import { Random } from '../../src/core/random.ts';
import { encodeCommand } from '../../src/formats/command.ts';
import { encodeValue } from '../../src/formats/value.ts';
import type { ClockPort } from '../../src/ports/clocks.ts';
import type { NetworkPort } from '../../src/ports/network.ts';
import type { LogApplication } from '../../src/runtime/application.ts';
import { DatabaseApplication } from '../../src/runtime/database-application.ts';
import { LogReplica } from '../../src/runtime/log-replica.ts';
import type { LogStorage } from '../../src/runtime/log-storage.ts';
import { recoveredState } from '../../src/runtime/recovered-state.ts';
import { logStorage, restoreFrom } from '../../src/runtime/storage-adapter.ts';
import { simulatedDigest } from '../../src/simulator/digest.ts';
import { SimulatedDisk } from '../../src/simulator/disk.ts';
import { GatedNetwork } from '../../src/simulator/gated-ports.ts';
import { HostClock } from '../../src/simulator/host-clock.ts';
import { SimulatedNetwork } from '../../src/simulator/network.ts';
import { SimulatedProcess } from '../../src/simulator/process.ts';
import { Scheduler } from '../../src/simulator/virtual-clock.ts';
import { ReplicaStorage, type StorageOptions } from '../../src/storage/replica-storage.ts';
import { Journal } from './journal.ts';

const cellId = 'c'.repeat(32);
const secretHex = '11'.repeat(32);
const leaseMs = 500;

/** Small, so that a script crosses every boundary often. */
const limits: Partial<Limits> = {
  acceptWindowInstances: 6,
  eagerWindowInstances: 2,
  batchItemsMax: 16,
  retainBehindSnapshotInstances: 4,
  boostEveryMs: 3_000,
};
const snapshotLogBytes = 48 * 1024;
export const segmentBytes = 16 * 1024;

export const databaseIdentity: Parameters<DatabaseApplication['initialize']>[0] = {
  cellId,
  generation: 1,
  generationId: '1'.padStart(32, '0'),
  generationStart: { epoch: 0 as Epoch, instance: instance(0) },
  rootSecret: Buffer.from(secretHex, 'hex'),
};

/** The production opening code on a simulated disk. */
export const storageOptions = (name: string): StorageOptions => ({
  expectName: name,
  expectCellId: cellId,
  segmentBytes,
  digest: simulatedDigest,
  randomness: { bytes: (length) => new Uint8Array(length).fill(9) },
  programVersion: '0.0.0',
  now: () => 0,
  wallMs: () => 1_700_000_000_000,
});

export const formationHandle = (configuration: Configuration): SnapshotHandle => ({
  instance: instance(0),
  epoch: 0 as Epoch,
  cellTimeMs: 0 as CellTimeMs,
  configurations: [{ from: instance(1), configuration }],
});

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** What was chosen, and what it led to. Replicas agree on it, which the script checks as it goes. */
export class Reference {
  readonly #chosen = new Map<number, { readonly digest: string; readonly checksum: string }>();

  add(at: number, digest: string, checksum: string): void {
    const known = this.#chosen.get(at);
    if (known === undefined) this.#chosen.set(at, { digest, checksum });
    else if (known.digest !== digest || known.checksum !== checksum) throw new Error(`replicas differ at ${at}`);
  }

  at(index: number): { readonly digest: string; readonly checksum: string } | undefined {
    return this.#chosen.get(index);
  }
}

export const valueDigest = (value: Parameters<typeof encodeValue>[0]): string =>
  simulatedDigest.sha256(encodeValue(value)).toString();

export class ScriptedCell {
  readonly random: Random;
  readonly configuration: Configuration;
  readonly reference = new Reference();
  readonly members: readonly ScriptedMember[];
  readonly scheduler = new Scheduler();
  readonly network: SimulatedNetwork;

  constructor(options: { readonly seed: number; readonly replicas: number }) {
    this.random = new Random(options.seed);
    const { scheduler } = this;
    this.network = new SimulatedNetwork({
      scheduler: {
        now: () => scheduler.nowMs,
        schedule: (delayMs, callback, settles) => void scheduler.after(delayMs, callback, settles),
      },
      random: this.random.fork('network'),
      snapshotChunkBytes: 4 * 1024,
    });
    const names = Array.from({ length: options.replicas }, (_, i) => `n${i + 1}`);
    this.configuration = {
      members: names.map((name) => ({ name, incarnation: 1, role: 'voter', url: `http://${name}.simulated` })),
      alpha: 16,
      leaseMs,
      driftPpm: 500,
    };
    this.members = names.map((name) => new ScriptedMember(this, name));
  }

  /** Lets the cell run until `done`; a script that waits for what never comes is wrong. */
  async until(what: string, done: () => boolean): Promise<void> {
    const limit = this.scheduler.nowMs + 120_000;
    await this.scheduler.run(limit, () => done() || this.#failed() !== null);
    const failed = this.#failed();
    if (failed !== null) throw failed;
    if (!done()) throw new Error(`the script waits for ${what}, in vain`);
  }

  pass(ms: number): Promise<void> {
    return this.scheduler.run(this.scheduler.nowMs + ms, () => this.#failed() !== null);
  }

  #failed(): Error | null {
    for (const { failure } of this.members) if (failure !== null) return failure;
    return null;
  }

  get master(): ScriptedMember | null {
    return this.members.find((member) => member.serving) ?? null;
  }
}

interface Life {
  readonly log: LogReplica<CommandResult>;
  readonly storage: ReplicaStorage;
}

export class ScriptedMember {
  readonly name: string;
  readonly journal = new Journal();
  failure: Error | null = null;
  readonly #cell: ScriptedCell;
  readonly #clock: HostClock;
  #disk: SimulatedDisk;
  #lives = 0;
  #process: SimulatedProcess | null = null;
  #life: Life | null = null;
  open = 0;

  constructor(cell: ScriptedCell, name: string) {
    this.#cell = cell;
    this.name = name;
    const { scheduler, random } = cell;
    this.#clock = new HostClock(() => scheduler.nowMs, { upMs: 5_000, wallMs: 1_700_000_000_000 });
    this.#disk = new SimulatedDisk({
      schedule: (delayMs, callback) => void scheduler.after(delayMs, callback, true),
      random: random.fork(`disk ${name}`),
      now: () => scheduler.nowMs,
      onChange: (change) => this.journal.disk(change),
    });
  }

  get serving(): boolean {
    return this.#life?.log.isServing() ?? false;
  }

  get storage(): ReplicaStorage | null {
    return this.#life?.storage ?? null;
  }

  get appliedUpTo(): number {
    return this.#life?.log.appliedUpTo ?? 0;
  }

  async form(): Promise<void> {
    const formed = ReplicaStorage.form(this.#disk, {
      cell: { id: cellId, name: 'scripted', generation: 1, secretHex },
      member: { name: this.name, incarnation: 1 },
      configurations: [{ from: instance(1), configuration: this.#cell.configuration }],
      level: 1,
    });
    let done = false;
    void formed.then(() => {
      done = true;
    });
    await this.#cell.until('formation', () => done);
    this.journal.effect({ kind: 'formed' });
  }

  start(): void {
    const { scheduler } = this.#cell;
    const process = new SimulatedProcess({ name: `${this.name}/${++this.#lives}`, scheduler, clock: this.#clock });
    this.#process = process;
    this.#disk = this.#disk.crash(
      { writes: 'process' },
      { schedule: (delayMs, callback) => void scheduler.after(delayMs, () => process.enter('io', callback), true) },
    );
    scheduler.settle();
    this.#run(process).catch((error: unknown) => this.#fail(process, error));
  }

  /** Like SIGKILL; the cache stays. */
  kill(): void {
    this.#process?.kill();
    this.#cell.network.crash(replicaId(this.name, 1));
    this.#process = null;
    this.#life = null;
    this.open = 0;
  }

  /** In good order, as `node stop` does: hand over, stop, close. */
  async stop(): Promise<void> {
    await this.#cell.until('a start', () => this.#life !== null);
    const life = this.#life as Life;
    life.log.handOver(null);
    await this.#cell.pass(20);
    life.log.stop();
    let closed = false;
    void life.storage.close().then(() => {
      closed = true;
    });
    await this.#cell.until('the storage to close', () => closed);
    this.journal.effect({ kind: 'stopped' });
    this.kill();
  }

  handOver(): void {
    this.#life?.log.handOver(null);
  }

  /** One put of `value` by a client of this member. */
  put(key: string, value: Uint8Array): void {
    const life = this.#life;
    if (life === null) return;
    // biome-ignore lint/suspicious/noThenProperty: the name in the contract of MultiOp.
    const multiOp = { guard: [], then: [{ op: 'put' as const, key, value }], else: [] };
    this.open++;
    life.log.submit(encodeCommand({ kind: 'multiop', multiOp, session: null, ifEpoch: null }), (outcome) => {
      if (life !== this.#life) return;
      this.open--;
      if (outcome.kind === 'applied') this.journal.effect({ kind: 'reply', instance: outcome.instance });
    });
  }

  #fail(process: SimulatedProcess, error: unknown): void {
    if (process.alive) this.failure ??= error instanceof Error ? error : new Error(String(error));
  }

  async #run(process: SimulatedProcess): Promise<void> {
    const { network, random, configuration } = this.#cell;
    const storage = await ReplicaStorage.open(this.#disk, storageOptions(this.name));
    const { recovered } = storage;
    this.journal.effect({ kind: 'opened', boot: recovered.boot.number });
    const database = new DatabaseApplication({ digest: simulatedDigest });
    if (recovered.snapshot === null) database.initialize(databaseIdentity);
    else await restoreFrom(database, recovered.snapshot);
    const id = replicaId(this.name, 1);
    const port = network.port(id, { boot: recovered.boot, flushNumber: () => storage.flushNumber });
    const log = new LogReplica<CommandResult>({
      self: id,
      clocks: this.#journaledClocks(process),
      network: this.#journaledNetwork(new GatedNetwork(port, process)),
      storage: this.#journaledStorage(logStorage(storage, process, silent)),
      application: this.#journaledApplication(database),
      digest: simulatedDigest,
      random: random.fork(process.name),
      logger: silent,
      limits,
      snapshotLogBytes,
      snapshot: recovered.snapshot,
      recovered: recoveredState({ ...recovered, formation: formationHandle(configuration) }),
      onFatal: (error) => this.#fail(process, error),
    });
    this.#life = { log, storage };
    log.start();
  }

  #journaledClocks(process: SimulatedProcess): ClockPort {
    return {
      now: () => process.now(),
      nextTurn: (callback) => process.nextTurn(callback),
      schedule: (at, callback) => {
        this.journal.effect({ kind: 'timer' });
        return process.schedule(at, callback);
      },
    };
  }

  #journaledNetwork(network: GatedNetwork): NetworkPort {
    const send: NetworkPort['send'] = (to, message) => {
      network.send(to, message);
      this.journal.effect({ kind: 'send', message });
    };
    return { ...bound(network), send };
  }

  #journaledStorage(storage: LogStorage): LogStorage {
    return {
      ...storage,
      persist: (request) => {
        // Written at once, perhaps: what it holds is issued before.
        this.journal.effect({ kind: 'persist', request });
        storage.persist(request);
      },
      onPersisted: (callback) =>
        storage.onPersisted((write) => {
          this.journal.effect({ kind: 'persisted', write });
          callback(write);
        }),
      takeSnapshot: async (wanted) => {
        this.journal.effect({ kind: 'snapshot-begun', instance: wanted.handle.instance });
        const taken = await storage.takeSnapshot(wanted);
        this.journal.effect({ kind: 'snapshot', instance: taken.instance });
        return taken;
      },
    };
  }

  #journaledApplication(database: DatabaseApplication): LogApplication<CommandResult> {
    return {
      apply: (delivery) => {
        const results = database.apply(delivery);
        this.#cell.reference.add(delivery.instance, valueDigest(delivery.value), database.checksumHex());
        this.journal.effect({ kind: 'apply' });
        return results;
      },
      view: () => database.view(),
      restore: (records) => database.restore(records),
    };
  }
}

/** The methods of a port, to be called on whatever object. */
function bound(network: GatedNetwork): Omit<NetworkPort, 'send'> {
  return {
    onMessage: (handler) => network.onMessage(handler),
    setPeers: (peers) => network.setPeers(peers),
    fetchSnapshot: (from, above, onChunk, transfer) => network.fetchSnapshot(from, above, onChunk, transfer),
    onSnapshotRequest: (handler) => network.onSnapshotRequest(handler),
    connected: () => network.connected(),
    close: () => network.close(),
  };
}

/**
 * One replica as a process: opens or forms its data directory, joins the log, serves HTTP, stops in good order.
 *
 * Source: contract §1 (`node start`), §2; design §3-4. Adapters come in as a {@link World}, so that nothing here is tied to
 * one machine. Every refusal is an `OperatorError` with the exit code of the contract, thrown before anything was changed.
 */
import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Member } from '../core/consensus/configuration.ts';
import { memberId } from '../core/consensus/configuration.ts';
import type { CellTimeMs, Epoch, Instance } from '../core/consensus/identity.ts';
import { instance, replicaId } from '../core/consensus/identity.ts';
import type { SnapshotHandle } from '../core/consensus/input.ts';
import type { Limits } from '../core/consensus/limits.ts';
import type { CommandResult } from '../core/database/command.ts';
import { Random } from '../core/random.ts';
import { DataDirectoryForeignError, MemberRemovedError, OperatorError } from '../errors/index.ts';
import type { Manifest } from '../formats/manifest.ts';
import type { Admission, PeerHello } from '../ports/network.ts';
import type { HostedNetwork, OpenDirectory, World } from '../ports/world.ts';
import { quarantine } from '../storage/data-directory.ts';
import type { Inspection } from '../storage/formation.ts';
import { ReplicaStorage } from '../storage/replica-storage.ts';
import { DatabaseApplication } from './database-application.ts';
import { toOperatorError } from './directory-errors.ts';
import { EventLoopLag } from './event-loop-lag.ts';
import { Formation, type FormationDocument, type FormationView, type ListedMember } from './formation.ts';
import { HttpFront } from './http/server.ts';
import { LogReplica, recoveredState } from './log-replica.ts';
import type { Logger } from './logger.ts';
import { DatabaseService } from './replica-service.ts';
import { logStorage, restoreFrom } from './storage-adapter.ts';
import { ServiceSwitch, WaitingService } from './waiting-service.ts';

export const level = 1;
const formationPath = '/peer/v1/formation';
/** A stopping master gives the hand-over this long, and requests under way as long again. */
const handOverMs = 1_500;
const stopGraceMs = 2_000;
const spaceCheckMs = 5_000;
const snapshotLogBytesDefault = 64 * 1024 * 1024;
/** PML §5.2 gives no figure; shorter leases lapse under garbage collection on busy machines. */
const cellDefaults = { alpha: 32, leaseMs: 500, driftPpm: 10_000 };

export interface ReplicaProcessOptions {
  readonly name: string;
  readonly dataDir: string;
  readonly host: string;
  /** 0 picks a free one (tests). */
  readonly port: number;
  /** Listed members, this one included. Obeyed once, when the cell is formed. */
  readonly cell: readonly ListedMember[];
  readonly cellName: string;
  readonly expectCell: string | null;
  /** Proves membership beyond loopback; null on loopback. */
  readonly secret: Uint8Array | null;
  readonly quarantineLeftovers: boolean;
  readonly version: string;
  readonly snapshotLogBytes?: number;
  readonly segmentBytes?: number;
  readonly limits?: Partial<Limits>;
}

export interface RunningReplica {
  readonly address: { readonly host: string; readonly port: number };
  /** Resolves with the cell's id once this replica takes part. Rejects with the reason why it never will. */
  readonly joined: Promise<string>;
  /** Hands mastership over, answers what is under way, closes. Resolves when everything is closed. */
  stop(): Promise<void>;
  /** Resolves with 0 after `stop`; rejects with the `OperatorError` or bug that ended it. */
  readonly exited: Promise<number>;
}

/** @throws {AddressInUseError} before anything else; every later refusal comes through `joined` and `exited`. */
export async function startReplica(
  options: ReplicaProcessOptions,
  world: World,
  logger: Logger,
): Promise<RunningReplica> {
  const replica = new ReplicaProcess(options, world, logger);
  const address = await replica.listen();
  const joined = replica.join();
  joined.catch(() => undefined);
  return { address, joined, stop: () => replica.stop(), exited: replica.exited };
}

interface Joined {
  readonly storage: ReplicaStorage;
  readonly network: HostedNetwork;
  readonly log: LogReplica<CommandResult>;
  readonly service: DatabaseService;
}

class ReplicaProcess {
  readonly exited: Promise<number>;
  readonly #options: ReplicaProcessOptions;
  readonly #world: World;
  readonly #logger: Logger;
  readonly #front: HttpFront;
  readonly #service: ServiceSwitch;
  readonly #lag = new EventLoopLag();
  readonly #startedMs: number;
  #exit: { resolve: (code: number) => void; reject: (error: unknown) => void } = { resolve() {}, reject() {} };
  #directory: OpenDirectory | null = null;
  #formation: Formation | null = null;
  #manifest: Manifest | null = null;
  #joined: Joined | null = null;
  #waitingFor = 'its data directory is being opened';
  #stopping: Promise<void> | null = null;
  #spaceTimer: NodeJS.Timeout | null = null;

  constructor(options: ReplicaProcessOptions, world: World, logger: Logger) {
    this.#options = options;
    this.#world = world;
    this.#logger = logger;
    this.#startedMs = world.clocks.now().monotonicMs;
    this.exited = new Promise((resolve, reject) => {
      this.#exit = { resolve, reject };
    });
    this.exited.catch(() => undefined);
    this.#service = new ServiceSwitch(
      new WaitingService({
        name: options.name,
        cellName: options.cellName,
        version: options.version,
        members: options.cell,
        uptimeMs: () => this.#uptimeMs(),
        reason: () => this.#waitingFor,
      }),
    );
    this.#front = new HttpFront({
      service: this.#service,
      host: options.host,
      port: options.port,
      version: options.version,
      hostNames: options.cell.map(({ url }) => hostOf(url)),
      handlePeer: (request, response) => this.#onPeerRequest(request, response),
      handleUpgrade: (request, socket, head) => {
        if (this.#joined === null) socket.destroy();
        else this.#joined.network.handleUpgrade(request, socket, head);
      },
    });
  }

  #uptimeMs(): number {
    return this.#world.clocks.now().monotonicMs - this.#startedMs;
  }

  async listen(): Promise<{ host: string; port: number }> {
    const { port } = await this.#front.listen();
    return { host: this.#options.host, port };
  }

  // --- joining ------------------------------------------------------------------------------------------------------

  async join(): Promise<string> {
    const { dataDir, expectCell } = this.#options;
    try {
      this.#directory = await this.#world.openDirectory(dataDir);
      const found = await this.#inspect(this.#directory);
      this.#refuseForeign(found, expectCell);
      if (found.state !== 'formed') await this.#form(found);
      if (this.#stopping !== null) return '';
      const manifest = (await ReplicaStorage.inspect(this.#directory.disk)).manifest as Manifest;
      this.#manifest = manifest;
      if (manifest.flags.removed) {
        const { name, incarnation } = manifest.member;
        throw new MemberRemovedError({ member: name, incarnation, cell: manifest.cell.id });
      }
      await this.#refuseOtherCell(manifest);
      await this.#run(manifest, this.#directory);
      return manifest.cell.id;
    } catch (error) {
      const reason = toOperatorError(error, dataDir, this.#world.clocks.now().wallMs);
      void this.#end(reason);
      throw reason;
    }
  }

  async #inspect({ disk }: OpenDirectory): Promise<Inspection> {
    try {
      return await ReplicaStorage.inspect(disk);
    } catch (error) {
      // Without a manifest nothing of it is ours: with the flag it is moved aside, and the directory is an empty one.
      if (!this.#options.quarantineLeftovers || !(error instanceof Error) || error.name !== 'UnknownFilesError')
        throw error;
      await quarantine(disk, null, this.#quarantineLabel());
      return ReplicaStorage.inspect(disk);
    }
  }

  #quarantineLabel(): string {
    return new Date(this.#world.clocks.now().wallMs).toISOString().replace(/[:.]/g, '-');
  }

  #refuseForeign(found: Inspection, expectCell: string | null): void {
    const { name, dataDir: directory } = this.#options;
    if (found.manifest === null) {
      if (expectCell === null) return;
      throw new OperatorError(
        'PAXOS_REFUSED',
        `Data directory ${directory} is empty, and --expect-cell forbids forming a new cell.`,
        {
          facts: { directory, expectCell },
          suggestions: ['paxosctl status'],
        },
      );
    }
    const { member, cell } = found.manifest;
    if (member.name !== name) {
      throw new DataDirectoryForeignError({ directory, what: 'member', found: member.name, expected: name });
    }
    if (expectCell !== null && cell.id !== expectCell) {
      throw new DataDirectoryForeignError({ directory, what: 'cell', found: cell.id, expected: expectCell });
    }
  }

  async #form(found: Inspection): Promise<void> {
    const { name, cellName, cell, dataDir } = this.#options;
    const { disk } = this.#directory as OpenDirectory;
    if (!cell.some((member) => member.name === name)) {
      throw new OperatorError('PAXOS_USAGE', `--cell does not list ${name}, and data directory ${dataDir} is empty.`, {
        suggestions: ['paxosctl node start --help'],
      });
    }
    this.#waitingFor = 'the cell is being formed';
    this.#formation = new Formation({
      name,
      cellName,
      members: cell,
      directory: dataDir,
      found: found.manifest === null ? null : documentOf(found.manifest),
      storeForming: (document) => ReplicaStorage.writeForming(disk, formationOf(document, name)),
      storeFormed: () => ReplicaStorage.markFormed(disk),
      ask: (member) => this.#askFormation(member),
      clocks: this.#world.clocks,
      randomness: this.#world.randomness,
      logger: this.#logger,
    });
    const formed = await this.#formation.run();
    if (formed !== null) this.#logger.info({ cell: formed.cellId, members: formed.members.length }, 'cell formed');
  }

  async #askFormation(member: ListedMember): Promise<FormationView | null> {
    const answer = await this.#world.askPeer(member.url, formationPath, {}, this.#options.secret);
    return isFormationView(answer) ? answer : null;
  }

  /** The addresses in --cell are only hints, but another cell living there is a mistake that must not go on. */
  async #refuseOtherCell(manifest: Manifest): Promise<void> {
    const others = this.#options.cell.filter(({ name }) => name !== this.#options.name);
    const views = await Promise.all(others.map((member) => this.#askFormation(member)));
    const foreign = views.find(
      (view) => view?.state === 'formed' && view.cell !== null && view.cell.id !== manifest.cell.id,
    );
    if (foreign?.cell === undefined || foreign.cell === null) return;
    const { dataDir: directory } = this.#options;
    throw new DataDirectoryForeignError({
      directory,
      what: 'cell',
      found: manifest.cell.id,
      expected: foreign.cell.id,
    });
  }

  #onPeerRequest(request: IncomingMessage, response: ServerResponse): void {
    if (request.url === formationPath) void this.#answerFormation(request, response);
    else if (this.#joined === null || !this.#joined.network.handlePeerRequest(request, response)) {
      response.writeHead(503, { 'Retry-After': '1' }).end();
    }
  }

  async #answerFormation(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = await this.#world.readPeerRequest(request, this.#options.secret);
    const view = asked === null ? null : this.#formationView();
    if (view === null) response.writeHead(asked === null ? 401 : 503).end();
    else response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(view));
  }

  #formationView(): FormationView | null {
    const { name, cell } = this.#options;
    if (this.#manifest === null) return this.#formation?.view() ?? null;
    const members = this.#joined?.log.core.configuration.members.map((member) => member.name);
    const formation = this.#manifest.configurations[0]?.configuration.members.map((member) => member.name) ?? [];
    const appliedUpTo = this.#joined?.log.core.appliedUpTo ?? 0;
    return {
      name,
      cellName: this.#manifest.cell.name,
      members: cell,
      state: 'formed',
      document: null,
      cell: { id: this.#manifest.cell.id, members: members ?? formation, appliedUpTo },
    };
  }

  // --- running ------------------------------------------------------------------------------------------------------

  async #run(manifest: Manifest, { disk }: OpenDirectory): Promise<void> {
    this.#waitingFor = 'its data directory is being opened';
    const { world, options } = { world: this.#world, options: this.#options };
    const { clocks, digest, randomness } = world;
    const storage = await ReplicaStorage.open(disk, {
      expectName: options.name,
      digest,
      randomness,
      programVersion: options.version,
      now: () => clocks.now().monotonicMs,
      wallMs: () => clocks.now().wallMs,
      logger: this.#logger,
      ...(options.segmentBytes === undefined ? {} : { segmentBytes: options.segmentBytes }),
      ...(options.quarantineLeftovers ? { quarantineLeftovers: this.#quarantineLabel() } : {}),
    });
    const { recovered } = storage;
    const database = new DatabaseApplication({ digest, nextTurn: (callback) => clocks.nextTurn(callback) });
    if (recovered.snapshot === null) database.initialize(databaseIdentity(manifest));
    else await restoreFrom(database, recovered.snapshot);

    const self = replicaId(manifest.member.name, manifest.member.incarnation);
    const network = world.createNetwork({
      self,
      cell: manifest.cell.id,
      secret: peerSecret(manifest.cell.secretHex, options.secret),
      generation: manifest.cell.generation,
      boot: recovered.boot,
      programVersion: options.version,
      admit: (hello) => this.#admit(hello),
      flushNumber: () => storage.stats().flushNumber,
    });
    const log = new LogReplica<CommandResult>({
      self,
      clocks,
      network,
      storage: logStorage(storage, clocks, this.#logger),
      application: database,
      digest,
      random: new Random(Buffer.from(randomness.bytes(16)).toString('hex')),
      logger: this.#logger,
      snapshotLogBytes: options.snapshotLogBytes ?? snapshotLogBytesDefault,
      snapshot: recovered.snapshot,
      recovered: recoveredState({ ...recovered, formation: formationHandle(manifest) }),
      onFatal: (error) => void this.#end(toOperatorError(error, options.dataDir, clocks.now().wallMs)),
      onMastership: (event) => service.onMastership(event),
      onDelivered: (items) => service.onApplied(items),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    });
    const service = new DatabaseService({
      self,
      log,
      database,
      clocks,
      logger: this.#logger,
      host: this.#hostFacts(manifest, storage, network),
    });
    this.#joined = { storage, network, log, service };
    this.#service.set(service);
    this.#watchSpace(storage);
    log.start();
    const { boot, chosenUpTo } = recovered;
    this.#logger.info({ member: self, cell: manifest.cell.id, boot: boot.number, chosenUpTo }, 'replica started');
  }

  #hostFacts(manifest: Manifest, storage: ReplicaStorage, network: HostedNetwork): HostFactsOf {
    const { id, name, generation } = manifest.cell;
    return {
      version: this.#options.version,
      level: manifest.level,
      cell: { id, name, generation },
      boot: storage.recovered.boot,
      uptimeMs: () => this.#uptimeMs(),
      eventLoopLagMsP99: () => this.#lag.msP99(),
      flushMs: () => {
        const { flushMsP50, flushMsP99 } = storage.stats();
        return { p50: flushMsP50, p99: flushMsP99 };
      },
      snapshotInstance: () => storage.snapshots()[0]?.instance ?? 0,
      readOnly: () => storage.readOnly,
      peers: () => network.connected(),
      warnings: () => this.#warnings(storage),
    };
  }

  #warnings(storage: ReplicaStorage): readonly string[] {
    const warnings: string[] = [];
    const { recovered } = storage;
    if (storage.readOnly) warnings.push('The disk is nearly full: this replica takes no writes.');
    if (recovered.copied) warnings.push('The data directory was copied or restored since it was formed.');
    const members = this.#joined?.log.core.configuration.members ?? [];
    for (const { name, url } of this.#options.cell) {
      const member = members.find((candidate) => candidate.name === name);
      if (member === undefined) warnings.push(`--cell lists ${name}, which is not a member.`);
      else if (member.url !== url) warnings.push(`--cell gives ${url} for ${name}; the membership says ${member.url}.`);
    }
    return warnings;
  }

  #admit({ id }: PeerHello): Admission {
    const configurations = this.#joined?.log.core.configurations ?? [];
    const known = configurations.some(({ configuration }) =>
      configuration.members.some((member: Member) => memberId(member) === id),
    );
    if (known) return { ok: true };
    return { ok: false, status: 403, code: 'PAXOS_MEMBER_UNKNOWN', message: `${id} is not a member of this cell.` };
  }

  /** A disk that is nearly full stops writes before the log is hurt, and lets them on again when there is room. */
  #watchSpace(storage: ReplicaStorage): void {
    storage.onSpaceLow((low) => {
      if (low) this.#logger.error({}, 'the disk is nearly full: taking no more writes');
      else this.#logger.info({}, 'there is room on the disk again: taking writes');
    });
    this.#spaceTimer = setInterval(() => {
      if (storage.readOnly) storage.checkSpace().catch(() => undefined);
    }, spaceCheckMs);
    this.#spaceTimer.unref();
  }

  // --- stopping -----------------------------------------------------------------------------------------------------

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#formation?.stop();
    const joined = this.#joined;
    if (joined !== null) await this.#handOver(joined);
    await this.#close(stopGraceMs);
    this.#exit.resolve(0);
  }

  /** A clean stop releases the lease, so that the others need not wait for it to end (design §3). */
  async #handOver({ log, service }: Joined): Promise<void> {
    const { clocks } = this.#world;
    if (log.isServing() && log.core.handOverCandidate(null, clocks.now()) !== null) {
      log.handOver(null);
      const deadline = clocks.now().monotonicMs + handOverMs;
      while (log.core.state !== 'following' && clocks.now().monotonicMs < deadline && !log.stopped) await sleep(5);
    }
    service.drain();
  }

  async #close(graceMs: number): Promise<void> {
    if (this.#spaceTimer !== null) clearInterval(this.#spaceTimer);
    await this.#front.stop(graceMs);
    const joined = this.#joined;
    if (joined !== null) {
      joined.service.close();
      joined.log.stop();
      await joined.network.close();
      await joined.storage
        .close()
        .catch((error: unknown) => this.#logger.warn({ err: error }, 'closing the storage failed'));
    }
    this.#lag.close();
    await this.#directory?.release();
  }

  /** Something after which this process must not go on. */
  async #end(reason: unknown): Promise<void> {
    if (this.#stopping === null) this.#stopping = this.#close(0).catch(() => undefined);
    await this.#stopping;
    this.#exit.reject(reason);
  }
}

type HostFactsOf = ConstructorParameters<typeof DatabaseService>[0]['host'];

const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

function hostOf(url: string): string {
  try {
    return new URL(url).hostname;
  } catch {
    return url;
  }
}

const documentOf = ({ cell, configurations }: Manifest): FormationDocument => ({
  cellId: cell.id,
  cellName: cell.name,
  secretHex: cell.secretHex,
  members: (configurations[0]?.configuration.members ?? []).map(({ name, url }) => ({ name, url })),
});

/** The first configuration governs from instance 1; every founding member is incarnation 1. */
const formationOf = (document: FormationDocument, name: string): Parameters<typeof ReplicaStorage.writeForming>[1] => ({
  cell: { id: document.cellId, name: document.cellName, generation: 1, secretHex: document.secretHex },
  member: { name, incarnation: 1 },
  configurations: [
    {
      from: instance(1),
      configuration: {
        ...cellDefaults,
        members: document.members.map((member) => ({ ...member, incarnation: 1, role: 'voter' as const })),
      },
    },
  ],
  level,
});

const formationHandle = (manifest: Manifest): SnapshotHandle => ({
  instance: 0 as Instance,
  epoch: 0 as Epoch,
  cellTimeMs: 0 as CellTimeMs,
  configurations: manifest.configurations,
});

/** All members derive the same root from what was drawn at formation; from then on it lives in the database. */
function databaseIdentity({ cell }: Manifest): Parameters<DatabaseApplication['initialize']>[0] {
  const derive = (purpose: string): Buffer =>
    createHmac('sha256', Buffer.from(cell.secretHex, 'hex')).update(`paxosctl ${purpose} ${cell.id}`).digest();
  return {
    cellId: cell.id,
    generation: cell.generation,
    generationId: derive('generation').subarray(0, 16).toString('hex'),
    generationStart: { epoch: 0 as Epoch, instance: 0 as Instance },
    rootSecret: derive('root'),
  };
}

/** What peers prove to each other: the cell's secret, bound to the operator's where there is one. */
function peerSecret(secretHex: string, operatorSecret: Uint8Array | null): Uint8Array {
  const secret = Buffer.from(secretHex, 'hex');
  if (operatorSecret === null) return secret;
  return createHash('sha256').update(secret).update(operatorSecret).digest();
}

function isFormationView(answer: unknown): answer is FormationView {
  if (typeof answer !== 'object' || answer === null) return false;
  const { name, cellName, members, state } = answer as Partial<FormationView>;
  return (
    typeof name === 'string' &&
    typeof cellName === 'string' &&
    Array.isArray(members) &&
    (state === 'empty' || state === 'forming' || state === 'formed')
  );
}

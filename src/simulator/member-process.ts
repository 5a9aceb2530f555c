/**
 * One process of `node start` on a simulated machine: the production member, from its command line to its end, above simulated
 * ports. What it finds on its disk, whom it asks whether it is admitted, what it refuses and how it is rebuilt is all its own.
 *
 * `replica-life` puts the same parts together without a way into a cell that is there already, for runs in which nobody operates.
 */
import { type MonotonicMs, type ReplicaId, replicaId } from '../core/consensus/identity.ts';
import { defaultLimits } from '../core/consensus/limits.ts';
import type { CommandResult } from '../core/database/command.ts';
import { isSupported } from '../formats/levels.ts';
import type { Manifest } from '../formats/manifest.ts';
import type { AttemptsPort } from '../ports/attempts.ts';
import type { NetworkOptions, World } from '../ports/world.ts';
import type { LogApplication } from '../runtime/application.ts';
import { DatabaseApplication } from '../runtime/database-application.ts';
import type { ListedMember } from '../runtime/formation.ts';
import { type JoinedMember, Member } from '../runtime/member.ts';
import { Recovery } from '../runtime/recovery.ts';
import { DatabaseService } from '../runtime/replica-service.ts';
import { ReplicaSnapshots } from '../runtime/replica-snapshots.ts';
import { SelfCheck } from '../runtime/self-check.ts';
import { ReplicaUpgrade } from '../runtime/upgrade-service.ts';
import { WaitingService } from '../runtime/waiting-service.ts';
import type { Proposing } from './checkers/changes.ts';
import { numbersOf } from './checkers/lineage.ts';
import { PendingRequests } from './checkers/pending-requests.ts';
import { Violation } from './checkers/violation.ts';
import { simulatedDigest } from './digest.ts';
import { ItemLost } from './fatal-errors.ts';
import { HostedPort } from './hosted-port.ts';
import type { SimulatedPort } from './network-port.ts';
import type { Observed } from './observer.ts';
import type { Program } from './program.ts';
import {
  deepCheck,
  identity,
  type Life,
  type LifeOptions,
  observe,
  simulatedCell,
  watch,
  watchSpace,
} from './replica-life.ts';

/** What the command line of `node start` says. */
export interface StartFlags {
  /** `--cell`: a hint, once a cell is there. */
  readonly cell: readonly ListedMember[];
  /** `--join`: where the members are that are to admit it. */
  readonly join?: readonly string[];
  readonly rebuild?: boolean;
  /** `--moved`: the boot of a directory that was copied here by its owner. */
  readonly moved?: string;
  /** `--quarantine-leftovers`. */
  readonly quarantine?: boolean;
}

export interface MemberProcessOptions extends Omit<LifeOptions, 'observed' | 'presentId' | 'formation'> {
  readonly name: string;
  readonly flags: StartFlags;
  readonly program: Program;
  readonly attempts: AttemptsPort;
  /** A second process under this name: it takes the address over, or speaks from another one. */
  readonly twin?: 'address' | 'elsewhere';
  readonly ask: World['askPeer'];
  /** The directory says who it is; called before anything of it counts. */
  readonly onEntered: (id: ReplicaId) => void;
  readonly onRemoved: (error: Error) => void;
  /** It takes part, right before its log starts; or, with null, does so no more, and begins anew from the same disk. */
  readonly onLife: (life: Life | null) => void;
}

/** A process that knows that it is out ends in this time. */
const outMsMax = 10_000;

export class MemberProcess {
  readonly #options: MemberProcessOptions;
  /** Of the present life: a new generation begins with the next, in the same process. */
  #member: Member<CommandResult, LogApplication<CommandResult>>;
  #selfCheck: SelfCheck;
  #recovery: Recovery | null = null;
  #closing = false;
  /** Answers for it while its directory is being opened. */
  readonly waiting: WaitingService;
  #observed: Observed | null = null;
  #database: DatabaseApplication | null = null;
  #service: DatabaseService | null = null;
  #port: SimulatedPort | null = null;
  /** That the manifest says. */
  #levelKept = 0;
  /** The life that knows that it is out. */
  #out: unknown = null;
  /** What is restored into the application before that is no step of the replica's. */
  #opened = false;

  constructor(options: MemberProcessOptions) {
    this.#options = options;
    const { name, flags, program } = options;
    this.#selfCheck = this.#makeSelfCheck();
    this.#member = this.#makeMember();
    this.waiting = new WaitingService({
      ...{ name, cellName: simulatedCell.name, version: program.version, members: flags.cell, uptimeMs: () => 0 },
      reason: () => this.#member.waitingFor,
      rebuilds: () => this.#member.rebuilds,
    });
  }

  #makeSelfCheck(): SelfCheck {
    const { process, profile, logger } = this.#options;
    return new SelfCheck({ clocks: process, logger, everyMs: profile.checkEveryMs ?? 0 });
  }

  #makeMember(): Member<CommandResult, LogApplication<CommandResult>> {
    const { name, flags, profile, logger, program } = this.#options;
    return new Member(
      {
        ...{ name, dataDir: 'data', cell: flags.cell, cellName: simulatedCell.name, expectCell: null, secret: null },
        ...{ quarantineLeftovers: flags.quarantine ?? false, ...program, limits: profile.limits },
        ...{ snapshotLogBytes: profile.snapshotLogBytes, segmentBytes: profile.segmentBytes },
        ...{ rebuild: flags.rebuild ?? false },
        ...(flags.join === undefined ? {} : { join: flags.join }),
        ...(flags.moved === undefined ? {} : { moved: flags.moved }),
      },
      this.#world(),
      logger,
      this.#hooks(),
    );
  }

  /** Resolves when it takes part, or was closed before. @throws {OperatorError} why it cannot take part. */
  async run(): Promise<void> {
    const joined = await this.#member.join();
    if (joined !== null && this.#database !== null) this.#serve(joined, this.#database);
  }

  #serve(joined: JoinedMember<CommandResult, LogApplication<CommandResult>>, database: DatabaseApplication): void {
    const { attempts, logger, onLife, process, program } = this.#options;
    if (!process.alive) return;
    const { log, manifest, storage, network, membership, questions } = joined;
    const { id, name, generation } = manifest.cell;
    this.#levelKept = manifest.level;
    this.#recovery = new Recovery({
      ...{ joined: { ...joined, application: database }, world: this.#world(), logger },
      askGeneration: (url) => this.#member.askGeneration(url),
      reopen: () => void this.#reopen(),
      onLeftBehind: (newer) => this.#member.leftBehind(newer),
    });
    this.#service = new DatabaseService({
      ...{ self: log.self, log, database, selfCheck: this.#selfCheck, clocks: process, membership },
      ...{ snapshots: new ReplicaSnapshots({ log, storage, clocks: process }), recovery: this.#recovery },
      upgrade: new ReplicaUpgrade({
        ...{ log, database, clocks: process, version: program.version, boot: storage.recovered.boot, attempts },
        ...{ levels: program.levels, questions },
      }),
      host: {
        ...program,
        cell: { id, name, generation },
        boot: storage.recovered.boot,
        uptimeMs: () => 0,
        eventLoopLagMsP99: () => 0,
        flushMs: () => ({ p50: 0, p99: 0 }),
        snapshotInstance: () => storage.snapshots()[0]?.instance ?? 0,
        readOnly: () => storage.readOnly,
        peers: () => network.connected(),
        removed: () => this.#member.removed,
        warnings: () => [],
      },
    });
    this.#selfCheck.start(log);
    watchSpace(storage, process, this.#options.profile.leaseMs / 2);
    const checkFiles = deepCheck({ storage, log, logger, process });
    onLife({
      ...{ log, service: this.#service, database, storage, pending: new PendingRequests() },
      ...{ generation, checkFiles },
    });
    log.start();
  }

  /** As the process around a real member does: this life ends, and the next one begins from the disk. */
  async #reopen(): Promise<void> {
    const { onFatal, onLife, process } = this.#options;
    if (this.#closing || !process.alive) return;
    try {
      onLife(null);
      await this.#closeService();
      await this.#member.close();
      if (this.#closing || !process.alive) return;
      this.#opened = false;
      this.#selfCheck = this.#makeSelfCheck();
      this.#member = this.#makeMember();
      await this.run();
    } catch (error) {
      if (process.alive) onFatal(error instanceof Error ? error : new Error(String(error)));
    }
  }

  async #closeService(): Promise<void> {
    this.#recovery?.close();
    this.#recovery = null;
    this.#service?.close();
    this.#service = null;
  }

  /** A clean stop, as SIGTERM asks for it: mastership goes on first, and where it ended is recorded. */
  async stop(handOverMs: number): Promise<void> {
    await this.#member.handOver(handOverMs, this.#service?.successor() ?? null);
    this.#closing = true;
    this.#service?.drain();
    await this.#closeService();
    await this.#member.close();
  }

  /** What the log raised the cell to is written down where a program looks before anything else. */
  #keepLevel(): void {
    const { storage } = this.#member.joined ?? {};
    const level = this.#database?.level;
    if (storage === undefined || level === undefined || level <= this.#levelKept) return;
    const { name, observer, program } = this.#options;
    if (!isSupported(level, program.levels)) {
      throw new Violation('trip-wire', `${name} goes on at level ${level} with version ${program.version}`, { level });
    }
    this.#levelKept = level;
    observer.levelRaised(level);
    storage.setLevel(level).catch(() => undefined);
  }

  /** A question of another replica below `/peer/v1/`; null where there is no answer. */
  answer(path: string, body: unknown): Promise<unknown> {
    return new Promise((resolve) => {
      const request = { url: path, body } as unknown as Parameters<World['readPeerRequest']>[0];
      const response = {
        answer: resolve,
        writeHead: () => ({ end: () => resolve(null) }),
      } as unknown as Parameters<World['answerPeer']>[1];
      this.#member.handlePeerRequest(request, response);
    });
  }

  /** It is reached at its address again. */
  readdress(): void {
    if (this.#port !== null) this.#options.network.readdress(this.#port);
  }

  /** The machine has lost the process. */
  crash(): void {
    this.#port?.end('crashed');
  }

  #world(): World {
    const { process, disk, randomness, makeEntryStore, ask } = this.#options;
    return {
      clocks: process,
      randomness,
      digest: simulatedDigest,
      ...(makeEntryStore === undefined ? {} : { makeEntryStore }),
      openDirectory: () => Promise.resolve({ disk, release: () => Promise.resolve() }),
      createNetwork: (options) => this.#connect(options),
      askPeer: ask,
      readPeerRequest: (request) => Promise.resolve((request as unknown as { readonly body: unknown }).body),
      answerPeer: (_request, response, { status, document }) =>
        (response as unknown as { answer(document: unknown): void }).answer(status === 200 ? document : null),
    };
  }

  #connect(options: NetworkOptions): HostedPort {
    const { network, process, twin } = this.#options;
    const { boot, generation, otherGeneration, programVersion, admit, testimony, self } = options;
    const { flushNumber, promiseFlush, removed } = options;
    const port = network.port(self, {
      ...{ boot, generation, programVersion, flushNumber, promiseFlush, testimony },
      ...(otherGeneration === undefined ? {} : { otherGeneration }),
      ...(twin === undefined ? {} : { twin }),
      // A process that is gone admits nobody; the network notices later.
      admit: (hello) => {
        if (!process.alive) return { ok: false, status: 503, code: '', message: '' };
        const admission = admit(hello);
        if (!admission.ok && admission.code === 'PAXOS_MEMBER_REMOVED') this.#turnsAway(hello.id);
        return admission;
      },
      removed: (id) => {
        const refusal = process.alive ? (removed?.(id) ?? null) : null;
        if (refusal !== null) this.#turnsAway(id);
        return refusal;
      },
      awake: () => process.alive && !process.paused,
    });
    this.#port = port;
    return new HostedPort(port, process);
  }

  #hooks(): ConstructorParameters<typeof Member<CommandResult, LogApplication<CommandResult>>>[3] {
    const { observer, onFatal, onRemoved } = this.#options;
    return {
      makeApplication: (manifest) => this.#makeApplication(manifest),
      makeRehearsal: (manifest) => this.#makeRehearsal(manifest),
      storageFor: (whole, storage) => {
        const observed = this.#observed as Observed;
        const { recovered } = whole;
        const { snapshot } = recovered;
        this.#begins(whole.manifest);
        this.#opened = true;
        this.#options.onRecovered();
        observer.recovered(observed, {
          ...recovered,
          snapshot: snapshot === null ? null : { instance: snapshot.handle.instance, checksum: snapshot.checksum },
        });
        return observe({ ...this.#options, observed }, whole, storage);
      },
      onFatal: (error) => onFatal(error instanceof Error ? error : new Error(String(error))),
      onRemoved,
      onCompared: (comparison) => this.#selfCheck.onCompared(comparison),
      onSetAside: (evidence) => this.#selfCheck.onSetAside(evidence),
      onCheckWanted: () => this.#selfCheck.onCheckWanted(),
      onMastership: (event) => {
        observer.mastership(this.#observed as Observed, event.role, event.cause);
        this.#service?.onMastership(event);
      },
      generationView: () => this.#recovery?.view() ?? null,
      openUpgrade: () => this.#service?.openUpgrade() ?? null,
      onEpoch: (epoch, owner) => this.#service?.onEpoch(epoch, owner),
      onDelivered: (items) => {
        this.#service?.onApplied(items);
        this.#keepLevel();
      },
      onStep: (input, effects, replica) => {
        const observed = this.#observed as Observed;
        const { profile, disk } = this.#options;
        const pendingItemsMax = profile.limits.pendingItemsMax ?? defaultLimits.pendingItemsMax;
        observer.stepped(observed, input, effects, replica, () => this.#database?.checksumHex() ?? '');
        observer.measured(observed, { replica, pendingItemsMax, openFiles: disk.openFiles }, effects);
        observer.proposes(observed, input, effects, { replica, proposing: () => this.#proposing() });
        if (replica.participation === 'removed') this.#isOut();
        const { lost } = replica;
        if (lost !== null) this.#options.process.nextTurn(() => onFatal(new ItemLost(lost.instance)));
      },
    };
  }

  /** What is wrong with that ends the run. */
  #turnsAway(whom: ReplicaId): void {
    const { observer, onFatal, twin } = this.#options;
    try {
      if (twin === undefined && this.#observed !== null) observer.turnsAway(this.#observed, whom);
    } catch (violation) {
      onFatal(violation as Error);
    }
  }

  /** From when it knows by its log that it is out: its process ends in time (contract §2), whoever else may know that. */
  #isOut(): void {
    const { process: clocks } = this.#options;
    const member = this.#member;
    if (this.#out === member || this.#options.twin !== undefined) return;
    this.#out = member;
    clocks.schedule((clocks.now().monotonicMs + outMsMax) as MonotonicMs, () => {
      if (member.removed || this.#closing || this.#member !== member) return;
      const text = `${this.#options.name} is out, and its process goes on for more than ${outMsMax} ms`;
      this.#options.onFatal(new Violation('parting', text));
    });
  }

  /** What it knows of the cell, where it proposes a change of the members. */
  #proposing(): Proposing {
    return { level: this.#database?.level ?? 0, upgradeOpen: this.#service?.openUpgrade() != null };
  }

  /** The observer hears of a later generation from the first that is in it. */
  #begins({ cell, configurations }: Manifest): void {
    const identity = this.#database?.identity;
    const [first] = configurations;
    // Who is let in knows nothing yet.
    if (identity == null || identity.generation !== cell.generation || first === undefined) return;
    const { generation, generationId, generationStart } = identity;
    if (generation === simulatedCell.generation) return;
    const numbers = numbersOf(first.from);
    this.#options.observer.generationBegun(
      { generation, generationId, numbers, start: generationStart.instance },
      first.configuration,
    );
  }

  #makeRehearsal({ formedLevel, level: raisedTo }: Manifest): LogApplication<CommandResult> {
    const { process, program } = this.#options;
    const nextTurn = (callback: () => void): void => process.nextTurn(callback);
    const database = new DatabaseApplication({ digest: simulatedDigest, levels: program.levels, raisedTo, nextTurn });
    database.initialize(identity, formedLevel);
    return database;
  }

  #makeApplication({ formedLevel, level: raisedTo, member }: Manifest): LogApplication<CommandResult> {
    const { process, name, observer, makeEntryStore, onEntered } = this.#options;
    const id = replicaId(member.name, member.incarnation);
    const observed: Observed = { id, name, process: process.name };
    this.#observed = observed;
    onEntered(id);
    const database = new DatabaseApplication({
      digest: simulatedDigest,
      levels: this.#options.program.levels,
      raisedTo,
      makeEntryStore,
      nextTurn: (callback) => process.nextTurn(callback),
      onChecksum: (point) => this.#selfCheck.begin(point),
    });
    database.initialize(identity, formedLevel);
    this.#database = database;
    const watched = watch({ observed, observer }, database);
    return {
      ...watched,
      restore: (records) => (this.#opened ? watched.restore(records) : database.restore(records)),
    };
  }
}

/**
 * One member of a cell, whatever application stands on its log: opens or forms the data directory, opens the storage,
 * connects to the others and starts the log.
 *
 * Source: contract §1 (`node start`); design §3-4; PML Figure 1: the log layer serves any application. Every refusal is an
 * `OperatorError` with the exit code of the contract, thrown before anything was changed.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { memberId } from '../core/consensus/configuration.ts';
import type { CellTimeMs, Epoch, Instance, ReplicaId } from '../core/consensus/identity.ts';
import { instance, parseReplicaId, replicaId } from '../core/consensus/identity.ts';
import type { SnapshotHandle } from '../core/consensus/input.ts';
import type { Limits } from '../core/consensus/limits.ts';
import { firstLevel } from '../core/database/system-entry.ts';
import { Random } from '../core/random.ts';
import {
  DataDirectoryForeignError,
  DataRolledBackError,
  GenerationOverError,
  MemberRemovedError,
  OperatorError,
} from '../errors/index.ts';
import type { Manifest } from '../formats/manifest.ts';
import type { Timer } from '../ports/clocks.ts';
import type { Admission as PeerAdmission, PeerHello } from '../ports/network.ts';
import type { HostedNetwork, OpenDirectory, World } from '../ports/world.ts';
import { quarantine } from '../storage/data-directory.ts';
import type { Inspection } from '../storage/formation.ts';
import { isFenced } from '../storage/generation.ts';
import { ReplicaStorage } from '../storage/replica-storage.ts';
import { setAside } from '../storage/set-aside.ts';
import type { LogApplication } from './application.ts';
import { toOperatorError } from './directory-errors.ts';
import type { Fencing } from './fencing.ts';
import { Formation, type FormationDocument, type FormationView, type ListedMember } from './formation.ts';
import { LogReplica, type LogReplicaOptions, recoveredState } from './log-replica.ts';
import type { Logger } from './logger.ts';
import { fenceOf } from './member-fence.ts';
import { Admission } from './membership/admission.ts';
import {
  type Acquaintance,
  type AdmissionDocument,
  type IdentityDocument,
  type JoinQuestion,
  paths,
} from './membership/documents.ts';
import { MembershipService } from './membership/membership-service.ts';
import { type DeskMember, PeerDesk } from './membership/peer-desk.ts';
import { PeerQuestions } from './membership/peer-questions.ts';
import type { GenerationView } from './recovery.ts';
import { refuseLevel, rehearse } from './rehearsal.ts';
import { logStorage, restoreFrom } from './storage-adapter.ts';

/** Between two questions of one that rebuilds, whether it may vote. */
const askForVoteMs = 300;
const formationPath = '/peer/v1/formation';
const generationPath = '/peer/v1/generation';
/** A snapshot is taken when the log since the last one is so long. */
export const snapshotLogBytesDefault = 64 * 1024 * 1024;
/** PML §5.2 gives no figure; shorter leases lapse under garbage collection on busy machines. */
const cellDefaults = { alpha: 32, leaseMs: 500, driftPpm: 10_000 };

export interface MemberOptions {
  readonly name: string;
  readonly dataDir: string;
  /** Listed members, this one included. Obeyed once, when the cell is formed. */
  readonly cell: readonly ListedMember[];
  readonly cellName: string;
  readonly expectCell: string | null;
  /** Proves membership beyond loopback; null on loopback. */
  readonly secret: Uint8Array | null;
  readonly quarantineLeftovers: boolean;
  /** Where members of the cell are that is to admit this replica; `cell` is empty then. */
  readonly join?: readonly string[];
  /** A lost, older or damaged disk is rebuilt from the others, as a new incarnation. Changes nothing for a sound one. */
  readonly rebuild?: boolean;
  readonly version: string;
  readonly snapshotLogBytes?: number;
  readonly segmentBytes?: number;
  readonly limits?: Partial<Limits>;
}

export interface MemberHooks<Result, Application extends LogApplication<Result>>
  extends Pick<LogReplicaOptions<Result>, 'onMastership' | 'onEpoch' | 'onDelivered'> {
  /** The state before the first instance; a snapshot, where there is one, is restored into it. */
  makeApplication(manifest: Manifest): Application;
  /** Another one, to be thrown away after a rehearsal; where absent, a new version starts without (design §6). */
  makeRehearsal?(manifest: Manifest): Application;
  /** The log stopped for good. */
  onFatal(error: unknown): void;
  /** The cell has this member no more; its manifest says so by now. Its process ends, not before others could look at it. */
  onRemoved(error: MemberRemovedError): void;
  /** What the others may know of the generations here; null before it takes part. */
  generationView?(): GenerationView | null;
}

export interface JoinedMember<Result, Application> {
  readonly manifest: Manifest;
  readonly storage: ReplicaStorage;
  readonly network: HostedNetwork;
  readonly log: LogReplica<Result>;
  readonly application: Application;
  /** Members that refuse this replica's connection, and why they say so. */
  readonly refusals: ReadonlyMap<ReplicaId, string>;
  readonly membership: MembershipService;
  readonly fencing: Fencing;
}

export class Member<Result, Application extends LogApplication<Result>> {
  readonly #options: MemberOptions;
  readonly #world: World;
  readonly #logger: Logger;
  readonly #hooks: MemberHooks<Result, Application>;
  #directory: OpenDirectory | null = null;
  #formation: Formation | null = null;
  #manifest: Manifest | null = null;
  #joined: JoinedMember<Result, Application> | null = null;
  #admission: Admission | null = null;
  #waitingFor = 'its data directory is being opened';
  #stopped = false;
  #removed = false;
  readonly #desk: PeerDesk;
  /** Tells this process from another one of the same name. */
  readonly #token: string;
  /** Members that the log of this one does not name yet. */
  readonly #acquaintances = new Map<ReplicaId, string>();
  /** Heard from since this process began. */
  readonly #lived = new Set<ReplicaId>();
  #promotion: Timer | null = null;
  #deskMember: DeskMember | null = null;
  #rebuilds = false;

  constructor(options: MemberOptions, world: World, logger: Logger, hooks: MemberHooks<Result, Application>) {
    this.#options = options;
    this.#world = world;
    this.#logger = logger;
    this.#hooks = hooks;
    this.#token = Buffer.from(world.randomness.bytes(16)).toString('hex');
    this.#desk = new PeerDesk({
      world,
      clocks: world.clocks,
      operatorSecret: options.secret,
      identity: () => this.#identity(),
      member: () => this.#deskMember,
    });
  }

  /** Waits for the log to admit it, as a new member or in the place of an incarnation that has ended. */
  get awaitsAdmission(): boolean {
    return this.#admission !== null;
  }

  get rebuilds(): boolean {
    return this.#rebuilds;
  }

  get removed(): boolean {
    return this.#removed;
  }

  /** Why it does not take part yet. */
  get waitingFor(): string {
    return this.#waitingFor;
  }

  get joined(): JoinedMember<Result, Application> | null {
    return this.#joined;
  }

  /**
   * Forms the cell, or comes back to it. The log is not started yet: `joined.log.start()` is the caller's. Null when it
   * was closed meanwhile.
   * @throws {OperatorError} why this member cannot take part.
   */
  async join(): Promise<JoinedMember<Result, Application> | null> {
    try {
      return await this.#join();
    } catch (error) {
      throw toOperatorError(error, this.#options.dataDir, this.#world.clocks.now().wallMs);
    }
  }

  async #join(): Promise<JoinedMember<Result, Application> | null> {
    this.#directory = await this.#world.openDirectory(this.#options.dataDir);
    try {
      return await this.#enter(this.#directory);
    } catch (error) {
      const why = toOperatorError(error, this.#options.dataDir, this.#world.clocks.now().wallMs);
      if (!(why instanceof OperatorError) || !endsIncarnation(why)) throw error;
      if (!(await this.#beginAnew(why, this.#directory))) {
        if (this.#stopped) return null;
        throw why;
      }
      return this.#enter(this.#directory);
    }
  }

  async #enter(directory: OpenDirectory): Promise<JoinedMember<Result, Application> | null> {
    const { disk } = directory;
    // Before anything is read: who this member is may change with it.
    await ReplicaStorage.beginGeneration(disk, this.#world.digest, this.#world.clocks.now().wallMs);
    const found = await this.#inspect(directory);
    this.#refuseForeign(found, this.#options.expectCell);
    if (found.state !== 'formed') {
      if (this.#options.join === undefined) await this.#form(found, directory);
      else await this.#beAdmitted(directory);
    }
    if (this.#stopped) return null;
    const manifest = (await ReplicaStorage.inspect(disk)).manifest as Manifest;
    this.#manifest = manifest;
    if (manifest.flags.removed) {
      const { name, incarnation } = manifest.member;
      throw new MemberRemovedError({ member: name, incarnation, cell: manifest.cell.id });
    }
    refuseLevel(manifest, this.#options.dataDir);
    if (manifest.rolledBack !== '') throw this.#rolledBackError(manifest.rolledBack);
    await this.#refuseOtherCell(manifest);
    await this.#rehearse(manifest, directory);
    this.#joined = await this.#open(manifest, directory);
    return this.#joined;
  }

  #rolledBackError(evidence: string): DataRolledBackError {
    const { dataDir: directory, name: member } = this.#options;
    return new DataRolledBackError({ directory, member, evidence });
  }

  /** Another version than the one that last ran here first shows that it makes the same of the data (design §6). */
  async #rehearse(manifest: Manifest, { disk }: OpenDirectory): Promise<void> {
    const { dataDir: directory, version } = this.#options;
    const { makeRehearsal } = this.#hooks;
    if (makeRehearsal === undefined || manifest.lastVersion === '' || manifest.lastVersion === version) return;
    this.#waitingFor = `version ${version} rehearses what version ${manifest.lastVersion} left`;
    const rehearsed = await rehearse(disk, manifest, {
      directory,
      version,
      digest: this.#world.digest,
      makeApplication: makeRehearsal,
    });
    this.#logger.info({ ...rehearsed, version }, 'rehearsed: this version makes the same of the data');
  }

  // --- being admitted -------------------------------------------------------------------------------------------------

  /** `node start --join`: waits until the log has admitted this member, and begins as what it says. */
  async #beAdmitted({ disk }: OpenDirectory): Promise<void> {
    const document = await this.#askToJoin(this.#options.join ?? [], undefined, (admission) => admission.run());
    if (document !== null) await this.#beginAs(document, disk);
  }

  /**
   * The incarnation on this disk has ended. Where an operator has had the next one admitted, or `--rebuild` asks for that, it
   * begins; what the directory held is set aside, whole. False when nobody has decided that.
   */
  async #beginAnew(why: OperatorError, { disk }: OpenDirectory): Promise<boolean> {
    const manifest = (await ReplicaStorage.inspect(disk).catch(() => null))?.manifest ?? null;
    const listed = manifest?.configurations[0]?.configuration.members ?? [];
    const urls = [...this.#options.cell, ...listed]
      .filter(({ name }) => name !== this.#options.name)
      .map(({ url }) => url);
    const all = [...new Set([...(this.#options.join ?? []), ...urls])];
    if (all.length === 0) return false;
    // Who was removed comes back only where the cell wants it, whatever a unit file says.
    const asks = this.#options.rebuild === true && why.exitCode !== 23;
    const rebuild = { incarnation: manifest?.member.incarnation ?? 0, why: why.message };
    if (asks) this.#logger.warn({ code: why.code }, `${why.message} It is rebuilt from the others.`);
    this.#rebuilds = asks;
    const document = await this.#askToJoin(all, asks ? rebuild : undefined, (admission) =>
      asks ? admission.run() : admission.once(),
    );
    if (document === null) return false;
    if (manifest !== null && document.incarnation <= manifest.member.incarnation) return false;
    if (manifest !== null && manifest.cell.id !== document.cell.id) return false;
    const names = await setAside(disk, this.#quarantineLabel());
    this.#logger.warn({ files: names.length, incarnation: document.incarnation }, 'what was on the disk is set aside');
    await this.#beginAs(document, disk);
    return true;
  }

  async #askToJoin(
    urls: readonly string[],
    rebuild: JoinQuestion['rebuild'],
    ask: (admission: Admission) => Promise<AdmissionDocument | null>,
  ): Promise<AdmissionDocument | null> {
    const { name, dataDir: directory, expectCell, secret } = this.#options;
    const { clocks } = this.#world;
    this.#waitingFor = 'it waits to be admitted';
    this.#admission = new Admission({
      question: { name, token: this.#token, ...(rebuild === undefined ? {} : { rebuild }) },
      directory,
      urls,
      expectCell,
      ask: (url, question) => this.#world.askPeer(url, paths.join, question, secret),
      onWaiting: (reason) => {
        this.#waitingFor = reason;
      },
      clocks,
      logger: this.#logger,
    });
    try {
      return await ask(this.#admission);
    } finally {
      this.#admission = null;
    }
  }

  /** The two steps of every formation, so that it may be cut short anywhere. */
  async #beginAs(document: AdmissionDocument, disk: OpenDirectory['disk']): Promise<void> {
    const { cell, configurations, incarnation, level: formats, members } = document;
    const member = { name: this.#options.name, incarnation };
    await ReplicaStorage.writeForming(disk, { cell, member, configurations, level: formats });
    await ReplicaStorage.markFormed(disk);
    for (const { id, url } of members) this.#acquaintances.set(id, url);
    this.#logger.info({ cell: cell.id, ...member }, 'admitted');
  }

  #identity(): IdentityDocument {
    const { name, version } = this.#options;
    const cell = this.#manifest?.cell.id ?? null;
    const waits = this.#admission !== null;
    const state = waits ? 'waiting' : cell !== null ? 'member' : this.#formation !== null ? 'founding' : 'opening';
    return { name, token: this.#token, version, state, cell: waits ? null : cell };
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

  async #form(found: Inspection, { disk }: OpenDirectory): Promise<void> {
    const { name, cellName, cell, dataDir } = this.#options;
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

  /** Requests below `/peer/v1/`. */
  handlePeerRequest(request: IncomingMessage, response: ServerResponse): void {
    if (request.url === formationPath) void this.#answerFormation(request, response);
    else if (request.url === generationPath) void this.#answerGeneration(request, response);
    else if (this.#desk.handle(request, response)) return;
    else if (this.#joined === null || !this.#joined.network.handlePeerRequest(request, response)) {
      response.writeHead(503, { 'Retry-After': '1' }).end();
    }
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#joined === null) socket.destroy();
    else this.#joined.network.handleUpgrade(request, socket, head);
  }

  async #answerFormation(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = await this.#world.readPeerRequest(request, this.#options.secret);
    const view = asked === null ? null : this.#formationView();
    const status = asked === null ? 401 : view === null ? 503 : 200;
    this.#world.answerPeer(request, response, { status, document: view ?? {}, secret: this.#options.secret });
  }

  /** Proven by the cell's secret in both directions: what it says decides whether a generation begins. */
  async #answerGeneration(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const secret = this.#manifest === null ? null : peerSecret(this.#manifest.cell.secretHex, this.#options.secret);
    const asked = secret === null ? null : await this.#world.readPeerRequest(request, secret);
    const view = asked === null ? null : (this.#hooks.generationView?.() ?? null);
    const status = asked === null ? 401 : view === null ? 503 : 200;
    this.#world.answerPeer(request, response, { status, document: view ?? {}, secret });
  }

  /** What another member says of the generations. Null when it does not answer, or is not of this cell. */
  async askGeneration(url: string): Promise<GenerationView | null> {
    if (this.#manifest === null) return null;
    const secret = peerSecret(this.#manifest.cell.secretHex, this.#options.secret);
    const answer = await this.#world.askPeer(url, generationPath, {}, secret);
    return isGenerationView(answer) ? answer : null;
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

  async #open(manifest: Manifest, { disk }: OpenDirectory): Promise<JoinedMember<Result, Application>> {
    const options = this.#options;
    const { clocks, digest, randomness } = this.#world;
    this.#waitingFor = 'its data directory is being opened';
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
    const application = this.#hooks.makeApplication(manifest);
    if (recovered.snapshot !== null) await restoreFrom(application, recovered.snapshot);
    const self = replicaId(manifest.member.name, manifest.member.incarnation);
    const cellSecret = peerSecret(manifest.cell.secretHex, options.secret);
    const questions = new PeerQuestions(this.#world, { operator: options.secret, cell: cellSecret });
    const network = this.#world.createNetwork({
      self,
      cell: manifest.cell.id,
      secret: cellSecret,
      generation: manifest.cell.generation,
      boot: recovered.boot,
      programVersion: options.version,
      admit: (hello) => this.#admit(hello),
      flushNumber: () => storage.flushNumber,
      testimony: (to) => fencing.testimony(to),
      otherGeneration: (generation) => this.#onOtherGeneration(generation),
    });
    const fencing = fenceOf({
      self,
      storage,
      clocks,
      logger: this.#logger,
      log: () => (this.#joined as JoinedMember<Result, Application>).log,
      connected: () => network.connected(),
      onRolledBack: (evidence) => this.#hooks.onFatal(this.#rolledBackError(evidence)),
    });
    const refusals = new Map<ReplicaId, string>();
    network.onPeerRefusal((from, refusal) => {
      refusals.set(from, `${refusal.code}: ${refusal.message}`);
      fencing.onRefusal(from, refusal);
      if (refusal.authentic) this.#onRefused(from, refusal.code, questions);
    });
    network.onPeerHello(({ id, direction }) => {
      this.#lived.add(id);
      if (direction === 'outbound') refusals.delete(id);
    });
    network.onPeerMark((from, mark) => fencing.onMark(from, mark));
    const { onMastership, onEpoch, onDelivered } = this.#hooks;
    const log = new LogReplica<Result>({
      self,
      clocks,
      network,
      storage: logStorage(storage, clocks, this.#logger),
      application,
      digest,
      random: new Random(Buffer.from(randomness.bytes(16)).toString('hex')),
      logger: this.#logger,
      snapshotLogBytes: options.snapshotLogBytes ?? snapshotLogBytesDefault,
      snapshot: recovered.snapshot,
      frozen: recovered.manifest.freeze,
      fenced: isFenced(recovered.manifest),
      recovered: recoveredState({ ...recovered, formation: formationHandle(manifest), compare: 'majority' }),
      onFatal: (error) => this.#hooks.onFatal(toOperatorError(error, options.dataDir, clocks.now().wallMs)),
      onLeft: () => this.#onLeft(),
      acquaintances: () => this.#unknownToTheLog(),
      ...(onMastership === undefined ? {} : { onMastership }),
      ...(onEpoch === undefined ? {} : { onEpoch }),
      ...(onDelivered === undefined ? {} : { onDelivered }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    });
    const { boot, chosenUpTo } = recovered;
    this.#logger.info({ member: self, cell: manifest.cell.id, boot: boot.number, chosenUpTo }, 'replica started');
    const membership = new MembershipService({ log, questions, clocks, logger: this.#logger });
    this.#deskMember = {
      manifest,
      log,
      membership,
      questions,
      cellSecret,
      lived: this.#lived,
      connected: () => network.connected(),
      meet: ({ id, url }) => {
        this.#acquaintances.set(id, url);
        log.updatePeers();
      },
    };
    this.#scheduleAskForVote();
    return { manifest, storage, network, log, application, refusals, membership, fencing };
  }

  // --- who is in ------------------------------------------------------------------------------------------------------

  /** Those that the log has come to are named by it, or are out. */
  #unknownToTheLog(): ReadonlyMap<ReplicaId, string> {
    const upTo = this.#joined?.log.core.appliedUpTo ?? 0;
    for (const id of this.#acquaintances.keys()) {
      if (parseReplicaId(id).incarnation <= upTo && upTo > 0) this.#acquaintances.delete(id);
    }
    return this.#acquaintances;
  }

  /** A member did not let this one in, and has proved that it is one. Whom this one turns away says nothing about it. */
  #onRefused(from: ReplicaId, code: string, questions: PeerQuestions): void {
    if (!this.#judge(from).ok) return;
    if (code === 'PAXOS_MEMBER_REMOVED') return this.#onLeft();
    const log = this.#joined?.log;
    if (code !== 'PAXOS_MEMBER_UNKNOWN' || log === undefined) return;
    const members = log.core.configurations.flatMap(({ configuration }) => configuration.members);
    const own = members.find((member) => memberId(member) === log.self);
    const peer = members.find((member) => memberId(member) === from);
    // It missed the change that admitted this one: told where, it asks here for what it missed.
    if (own === undefined || peer === undefined) return;
    void questions.introduce(peer.url, { id: log.self, url: own.url } satisfies Acquaintance);
  }

  /** The cell has this incarnation no more: that is kept, and nothing brings it back. */
  #onLeft(): void {
    const joined = this.#joined;
    if (this.#removed || joined === null) return;
    this.#removed = true;
    const { name, incarnation } = joined.manifest.member;
    const error = new MemberRemovedError({ member: name, incarnation, cell: joined.manifest.cell.id });
    this.#logger.warn({ member: name, incarnation }, error.message);
    joined.storage.setFlags({ removed: true }).then(
      () => this.#hooks.onRemoved(error),
      (failure: unknown) => {
        this.#logger.warn({ err: failure }, 'that this member was removed could not be written down');
        this.#hooks.onRemoved(error);
      },
    );
  }

  /** Who takes the place of an incarnation that voted asks for its vote until it has it. */
  #scheduleAskForVote(): void {
    const { clocks } = this.#world;
    this.#promotion = clocks.schedule((clocks.now().monotonicMs + askForVoteMs) as Ms, () => {
      if (this.#stopped || this.#removed) return;
      void this.#askForVote().finally(() => {
        if (!this.#stopped) this.#scheduleAskForVote();
      });
    });
  }

  async #askForVote(): Promise<void> {
    const own = this.#deskMember;
    if (own === null || own.log.core.participation !== 'rebuilding') return;
    const { log, cellSecret } = own;
    const master = log.core.master(this.#world.clocks.now());
    const { members } = log.core.configuration;
    const url = members.find((member) => memberId(member) === master)?.url;
    if (url === undefined) return;
    const asked = { id: log.self, url } satisfies Acquaintance;
    await this.#world.askPeer(url, paths.promotion, asked, cellSecret);
  }

  /**
   * A member of another generation was met, proven by the cell's secret. Of a newer one: this one is over, and this member was
   * left out of it, unless it is ready for it and about to follow (design §3).
   */
  #onOtherGeneration(generation: number): void {
    const manifest = this.#joined?.storage.manifest;
    if (manifest === undefined || generation <= manifest.cell.generation) return;
    if (manifest.attempt !== null && manifest.attempt.step !== 'fenced') return;
    const { dataDir: directory, name: member } = this.#options;
    const { id: cell, generation: own } = manifest.cell;
    this.#hooks.onFatal(new GenerationOverError({ member, cell, generation: own, newer: generation, directory }));
  }

  /** Only members of a configuration that is in force or to come are listened to. */
  #admit(hello: PeerHello): PeerAdmission {
    const judged = this.#judge(hello.id);
    return judged.ok ? (this.#joined?.fencing.admit(hello) ?? judged) : judged;
  }

  #judge(id: ReplicaId): PeerAdmission {
    const configurations = this.#joined?.log.core.configurations ?? [];
    const known = configurations.some(({ configuration }) => configuration.members.some((it) => memberId(it) === id));
    if (known || this.#acquaintances.has(id)) return { ok: true };
    // Every life is numbered by the instance that admits it: one that was come to, and is in no configuration, is out.
    if (parseReplicaId(id).incarnation <= (this.#joined?.log.core.appliedUpTo ?? 0)) {
      return { ok: false, status: 403, code: 'PAXOS_MEMBER_REMOVED', message: `${id} was removed from this cell.` };
    }
    return { ok: false, status: 403, code: 'PAXOS_MEMBER_UNKNOWN', message: `${id} is not a member of this cell.` };
  }

  /**
   * Hands mastership over when this member is master, so that the others need not wait for its lease to end. Resolves when
   * the successor was heard as master, or the time is over.
   */
  async handOver(timeoutMs: number): Promise<void> {
    const { clocks } = this.#world;
    const log = this.#joined?.log;
    if (log === undefined || !log.isServing() || log.core.handOverCandidate(null, clocks.now()) === null) return;
    log.handOver(null);
    const deadline = clocks.now().monotonicMs + timeoutMs;
    // Not only until it has let go: whoever still sends requests here, or is sent here by a replica that has not heard of
    // the successor yet, can only be told where to go by a member that has.
    const succeeded = (): boolean => {
      const master = log.core.master(clocks.now());
      return log.core.state === 'following' && master !== null && master !== log.self;
    };
    while (!succeeded() && clocks.now().monotonicMs < deadline && !log.stopped) {
      await new Promise<void>((resolve) => void clocks.schedule((clocks.now().monotonicMs + 5) as Ms, resolve));
    }
  }

  /** Ends everything that was opened; what is queued for the disk is made durable first. */
  async close(): Promise<void> {
    this.#stopped = true;
    this.#formation?.stop();
    this.#admission?.stop();
    this.#promotion?.cancel();
    const joined = this.#joined;
    if (joined !== null) {
      joined.log.stop();
      await joined.network.close();
      // A clean stop: what another version must arrive at, should one be started next.
      await joined.log
        .record()
        .catch((error: unknown) => this.#logger.warn({ err: error }, 'the end was not recorded'));
      await joined.storage.close().catch((error: unknown) => {
        this.#logger.warn({ err: error }, 'closing the storage failed');
      });
    }
    await this.#directory?.release();
    this.#directory = null;
  }
}

/** 20 and 25, and 23 when a next incarnation was admitted since: what the disk holds is not gone on from. */
const endsIncarnation = ({ exitCode }: OperatorError): boolean => exitCode === 20 || exitCode === 23 || exitCode === 25;

type Ms = ReturnType<World['clocks']['now']>['monotonicMs'];

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
  level: firstLevel,
});

const formationHandle = (manifest: Manifest): SnapshotHandle => ({
  instance: 0 as Instance,
  epoch: 0 as Epoch,
  cellTimeMs: 0 as CellTimeMs,
  configurations: manifest.configurations,
});

/** What peers prove to each other: the cell's secret, bound to the operator's where there is one. */
function peerSecret(secretHex: string, operatorSecret: Uint8Array | null): Uint8Array {
  const secret = Buffer.from(secretHex, 'hex');
  if (operatorSecret === null) return secret;
  return createHash('sha256').update(secret).update(operatorSecret).digest();
}

function isGenerationView(answer: unknown): answer is GenerationView {
  if (typeof answer !== 'object' || answer === null) return false;
  const { name, generation, generationId, step } = answer as Partial<GenerationView>;
  const named = typeof name === 'string' && typeof generationId === 'string';
  return named && typeof generation === 'number' && ['none', 'fenced', 'ready', 'active'].includes(step ?? '');
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

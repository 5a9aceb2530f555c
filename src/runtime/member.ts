import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ReplicaId } from '../core/consensus/identity.ts';
import { replicaId } from '../core/consensus/identity.ts';
import { Random } from '../core/random.ts';
import { DataRolledBackError, GenerationOverError, OperatorError } from '../errors/index.ts';
import { supportedLevels } from '../formats/levels.ts';
import type { Manifest } from '../formats/manifest.ts';
import type { Admission, PeerHello } from '../ports/network.ts';
import type { OpenDirectory, World } from '../ports/world.ts';
import { quarantine } from '../storage/data-directory.ts';
import type { Inspection } from '../storage/formation.ts';
import { isFenced } from '../storage/generation.ts';
import { ReplicaStorage } from '../storage/replica-storage.ts';
import type { LogApplication } from './application.ts';
import { initialSnapshot } from './database-rebuild.ts';
import { toOperatorError } from './directory-errors.ts';
import { refuseForeign, refuseOtherCell, refuseRemoved } from './foreign-directory.ts';
import { Formation, type FormationView } from './formation.ts';
import { documentOf, formationHandle, formationOf, formedView } from './formation-documents.ts';
import { letGo } from './hand-over.ts';
import { LogReplica } from './log-replica.ts';
import type { Logger } from './logger.ts';
import { beginWitness, comparisonOf, fenceOf } from './member-fence.ts';
import { forwarded, type JoinedMember, type MemberHooks, type MemberOptions } from './member-options.ts';
import { MemberQuestions, peerSecret } from './member-questions.ts';
import { Belonging } from './membership/belonging.ts';
import type { Acquaintance, IdentityDocument } from './membership/documents.ts';
import { Entrance, endsIncarnation } from './membership/entrance.ts';
import { MembershipService } from './membership/membership-service.ts';
import { type DeskMember, PeerDesk } from './membership/peer-desk.ts';
import { PeerQuestions } from './membership/peer-questions.ts';
import { recoveredState } from './recovered-state.ts';
import type { GenerationView } from './recovery.ts';
import { refuseLevel, rehearse } from './rehearsal.ts';
import { logStorage, restoreFrom } from './storage-adapter.ts';

/** A snapshot is taken when the log since the last one is so long. */
export const snapshotLogBytesDefault = 64 * 1024 * 1024;
export type { JoinedMember, MemberHooks, MemberOptions } from './member-options.ts';

export class Member<Result, Application extends LogApplication<Result>> {
  readonly #options: MemberOptions;
  readonly #world: World;
  readonly #logger: Logger;
  readonly #hooks: MemberHooks<Result, Application>;
  #directory: OpenDirectory | null = null;
  #formation: Formation | null = null;
  #manifest: Manifest | null = null;
  #joined: JoinedMember<Result, Application> | null = null;
  #waitingFor = 'its data directory is being opened';
  #stopped = false;
  readonly #desk: PeerDesk;
  readonly #questions: MemberQuestions;
  readonly #entrance: Entrance;
  readonly #belonging: Belonging;
  readonly #token: string;
  #deskMember: DeskMember | null = null;

  constructor(options: MemberOptions, world: World, logger: Logger, hooks: MemberHooks<Result, Application>) {
    this.#options = options;
    this.#world = world;
    this.#logger = logger;
    this.#hooks = hooks;
    this.#token = Buffer.from(world.randomness.bytes(16)).toString('hex');
    const { name, dataDir: directory, expectCell, secret, cell, join = [], rebuild = false } = options;
    this.#belonging = new Belonging({
      clocks: world.clocks,
      logger,
      directory,
      onRemoved: (error) => hooks.onRemoved(error),
    });
    const entrance = { name, token: this.#token, directory, expectCell, secret, join, cell, rebuild };
    const meet = (acquaintance: Acquaintance): void => this.#belonging.meet(acquaintance);
    const onWaiting = (reason: string): void => {
      this.#waitingFor = reason;
    };
    this.#entrance = new Entrance({ ...entrance, meet, onWaiting }, world, logger);
    this.#questions = new MemberQuestions({
      ...{ world, operatorSecret: secret },
      cell: () => this.#manifest?.cell.secretHex ?? null,
      formation: () => this.#formationView(),
      generation: () => hooks.generationView?.() ?? null,
      backup: (question) => hooks.backup?.(question) ?? null,
    });
    this.#desk = new PeerDesk({
      world,
      clocks: world.clocks,
      operatorSecret: options.secret,
      identity: () => this.#identity(),
      member: () => this.#deskMember,
    });
  }

  /** It waits to be rebuilt as a new incarnation. */
  get rebuilds(): boolean {
    return this.#entrance.rebuilds;
  }

  get removed(): boolean {
    return this.#belonging.removed;
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
   * was closed meanwhile. `ended`: why the incarnation on the disk does not go on, found by a process that ran on it.
   * @throws {OperatorError} why this member cannot take part.
   */
  async join(ended: OperatorError | null = null): Promise<JoinedMember<Result, Application> | null> {
    try {
      return await this.#join(ended);
    } catch (error) {
      throw toOperatorError(error, this.#options.dataDir, this.#world.clocks.now().wallMs);
    }
  }

  async #join(ended: OperatorError | null): Promise<JoinedMember<Result, Application> | null> {
    this.#directory = await this.#world.openDirectory(this.#options.dataDir);
    try {
      if (ended !== null) throw ended;
      return await this.#enter(this.#directory);
    } catch (error) {
      const why = toOperatorError(error, this.#options.dataDir, this.#world.clocks.now().wallMs);
      if (!(why instanceof OperatorError) || !endsIncarnation(why)) throw error;
      if (!(await this.#entrance.beginAnew(why, this.#directory.disk))) {
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
    refuseForeign(found, this.#options);
    if (found.state !== 'formed') {
      if (this.#options.join === undefined) await this.#form(found, directory);
      else if (!(await this.#entrance.beAdmitted(disk))) return null;
    }
    if (this.#stopped) return null;
    const manifest = (await ReplicaStorage.inspect(disk)).manifest as Manifest;
    this.#manifest = manifest;
    refuseRemoved(manifest, this.#options.dataDir);
    this.#refuseLevel(manifest);
    if (manifest.rolledBack !== '') throw this.#rolledBackError(manifest.rolledBack);
    await this.#refuseOtherCell(manifest);
    await this.#rehearse(manifest, directory);
    this.#joined = await this.#open(manifest, directory);
    return this.#joined;
  }

  #refuseLevel(manifest: Manifest): void {
    refuseLevel(manifest, this.#options.dataDir, this.#options.levels);
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

  #identity(): IdentityDocument {
    const { name, version, levels = supportedLevels } = this.#options;
    const cell = this.#manifest?.cell.id ?? null;
    const waits = this.#entrance.isWaiting;
    const state = waits ? 'waiting' : cell !== null ? 'member' : this.#formation !== null ? 'founding' : 'opening';
    return { name, token: this.#token, version, levels, state, cell: waits ? null : cell };
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

  async #form(found: Inspection, { disk }: OpenDirectory): Promise<void> {
    const { name, cellName, cell, dataDir } = this.#options;
    if (found.manifest !== null) this.#refuseLevel(found.manifest);
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
      levels: this.#options.levels ?? supportedLevels,
      found: found.manifest === null ? null : documentOf(found.manifest),
      storeForming: (document) => ReplicaStorage.writeForming(disk, formationOf(document, name)),
      storeFormed: () => ReplicaStorage.markFormed(disk),
      ask: (member) => this.#questions.askFormation(member),
      clocks: this.#world.clocks,
      randomness: this.#world.randomness,
      logger: this.#logger,
    });
    const formed = await this.#formation.run();
    if (formed !== null) this.#logger.info({ cell: formed.cellId, members: formed.members.length }, 'cell formed');
  }

  async #refuseOtherCell(manifest: Manifest): Promise<void> {
    const others = this.#options.cell.filter(({ name }) => name !== this.#options.name);
    const views = await Promise.all(others.map((member) => this.#questions.askFormation(member)));
    refuseOtherCell(manifest, views, this.#options.dataDir);
  }

  /** Requests below `/peer/v1/`. */
  handlePeerRequest(request: IncomingMessage, response: ServerResponse): void {
    if (this.#questions.handle(request, response) || this.#desk.handle(request, response)) return;
    if (this.#joined === null || !this.#joined.network.handlePeerRequest(request, response)) {
      response.writeHead(503, { 'Retry-After': '1' }).end();
    }
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#joined === null) socket.destroy();
    else this.#joined.network.handleUpgrade(request, socket, head);
  }

  /** What another member answers to that question. Null when it does not answer, or is not of this cell. */
  askBackup(url: string, question: object): Promise<unknown> {
    return this.#questions.askBackup(url, question);
  }

  /** What another member says of the generations. Null when it does not answer, or is not of this cell. */
  askGeneration(url: string): Promise<GenerationView | null> {
    return this.#questions.askGeneration(url);
  }

  #formationView(): FormationView | null {
    if (this.#manifest === null) return this.#formation?.view() ?? null;
    const { log, storage } = this.#joined ?? {};
    return formedView(storage?.manifest ?? this.#manifest, this.#options, log?.core ?? null);
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
    const compare = await comparisonOf(storage, options.moved ?? null, this.#logger);
    const path = options.witness ?? null;
    const witness = await beginWitness({ path, storage, world: this.#world, logger: this.#logger });
    if (witness.evidence !== null) {
      await storage.setRolledBack(witness.evidence);
      await storage.close();
      throw this.#rolledBackError(witness.evidence);
    }
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
      removed: (id) => this.#belonging.refusalOf(id),
      flushNumber: () => storage.flushNumber,
      promiseFlush: () => storage.promiseFlush,
      testimony: (to) => fencing.testimony(to),
      otherGeneration: (generation) => this.#onOtherGeneration(generation),
    });
    const fencing = fenceOf({
      self,
      storage,
      clocks,
      logger: this.#logger,
      rule: compare,
      log: () => (this.#joined as JoinedMember<Result, Application>).log,
      connected: () => network.connected(),
      onRolledBack: (evidence) => this.#hooks.onFatal(this.#rolledBackError(evidence)),
    });
    const refusals = new Map<ReplicaId, string>();
    network.onPeerRefusal((from, refusal) => {
      refusals.set(from, `${refusal.code}: ${refusal.message}`);
      fencing.onRefusal(from, refusal);
      if (refusal.authentic) this.#belonging.onRefused(from, refusal.code);
    });
    network.onPeerHello(({ id, direction }) => {
      this.#belonging.heard(id);
      if (direction === 'outbound') refusals.delete(id);
    });
    network.onPeerMark((from, mark) => fencing.onMark(from, mark));
    const forLog = logStorage(storage, clocks, this.#logger);
    const log = new LogReplica<Result>({
      self,
      clocks,
      network,
      storage: this.#hooks.storageFor?.(storage, forLog) ?? forLog,
      application,
      digest,
      random: new Random(Buffer.from(randomness.bytes(16)).toString('hex')),
      logger: this.#logger,
      snapshotLogBytes: options.snapshotLogBytes ?? snapshotLogBytesDefault,
      snapshot: recovered.snapshot,
      frozen: recovered.manifest.freeze,
      initial: recovered.snapshot === null ? initialSnapshot(application, formationHandle(manifest)) : null,
      quarantined: recovered.manifest.flags.quarantined,
      generation: manifest.cell.generation,
      version: options.version,
      fenced: isFenced(recovered.manifest),
      recovered: recoveredState({ ...recovered, formation: formationHandle(manifest), compare }),
      onFatal: (error) => this.#hooks.onFatal(toOperatorError(error, options.dataDir, clocks.now().wallMs)),
      onLeft: () => this.#belonging.onLeft(),
      onParted: () => this.#belonging.onParted(),
      acquaintances: () => this.#belonging.unknownToTheLog(),
      ...forwarded(this.#hooks),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    });
    const { boot, chosenUpTo } = recovered;
    this.#logger.info({ member: self, cell: manifest.cell.id, boot: boot.number, chosenUpTo }, 'replica started');
    const membership = new MembershipService({
      ...{ log, questions, clocks, logger: this.#logger, version: options.version },
      level: () => storage.manifest.level,
      openUpgrade: () => this.#hooks.openUpgrade?.() ?? null,
    });
    this.#deskMember = {
      manifest,
      level: () => storage.manifest.level,
      log,
      membership,
      questions,
      cellSecret,
      // What was heard before this process began is among what is remembered of disks, as what others heard is.
      hasLived: (id) => this.#belonging.lived.has(id) || storage.memory.of(id).length > 0,
      flush: async () => storage.flush(),
      connected: () => network.connected(),
      meet: (acquaintance) => this.#belonging.meet(acquaintance),
    };
    const keepRemoved = (): Promise<void> => storage.setFlags({ removed: true });
    this.#belonging.begin({ manifest, log, questions, keepRemoved });
    const parts = { manifest, storage, network, log, application, refusals, membership, questions };
    return { ...parts, fencing, witness: witness.keeper };
  }

  /**
   * A member of another generation was met, proven by the cell's secret. Of a newer one: this one is over, and this member was
   * left out of it, unless it is ready for it and about to follow (design §3).
   */
  #onOtherGeneration(generation: number): void {
    const manifest = this.#joined?.storage.manifest;
    if (manifest === undefined || generation <= manifest.cell.generation) return;
    const { attempt } = manifest;
    if (attempt !== null && attempt.step !== 'fenced' && attempt.generation >= generation) return;
    this.leftBehind(generation);
  }

  /** The cell has gone on in that generation, and this member is no part of it. */
  leftBehind(generation: number): void {
    const manifest = this.#joined?.storage.manifest;
    if (manifest === undefined) return;
    const { dataDir: directory, name: member } = this.#options;
    const { id: cell, generation: own } = manifest.cell;
    this.#hooks.onFatal(new GenerationOverError({ member, cell, generation: own, newer: generation, directory }));
  }

  #admit(hello: PeerHello): Admission {
    const judged = this.#belonging.judge(hello.id);
    return judged.ok ? (this.#joined?.fencing.admit(hello) ?? judged) : judged;
  }

  /**
   * Hands mastership over when this member is master, to the most caught-up voter when `to` is null, so that the others need not wait for its lease to end. Resolves when
   * the successor was heard as master, or the time is over.
   */
  async handOver(timeoutMs: number, to: ReplicaId | null = null): Promise<void> {
    const log = this.#joined?.log;
    if (log !== undefined) await letGo(log, { clocks: this.#world.clocks, timeoutMs, to });
  }

  /** Ends everything that was opened; what is queued for the disk is made durable first. */
  async close(): Promise<void> {
    this.#stopped = true;
    this.#formation?.stop();
    this.#entrance.stop();
    this.#belonging.stop();
    const joined = this.#joined;
    if (joined !== null) {
      joined.log.stop();
      await joined.network.close();
      await joined.witness?.close();
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

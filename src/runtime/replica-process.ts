/**
 * One replica of the database as a process: a member of the cell, the database on its log, and the HTTP front.
 *
 * Source: contract §1 (`node start`), §2. Adapters come in as a {@link World}, so that nothing here is tied to one machine.
 */
import { createHmac } from 'node:crypto';
import { memberId } from '../core/consensus/configuration.ts';
import { type Epoch, type Instance, parseReplicaId } from '../core/consensus/identity.ts';
import type { CommandResult } from '../core/database/command.ts';
import { OperatorError } from '../errors/index.ts';
import { supportedLevels } from '../formats/levels.ts';
import type { Manifest } from '../formats/manifest.ts';
import type { AttemptsPort } from '../ports/attempts.ts';
import type { World } from '../ports/world.ts';
import { Backups } from './backups/backups.ts';
import { DatabaseApplication } from './database-application.ts';
import { EventLoopLag } from './event-loop-lag.ts';
import { checkAndRepair } from './file-repair.ts';
import type { HostFacts } from './host-facts.ts';
import { HttpFront } from './http/server.ts';
import type { Logger } from './logger.ts';
import { MachineFacts } from './machine-facts.ts';
import { type JoinedMember, Member, type MemberOptions, snapshotLogBytesDefault } from './member.ts';
import { copiedText, endLostText } from './member-fence.ts';
import { endsIncarnation } from './membership/entrance.ts';
import { OperatingFacts } from './operating-facts.ts';
import { Recovery } from './recovery.ts';
import { DatabaseService } from './replica-service.ts';
import { ReplicaSnapshots } from './replica-snapshots.ts';
import { checkEveryMsDefault, SelfCheck } from './self-check.ts';
import { ReplicaUpgrade } from './upgrade-service.ts';
import { ServiceSwitch, WaitingService } from './waiting-service.ts';

/** A stopping master gives the hand-over this long, and requests under way as long again. */
const handOverMs = 1_500;
const stopGraceMs = 2_000;
/** Of a million small values a start applies as much in half a second. */
const stopReplayBytes = 8 * 1024 * 1024;
/** A disk that is too slow for it must not hold up the stop. */
const stopSnapshotMsMax = 8_000;
const spaceCheckMs = 5_000;
/** A member that was removed says so in its status for so long before it ends (contract §2: within 10 s). */
const removedLingerMs = 3_000;

export interface ReplicaProcessOptions extends MemberOptions {
  readonly host: string;
  /** 0 picks a free one (tests). */
  readonly port: number;
  /** Between two checks of all replicas' databases, in ms; 0 for never, an hour where absent. */
  readonly checkEveryMs?: number;
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

class ReplicaProcess {
  readonly exited: Promise<number>;
  readonly #options: ReplicaProcessOptions;
  readonly #world: World;
  readonly #logger: Logger;
  #member: Member<CommandResult, DatabaseApplication>;
  #recovery: Recovery | null = null;
  #backups: Backups | null = null;
  readonly #front: HttpFront;
  readonly #switch: ServiceSwitch;
  readonly #waiting: WaitingService;
  readonly #lag = new EventLoopLag();
  #selfCheck: SelfCheck;
  readonly #machine: MachineFacts;
  #operating: OperatingFacts | null = null;
  readonly #startedMs: number;
  #service: DatabaseService | null = null;
  #exit: { resolve: (code: number) => void; reject: (error: unknown) => void } = { resolve() {}, reject() {} };
  #stopping: Promise<void> | null = null;
  #spaceTimer: NodeJS.Timeout | null = null;
  #levelKept = 0;

  constructor(options: ReplicaProcessOptions, world: World, logger: Logger) {
    this.#options = options;
    this.#world = world;
    this.#logger = logger;
    this.#machine = new MachineFacts(options.dataDir);
    this.#startedMs = world.clocks.now().monotonicMs;
    this.exited = new Promise((resolve, reject) => {
      this.#exit = { resolve, reject };
    });
    this.exited.catch(() => undefined);
    this.#selfCheck = this.#makeSelfCheck();
    this.#member = this.#makeMember();
    const { name, cellName, version, cell } = options;
    const facts = {
      name,
      cellName,
      version,
      members: cell,
      uptimeMs: () => this.#uptimeMs(),
      reason: () => this.#member.waitingFor,
      rebuilds: () => this.#member.rebuilds,
    };
    this.#waiting = new WaitingService(facts);
    this.#switch = new ServiceSwitch(this.#waiting);
    this.#front = new HttpFront({
      service: this.#switch,
      host: options.host,
      port: options.port,
      version,
      hostNames: cell.map(({ url }) => hostOf(url)),
      handlePeer: (request, response) => this.#member.handlePeerRequest(request, response),
      handleUpgrade: (request, socket, head) => this.#member.handleUpgrade(request, socket, head),
    });
  }

  /** One life of the member in this process: a new generation begins with the next. */
  #makeMember(): Member<CommandResult, DatabaseApplication> {
    const { digest, clocks, makeEntryStore } = this.#world;
    return new Member(this.#options, this.#world, this.#logger, {
      makeApplication: (manifest) => {
        const database = new DatabaseApplication({
          digest,
          makeEntryStore,
          raisedTo: manifest.level,
          nextTurn: (callback) => clocks.nextTurn(callback),
          onChecksum: (point) => this.#selfCheck.begin(point),
        });
        database.initialize(databaseIdentity(manifest), manifest.formedLevel);
        return database;
      },
      makeRehearsal: (manifest) => makeRehearsal(this.#world, manifest),
      onMastership: (event) => this.#service?.onMastership(event),
      onEpoch: (epoch, owner) => this.#service?.onEpoch(epoch, owner),
      onDelivered: (items) => {
        this.#service?.onApplied(items);
        this.#keepLevel();
      },
      onCompared: (comparison) => this.#selfCheck.onCompared(comparison),
      onSetAside: (evidence) => this.#selfCheck.onSetAside(evidence),
      onCheckWanted: () => this.#selfCheck.onCheckWanted(),
      onFatal: (error) => void this.#end(error),
      onRemoved: (error) => void sleep(removedLingerMs).then(() => this.#end(error)),
      generationView: () => this.#recovery?.view() ?? null,
      openUpgrade: () => this.#service?.openUpgrade() ?? null,
      backup: (question) => this.#backups?.answer(question) ?? null,
    });
  }

  /** Of one life: what was found in an earlier one says nothing of the next. */
  #makeSelfCheck(): SelfCheck {
    const everyMs = this.#options.checkEveryMs ?? checkEveryMsDefault;
    return new SelfCheck({ clocks: this.#world.clocks, logger: this.#logger, everyMs });
  }

  /** Ends this life of the member and begins the next from the disk; the address stays, and says that it waits. */
  async #reopen(): Promise<void> {
    if (this.#stopping !== null) return;
    try {
      this.#switch.set(this.#waiting);
      await this.#closeMember();
      // A stop that came meanwhile closes what there is, which is nothing now.
      if (this.#stopping !== null) return;
      this.#selfCheck = this.#makeSelfCheck();
      this.#member = this.#makeMember();
      const joined = await this.#member.join();
      if (joined !== null) this.#serve(joined);
    } catch (error) {
      void this.#end(error);
    }
  }

  async #closeMember(): Promise<void> {
    if (this.#spaceTimer !== null) clearInterval(this.#spaceTimer);
    this.#operating?.close();
    this.#backups?.close();
    this.#backups = null;
    this.#recovery?.close();
    this.#recovery = null;
    this.#service?.close();
    this.#service = null;
    await this.#member.close();
  }

  #uptimeMs(): number {
    return this.#world.clocks.now().monotonicMs - this.#startedMs;
  }

  async listen(): Promise<{ host: string; port: number }> {
    const { port } = await this.#front.listen();
    return { host: this.#options.host, port };
  }

  async join(): Promise<string> {
    try {
      const joined = await this.#member.join();
      if (joined === null) return '';
      this.#serve(joined);
      return joined.manifest.cell.id;
    } catch (error) {
      void this.#end(error);
      throw error;
    }
  }

  #serve(joined: JoinedMember<CommandResult, DatabaseApplication>): void {
    const { log, application: database } = joined;
    const recovery = new Recovery({
      joined,
      world: this.#world,
      logger: this.#logger,
      askGeneration: (url) => this.#member.askGeneration(url),
      reopen: () => void this.#reopen(),
      onLeftBehind: (generation) => this.#member.leftBehind(generation),
    });
    this.#recovery = recovery;
    const backups = this.#makeBackups(joined);
    this.#backups = backups;
    this.#service = new DatabaseService({
      self: log.self,
      log,
      database,
      selfCheck: this.#selfCheck,
      recovery,
      clocks: this.#world.clocks,
      host: this.#hostFacts(joined),
      snapshots: new ReplicaSnapshots({ log, storage: joined.storage, clocks: this.#world.clocks }),
      membership: joined.membership,
      backups: backups?.records,
      upgrade: new ReplicaUpgrade({
        log,
        database,
        clocks: this.#world.clocks,
        version: this.#options.version,
        levels: supportedLevels,
        questions: joined.questions,
        boot: joined.storage.recovered.boot,
        attempts: this.#attempts(),
      }),
    });
    this.#switch.set(this.#service);
    this.#levelKept = joined.manifest.level;
    this.#watchSpace(joined);
    const pause = (): Promise<void> => new Promise((resolve) => this.#world.clocks.nextTurn(resolve));
    this.#selfCheck.checks.readFiles = () => checkAndRepair(joined.storage, log, this.#logger, pause);
    this.#selfCheck.start(log);
    backups?.start();
    log.start();
  }

  #makeBackups({
    application: database,
    log,
    manifest,
    storage,
  }: JoinedMember<CommandResult, DatabaseApplication>): Backups | null {
    const { clocks, openBackups } = this.#world;
    if (openBackups === undefined) return null;
    return new Backups({
      self: log.self,
      dataDir: this.#options.dataDir,
      cell: manifest.cell,
      log,
      database,
      storage,
      clocks,
      logger: this.#logger,
      open: openBackups,
      submit: (command, done) => this.#service?.submit(command, done),
      ask: (url, question) => this.#member.askBackup(url, question),
    });
  }

  /** What is cleared there is no warning of any status from then on. */
  #attempts(): AttemptsPort | null {
    const attempts = this.#world.attempts?.(this.#options.dataDir) ?? null;
    if (attempts === null) return null;
    const look = async (): Promise<void> => this.#operating?.look();
    return {
      list: () => attempts.list(),
      begin: (manifest) => attempts.begin(manifest).then(look),
      clear: (attempt) => attempts.clear(attempt).then(look),
    };
  }

  #hostFacts(joined: JoinedMember<CommandResult, DatabaseApplication>): HostFacts {
    const { manifest, storage, network, fencing } = joined;
    const { id, name, generation } = manifest.cell;
    const operating = new OperatingFacts({
      storage,
      network,
      machine: this.#machine,
      snapshotLogBytes: this.#options.snapshotLogBytes ?? snapshotLogBytesDefault,
      hintsDiffer: () => this.#hintsDiffer(),
      secondProcesses: () => fencing.secondProcesses.documents(),
      lastCheck: () => this.#selfCheck.checks.last,
    });
    this.#operating = operating;
    return {
      version: this.#options.version,
      levels: supportedLevels,
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
      removed: () => this.#member.removed,
      peers: () => network.connected(),
      warnings: () => this.#warnings(storage),
      operating: () => operating.document(),
    };
  }

  #warnings(storage: JoinedMember<CommandResult, DatabaseApplication>['storage']): readonly string[] {
    const warnings: string[] = [];
    if (storage.readOnly) warnings.push('The disk is nearly full: this replica takes no writes.');
    warnings.push(...this.#fenceWarnings());
    const joined = this.#member.joined;
    const members = new Set(joined?.log.core.configuration.members.map(memberId));
    for (const [peer, why] of joined?.refusals ?? []) {
      // An incarnation that has been replaced refuses for ever, and nobody minds.
      if (members.has(peer)) warnings.push(`${parseReplicaId(peer).name} refuses this replica: ${why}`);
    }
    warnings.push(...this.#hintsDiffer());
    return warnings;
  }

  #fenceWarnings(): readonly string[] {
    const joined = this.#member.joined;
    if (joined === null) return [];
    const { fencing, log, storage, witness } = joined;
    const { copied, endLost, boot } = storage.recovered;
    const warnings = [...fencing.refused].map(([member, why]) => `${member} runs on an old disk: ${why}`);
    if (log.core.participation === 'checking') {
      const names = log.core.waitsFor.map((id) => parseReplicaId(id).name).join(', ');
      warnings.push(`It does not vote yet: it compares its disk with ${names === '' ? 'others' : names}.`);
      if (copied) warnings.push(copiedText(boot.id));
      else if (endLost) warnings.push(endLostText);
    }
    if (witness?.trouble != null) warnings.push(`The witness cannot be written: ${witness.trouble}.`);
    return warnings;
  }

  /** `--cell` is never obeyed over the recorded membership; a difference is somebody's wrong belief (contract §1). */
  #hintsDiffer(): readonly string[] {
    const members = this.#member.joined?.log.core.configuration.members ?? [];
    return this.#options.cell.flatMap(({ name, url }) => {
      const member = members.find((candidate) => candidate.name === name);
      if (member === undefined) return [`--cell lists ${name}, which is not a member.`];
      return member.url === url ? [] : [`--cell gives ${url} for ${name}; the membership says ${member.url}.`];
    });
  }

  /** What the log raised the cell to is written down where a program looks before anything else. */
  #keepLevel(): void {
    const joined = this.#member.joined;
    // A replica that applies its log anew is below it for a while.
    if (joined === null || joined.application.level <= this.#levelKept) return;
    const before = this.#levelKept;
    const { level } = joined.application;
    this.#levelKept = level;
    this.#logger.info({ level }, 'the level of the cell');
    joined.storage.setLevel(level).catch((error: unknown) => {
      this.#logger.warn({ err: error }, 'level not kept; it is tried again');
      if (this.#levelKept === level) this.#levelKept = before;
    });
  }

  /** A disk that is nearly full stops writes before the log is hurt, and lets them on again when there is room. */
  #watchSpace({ storage }: JoinedMember<CommandResult, DatabaseApplication>): void {
    storage.onSpaceLow((low) => {
      if (low) this.#logger.error({}, 'the disk is nearly full: taking no more writes');
      else this.#logger.info({}, 'there is room on the disk again: taking writes');
    });
    this.#spaceTimer = setInterval(() => {
      if (storage.readOnly) storage.checkSpace().catch(() => undefined);
    }, spaceCheckMs);
    this.#spaceTimer.unref();
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** A clean stop releases the lease first (design §3), then answers what is under way. */
  async #stop(): Promise<void> {
    await this.#member.handOver(handOverMs, this.#service?.successor() ?? null);
    this.#service?.drain();
    await this.#leaveSnapshot();
    await this.#close(stopGraceMs);
    this.#exit.resolve(0);
  }

  /** With much log since the last snapshot the next start would read all of it: a new one now is the shorter way. */
  async #leaveSnapshot(): Promise<void> {
    const joined = this.#member.joined;
    if (joined === null || joined.storage.replayBytes < stopReplayBytes) return;
    if (joined.storage.readOnly || joined.log.frozen !== null || joined.log.stopped) return;
    const given = new AbortController();
    await Promise.race([this.#snapshotsUntilLittle(joined), sleep(stopSnapshotMsMax, given.signal)]);
    given.abort();
  }

  /** One that was under way may have begun long ago. */
  async #snapshotsUntilLittle({ log, storage }: JoinedMember<CommandResult, DatabaseApplication>): Promise<void> {
    for (let taken = 0; taken < 2 && storage.replayBytes >= stopReplayBytes; taken++) {
      if ((await log.takeSnapshot()).kind !== 'taken') return;
    }
  }

  async #close(graceMs: number): Promise<void> {
    if (this.#spaceTimer !== null) clearInterval(this.#spaceTimer);
    const front = this.#front.stop(graceMs);
    // The peers' connections are the network's: closing the member ends them, and with them the front.
    await Promise.race([front, this.#whenIdle(graceMs)]);
    this.#backups?.close();
    this.#recovery?.close();
    this.#service?.close();
    await this.#member.close();
    await front;
    this.#lag.close();
    this.#machine.close();
    this.#operating?.close();
  }

  /** Found later than at start, the answer is the same (contract §1): true when this process goes on, or was told to stop. */
  async #beginAnew(why: OperatorError): Promise<boolean> {
    if (this.#stopping !== null) return true;
    this.#switch.set(this.#waiting);
    await this.#closeMember();
    if (this.#stopping !== null) return true;
    this.#selfCheck = this.#makeSelfCheck();
    this.#member = this.#makeMember();
    try {
      const joined = await this.#member.join(why);
      if (joined !== null) this.#serve(joined);
      return true;
    } catch (error) {
      if (error !== why) this.#logger.error({ err: error }, 'no next incarnation could begin');
      return false;
    }
  }

  /** Resolves when no request waits for the database any more, or the grace is over. */
  async #whenIdle(graceMs: number): Promise<void> {
    const deadline = performance.now() + graceMs;
    while (this.#front.inFlight > 0 && performance.now() < deadline) await sleep(5);
  }

  /** Something after which this process must not go on, unless a next incarnation may begin in it. */
  async #end(reason: unknown): Promise<void> {
    this.#logger.error({ err: reason }, 'this replica cannot go on');
    if (this.#service !== null && reason instanceof OperatorError && endsIncarnation(reason)) {
      if (await this.#beginAnew(reason)) return;
    }
    if (this.#stopping === null) this.#stopping = this.#close(0).catch(() => undefined);
    await this.#stopping;
    this.#exit.reject(reason);
  }
}

const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => clearTimeout(timer));
  });

function hostOf(url: string): string {
  try {
    return new URL(url).hostname;
  } catch {
    return url;
  }
}

/** A database of its own for a rehearsal, which nothing listens to. */
export function makeRehearsal(
  { digest, clocks }: Pick<World, 'digest' | 'clocks'>,
  manifest: Manifest,
): DatabaseApplication {
  const nextTurn = (callback: () => void): void => clocks.nextTurn(callback);
  const database = new DatabaseApplication({ digest, nextTurn, raisedTo: manifest.level });
  database.initialize(databaseIdentity(manifest), manifest.formedLevel);
  return database;
}

/** The state before the first instance, for reading a directory where no replica runs. */
export function makeOfflineDatabase(digest: World['digest'], manifest: Manifest): DatabaseApplication {
  const database = new DatabaseApplication({ digest, raisedTo: manifest.level });
  database.initialize(databaseIdentity(manifest), manifest.formedLevel);
  return database;
}

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

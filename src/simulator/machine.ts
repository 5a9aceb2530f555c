/**
 * One machine of a simulated cell: its clocks, its disk, and the life of the replica process on it, if there is one.
 *
 * Core, runtime and storage are those of production, put together as `runtime/member` does, above simulated ports.
 */
import type { Configuration } from '../core/consensus/configuration.ts';
import type { ReplicaId } from '../core/consensus/identity.ts';
import { instance, parseReplicaId, replicaId } from '../core/consensus/identity.ts';
import type { CommandResult } from '../core/database/command.ts';
import type { EntryStoreMaker } from '../core/database/record.ts';
import type { Random } from '../core/random.ts';
import { firstLevel } from '../formats/levels.ts';
import { DiskError } from '../ports/disk.ts';
import type { RandomnessPort } from '../ports/randomness.ts';
import type { FormationView, ListedMember } from '../runtime/formation.ts';
import type { LogReplica } from '../runtime/log-replica.ts';
import type { Logger } from '../runtime/logger.ts';
import type { DatabaseService } from '../runtime/replica-service.ts';
import type { WaitingService } from '../runtime/waiting-service.ts';
import { StorageClosedError } from '../storage/errors.ts';
import { ReplicaStorage } from '../storage/replica-storage.ts';
import { type ArmedDiskFault, ArmedDiskFaults } from './armed-disk-faults.ts';
import { SimulatedAttempts } from './attempts.ts';
import type { Believer } from './checkers/lease-exclusion.ts';
import { type CrashOptions, SimulatedDisk } from './disk.ts';
import type { DiskImage } from './disk-image.ts';
import { answer, type ClientReply, type ClientRequest } from './front.ts';
import { gatedDisk } from './gated-ports.ts';
import { HostClock } from './host-clock.ts';
import { MemberProcess, type StartFlags } from './member-process.ts';
import type { SimulatedNetwork } from './network.ts';
import type { Observed, Observer } from './observer.ts';
import { SimulatedProcess } from './process.ts';
import type { Profile } from './profile.ts';
import { firstProgram, type Program } from './program.ts';
import { type Life, type LifeObserver, simulatedCell, startLife } from './replica-life.ts';
import { StartAttempt } from './start-attempt.ts';
import type { Scheduler } from './virtual-clock.ts';

export interface MachineOptions {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly network: SimulatedNetwork;
  readonly profile: Profile;
  readonly formation: Configuration;
  /** Of the cell; 1 where absent. */
  readonly formedLevel?: number;
  readonly observer: Observer;
  /** What the replica logs. */
  readonly note: (who: string, what: string, ...parts: readonly (string | number)[]) => void;
  /** Where a replica keeps the entries in memory; of the core's own making where absent. */
  readonly makeEntryStore?: (member: string) => ReturnType<EntryStoreMaker>;
  /** Other machines, by name. */
  readonly peers: (name: string) => Machine | undefined;
  /** The process ended by itself, which nothing but a fault of its disk excuses. */
  readonly onFatal: (machine: Machine, error: Error) => void;
  /** A process goes on from what it has found on its disk. */
  readonly onRecovered: (machine: Machine) => void;
  /** That it runs at first. */
  readonly program?: Program;
  /** No member of the formation: it has a disk, and waits for an operator. */
  readonly spare?: boolean;
  /** The directory of this machine says who it is, from now on. */
  readonly onEntered?: (machine: Machine, before: number) => void;
}

/** Why a replica has ended for good, as an operator is told. */
export interface NamedHalt {
  readonly code: string;
  /** File, record or whatever else is bad. */
  readonly item: string;
  readonly message: string;
  /** The version that must run first: another one cannot judge a damaged log. */
  readonly repairedBy?: string;
}

/** For a second process, which no checker takes for the first. */
const unseen = (issued: Observer['issued']): LifeObserver => ({
  ...{ applied: nothing, durable: nothing, issued, mastership: nothing, measured: nothing, recovered: nothing },
  proposes: nothing,
  ...{
    generationBegun: nothing,
    restored: nothing,
    snapshotCounts: nothing,
    snapshotsKept: nothing,
    snapshotsStandFor: nothing,
    stepped: nothing,
  },
  levelRaised: () => undefined,
});
const nothing = (): void => undefined;

/** As long as a real replica waits for an answer. */
const askPeerMsMax = 2_000;
/** One that was removed can be asked so much longer. */
const removedLingerMs = 200;

export class Machine {
  readonly name: string;
  readonly clock: HostClock;
  /** A service that was told to end. */
  draining: DatabaseService | null = null;
  /** True time until which a slow operation of the disk may be under way. */
  slowUntilMs = 0;
  /** Called once, when the next snapshot begins to be taken or received. */
  atSnapshot: ((process: SimulatedProcess) => void) | null = null;
  #blockedUntilMs = 0;
  #halted: NamedHalt | null = null;
  #incarnation = 1;
  /** Its disk is a new one, on which nothing runs yet. */
  #vacant = false;
  #beginning = false;
  #armed = new ArmedDiskFaults();
  #afterDiskFailure: (() => void) | null = null;
  /** Whoever supervises it is about to start it again. */
  #restarting = false;
  readonly #options: MachineOptions;
  readonly #random: Random;
  #disk: SimulatedDisk;
  #lives = 0;
  #process: SimulatedProcess | null = null;
  #life: Life | null = null;
  /** A process that found an empty directory. */
  #starting: StartAttempt | null = null;
  /** The production member, where an operator may act. */
  #member: MemberProcess | null = null;
  /** What the next start runs. */
  program: Program;
  /** What upgrades keep there. */
  attempts = new SimulatedAttempts();
  #flags: StartFlags;
  readonly #twins = new Set<() => void>();
  /** Operators whose requests were not answered yet: how they learn that the process is gone. */
  readonly #operating = new Set<() => void>();
  /** The version of the process that runs, or ran last, and since when it is that one; null before the first. */
  #runs: { readonly version: string; readonly sinceMs: number } | null = null;
  /** Requests of operators that have arrived so far. */
  operatorRequests = 0;

  constructor(options: MachineOptions) {
    const { scheduler, random, profile } = options;
    this.#options = options;
    this.#random = random;
    this.name = options.name;
    this.program = options.program ?? firstProgram;
    this.clock = new HostClock(() => scheduler.nowMs, {
      upMs: 1_000 * random.betweenLogarithmic(1, 1e6),
      wallMs: 1_767_225_600_000 + 1_000 * random.between(-30, 30),
    });
    this.clock.setStep(profile.clockStepMs);
    this.#disk = this.#newDisk('disk');
    this.#flags = { cell: this.listedMembers };
    this.#vacant = options.spare === true;
  }

  /** Of the present incarnation. */
  get id(): ReplicaId {
    return replicaId(this.name, this.#incarnation);
  }

  get incarnation(): number {
    return this.#incarnation;
  }

  get process(): SimulatedProcess | null {
    return this.#process;
  }

  /** The replica, when it is up and has read its disk. */
  get service(): DatabaseService | null {
    return this.#life?.service ?? null;
  }

  get log(): LogReplica<CommandResult> | null {
    return this.#life?.log ?? null;
  }

  /** That its replica is in; null where none runs. */
  get generation(): number | null {
    return this.#life?.generation ?? null;
  }

  get storage(): ReplicaStorage | null {
    return this.#life?.storage ?? null;
  }

  /** Where it is reached. */
  get url(): string {
    return `http://${this.name}.simulated`;
  }

  get disk(): SimulatedDisk {
    return this.#disk;
  }

  get up(): boolean {
    return this.#process !== null;
  }

  checksum(): string | null {
    return this.#life?.database.checksumHex() ?? null;
  }

  /** What its data directory begins with. */
  get formation(): Parameters<typeof ReplicaStorage.form>[1] {
    const { id, name, generation, secretHex } = simulatedCell;
    const { formedLevel = firstLevel } = this.#options;
    return {
      cell: { id, name, generation, secretHex },
      member: { name: this.name, incarnation: this.#incarnation },
      configurations: [{ from: instance(1), configuration: this.#options.formation }],
      level: Math.max(formedLevel, this.program.levels.min),
      formedLevel,
    };
  }

  /** What `--cell` says. */
  get listedMembers(): readonly ListedMember[] {
    return this.#options.formation.members.map(({ name, url }) => ({ name, url }));
  }

  /** Makes the data directory of a member that has never run. */
  async form(): Promise<void> {
    if (!this.#vacant) await ReplicaStorage.form(this.#disk, this.formation);
  }

  get vacant(): boolean {
    return this.#vacant;
  }

  /** The incarnation ends, and its disk goes with it. */
  retire(random: Random): void {
    this.kill({ writes: 'process' }, random);
    this.#vacant = true;
    this.#halted = null;
    this.#armed = new ArmedDiskFaults();
    this.#disk = this.#newDisk(`disk/${this.#incarnation + 1}`, this.#disk.knobs);
  }

  /** Another incarnation begins on the new disk, unless that is under way already. A disk without room is tried again. */
  async beginAnew(incarnation: number): Promise<void> {
    if (this.#beginning) return;
    this.#beginning = true;
    this.#incarnation = incarnation;
    try {
      await ReplicaStorage.form(this.#disk, this.formation);
      this.#vacant = false;
      this.boot();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    } finally {
      this.#beginning = false;
    }
  }

  /** Another process, on another disk: an earlier state of this one. */
  restore(image: DiskImage, random: Random): void {
    this.kill({ writes: 'kept' }, random);
    this.#disk = this.#newDisk('restored', this.#disk.knobs, image);
    this.boot();
  }

  /** An operator starts it, with these flags from now on (null: those of before), on the disk that is there, on an empty one, or on another state of it. */
  restart(flags: Partial<StartFlags> | null, disk: 'kept' | 'empty' | DiskImage, random: Random): void {
    this.kill({ writes: 'process' }, random);
    this.#halted = null;
    this.#vacant = false;
    if (flags !== null) this.#flags = { cell: this.listedMembers, ...flags };
    if (disk === 'empty') {
      this.#armed = new ArmedDiskFaults();
      this.attempts = new SimulatedAttempts();
    }
    const label = `disk of start ${this.#lives + 1}`;
    if (disk !== 'kept') this.#disk = this.#newDisk(label, this.#disk.knobs, disk === 'empty' ? undefined : disk);
    this.boot();
  }

  /** Ends by itself, as after SIGTERM, when it can in time; then it is gone in any case. */
  async stop(timeoutMs: number, random: Random): Promise<void> {
    const { scheduler } = this.#options;
    const process = this.#process;
    const stopped = process?.paused === false ? this.#member?.stop(timeoutMs / 2) : undefined;
    if (process === null) return;
    const late = new Promise<void>((resolve) => void scheduler.after(timeoutMs, resolve, true));
    await Promise.race([stopped?.catch(() => undefined) ?? late, late]);
    scheduler.settle();
    if (this.#process === process) this.kill({ writes: 'process' }, random);
  }

  /** The level in force, as the replica here knows it; null where none runs. */
  get level(): number | null {
    return this.#life?.database.level ?? null;
  }

  /** A file lies where nothing can be read again, whoever writes it. */
  get hasBadSectors(): boolean {
    return this.#armed.lasting;
  }

  /**
   * A second process of this name, on a copy of the directory, beside the one that runs (pitfall O2). It ends with that one, or when the
   * returned function is called. `onVote`: it promises or accepts.
   */
  startTwin(where: 'address' | 'elsewhere', onVote: Observer['issued'], onEnd: (error: Error) => void): () => void {
    const { scheduler, profile, network } = this.#options;
    const process = new SimulatedProcess({ name: `${this.name}/twin ${++this.#lives}`, scheduler, clock: this.clock });
    const random = this.#random.fork(process.name);
    const schedule = (delayMs: number, callback: () => void): void =>
      void scheduler.after(delayMs, () => process.enter('io', callback), true);
    const options = { schedule, random, now: () => scheduler.nowMs, fault: () => null };
    const disk = new SimulatedDisk(options, this.#disk.image.copy(true), { ...this.#disk.knobs });
    const twin = new MemberProcess({
      ...{ name: this.name, flags: { cell: this.listedMembers }, process, disk, random, twin: where },
      ...{ program: this.program, attempts: this.attempts },
      randomness: { bytes: (length) => Uint8Array.from({ length }, () => random.below(256)) },
      ...{ network, profile, observer: unseen(onVote), logger: this.#logger(), makeEntryStore: undefined },
      ask: (url, path, body) => this.#ask(process, url, path, body),
      onEntered: () => undefined,
      onFatal: (error) => process.alive && onEnd(error),
      onRemoved: (error) => process.alive && onEnd(error),
      onRecovered: () => undefined,
      onSnapshot: () => undefined,
      onLife: () => undefined,
    });
    twin.run().catch((error: unknown) => process.alive && onEnd(error as Error));
    scheduler.settle();
    const end = (): void => {
      process.kill();
      twin.crash();
      this.#member?.readdress();
      this.#twins.delete(end);
    };
    this.#twins.add(end);
    return end;
  }

  #newDisk(label: string, knobs?: SimulatedDisk['knobs'], image?: DiskImage): SimulatedDisk {
    const { scheduler } = this.#options;
    const options = {
      schedule: (delayMs: number, callback: () => void) => void scheduler.after(delayMs, callback, true),
      random: this.#random.fork(label),
      now: () => scheduler.nowMs,
    };
    return knobs === undefined ? new SimulatedDisk(options) : new SimulatedDisk(options, image, knobs);
  }

  /** What a member says about itself to one that is about to start; null when it does not answer. */
  async formationView(): Promise<FormationView | null> {
    if (this.#member !== null) return (await this.answerPeer('/peer/v1/formation', {})) as FormationView | null;
    if (this.#starting !== null) return this.#starting.view();
    const log = this.#life?.log;
    if (log === undefined || this.#process?.paused === true) return null;
    const members = log.core.configuration.members.map(({ name }) => name);
    const cell = { id: simulatedCell.id, members, appliedUpTo: log.appliedUpTo };
    return {
      name: this.name,
      cellName: 'simulated',
      members: this.listedMembers,
      state: 'formed',
      document: null,
      cell,
    };
  }

  /** `process`, on this machine, asks whoever is at `url`. */
  async askPeer(process: SimulatedProcess, url: string): Promise<FormationView | null> {
    const { network, peers } = this.#options;
    const peer = this.listedMembers.find((member) => member.url === url)?.name ?? '';
    const legMs = network.faults.delayMsMin + network.faults.delayMsMean;
    const reached = await process.promise(legMs, () => network.reaches(this.name, peer));
    const view = reached ? ((await peers(peer)?.formationView()) ?? null) : null;
    return process.promise(legMs, () => view);
  }

  /** Whoever listens here answers a question of another replica; null when nobody does. */
  async answerPeer(path: string, body: unknown): Promise<unknown> {
    if (this.#member === null || this.#process?.paused !== false) return null;
    return this.#member.answer(path, body);
  }

  /** `process`, on this machine, asks whoever is at `url`; null when there is no answer in time. */
  async #ask(process: SimulatedProcess, url: string, path: string, body: unknown): Promise<unknown> {
    const { network, peers } = this.#options;
    const peer = peers(new URL(url).hostname.replace(/\.simulated$/, ''));
    const legMs = network.faults.delayMsMin + network.faults.delayMsMean;
    const asked = async (): Promise<unknown> => {
      const reached = await process.promise(legMs, () => peer !== undefined && network.reaches(this.name, peer.name));
      const answer = reached ? ((await peer?.answerPeer(path, body)) ?? null) : null;
      return process.promise(legMs, () => answer);
    };
    const told = this.#options.observer.changes.asks(process.name, path, {
      atMs: this.#options.scheduler.nowMs,
      monotonicMs: process.now().monotonicMs,
      appliedUpTo: this.#life?.log.appliedUpTo ?? 0,
    });
    const answer = await Promise.race([asked(), process.promise(askPeerMsMax, () => null)]);
    told(answer);
    return answer;
  }

  /** For people. */
  state(): string {
    const { log } = this;
    if (this.#halted !== null) return `${this.id} halted: ${this.#halted.code}`;
    if (this.#vacant) return `${this.id} has a new disk`;
    if (log !== null) return `${this.id} applied ${log.appliedUpTo}, ${log.core.participation}`;
    return `${this.id} is ${this.up ? 'starting' : 'down'}`;
  }

  /** A new process on what the disk holds, unless one has refused it before. */
  boot(): void {
    if (this.#halted !== null || this.#vacant) return;
    const { scheduler, profile } = this.#options;
    const process = new SimulatedProcess({
      name: `${this.name}/${++this.#lives}`,
      scheduler,
      clock: this.clock,
    });
    const { timerLatenessMs } = profile;
    const random = this.#random.fork(process.name);
    if (timerLatenessMs > 0) process.delayTimers(() => timerLatenessMs * random.next());
    this.#process = process;
    const { version } = this.program;
    if (this.#runs?.version !== version) this.#runs = { version, sinceMs: scheduler.nowMs };
    this.#disk = this.#disk.crash(
      { writes: 'process' },
      gatedDisk(process, scheduler, {
        armed: (operation) => this.#armed.strike(operation),
        blockedUntilMs: () => this.#blockedUntilMs,
      }),
    );
    scheduler.settle();
    this.#run(process, random).catch((error: unknown) => {
      if (process.alive) this.#options.onFatal(this, error instanceof Error ? error : new Error(String(error)));
    });
  }

  /**
   * Operations of the disk fail, as described, until the returned function is called; `onFailure` restarts the replica that
   * has stopped because of it.
   */
  armDiskFault(armed: ArmedDiskFault, onFailure: () => void): () => void {
    this.#afterDiskFailure = onFailure;
    return this.#armed.arm(armed);
  }

  /** No operation of the disk answers before this true time. */
  blockDiskUntil(atMs: number): void {
    this.#blockedUntilMs = atMs;
    this.slowUntilMs = Math.max(this.slowUntilMs, atMs);
  }

  /** Reading this file fails from now on (D4). Another one that gets its name later lies elsewhere on the disk. */
  loseSectors(path: string): void {
    const { number } = this.#disk.inode(path);
    const lasting = (): boolean => {
      const node = this.#disk.image.names.get(path);
      return node !== undefined && node !== 'folder' && node.number === number;
    };
    this.#armed.arm({ operations: ['read'], path, fault: 'error', skip: 0, lasting });
  }

  /** Somebody asks for a deep check of the files here; what the disk refuses meanwhile is no finding of it. */
  checkFiles(): void {
    const process = this.#process;
    const life = this.#life;
    process?.enter('io', () => {
      life?.checkFiles().catch((error: unknown) => {
        const refused = error instanceof DiskError || error instanceof StorageClosedError;
        if (process.alive && !refused) this.#options.onFatal(this, error as Error);
      });
      this.#options.scheduler.settle();
    });
  }

  /** The replica refused its disk with a named error, and stays out. */
  halt(why: NamedHalt): void {
    this.kill({ writes: 'process' }, this.#random);
    this.#options.note(this.name, 'halts', why.code, why.message);
    this.#halted = why;
  }

  get halted(): NamedHalt | null {
    return this.#halted;
  }

  /** The replica has stopped because its disk failed: it is started again, like after any crash. */
  diskFailed(): void {
    const after = this.#afterDiskFailure;
    this.#afterDiskFailure = null;
    if (after !== null) return after();
    this.kill({ writes: 'process' }, this.#random);
    if (this.#restarting) return;
    this.#restarting = true;
    this.#options.scheduler.after(this.#options.profile.leaseMs, () => {
      this.#restarting = false;
      if (!this.up) this.boot();
    });
  }

  /** Everything that ailed it is over. What was told to end, or hangs in its disk, is ended by `kill` and started again. */
  heal(kill: () => void): void {
    const draining = this.service !== null && this.service === this.draining;
    const { nowMs } = this.#options.scheduler;
    if (draining || nowMs < this.slowUntilMs || nowMs < this.#blockedUntilMs) kill();
    this.#armed.disarmAll();
    this.#blockedUntilMs = 0;
    this.atSnapshot = null;
    this.#disk.limit(null);
    this.#afterDiskFailure = null;
    this.#disk.knobs.slowFlushChance = 0;
    this.clock.wake();
    const process = this.#process;
    if (process === null) return this.boot();
    process.disarmCrash();
    process.slowDown(0);
    process.delayTimers(() => 0);
    process.resume('io');
  }

  /** The process ends in the middle of whatever it was doing. */
  kill(how: CrashOptions, random: Random): void {
    const process = this.#process;
    if (process === null) return;
    this.#options.observer.died(this.#observed(process), how.writes);
    process.kill();
    if (this.#member === null) this.#options.network.crash(this.id);
    else this.#member.crash();
    this.#member = null;
    this.#disk = this.#disk.crash(how, {}, random);
    this.#process = null;
    this.#life = null;
    this.#starting = null;
    for (const end of [...this.#twins]) end();
    const waiting = [...this.#operating];
    this.#operating.clear();
    for (const broken of waiting) broken();
  }

  #observed(process: SimulatedProcess): Observed {
    return { id: this.id, name: this.name, process: process.name };
  }

  async #run(process: SimulatedProcess, random: Random): Promise<void> {
    const { profile, network, observer, formation, peers, onRecovered, onFatal, makeEntryStore } = this.#options;
    const randomness: RandomnessPort = {
      bytes: (length) => Uint8Array.from({ length }, () => random.below(256)),
    };
    if (profile.operated === true) return this.#runMember(process, random, randomness);
    if (this.#disk.image.holdsNoFile()) return this.#startEmpty(process, randomness);
    const life = await startLife({
      ...{ observed: this.#observed(process), process, disk: this.#disk, random, randomness },
      ...{ network, profile, formation, observer, logger: this.#logger() },
      makeEntryStore: makeEntryStore === undefined ? undefined : () => makeEntryStore(this.name),
      presentId: (name) => peers(name)?.id,
      onFatal: (error) => onFatal(this, error),
      onRecovered: () => onRecovered(this),
      onSnapshot: () => this.#snapshotBegins(),
    });
    this.#life = life;
    life.log.start();
  }

  async #runMember(process: SimulatedProcess, random: Random, randomness: RandomnessPort): Promise<void> {
    const { profile, network, observer, onRecovered, onFatal, makeEntryStore } = this.#options;
    const member = new MemberProcess({
      ...{ name: this.name, flags: this.#flags, process, disk: this.#disk, random, randomness },
      ...{ program: this.program, attempts: this.attempts },
      ...{ network, profile, observer, logger: this.#logger() },
      makeEntryStore: makeEntryStore === undefined ? undefined : () => makeEntryStore(this.name),
      ask: (url, path, body) => this.#ask(process, url, path, body),
      onEntered: (id) => {
        const before = this.#incarnation;
        this.#incarnation = parseReplicaId(id).incarnation;
        this.#options.onEntered?.(this, before);
      },
      onFatal: (error) => {
        if (process.alive) onFatal(this, error);
      },
      onRemoved: (error) => void process.promise(removedLingerMs, () => onFatal(this, error)),
      onRecovered: () => onRecovered(this),
      onSnapshot: () => this.#snapshotBegins(),
      onLife: (life) => {
        if (process.alive) this.#life = life;
      },
    });
    this.#member = member;
    await member.run();
  }

  /** The disk is gone. `node start` asks the others, who know better. */
  async #startEmpty(process: SimulatedProcess, randomness: RandomnessPort): Promise<void> {
    this.#starting = new StartAttempt({
      name: this.name,
      disk: this.#disk,
      cell: this.listedMembers,
      cellName: 'simulated',
      process,
      randomness,
      ask: (url) => this.askPeer(process, url),
      logger: this.#logger(),
    });
    await this.#starting.run();
  }

  /** Lines go into the trace, where the story of a failed seed is read. */
  #logger(): Logger {
    const line = (facts: object, message: string): void => {
      const { err } = facts as { err?: unknown };
      this.#options.note(this.name, `logs: ${message}`, err instanceof Error ? err.message : '');
    };
    // The moves of the state machines, which is what replicas say for debugging, are noted by the observer.
    return { debug() {}, info: line, warn: line, error: line };
  }

  #snapshotBegins(): void {
    const begins = this.atSnapshot;
    this.atSnapshot = null;
    if (this.#process !== null) begins?.(this.#process);
  }

  // --- what clients and checkers ask --------------------------------------------------------------------------------

  /** A request has arrived. A machine without a listening process refuses the connection. */
  serve(request: ClientRequest, reply: (reply: ClientReply) => void): void {
    const process = this.#process;
    if (process === null) return reply({ kind: 'none', retryAfterMs: 20 });
    process.enter('io', () => {
      const life = this.#life;
      if (life === null) return reply({ kind: 'none', retryAfterMs: 20 });
      const { service, log, pending } = life;
      const answeredNow = pending.begin(this.#options.scheduler.nowMs);
      const { observer, profile } = this.#options;
      answer(
        {
          service,
          appliedUpTo: () => log.appliedUpTo,
          observed: (epoch) => {
            const { generation } = life;
            const believer = { name: this.name, generation, serving: { ballot: log.core.ballot } };
            observer.looked(this.#observed(process), epoch === null ? null : { epoch, believer });
          },
          waitMs: profile.leaseMs,
        },
        request,
        (answered) => {
          if (!process.alive) return;
          answeredNow();
          if (answered.kind === 'written' && answered.result.kind === 'multiop') {
            observer.acknowledges(this.#observed(process), answered.result.instance);
          }
          reply(answered);
        },
      );
    });
  }

  /**
   * An operator's request has arrived; answered with null where no replica serves. `broken`: the process ended before it had answered.
   * `opening`: what is answered while the directory is being opened.
   */
  operate<Result>(
    ask: (service: DatabaseService) => Promise<Result>,
    reply: (result: Result | null) => void,
    broken: () => void,
    opening: (waiting: WaitingService) => Result | null = () => null,
  ): void {
    const process = this.#process;
    if (process === null) return reply(null);
    process.enter('io', () => {
      const service = this.#life?.service;
      if (service === undefined) return reply(this.#member === null ? null : opening(this.#member.waiting));
      this.operatorRequests++;
      this.#operating.add(broken);
      const answered = (result: Result | null): void => {
        if (this.#operating.delete(broken) && process.alive) reply(result);
      };
      ask(service).then(answered, () => answered(null));
      this.#options.scheduler.settle();
    });
  }

  /** A request of an operator is being carried out. */
  get isOperating(): boolean {
    return this.#operating.size > 0;
  }

  /** The version of the replica that runs, and since when no other one ran here; null where none runs. */
  get runs(): { readonly version: string; readonly sinceMs: number } | null {
    return this.log === null ? null : this.#runs;
  }

  /** Of one more start by hand. */
  restartRandom(): Random {
    return this.#random.fork(`start ${this.#lives + 1}`);
  }

  /** True time until the lease of this master ends, unless it is renewed; null for anybody else. */
  leaseRemainingMs(): number | null {
    const log = this.#life?.log;
    const process = this.#process;
    if (log === undefined || process === null || !log.isServing()) return null;
    const now = process.now();
    const at = (now.monotonicMs + log.core.leaseRemainingMs(now)) as typeof now.monotonicMs;
    return this.clock.trueMsUntil(at);
  }

  /** @throws {Violation} when a request waits for its answer for longer than `mostMs`. */
  checkPending(mostMs: number): void {
    if (this.#process?.paused === true) return;
    this.#life?.pending.check(this.name, this.#options.scheduler.nowMs, mostMs);
  }

  /** Would this process serve if a request came to it now? */
  believer(): (Believer & { readonly process: string }) | null {
    const process = this.#process;
    const log = this.#life?.log;
    if (process === null || log === undefined) return null;
    return {
      name: this.name,
      process: process.name,
      generation: this.#life?.generation ?? 1,
      serving: log.isServing() ? { ballot: log.core.ballot } : null,
    };
  }
}

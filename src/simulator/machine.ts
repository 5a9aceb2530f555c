/**
 * One machine of a simulated cell: its clocks, its disk, and the life of the replica process on it, if there is one.
 *
 * Core, runtime and storage are those of production, put together as `runtime/member` does, above simulated ports.
 */
import type { ReplicaId } from '../core/consensus/identity.ts';
import { instance, parseReplicaId, replicaId } from '../core/consensus/identity.ts';
import type { CommandResult } from '../core/database/command.ts';
import type { Random } from '../core/random.ts';
import { firstLevel } from '../formats/levels.ts';
import { DiskError } from '../ports/disk.ts';
import type { RandomnessPort } from '../ports/randomness.ts';
import type { CheckedFiles } from '../runtime/file-repair.ts';
import type { ListedMember } from '../runtime/formation.ts';
import type { LogReplica } from '../runtime/log-replica.ts';
import type { Logger } from '../runtime/logger.ts';
import type { DatabaseService } from '../runtime/replica-service.ts';
import { StorageClosedError } from '../storage/errors.ts';
import { ReplicaStorage } from '../storage/replica-storage.ts';
import { SimulatedAttempts } from './attempts.ts';
import { type CrashOptions, SimulatedDisk } from './disk.ts';
import { DiskAilments } from './disk-ailments.ts';
import type { DiskImage } from './disk-image.ts';
import type { NamedHalt } from './fatal-errors.ts';
import { gatedDisk } from './gated-ports.ts';
import { HostClock } from './host-clock.ts';
import { MachineFront } from './machine-front.ts';
import type { MachineOptions } from './machine-options.ts';
import { MachineQuestions } from './machine-questions.ts';
import { MemberProcess, type StartFlags } from './member-process.ts';
import type { Observed } from './observer.ts';
import { SimulatedProcess } from './process.ts';
import { firstProgram, type Program } from './program.ts';
import { type Life, type LifeOptions, simulatedCell, startLife } from './replica-life.ts';
import { StartAttempt } from './start-attempt.ts';
import { startTwin, type Twin } from './twin.ts';

/** One that was removed can be asked so much longer. */
const removedLingerMs = 200;

export class Machine {
  readonly name: string;
  readonly clock: HostClock;
  /** A service that was told to end. */
  draining: DatabaseService | null = null;
  readonly front: MachineFront;
  readonly questions: MachineQuestions;
  readonly ailments = new DiskAilments(() => this.#disk);
  /** Called once, when the next snapshot begins to be taken or received. */
  atSnapshot: ((process: SimulatedProcess) => void) | null = null;
  #halted: NamedHalt | null = null;
  #incarnation = 1;
  /** Its disk is a new one, on which nothing runs yet. */
  #vacant = false;
  #beginning = false;
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
  /** The version of the process that runs, or ran last, and since when it is that one; null before the first. */
  #runs: { readonly version: string; readonly sinceMs: number } | null = null;

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
    this.front = new MachineFront(this, options, () => this.#member?.waiting ?? null);
    this.questions = new MachineQuestions(this, options, () => ({ member: this.#member, starting: this.#starting }));
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

  /** When it is up and has read its disk. */
  get life(): Life | null {
    return this.#life;
  }

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
    this.ailments.replaced();
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
      this.ailments.replaced();
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

  /** A second process of this name, beside the one that runs; it ends with that one, or when the returned function is called. */
  startTwin(where: Twin['where'], onVote: Twin['onVote'], onEnd: Twin['onEnd']): () => void {
    const { scheduler, profile, network } = this.#options;
    const stop = startTwin({
      ...{ name: this.name, nth: ++this.#lives, where, onVote, onEnd },
      ...{ clock: this.clock, random: this.#random, disk: this.#disk, cell: this.listedMembers },
      ...{ program: this.program, attempts: this.attempts, scheduler, network, profile, logger: this.#logger() },
      ask: (process, url, path, body) => this.questions.ask(process, url, path, body),
    });
    const end = (): void => {
      stop();
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
    const process = new SimulatedProcess({ name: `${this.name}/${++this.#lives}`, scheduler, clock: this.clock });
    const { timerLatenessMs } = profile;
    const random = this.#random.fork(process.name);
    if (timerLatenessMs > 0) process.delayTimers(() => timerLatenessMs * random.next());
    this.#process = process;
    const { version } = this.program;
    if (this.#runs?.version !== version) this.#runs = { version, sinceMs: scheduler.nowMs };
    this.#disk = this.#disk.crash({ writes: 'process' }, gatedDisk(process, scheduler, this.ailments));
    scheduler.settle();
    this.#run(process, random).catch((error: unknown) => {
      if (process.alive) this.#options.onFatal(this, error instanceof Error ? error : new Error(String(error)));
    });
  }

  /** Somebody asks for a deep check of the files here, and is told what it found; what the disk refuses meanwhile is no finding of it. */
  checkFiles(onChecked: (checked: CheckedFiles) => void = () => undefined): void {
    const process = this.#process;
    const life = this.#life;
    process?.enter('io', () => {
      const checked = life?.checkFiles().then((files) => process.alive && onChecked(files));
      checked?.catch((error: unknown) => {
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
    const after = this.ailments.takeAfterFailure();
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
    if (draining || this.ailments.mayHang(nowMs)) kill();
    this.ailments.heal();
    this.atSnapshot = null;
    this.#disk.limit(null);
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
    this.#options.observer.died(this.observed(process), how.writes);
    process.kill();
    if (this.#member === null) this.#options.network.crash(this.id);
    else this.#member.crash();
    this.#member = null;
    this.#disk = this.#disk.crash(how, {}, random);
    this.#process = null;
    this.#life = null;
    this.#starting = null;
    for (const end of [...this.#twins]) end();
    this.front.died();
  }

  /** As the observer knows it. */
  observed(process: SimulatedProcess): Observed {
    return { id: this.id, name: this.name, process: process.name };
  }

  async #run(process: SimulatedProcess, random: Random): Promise<void> {
    const { profile, network, observer, formation, peers, onRecovered, onFatal, makeEntryStore } = this.#options;
    const randomness: RandomnessPort = { bytes: (length) => Uint8Array.from({ length }, () => random.below(256)) };
    const parts = {
      ...{ process, disk: this.#disk, random, randomness, network, profile, observer, logger: this.#logger() },
      makeEntryStore: makeEntryStore === undefined ? undefined : () => makeEntryStore(this.name),
      onFatal: (error: Error) => onFatal(this, error),
      onRecovered: () => onRecovered(this),
      onSnapshot: () => this.#snapshotBegins(),
    };
    if (profile.operated === true) return this.#runMember(parts);
    if (this.#disk.image.holdsNoFile()) return this.#startEmpty(process, randomness);
    const presentId = (name: string): ReplicaId | undefined => peers(name)?.id;
    this.#life = await startLife({ ...parts, observed: this.observed(process), formation, presentId });
    this.#life.log.start();
  }

  async #runMember(parts: Omit<LifeOptions, 'observed' | 'presentId' | 'formation'>): Promise<void> {
    const { process, onFatal } = parts;
    const member = new MemberProcess({
      ...parts,
      ...{ name: this.name, flags: this.#flags, program: this.program, attempts: this.attempts },
      ask: (url, path, body) => this.questions.ask(process, url, path, body),
      onEntered: (id) => {
        const before = this.#incarnation;
        this.#incarnation = parseReplicaId(id).incarnation;
        this.#options.onEntered?.(this, before);
      },
      onFatal: (error) => {
        if (process.alive) onFatal(error);
      },
      onRemoved: (error) => void process.promise(removedLingerMs, () => onFatal(error)),
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
      ...{ name: this.name, disk: this.#disk, cell: this.listedMembers, cellName: 'simulated', process, randomness },
      ask: (url) => this.questions.askFormation(process, url),
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

  /** The version of the replica that runs, and since when no other one ran here; null where none runs. */
  get runs(): { readonly version: string; readonly sinceMs: number } | null {
    return this.log === null ? null : this.#runs;
  }

  /** Of one more start by hand. */
  restartRandom(): Random {
    return this.#random.fork(`start ${this.#lives + 1}`);
  }
}

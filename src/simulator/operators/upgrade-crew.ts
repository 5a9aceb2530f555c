/**
 * Whoever upgrades a simulated cell: types the commands of `src/operator/upgrade`, is killed at some call and types again, restarts members
 * as was asked or otherwise; and at the end brings the attempt that is open to its end, and makes one more upgrade.
 *
 * Source: design §6; pitfalls U1 to U5; PML §7. Keeps: an attempt that is over has left nothing; none begins over what another one left;
 * no version applies anything of a level that it does not speak.
 */
import type { BootHistory } from '../../core/consensus/boot-history.ts';
import type { ReplicaId } from '../../core/consensus/identity.ts';
import type { Random } from '../../core/random.ts';
import { OperatorError } from '../../errors/index.ts';
import { isSupported } from '../../formats/levels.ts';
import { journalOf } from '../../operator/upgrade/claim.ts';
import type { Driven } from '../../operator/upgrade/driver.ts';
import { type Attempt, endStates } from '../../operator/upgrade/journal.ts';
import { preflightDefaults } from '../../operator/upgrade/preflight.ts';
import { type Continue, finalize, goBack, resume, run } from '../../operator/upgrade/workflows.ts';
import type { RestartRequest, UpgradeWorld } from '../../operator/upgrade/world.ts';
import type { DatabaseService } from '../../runtime/replica-service.ts';
import { Violation } from '../checkers/violation.ts';
import type { DiskImage } from '../disk-image.ts';
import type { NamedHalt } from '../fatal-errors.ts';
import { isFit, startedFrom, witnesses } from '../faults/directory-faults.ts';
import type { FaultWorld } from '../faults/world.ts';
import type { Machine } from '../machine.ts';
import { isLater, type Program, patchOf, programNamed, programOf, strangerTo } from '../program.ts';
import type { CrewOptions } from './crew.ts';
import { Desk } from './desk.ts';
import { type Meddling, UpgradeMoments, WatchedDriver } from './upgrade-moments.ts';
import type { UpgradeKind, UpgradeOrder } from './upgrade-order.ts';
import { simulatedUpgradeWorld } from './upgrade-world.ts';

interface Copy {
  readonly id: ReplicaId;
  readonly image: DiskImage;
  readonly shown: BootHistory;
}

type Ending = Driven | 'killed' | 'asleep' | (string & {});

const plainOrder = (command: UpgradeKind): UpgradeOrder => ({
  ...{ command, kill: null, lie: '', lieAt: 0, harsh: false, residueAt: '', tries: 1, pauseMs: 0 },
});
/** How often it is looked whether an older directory may be put back now. */
const patience = 40;
/** Of what is typed at the end, when nothing goes wrong any more. */
const lastTries = 6;
/** Of a cell that can be upgraded: it chooses while one of them is away. */
const votersMin = 3;

export class UpgradeCrew {
  readonly #options: CrewOptions;
  #busy = false;
  #stopped = false;
  /** Counts the times at which everybody was told to stop: who began before goes on with nothing after it. */
  #age = 0;
  /** Of whoever drives, or sleeps. */
  readonly #desks = new Set<Desk>();
  readonly #moments: UpgradeMoments;
  #typed = 0;
  /** Of the directories, from before the first upgrade of this sequence. */
  #copies = new Map<string, Copy>();

  constructor(options: CrewOptions) {
    this.#options = options;
    const { machines, observer, scheduler } = options;
    this.#moments = new UpgradeMoments(scheduler, machines, () => {
      return observer.lastConfigurations[1].from > observer.chosenUpTo + 1;
    });
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** Names of those who take part. */
  get members(): readonly string[] {
    return this.#options.observer.configuration.members.map(({ name }) => name);
  }

  get #voters(): number {
    return this.#options.observer.configuration.members.filter(({ role }) => role === 'voter').length;
  }

  /** In force, or of before: it never falls. */
  get level(): number {
    return this.#options.observer.level;
  }

  /** Is it right that this replica ends for good? One that has not heard of the newest level yet refuses a version that speaks only that. */
  excuses({ name, program: { levels } }: Machine, { code, repairedBy }: NamedHalt): boolean {
    if (code !== 'PAXOS_VERSION_REFUSED') return false;
    // What was damaged cannot be rehearsed: the version before goes on from it, and repairs it from the others.
    if (repairedBy !== undefined) return this.#options.atlas.isDamaged(name);
    return levels.min > this.#options.observer.formedLevel || levels.max < this.level;
  }

  async perform(orders: readonly UpgradeOrder[], random: Random, world: FaultWorld): Promise<void> {
    this.#busy = true;
    const age = this.#age;
    if (random.chance(0.5) || this.#copies.size === 0) this.#copyDirectories();
    if (random.chance(0.7)) this.#moments.tidy();
    for (const [i, order] of orders.entries()) {
      if (this.#age !== age) break;
      await this.#repeat(order, random.fork(`order ${i}`), world);
    }
    this.#busy = false;
    this.#options.scheduler.settle();
  }

  /** What is refused because somebody is not well just now is typed again. */
  async #repeat(order: UpgradeOrder, random: Random, world: FaultWorld): Promise<void> {
    const { count, note, leaseMs } = this.#options;
    const age = this.#age;
    for (let tries = 0; tries < order.tries && this.#age === age; tries++) {
      if (order.looksFirst === true && order.command !== 'run' && this.open === null) return;
      const ending = await this.#type(tries === 0 ? order : { ...order, kill: null }, random.fork(`${tries}`), world);
      note('', `operator: upgrade ${order.command}`, textOf(ending));
      if (ending === 'killed') count('upgrade-killed');
      else if (ending === 'asleep') count('upgrade-slept');
      else if (typeof ending === 'string') count('upgrade-refused');
      else count(countedAs(ending, order.command));
      await this.#pause(order.pauseMs);
      // As it says.
      if (typeof ending === 'string' && /start them all with one of these/.test(ending)) this.#sameVersion();
      if (typeof ending !== 'string' || ending === 'asleep' || ending.startsWith('PAXOS_REFUSED')) return;
      await this.#pause(4 * leaseMs);
    }
  }

  /** State of the upgrade that is open, as somebody says who runs; null where nobody knows of one. */
  get open(): string | null {
    return (
      this.#options.machines.map(({ service }) => service?.openUpgrade() ?? null).find((it) => it !== null)?.state ??
      null
    );
  }

  /** Nobody types anything any more. */
  stop(): void {
    this.#stopped = true;
    this.#age++;
    for (const desk of this.#desks) desk.kill();
  }

  // --- one command ------------------------------------------------------------------------------------------------------

  /** Resolves when the command has ended, was killed, or its driver sleeps; that one goes on when it wakes up. */
  async #type(order: UpgradeOrder, random: Random, faults: FaultWorld | null): Promise<Ending> {
    const { scheduler, clientNetwork, machines, leaseMs, fail, note } = this.#options;
    const { command, dropShare = 0, kill, meddlings = [], residueAt, sleep = null } = order;
    if (residueAt !== '') this.#moments.plant(machines.find(({ name }) => name === residueAt));
    const line = random.fork('line');
    const offlineMs = (): number => (line.chance(dropShare) ? line.betweenLogarithmic(1, 2_000) : 0);
    const timeoutMs = Math.max(2_000, 8 * leaseMs);
    const desk = new Desk({ scheduler, clientNetwork, machines, kill, timeoutMs, offlineMs });
    this.#desks.add(desk);
    let restarts = 0;
    const world = simulatedUpgradeWorld({
      ...{ scheduler, desk },
      nonce: () => Array.from({ length: 32 }, () => random.below(16).toString(16)).join(''),
      restart: (request) => {
        const at = restarts++;
        return this.#restart(request, order, { at, random: random.fork(`restart ${at}`), faults, desk });
      },
      onRaise: (master, levels) => this.#raises(master, levels),
      onOpened: (at) => this.#opens(at),
    });
    const driver = new WatchedDriver({
      ...{ world, moments: this.#moments, scheduler, fail, sleep: faults === null ? null : sleep },
      meddlings: faults === null ? [] : meddlings,
      members: () => this.members,
      level: () => this.level,
      drop: () => desk.drop(1),
      meddle: (meddling, attempt) => this.#meddle(meddling, attempt, random.fork('meddling')),
    });
    const ends = this.#ends(order, driver.world, desk).then((ending) => {
      this.#desks.delete(desk);
      return ending;
    });
    const ending = await Promise.race([ends, driver.asleep]);
    if (ending === 'asleep') {
      void ends.then((late) => note('', `operator: upgrade ${command} by who slept`, textOf(late)));
    }
    return ending;
  }

  async #ends(order: UpgradeOrder, world: UpgradeWorld, desk: Desk): Promise<Ending> {
    const typedMs = this.#options.scheduler.nowMs;
    try {
      const ended = await Promise.race([this.#carryOut(order, world), desk.death]);
      if (ended !== 'killed') this.#judge(order.command, ended, typedMs);
      return ended;
    } catch (error) {
      if (error instanceof OperatorError) return `${error.code}: ${error.message}`;
      this.#options.fail(error instanceof Error ? error : new Error(String(error)));
      return 'bug';
    }
  }

  #carryOut({ command, patch = false }: UpgradeOrder, world: UpgradeWorld): Promise<Driven> {
    const { leaseMs } = this.#options;
    const options = {
      ...preflightDefaults,
      stepTimeoutMs: Math.max(6_000, 30 * leaseMs),
      soakMs: 0,
    };
    const events = { step: () => undefined, waiting: () => undefined };
    const request: Continue = { driver: 'somebody', nonce: `t${++this.#typed}`, options, events };
    switch (command) {
      case 'run': {
        const newest = this.#newest();
        // Members of two versions formed the cell at the older one's level: what all run by now raises it first.
        const number = newest.levels.max;
        const next = patch ? patchOf(newest) : programOf(number + 1);
        const to = this.level < number ? newest : next;
        return run(world, { ...request, to: to.version, levels: to.levels, how: 'exec', exec: '', rehearse: null });
      }
      case 'resume':
        return resume(world, request);
      case 'finalize':
        return finalize(world, request);
      default:
        return goBack(world, request, command);
    }
  }

  /** The highest version that a member runs. */
  #newest(): Program {
    const { machines } = this.#options;
    const { members } = this;
    const programs = machines.filter(({ name }) => members.includes(name)).map(({ program }) => program);
    return programs.reduce((newest, program) => (isLater(program, newest) ? program : newest));
  }

  #judge(command: UpgradeKind, { attempt, code }: Driven, typedMs: number): void {
    const { machines, observer } = this.#options;
    const { members } = observer.configuration;
    const here = machines.filter(({ name }) => members.some((member) => member.name === name));
    if (endStates.has(attempt.state)) {
      const left = here.filter(({ attempts }) => attempts.has(attempt.attempt)).map(({ name }) => name);
      if (left.length > 0) this.#violated(`is ${attempt.state} and has left files`, { left, attempt: attempt.attempt });
    }
    if (command === 'run') {
      const names = here.map(({ name }) => name);
      const foreign = this.#moments.leftBy(typedMs, attempt.attempt, names);
      if (foreign.length > 0) this.#violated('began over what another attempt has left', { foreign });
    }
    if (code === 0 && command === 'rollback' && attempt.state !== 'rolled-back' && !endStates.has(attempt.state)) {
      this.#violated('says that it is rolled back', { state: attempt.state });
    }
    if (code === 0) this.#judgeVersions(attempt, here, typedMs);
  }

  /** What is said of all members was seen at each of them since the command was typed. */
  #judgeVersions({ from, raiseFrom, raiseTo, state, to }: Attempt, members: readonly Machine[], typedMs: number): void {
    const { level } = this.#options.observer;
    const raises = state === 'finalized' && (raiseTo ?? 0) > (raiseFrom ?? 0);
    if (raises && level < (raiseTo ?? 0)) this.#violated('is final, and its level is not', { level, raiseTo });
    // Behind a level that was raised nobody looks again: whoever does not speak it does not run.
    if (raises) return;
    const version = { upgraded: to, finalized: to, 'rolled-back': from, 'aborted-clean': from }[state as string];
    if (version === undefined) return;
    const astray = members.filter((it) => it.runs !== null && it.runs.version !== version && it.runs.sinceMs < typedMs);
    if (astray.length === 0) return;
    const runs = astray.map(({ name, runs: it }) => `${name} ${it?.version}`);
    this.#violated(`is ${state}, and not all members run version ${version}`, { runs, since: typedMs });
  }

  #raises(master: DatabaseService, levels: readonly number[]): void {
    const { fail, machines, observer } = this.#options;
    const machine = machines.find(({ service }) => service === master);
    if (machine?.process == null) return;
    try {
      observer.changes.raises(machine.process.name, machine.id, { configuration: observer.configuration, levels });
    } catch (violation) {
      fail(violation as Error);
    }
  }

  /** An attempt counts on the members of its beginning: none begins between a change of them and its coming into force. */
  #opens(at: number): void {
    for (const { from, configuration } of this.#options.observer.lastConfigurations) {
      if (from - configuration.alpha >= at || from <= at) continue;
      this.#violated('begins while the members change', { at, from, members: configuration.members });
    }
  }

  #violated(what: string, facts: Readonly<Record<string, unknown>>): void {
    this.#options.fail(new Violation('operator', `an upgrade ${what}`, facts));
  }

  // --- restarts ---------------------------------------------------------------------------------------------------------

  /** What COMMAND does. It goes on when the driver is gone. */
  async #restart(
    { member, timeoutMs, version }: RestartRequest,
    { harsh, lie, lieAt }: UpgradeOrder,
    { at, desk, faults, random }: { at: number; desk: Desk; faults: FaultWorld | null; random: Random },
  ): Promise<string> {
    const { note, machines, count, leaseMs, scheduler } = this.#options;
    const machine = machines.find(({ name }) => name === member.name);
    if (machine === undefined) return 'no such machine';
    const lies = at === lieAt && faults !== null ? lie : '';
    note(machine.name, 'operator: restarts', version, lies);
    if (lies !== '') count('restart-lies');
    if (lies === 'nothing') return 'the command ended with code 0';
    if (lies === 'hang') {
      await desk.pause(timeoutMs);
      return 'the command did not end in time';
    }
    if (lies === 'two-processes') {
      if (faults === null || !isFit(faults, machine)) return 'the command ended with code 1';
      faults.atlas.damaged(machine.name, 'second-process');
      faults.crew?.secondProcesses.start(machine, 'address', leaseMs * random.betweenLogarithmic(1, 10));
      return 'the command ended with code 0';
    }
    const image = lies === 'old-copy' && faults !== null ? await this.#oldCopy(faults, machine) : null;
    const stopMs = Math.max(1_000, 4 * leaseMs);
    if (harsh || image !== null || !machine.up) machine.kill({ writes: 'process' }, random);
    else await machine.stop(stopMs, random);
    scheduler.settle();
    if (this.#stopped && faults !== null) return 'nobody is there any more';
    if (lies === 'stays-down') return 'the command ended with code 0';
    const asked = programNamed(version);
    if (lies !== 'same-version') machine.program = lies === 'wrong-version' ? strangerTo(this.level) : asked;
    machine.restart(null, image ?? 'kept', random);
    return 'the command ended with code 0';
  }

  /** What somebody else does there at that moment. */
  #meddle({ member, what }: Meddling, { from, to }: Attempt, random: Random): void {
    const { note, machines } = this.#options;
    const machine = machines.find(({ name }) => name === member);
    if (machine === undefined || machine.vacant || machine.halted !== null) return;
    note(member, 'operator: meddles', what);
    if (what === 'residue') return this.#moments.plant(machine);
    const other = programNamed(machine.program.version === to ? from : to);
    if (!isSupported(this.level, other.levels)) return;
    machine.kill({ writes: 'process' }, random);
    machine.program = other;
    machine.restart(null, 'kept', random);
  }

  #copyDirectories(): void {
    this.#copies.clear();
    for (const machine of this.#options.machines) {
      const { storage, id } = machine;
      if (storage === null) continue;
      this.#copies.set(machine.name, { id, image: machine.disk.image.copy(true), shown: startedFrom(storage.history) });
    }
  }

  /** Once all others durably remember more than it holds: without somebody who remembers nobody can know (design §1). */
  async #oldCopy(world: FaultWorld, machine: Machine): Promise<DiskImage | null> {
    const copy = this.#copies.get(machine.name);
    if (copy === undefined || copy.id !== machine.id) return null;
    let before: ReadonlyMap<Machine, number> | null = null;
    for (let tries = 0; tries < patience; tries++) {
      if (!isFit(world, machine) || machine.id !== copy.id) return null;
      const known = witnesses(world, machine, copy.shown);
      const durable = known !== null && before !== null && [...known].every(([it, at]) => at > (before?.get(it) ?? at));
      if (durable) {
        world.note(machine.name, 'directory-restored', 'by an upgrade');
        world.atlas.damaged(machine.name, 'directory-restored');
        world.observer.putBack(copy.id);
        return copy.image;
      }
      if (known === null || before === null) before = known;
      await this.#pause(this.#options.leaseMs);
    }
    return null;
  }

  #pause(ms: number): Promise<void> {
    const { scheduler } = this.#options;
    return new Promise((resolve) => void scheduler.after(ms, resolve, true));
  }

  // --- the end ----------------------------------------------------------------------------------------------------------

  /** Every machine runs a version that may run there: when all faults end, and what an operator does first, who finds a member that has ended with 22. */
  straighten(): void {
    const { level } = this;
    for (const machine of this.#options.machines) {
      const refused = machine.halted?.code === 'PAXOS_VERSION_REFUSED';
      if (!refused && isSupported(level, machine.program.levels)) continue;
      const { repairedBy } = machine.halted ?? {};
      machine.program = repairedBy === undefined ? programOf(level) : programNamed(repairedBy);
      if (!machine.vacant) machine.restart(null, 'kept', machine.restartRandom());
    }
  }

  /**
   * The attempt that is open comes to its end, and one more upgrade is made. `help`: a restart may find damage that nobody had read yet,
   * and that member is helped before the command is typed again. Resolves with what could not be done.
   */
  async finish(random: Random, help: () => Promise<readonly string[]>): Promise<readonly string[]> {
    this.#stopped = false;
    const problems: string[] = [];
    const last = async (command: UpgradeKind, wanted: (attempt: Attempt) => boolean): Promise<boolean> => {
      for (let left = lastTries; left > 0; left--) {
        const typed = command === 'run' && isOpen(await this.#open()) ? 'resume' : command;
        const ending = await this.#type(plainOrder(typed), random.fork(`last ${this.#typed}`), null);
        this.#options.note('', `operator: upgrade ${typed} at last`, textOf(ending));
        if (typeof ending !== 'string' && ending.code === 0 && wanted(ending.attempt)) return true;
        problems.push(`upgrade ${typed}: ${textOf(ending)}`);
        problems.push(...(await help()));
        await this.#pause(this.#options.leaseMs);
      }
      return false;
    };
    const ended = ({ state }: Pick<Attempt, 'state'>): boolean => endStates.has(state);
    // Nobody would be left to write the journal while one of them is away: that is refused, and rightly.
    if (this.#voters < votersMin) return [];
    const open = await this.#open();
    if (open === undefined) return ['nobody tells the journal'];
    for (const { attempts } of this.#options.machines) attempts.clearOthers(open?.attempt ?? null);
    if (open !== null) {
      // Nobody restarts anybody any more then: it says who runs what instead.
      if (open.state === 'finalizing') this.#startAll(programNamed(open.to));
      const final = open.state === 'finalizing' || (open.state === 'upgraded' && random.chance(0.5));
      // Who left the version meanwhile has its turn again.
      if (final && !(await last('resume', ({ state }) => state === 'upgraded' || ended({ state })))) return problems;
      if (isOpen(await this.#open()) && !(await last(final ? 'finalize' : 'abort', ended))) return problems;
    }
    this.#sameVersion();
    await this.#pause(10 * this.#options.leaseMs);
    for (const { attempts } of this.#options.machines) attempts.clearOthers(null);
    if (!(await last('run', ({ state }) => state === 'upgraded'))) return problems;
    if (!(await last('finalize', ended))) return problems;
    this.#options.count('upgrade-at-last');
    return [];
  }

  /** Undefined: nobody said. */
  async #open(): Promise<Attempt | null | undefined> {
    const { scheduler, clientNetwork, machines, leaseMs } = this.#options;
    const desk = new Desk({ scheduler, clientNetwork, machines, kill: null, timeoutMs: Math.max(5_000, 20 * leaseMs) });
    const world = simulatedUpgradeWorld({ scheduler, desk, nonce: () => '', restart: async () => '' });
    try {
      return journalOf(await world.readState()).current?.attempt ?? null;
    } catch (error) {
      if (error instanceof OperatorError) return undefined;
      throw error;
    }
  }

  /** By hand, where no attempt is open: members that joined, or were put back by nobody. */
  #sameVersion(): void {
    const newest = this.#newest();
    this.#startAll(newest.levels.max < this.level ? programOf(this.level) : newest);
  }

  /** Whoever runs another version is started with this one. */
  #startAll(program: Program): void {
    for (const machine of this.#options.machines) {
      if (machine.program.version === program.version) continue;
      machine.program = program;
      if (!machine.vacant) machine.restart(null, 'kept', machine.restartRandom());
    }
  }
}

const isOpen = (attempt: Attempt | null | undefined): boolean => attempt != null;

const textOf = (ending: Ending): string =>
  typeof ending === 'string' ? ending : `${ending.code} ${ending.attempt.state} ${ending.reason ?? ''}`;

function countedAs({ code, attempt }: Driven, command: UpgradeKind) {
  if (code !== 0) return 'upgrade-stopped' as const;
  if (attempt.state === 'finalized') return 'upgrade-finalized' as const;
  if (attempt.state === 'aborted-clean') return 'upgrade-aborted' as const;
  return command === 'run' || command === 'resume' ? ('upgrade-run' as const) : ('upgrade-rolled-back' as const);
}

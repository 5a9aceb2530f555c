/**
 * The operators of a simulated cell: carry out orders by the commands of `src/operator`, start and wipe machines for them, and at the
 * end help every member that waits for help.
 *
 * Source: design §1 (the promise), §3 "Membership". Keeps: one sequence at a time; no member that is well is given up while so many
 * others are damaged that the rest could not decide. What the product refuses by itself is left to it.
 */
import { type Configuration, memberId } from '../../core/consensus/configuration.ts';
import { isQuorum } from '../../core/consensus/quorum.ts';
import type { Random } from '../../core/random.ts';
import { OperatorError } from '../../errors/index.ts';
import { isSupported } from '../../formats/levels.ts';
import type { MembersResult } from '../../operator/members/workflows.ts';
import { Violation } from '../checkers/violation.ts';
import type { ClientNetwork } from '../client-network.ts';
import type { NamedHalt } from '../fatal-errors.ts';
import type { FaultAtlas } from '../faults/atlas.ts';
import type { CountedKind } from '../faults/catalogue.ts';
import type { Machine } from '../machine.ts';
import type { SimulatedNetwork } from '../network.ts';
import type { Observer } from '../observer.ts';
import { programOf, strangerTo } from '../program.ts';
import type { Scheduler } from '../virtual-clock.ts';
import { countedAs, harmless, isDone, roleOf, typed } from './command.ts';
import { attemptMsMax, Desk, type Kill } from './desk.ts';
import type { Order, Scene } from './order.ts';
import { isPrudent } from './prudence.ts';
import { SecondProcesses } from './second-processes.ts';
import { begin } from './trouble.ts';

export interface CrewOptions {
  readonly scheduler: Scheduler;
  readonly network: SimulatedNetwork;
  readonly clientNetwork: ClientNetwork;
  readonly machines: readonly Machine[];
  readonly observer: Observer;
  readonly atlas: FaultAtlas;
  readonly leaseMs: number;
  readonly note: (who: string, what: string, ...parts: readonly (string | number)[]) => void;
  readonly count: (kind: CountedKind) => void;
  readonly fail: (violation: Error) => void;
}

type Ending = 'done' | 'killed' | 'skipped' | (string & {});

export class Crew {
  readonly #options: CrewOptions;
  #busy = false;
  #desk: Desk | null = null;
  #stopped = false;
  /** Counts the times at which everybody was told to stop: who began before goes on with nothing after it. */
  #age = 0;
  /** What was killed, and not typed again. */
  #unfinished: Order | null = null;
  /** Machines that run with each other's directories. */
  swapped: readonly [Machine, Machine] | null = null;
  /** Machines that an operator has started with an empty disk. */
  readonly #wiped = new Set<string>();
  readonly secondProcesses: SecondProcesses;

  constructor(options: CrewOptions) {
    this.#options = options;
    this.secondProcesses = new SecondProcesses(options);
  }

  /** Nothing else is begun meanwhile. */
  get busy(): boolean {
    return this.#busy || this.swapped !== null;
  }

  /** How many voters may be damaged now: none more while a change is under way, or is not known to as many as decide. */
  tolerance(): number {
    const { observer } = this.#options;
    this.look();
    if (this.busy) return 0;
    const [before, present] = observer.lastConfigurations;
    if (!this.#isSettled(present)) return 0;
    return Math.min(spareVoters(before.configuration), spareVoters(present.configuration));
  }

  #isSettled({ from, configuration }: { readonly from: number; readonly configuration: Configuration }): boolean {
    const { machines } = this.#options;
    const knowing = machines.filter(({ log }) => log !== null && log.appliedUpTo >= from + configuration.alpha);
    return from === 1 || isQuorum(configuration, new Set(knowing.map(({ id }) => id)));
  }

  isVoter(name: string): boolean {
    return this.#configuration.members.some((member) => member.name === name && member.role === 'voter');
  }

  /** Also of who has left: the vote counts until as many as decide know the change. */
  hasVote(name: string): boolean {
    const [before, present] = this.#options.observer.lastConfigurations;
    if (this.isVoter(name)) return true;
    return (
      !this.#isSettled(present) && before.configuration.members.some((it) => it.name === name && it.role === 'voter')
    );
  }

  isMember(name: string): boolean {
    return this.#configuration.members.some((member) => member.name === name);
  }

  get #configuration(): Configuration {
    return this.#options.observer.configuration;
  }

  machine(name: string): Machine | undefined {
    return this.#options.machines.find((machine) => machine.name === name);
  }

  scene(): Scene {
    const { machines, leaseMs } = this.#options;
    const { members } = this.#configuration;
    const named = (role: 'voter' | 'learner'): string[] =>
      members.filter((it) => it.role === role).map(({ name }) => name);
    const spares = machines.filter(({ name }) => !this.isMember(name)).map(({ name }) => name);
    const broken = members.filter(({ name }) => this.machine(name)?.halted != null).map(({ name }) => name);
    return { voters: named('voter'), learners: named('learner'), spares, broken, leaseMs };
  }

  /** Carries them out, one after the other. Resolves when the last has ended, however it did. */
  async perform(orders: readonly Order[], random: Random): Promise<void> {
    this.#busy = true;
    const age = this.#age;
    for (const [i, order] of orders.entries()) {
      if (this.#age !== age) break;
      await this.#repeat(order, random.fork(`order ${i}`));
    }
    this.#busy = false;
    this.#options.scheduler.settle();
  }

  /** Nobody types anything any more; what was being typed is killed, and what must not be is undone. */
  stop(random: Random): void {
    this.#stopped = true;
    this.#age++;
    this.#desk?.kill();
    this.secondProcesses.end();
    this.swapBack(random);
  }

  /** Is it right that this replica ends for good, whatever has become of its disk? */
  excuses(machine: Machine, code: string): boolean {
    const { observer } = this.#options;
    switch (code) {
      case 'PAXOS_MEMBER_REMOVED':
        return !this.#hasLife(machine);
      case 'PAXOS_DATA_ROLLED_BACK':
        return observer.isPutBack(machine.id) || this.secondProcesses.haveDisplaced(machine);
      case 'PAXOS_DATA_DIRECTORY_LOST':
        // What an incarnation leaves is set aside before the next one begins, and that may have to be tried again.
        return this.#wiped.has(machine.name) || !this.#hasLife(machine);
      case 'PAXOS_DATA_DIRECTORY_FOREIGN':
        return this.swapped?.includes(machine) ?? false;
      default:
        return false;
    }
  }

  /** The cell has the incarnation that ran there last. */
  #hasLife({ id }: Machine): boolean {
    return this.#configuration.members.some((member) => memberId(member) === id);
  }

  // --- directories ----------------------------------------------------------------------------------------------------

  swap(one: Machine, other: Machine, random: Random): void {
    this.swapped = [one, other];
    this.#exchange(one, other, random);
  }

  swapBack(random: Random): void {
    if (this.swapped === null) return;
    const [one, other] = this.swapped;
    this.#exchange(one, other, random);
    this.swapped = null;
  }

  #exchange(one: Machine, other: Machine, random: Random): void {
    for (const machine of [one, other]) machine.kill({ writes: 'process' }, random);
    const images = [one.disk.image, other.disk.image] as const;
    one.restart(null, images[1], random);
    other.restart(null, images[0], random);
  }

  async #repeat(order: Order, random: Random): Promise<void> {
    const { count, note } = this.#options;
    let kill: Kill | null = order.kill;
    let typed = false;
    const age = this.#age;
    await this.#getsIntoTrouble(order, random.fork('trouble'));
    for (let run = 0; run < order.runs && this.#age === age; run++) {
      if (run > 0) count('command-again');
      // Who was refused for its program comes with another one.
      const typing = run === 0 ? order : { ...order, strange: false };
      const ending = await this.#once(typing, kill, random.fork(`run ${run}`));
      note(order.member, `operator: ${order.command} ${order.old}`, ending);
      kill = null;
      typed ||= ending !== 'skipped';
      this.#unfinished = ending === 'killed' ? order : null;
      if (ending === 'killed') count('command-killed');
      if (ending !== 'done' && ending !== 'killed' && ending !== 'skipped') count('command-refused');
      if (ending === 'done' || ending === 'skipped') break;
      await this.#pause(order.pauseMs);
    }
    // What the end of all faults cut short was not played.
    if (typed && this.#age === age) count('command-sequence');
  }

  async #getsIntoTrouble({ member, trouble }: Order, random: Random): Promise<void> {
    if (trouble == null) return;
    const age = this.#age;
    this.#options.note(trouble.member, 'operator: trouble', trouble.what, member);
    begin(this.#options, trouble, { goesOn: () => this.#age === age && !this.#stopped, random });
    if (trouble.member !== '') await this.#pause(trouble.beforeMs);
  }

  #pause(ms: number): Promise<void> {
    const { scheduler } = this.#options;
    return new Promise((resolve) => void scheduler.after(ms, resolve, true));
  }

  async #once(order: Order, kill: Kill | null, random: Random): Promise<Ending> {
    const { scheduler, clientNetwork, machines, leaseMs, count } = this.#options;
    this.look();
    if (!this.#isPrudent(order)) return 'skipped';
    this.#start(order, random);
    const attemptMs = random.fork('patience').chance(0.5) ? attemptMsMax : 3 * attemptMsMax;
    const timeoutMs = Math.max(2_000, 8 * leaseMs);
    const desk = new Desk({ scheduler, clientNetwork, machines, kill, timeoutMs, attemptMs });
    this.#desk = desk;
    const before = this.#configuration;
    try {
      const result = await Promise.race([typed(order, desk, leaseMs), desk.death]);
      if (result === 'killed') return 'killed';
      this.#judge(order, result, before);
      count(countedAs[order.command]);
      if (order.wrong !== '') count('command-wrong');
      return 'done';
    } catch (error) {
      if (!(error instanceof OperatorError)) {
        this.#options.fail(error instanceof Error ? error : new Error(String(error)));
        return 'bug';
      }
      if (order.wrong !== '') {
        count('command-wrong');
        if (!harmless.has(error.code)) this.#violated(order, `ends with ${error.code}: ${error.message}`);
        // A command that is refused says what next, or why.
        if (error.message === '') this.#violated(order, `is refused with ${error.code} and no word`);
      }
      return error.code;
    } finally {
      this.#desk = null;
    }
  }

  /** A wrong command changes nothing; a right one that says that it is done is done. */
  #judge(order: Order, result: unknown, before: Configuration): void {
    const { command, member, wrong } = order;
    if (command === 'drain' || command === 'transfer') {
      if (wrong !== '') this.#violated(order, 'is obeyed');
      return;
    }
    const { changed, version } = result as MembersResult;
    // Told as done is what governs, and is known to as many as decide.
    const governing = this.#options.observer.lastConfigurations.find(({ from }) => from === version);
    if (governing !== undefined && !this.#options.observer.wasAppliedByQuorum(governing.configuration, version - 1)) {
      this.#violated(order, `is told as done, and no majority knows what governs from ${version}`);
    }
    if (wrong !== '') {
      if (changed && this.#configuration !== before) this.#violated(order, 'changes the membership');
      return;
    }
    if (isDone(order, before, this.#configuration)) return;
    const role = roleOf(member, this.#configuration);
    this.#violated(order, `says that it is done, and ${member} is ${role ?? 'no member'}`);
  }

  #violated({ command, member, old, wrong }: Order, what: string): void {
    const members = this.#configuration.members.map((it) => `${memberId(it)} ${it.role}`);
    const text = `${command} ${old} ${member}${wrong === '' ? '' : `, a wrong ${wrong},`} ${what}`;
    this.#options.fail(new Violation('operator', text, { members }));
  }

  /** Nobody gives up a member that is well while too many of those that are left are damaged and do not know it. */
  #isPrudent({ command, member, old, wrong }: Order): boolean {
    if (wrong !== '' || (command !== 'remove' && command !== 'replace' && command !== 'rebuild')) return true;
    const gone = command === 'replace' ? old : member;
    if (!this.isVoter(gone)) return true;
    const left = this.#voters.filter((name) => name !== gone);
    const { atlas } = this.#options;
    return isPrudent(
      left.map((name) => ({ ended: this.machine(name)?.halted != null, damaged: atlas.isDamaged(name) })),
    );
  }

  /** Its vote is lost for now, but still counts: a majority is to be left all the same. */
  #canDecideWithout(member: string): boolean {
    // Who is out is told to keep its directory until those that stay know it.
    if (!this.isVoter(member)) return !this.hasVote(member);
    const whole = this.#voters.filter((name) => name !== member && this.#isWhole(name));
    return 2 * whole.length > this.#voters.length;
  }

  get #voters(): readonly string[] {
    return this.#configuration.members.filter(({ role }) => role === 'voter').map(({ name }) => name);
  }

  #isWhole(name: string): boolean {
    return !this.#options.atlas.isDamaged(name) && this.machine(name)?.halted == null;
  }

  /** What is done at the machine itself. */
  #start({ command, member, start, startMs, disk, rebuild, strange = false, wrong }: Order, random: Random): void {
    if (start === 'never' || wrong !== '') return;
    const machine = this.machine(member);
    if (machine === undefined) return;
    const boot = (): void => {
      if (this.#stopped) return;
      const comes = command === 'add' || command === 'replace';
      const { version } = machine.program;
      if (comes && !this.isMember(member)) this.#install(machine, strange);
      if (machine.up && machine.halted === null && machine.program.version === version) return;
      // Who is a member by now begins as that, whatever the flags; a directory that is wiped then is a lost one.
      const spared = (comes && this.isMember(member)) || !this.#canDecideWithout(member);
      const kept = (disk === 'kept' && !machine.ailments.hasBadSectors) || spared;
      if (command === 'rebuild' && !rebuild && machine.halted === null) return;
      if (!kept) this.#wipe(member);
      this.#options.note(member, 'operator: starts', disk, rebuild ? '--rebuild' : '');
      const listed = machine.listedMembers.some(({ name }) => name === member);
      // Who came with `--join` has that on its command line ever after.
      const flags = listed && !comes ? {} : this.joinFlags(member);
      const helped = comes ? {} : { rebuild, quarantine: hasLeftovers(machine) };
      machine.restart({ ...flags, ...helped }, kept ? 'kept' : 'empty', random);
    };
    if (start === 'before') boot();
    else this.#options.scheduler.after(startMs, boot);
  }

  /** Of whoever is to be admitted. One that speaks the level of the cell, unless it is `strange`. */
  #install(machine: Machine, strange: boolean): void {
    const { level } = this.#options.observer;
    if (strange) machine.program = strangerTo(level);
    else if (!isSupported(level, machine.program.levels)) machine.program = programOf(level);
  }

  /** Whatever had struck the disk before is gone with it. */
  #wipe(name: string): void {
    const { atlas } = this.#options;
    this.#wiped.add(name);
    if (atlas.isDamaged(name) || this.isVoter(name)) atlas.renewed(name, 'operator-sequence');
  }

  joinFlags(name: string): { readonly cell: []; readonly join: readonly string[] } {
    const join = this.#configuration.members.filter((it) => it.name !== name).map(({ url }) => url);
    return { cell: [], join };
  }

  // --- the end --------------------------------------------------------------------------------------------------------

  /** Replicas that have ended for good and were rebuilt are whole again. */
  look(): void {
    const { atlas, machines } = this.#options;
    for (const machine of machines) {
      const { log, name } = machine;
      if (!atlas.isRenewed(name)) continue;
      if (!this.isMember(name) || (log?.core.participation === 'voting' && this.isVoter(name))) atlas.repaired(name);
    }
  }

  /**
   * The operator's remedy: what was begun is typed again, and who has ended is rebuilt. Resolves with what is left undone; empty when
   * all members run.
   */
  async finish(): Promise<readonly string[]> {
    const { note } = this.#options;
    this.#stopped = false;
    if (this.#unfinished !== null) {
      const order: Order = { ...this.#unfinished, kill: null, start: 'before', strange: false };
      const ending = await this.#finishOrder(order);
      note(order.member, `operator: ${order.command} ${order.old} at last`, ending);
    }
    for (const { name, role } of this.#configuration.members) {
      const machine = this.machine(name);
      const up = machine?.log != null && machine.halted === null;
      if (machine === undefined || (up && role !== 'rebuilding')) continue;
      const flags = { ...this.joinFlags(name), rebuild: true, quarantine: hasLeftovers(machine) };
      // What was left out of a later generation is of no use to it.
      const isUseless = machine.ailments.hasBadSectors || machine.halted?.code === 'PAXOS_GENERATION_OVER';
      if (!up && isUseless) this.#wipe(name);
      if (!up) machine.restart(flags, isUseless ? 'empty' : 'kept', machine.restartRandom());
      const ending = await this.#finishOrder(remedyFor(name));
      note(name, 'operator: rebuilds at last', ending);
    }
    this.#startAgain(() => true);
    for (let left = 50; left > 0 && this.#missing().length > 0; left--) {
      await this.#pause(this.#options.leaseMs);
      // Who was told that it is out is there for a moment yet; by now the cell may have admitted its next incarnation.
      this.#startAgain(({ code }) => code === 'PAXOS_MEMBER_REMOVED');
    }
    return this.#missing();
  }

  /** Members whose processes have ended for such a reason. */
  #startAgain(isSuch: (why: NamedHalt) => boolean): void {
    for (const { name } of this.#configuration.members) {
      const machine = this.machine(name);
      if (machine?.halted == null || !isSuch(machine.halted)) continue;
      machine.restart(this.joinFlags(name), 'kept', machine.restartRandom());
    }
  }

  /** Members that do not take part as they should. */
  #missing(): readonly string[] {
    return this.#configuration.members.flatMap(({ name, role }) => {
      const machine = this.machine(name);
      const voting = machine?.log?.core.participation === 'voting';
      return voting || (role === 'learner' && machine?.log != null) ? [] : [machine?.state() ?? name];
    });
  }

  async #finishOrder(order: Order): Promise<Ending> {
    const machine = this.machine(order.member);
    return this.#once(
      { ...order, startMs: 0 },
      null,
      (machine ?? (this.#options.machines[0] as Machine)).restartRandom(),
    );
  }
}

const hasLeftovers = ({ halted }: Machine): boolean => halted?.code === 'PAXOS_LEFTOVER_FILES';

const remedyFor = (member: string): Order => ({
  ...{ command: 'rebuild', member, old: '', url: '', spare: false, allowNoSpare: true, forMs: null, wrong: '' },
  ...{ start: 'never', startMs: 0, rebuild: true, disk: 'kept', kill: null, runs: 1, pauseMs: 0 },
});

const spareVoters = ({ members }: Configuration): number =>
  Math.ceil(members.filter(({ role }) => role === 'voter').length / 2) - 1;

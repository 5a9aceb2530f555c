/**
 * How a run ends: the faults stop and everything must come back (L1), stay as it is (L2 to L4) and come together; or all copies of
 * something are destroyed, and everybody who had them must say so.
 *
 * Source: PML §6.3 (liveness); pitfalls §2 rule 3, §4 "Liveness".
 */
import { memberId } from '../core/consensus/configuration.ts';
import { defaultLimits } from '../core/consensus/limits.ts';
import { voters } from '../core/consensus/quorum.ts';
import type { Random } from '../core/random.ts';
import { checkRedundancyTold, checkRepaired, checkStability } from './checkers/calm.ts';
import { Violation } from './checkers/violation.ts';
import type { ClientNetwork } from './client-network.ts';
import type { FaultAtlas } from './faults/atlas.ts';
import type { Faults } from './faults/faults.ts';
import type { History } from './history.ts';
import type { Machine } from './machine.ts';
import type { SimulatedNetwork } from './network.ts';
import { calmNetwork } from './network-faults.ts';
import type { Observer } from './observer.ts';
import type { Crew } from './operators/crew.ts';
import type { GenerationCrew } from './operators/generation-crew.ts';
import type { UpgradeCrew } from './operators/upgrade-crew.ts';
import type { Profile } from './profile.ts';
import type { Trace } from './trace.ts';
import type { Scheduler } from './virtual-clock.ts';
import type { Workload } from './workload.ts';

/** Of a change of the membership, with a hand-over before it. */
const requestMsMax = 20_000;

export interface EndingsOptions {
  readonly scheduler: Scheduler;
  readonly trace: Trace;
  readonly profile: Profile;
  readonly history: History;
  readonly observer: Observer;
  readonly machines: readonly Machine[];
  readonly faults: Faults;
  readonly atlas: FaultAtlas;
  readonly network: SimulatedNetwork;
  readonly clientNetwork: ClientNetwork;
  readonly crew: Crew | null;
  readonly upgrades: UpgradeCrew | null;
  readonly generations: GenerationCrew | null;
  /** For what the last commands draw. */
  readonly random: Random;
  /** True time, or until `done`. Throws the first violation. */
  readonly runFor: (ms: number, done?: () => boolean) => Promise<void>;
}

export class Endings {
  readonly #options: EndingsOptions;
  readonly #scheduler: Scheduler;
  readonly #profile: Profile;
  readonly #observer: Observer;
  readonly #machines: readonly Machine[];
  readonly #runFor: EndingsOptions['runFor'];

  constructor(options: EndingsOptions) {
    this.#options = options;
    this.#scheduler = options.scheduler;
    this.#profile = options.profile;
    this.#observer = options.observer;
    this.#machines = options.machines;
    this.#runFor = options.runFor;
  }

  get #roundTripMs(): number {
    const { network, flushMeanMs } = this.#profile;
    // A slow one: a delay of three times the usual on the longest way, and a flush at both ends.
    return 2 * (network.delayMsMin + calmNetwork.delayMsMean * 4) + 4 * flushMeanMs;
  }

  /** L1: after the last fault a write succeeds within three leases and ten round trips. Returns after how long. */
  async heal(): Promise<number> {
    this.#calm();
    await this.#generationsEnd();
    const healedAt = this.#scheduler.nowMs;
    this.#options.trace.note(healedAt, '', 'healed');
    const revisionBefore = this.#observer.replay.reference.revision;
    // Whole processes ask each other before they open their directories, and one that was cut off in a question waits for its end.
    const askedMs = this.#options.crew === null ? 0 : 2_500;
    const boundMs = 3 * this.#profile.leaseMs + 10 * this.#roundTripMs + this.#startMs() + askedMs;
    let written = false;
    this.#probe(() => {
      written = true;
    });
    await this.#runFor(boundMs, () => written);
    if (!written) {
      throw new Violation('liveness', `no write succeeded within ${Math.round(boundMs)} ms after the last fault`, {
        leaseMs: this.#profile.leaseMs,
        roundTripMs: this.#roundTripMs,
        revisionBefore,
        replicas: this.#machines.map((machine) => machine.state()),
        configuration: this.#observer.configuration.members.map(
          ({ name, incarnation, role }) => `${name}#${incarnation} ${role}`,
        ),
      });
    }
    return this.#scheduler.nowMs - healedAt;
  }

  /** A new generation that was begun is one that stops the cell: what was typed is typed again, and comes to its end. */
  async #generationsEnd(): Promise<void> {
    const { generations } = this.#options;
    if (generations === null) return;
    // Whoever was down may know of it.
    await this.#runFor(3 * this.#profile.leaseMs + this.#startMs());
    await this.#done('a generation that was begun does not come to its end', () => generations.finish());
  }

  /** Nothing goes wrong, and so nobody changes, every request is answered, and status says who is missing. */
  async stayCalm(ms: number): Promise<void> {
    const { leaseMs } = this.#profile;
    await this.#runFor(Math.min(3 * leaseMs + this.#startMs(), ms));
    // What operators asked for before they went is carried out first.
    const isOperated = (): boolean => this.#machines.some((machine) => machine.front.isOperating);
    if (isOperated()) await this.#runFor(requestMsMax, () => !isOperated());
    // A master whose removal was chosen before has left the others to find a new one.
    await this.#runFor(3 * leaseMs, () => this.#machines.some(({ log }) => log?.isServing() === true));
    const before = this.#observer.masterships;
    const since = this.#scheduler.nowMs;
    const intended = this.#isMastershipMoved();
    const asked = this.#operatorRequests();
    await this.#runFor(ms);
    // Mastership goes on from a drained member as soon as another can have it; and a request may have been on its way for long.
    const moved = intended || this.#isMastershipMoved() || this.#operatorRequests() > asked;
    if (!moved) checkStability(before, this.#observer.masterships, this.#scheduler.nowMs - since);
    const mostMs = 20 * leaseMs + 100 * this.#roundTripMs + 1_000;
    for (const machine of this.#machines) machine.front.checkPending(mostMs);
    const master = this.#machines.find((machine) => machine.log?.isServing() === true);
    if (master?.service == null) return;
    const voters = this.#observer.configuration.members.filter(({ role }) => role === 'voter').map(memberId);
    const out = this.#machines.filter(({ halted, vacant, id }) => (halted !== null || vacant) && voters.includes(id));
    checkRedundancyTold(
      out.map(({ name }) => name),
      master.service.status().unheard ?? [],
    );
  }

  /** Some member is to be no master: it is drained, or its removal is chosen and does not govern yet. */
  #isMastershipMoved(): boolean {
    return this.#machines.some(
      ({ id, log, service }) =>
        (service?.status().drains ?? []).length > 0 ||
        (log?.isServing() === true &&
          !log.core.configurations.every(({ configuration }) => voters(configuration).has(id))),
    );
  }

  #operatorRequests(): number {
    return this.#machines.reduce((sum, machine) => sum + machine.front.operatorRequests, 0);
  }

  /**
   * The faults end, all copies of something are destroyed, and those who had them are started again. They must end with a named
   * error, nobody may be told anything that supposes that they are there, and what is told must be right.
   */
  async destroy(): Promise<void> {
    this.#calm();
    const { leaseMs } = this.#profile;
    await this.#runFor(2 * leaseMs + this.#startMs());
    const lost = this.#options.faults.destroy();
    const destroyedMs = this.#scheduler.nowMs;
    await this.#runFor(Math.max(20 * leaseMs, 5_000) + 2 * this.#startMs());
    if (lost.length === 0) return;
    if (this.#options.atlas.mustReturn(lost)) return this.#mustServe(lost);
    for (const machine of this.#machines) {
      if (!lost.includes(machine.name) || machine.halted !== null || !this.#options.atlas.mustHalt(machine.name))
        continue;
      throw new Violation('beyond-repair', `${machine.name} neither goes on nor says what is lost`, { lost });
    }
    const out = this.#machines.filter(({ halted }) => halted !== null).length;
    if (2 * (this.#machines.length - out) > this.#machines.length) return;
    for (const operation of this.#options.history.operations) {
      // A lease that was granted before may be used up, for reads.
      const late = operation.invokedMs > destroyedMs + (operation.command === null ? 2 * leaseMs : 0);
      if (!late || operation.outcome !== 'ok') continue;
      const facts = { operation: operation.id, invokedMs: operation.invokedMs, destroyedMs, lost };
      throw new Violation('beyond-repair', 'the cell goes on although a majority is lost', facts);
    }
  }

  async #mustServe(lost: readonly string[]): Promise<void> {
    let written = false;
    this.#probe(() => {
      written = true;
    });
    await this.#runFor(Math.max(20 * this.#profile.leaseMs, 5_000), () => written);
    if (written) return;
    throw new Violation('beyond-repair', 'every item has good copies, and the cell does not serve', {
      lost,
      replicas: this.#machines.map((machine) => machine.state()),
    });
  }

  #calm(): void {
    const { delayMsMin } = this.#profile.network;
    this.#options.faults.stop();
    const network = { ...calmNetwork, delayMsMin };
    this.#options.network.setFaults(network);
    this.#options.clientNetwork.setFaults(network);
  }

  /** Reading the disk at a start takes this long: some hundred operations. */
  #startMs(): number {
    return 200 * this.#profile.flushMeanMs + 100;
  }

  /** Somebody who asks every replica again and again until a write has succeeded. */
  #probe(done: () => void): void {
    let over = false;
    const attempt = (machine: Machine): void => {
      if (over) return;
      machine.front.serve({ kind: 'write', command: { kind: 'open-session', ttlMs: 1_000 } }, (answer) => {
        if (answer.kind !== 'written' || over) return;
        over = true;
        done();
      });
      this.#scheduler.after(Math.max(1, this.#profile.leaseMs / 20), () => attempt(machine));
    };
    for (const machine of this.#machines) attempt(machine);
  }

  /** Every operation completes, and all replicas reach one database at one instance. */
  async finish(workload: Workload): Promise<void> {
    const patienceMs = Math.max(20 * this.#profile.leaseMs, 5_000) + 100 * this.#roundTripMs;
    await this.#runFor(patienceMs, () => workload.idle);
    if (!workload.idle) throw new Violation('liveness', 'an operation never ended');
    await this.#operatorsRemedy();
    await this.#runFor(patienceMs, () => this.#converged());
    if (!this.#converged()) {
      throw new Violation('liveness', `replicas did not come together within ${Math.round(patienceMs)} ms`, {
        replicas: this.#machines.map((machine) => machine.state()),
        chosenUpTo: this.#observer.chosenUpTo,
      });
    }
    await this.#runFor(patienceMs, () => this.#strays().length === 0);
    if (this.#strays().length > 0) {
      throw new Violation('liveness', 'who is no member any more runs on, and does not know it', {
        strays: this.#strays(),
        members: this.#observer.configuration.members.map(memberId),
      });
    }
    // What was lost behind the end of a log is settled by a ballot of later than that, which a calm master draws now and then.
    const { boostEveryMs } = { ...defaultLimits, ...this.#profile.limits };
    await this.#runFor(patienceMs + 2 * boostEveryMs, () => this.#unrepaired().length === 0);
    checkRepaired(this.#unrepaired());
  }

  /**
   * Members whose log still has gaps that a disk has made. One whose log has lost its end is none while it must compare itself with a voter
   * that has halted for good: that one is to be replaced first, and says so.
   */
  #unrepaired(): readonly string[] {
    const good = this.#good();
    const running = new Set(good.map(({ id }) => id));
    return good.flatMap(({ name, log }) => {
      if (log === null || log.core.bad.length === 0) return [];
      const waits = log.core.participation === 'checking' && log.core.waitsFor.some((id) => !running.has(id));
      return waits ? [] : [name];
    });
  }

  /** Of lives that are over: where whole processes run they are told so, and end. */
  #strays(): readonly string[] {
    const { crew, observer } = this.#options;
    if (crew === null) return [];
    const members = new Set(observer.configuration.members.map(memberId));
    const strays = this.#machines.filter(({ log, id }) => log !== null && !members.has(id));
    return strays.map((machine) => machine.state());
  }

  #good(): readonly Machine[] {
    const members = new Set(this.#observer.configuration.members.map(memberId));
    return this.#machines.filter(({ halted, vacant, id }) => halted === null && !vacant && members.has(id));
  }

  /** Operators bring to its end what they began, and rebuild who has ended: all members run. */
  async #operatorsRemedy(): Promise<void> {
    const { crew, random, upgrades } = this.#options;
    if (crew === null) return;
    const remedy = async (): Promise<readonly string[]> => {
      upgrades?.straighten();
      const left = await crew.finish();
      return left.length > 0 ? left : ((await upgrades?.finish(random, () => crew.finish())) ?? []);
    };
    await this.#done('not all members run after everybody was helped', remedy);
  }

  /** What operators do at last, which must leave nothing undone. */
  async #done(what: string, work: () => Promise<readonly string[]>): Promise<void> {
    const done: { left: readonly string[] | null } = { left: null };
    work().then(
      (left) => {
        done.left = left;
      },
      (error: unknown) => {
        done.left = [String(error)];
      },
    );
    this.#scheduler.settle();
    const patienceMs = 20 * Math.max(20 * this.#profile.leaseMs, 10_000);
    await this.#runFor(patienceMs, () => done.left !== null);
    if (done.left !== null && done.left.length === 0) return;
    throw new Violation('operator', what, {
      left: done.left,
      replicas: this.#machines.map((machine) => machine.state()),
      members: this.#observer.configuration.members.map((member) => `${memberId(member)} ${member.role}`),
    });
  }

  #converged(): boolean {
    const chosen = this.#observer.chosenUpTo;
    const good = this.#good();
    // Who knows that it is out ends by itself once the others know it, too, where whole processes run.
    const stays = this.#machines.some(({ log }) => log?.core.participation === 'removed');
    if (stays && this.#options.crew !== null) return false;
    const first = good[0]?.checksum();
    // A master goes on renewing its lease with values that change nothing: a few of them may be under way.
    return good.every((machine) => (machine.log?.appliedUpTo ?? 0) >= chosen - 4 && machine.checksum() === first);
  }
}

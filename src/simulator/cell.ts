/**
 * A whole cell in one thread: machines, networks, clients, faults and checkers, from one seed.
 *
 * Source: PML §6.3. A run is safety under faults, then healing, then liveness: after the last fault a write must succeed
 * within three leases and ten round trips (L1), every operation completes, and all replicas reach the same database.
 */
import type { Configuration } from '../core/consensus/configuration.ts';
import { InvariantViolation } from '../core/invariant.ts';
import { Random } from '../core/random.ts';
import { commonLevel, firstLevel } from '../formats/levels.ts';
import { checkLinearizable } from './checkers/linearizability.ts';
import { LockChecker } from './checkers/locks.ts';
import { Violation } from './checkers/violation.ts';
import { ClientNetwork } from './client-network.ts';
import { Endings } from './endings.ts';
import { endOf, type NamedHalt } from './fatal-errors.ts';
import { FaultAtlas } from './faults/atlas.ts';
import { Faults } from './faults/faults.ts';
import type { Strike } from './faults/strike.ts';
import { History } from './history.ts';
import { Machine } from './machine.ts';
import type { SimulationMode } from './modes.ts';
import { SimulatedNetwork } from './network.ts';
import { Observer } from './observer.ts';
import { Crew, type CrewOptions } from './operators/crew.ts';
import { GenerationCrew } from './operators/generation-crew.ts';
import { UpgradeCrew } from './operators/upgrade-crew.ts';
import { drawProfile, type Operators, type Profile } from './profile.ts';
import { programOf } from './program.ts';
import { type Sabotage, sabotage } from './sabotage.ts';
import { Trace } from './trace.ts';
import { Scheduler } from './virtual-clock.ts';
import { Workload } from './workload.ts';

export type { SimulationMode };

export interface CellOptions {
  readonly seed: number | string;
  readonly replicas: number | null;
  /** Simulated hours of the phase that the run is about: safety, or liveness when that is the mode. */
  readonly hours: number;
  /** Null: safety, healing and liveness in turn. */
  readonly mode: SimulationMode | null;
  /** Answered operations that a run under faults goes on for, at most five times as long as was asked for. Default: 200. */
  readonly operationsMin?: number;
  /**
   * Whether operators add, remove and replace members; `drawn` where absent. `upgrades`: every cell is upgraded again and again, and half
   * of them changed as well.
   */
  readonly operators?: Operators;
  /** Breaks a promise that the cell relies on, to show that a checker finds what comes of it. Only for tests. */
  readonly sabotage?: Sabotage;
  /** What differs from the profile that the seed draws. */
  readonly profile?: Partial<Profile>;
  /** Instead of drawing faults: exactly these, as an earlier run of the same seed has reported them, or fewer. */
  readonly script?: FaultScript;
}

export type { Sabotage } from './sabotage.ts';

export interface FaultScript {
  /** What differs from the profile that the seed draws. */
  readonly profile?: Partial<Profile>;
  readonly strikes: readonly Strike[];
}

export interface CellReport {
  readonly profile: Profile;
  readonly simulatedMs: number;
  readonly events: number;
  /** Instances of the log that were chosen. */
  readonly instances: number;
  /** Snapshots that were taken or received and read back, of all members. */
  readonly snapshots: number;
  /** The log begins there at the member that keeps the most of it; 0 while none runs. */
  readonly logFrom: number;
  /** Client operations answered. */
  readonly operations: number;
  readonly unknown: number;
  readonly traceHash: string;
  readonly faults: Readonly<Record<string, number>>;
  /** What struck, in order: the script of this run. */
  readonly strikes: readonly Strike[];
  /** How often each move of the replicas' state machines happened, by its id; 0 for those that never did. */
  readonly transitions: Readonly<Record<string, number>>;
  readonly violation: CellViolation | null;
  /** Replicas that have ended for good, and what each said. */
  readonly halts: readonly (NamedHalt & { readonly member: string })[];
  /** From the last fault to the first acknowledged write, true time; null without healing. */
  readonly healedAfterMs: number | null;
}

/** The first thing that went wrong. */
export interface CellViolation {
  /** Name of the checker. */
  readonly property: string;
  readonly message: string;
  readonly facts: Readonly<Record<string, unknown>>;
  /** True time since the run began. */
  readonly atMs: number;
  /** The last events before it, oldest first. */
  readonly trace: readonly string[];
}

const hourMs = 3_600_000;
const enoughOperations = 200;
/** A run under faults goes on for at most so many times what was asked for. */
const patienceShare = 1;
/** In a healthy cell clients have their answers well before. */
const answeringMsMax = 120_000;
/** Of the trace that a violation shows. */
const traceLines = 200;
/** What lets wrong clocks show: a master that nobody hears. */
const onlyIsolation: Profile['faultEveryMs'] = { 'isolate-master': 3_000 };
/** Machines that are no members at first, where operators are at work. */
const sparesCount = 3;
/** Of the liveness phase after healing. */
const livenessMs = 10_000;

export class SimulatedCell {
  readonly #options: CellOptions;
  readonly #random: Random;
  readonly #profile: Profile;
  readonly #scheduler = new Scheduler();
  readonly #trace = new Trace();
  readonly #history = new History();
  readonly #network: SimulatedNetwork;
  readonly #clientNetwork: ClientNetwork;
  readonly #observer: Observer;
  readonly #machines: readonly Machine[];
  readonly #faults: Faults;
  readonly #atlas: FaultAtlas;
  readonly #crew: Crew | null;
  readonly #upgrades: UpgradeCrew | null;
  readonly #generations: GenerationCrew | null;
  #violation: Error | null = null;
  #healedAfterMs: number | null = null;

  constructor(options: CellOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    const calm = options.mode === 'liveness';
    // A whole profile says for itself who acts on the cell; what is destroyed for good is judged by the members that there were.
    const untouched =
      options.script?.profile !== undefined || options.sabotage !== undefined || options.mode === 'beyond-repair';
    const operators = untouched ? 'never' : (options.operators ?? 'drawn');
    const drawn = drawProfile(this.#random.fork('profile'), { replicas: options.replicas, calm, operators });
    const wild = options.sabotage === 'clocks-run-wild' ? { faultEveryMs: onlyIsolation } : {};
    // Files from before there were locks mean what they meant, and what is broken on purpose is looked for by itself.
    const whole = options.script?.profile !== undefined || options.sabotage !== undefined;
    const plain = whole ? { locks: false, programs: [] } : {};
    this.#profile = { ...drawn, ...plain, ...wild, ...options.profile, ...options.script?.profile };
    const { network: faults } = this.#profile;
    const scheduler = this.#scheduler;
    const note = (who: string, what: string, ...parts: readonly (string | number)[]): void =>
      this.#trace.note(scheduler.nowMs, who, what, ...parts);
    this.#network = new SimulatedNetwork({
      scheduler: {
        now: () => scheduler.nowMs,
        schedule: (delayMs, callback, settles) => void scheduler.after(delayMs, callback, settles),
      },
      random: this.#random.fork('network'),
      faults,
      codec: this.#random.fork('codec').chance(0.5),
      snapshotChunkBytes: 4096,
      snapshotStallMs: 4 * this.#profile.leaseMs,
    });
    this.#clientNetwork = new ClientNetwork({
      scheduler,
      random: this.#random.fork('client network'),
      faults,
      counts: this.#network.counts,
    });
    const formation = formationOf(this.#profile);
    const { programs = [] } = this.#profile;
    const founding = formation.members.map((_, i) => programOf(programs[i] ?? 1).levels);
    const formedLevel = commonLevel(founding) ?? firstLevel;
    this.#observer = new Observer({
      formation,
      formedLevel,
      history: this.#history,
      generations: this.#profile.restored === true,
      trace: this.#trace,
      now: () => scheduler.nowMs,
      believers: () => this.#machines.flatMap((machine) => machine.front.believer() ?? []),
    });
    const operated = this.#profile.operated === true;
    this.#atlas = operated
      ? new FaultAtlas(
          () => this.#crew?.tolerance() ?? 0,
          (name) => this.#crew?.hasVote(name) ?? true,
        )
      : new FaultAtlas(Math.ceil(formation.members.length / 2) - 1);
    const first = formation.members.map(({ name }) => name);
    const spares = operated ? Array.from({ length: sparesCount }, (_, i) => `n${first.length + i + 1}`) : [];
    this.#machines = [...first, ...spares].map(
      (name, i) =>
        new Machine({
          name,
          scheduler,
          random: this.#random.fork(name),
          network: this.#network,
          profile: this.#profile,
          formation,
          formedLevel,
          observer: this.#observer,
          note,
          peers: (peer) => this.#machines.find((machine) => machine.name === peer),
          onFatal: (machine, error) => this.#onFatal(machine, error),
          onRecovered: ({ name: member }) => this.#atlas.wentOn(member),
          spare: !first.includes(name),
          program: programOf(programs[i] ?? formedLevel),
          onEntered: ({ incarnation }, before) => {
            if (incarnation > before && this.#atlas.isDamaged(name)) this.#atlas.renewed(name, 'operator-sequence');
          },
        }),
    );
    const atWork: CrewOptions = {
      ...{ scheduler, clientNetwork: this.#clientNetwork, machines: this.#machines, observer: this.#observer },
      ...{ atlas: this.#atlas, leaseMs: this.#profile.leaseMs, note },
      network: this.#network,
      count: (kind) => this.#faults.count(kind),
      fail: (violation) => this.#fail(violation),
    };
    this.#crew = operated ? new Crew(atWork) : null;
    this.#upgrades = operated && this.#profile.upgraded === true ? new UpgradeCrew(atWork) : null;
    const restored = operated && this.#profile.restored === true;
    this.#generations = restored ? new GenerationCrew(atWork, this.#random.fork('generations')) : null;
    this.#faults = new Faults({
      scheduler,
      seed: `${options.seed}/faults`,
      script: options.script?.strikes ?? null,
      profile: this.#profile,
      machines: this.#machines,
      network: this.#network,
      clientNetwork: this.#clientNetwork,
      atlas: this.#atlas,
      crew: this.#crew,
      upgrades: this.#upgrades,
      generations: this.#generations,
      observer: this.#observer,
      note,
      fail: (violation) => this.#fail(violation),
    });
  }

  /** Runs all phases, or up to the first violation. Never rejects for what the cell does. */
  async run(): Promise<CellReport> {
    const onRejection = (error: unknown): void => this.#fail(error);
    process.on('unhandledRejection', onRejection);
    try {
      await this.#phases();
    } catch (error) {
      this.#fail(error);
    } finally {
      process.off('unhandledRejection', onRejection);
    }
    return this.#report();
  }

  /** How far it is; may be asked at any time. */
  get pulse(): { readonly simulatedMs: number; readonly operations: number } {
    return { simulatedMs: this.#scheduler.nowMs, operations: this.#answered };
  }

  async #phases(): Promise<void> {
    await this.#form();
    const workload = this.#workload();
    workload.start();
    const { mode, hours, operationsMin = enoughOperations } = this.#options;
    const answered = (): boolean => this.#answered >= operationsMin;
    if (this.#options.sabotage !== undefined) sabotage(this.#options.sabotage, this.#machines, this.#scheduler);
    if (mode !== 'liveness') {
      this.#faults.start();
      await this.#runFor(hours * hourMs);
      // Long leases under many faults leave few answers to judge by: such runs take longer, and what is still missing comes after healing.
      if (!answered()) await this.#runFor(patienceShare * hours * hourMs, answered);
    }
    const endings = this.#endings();
    if (mode === 'beyond-repair') await endings.destroy();
    else if (mode !== 'safety') {
      this.#healedAfterMs = await endings.heal();
      await endings.stayCalm(mode === 'liveness' ? hours * hourMs : livenessMs);
      if (mode === null && !answered()) await this.#runFor(answeringMsMax, answered);
    }
    workload.stop();
    if (mode === null || mode === 'liveness') await endings.finish(workload);
    this.#checkHistory();
  }

  async #form(): Promise<void> {
    let formed = false;
    const forming = Promise.all(this.#machines.map((machine) => machine.form())).then(() => {
      formed = true;
    });
    await this.#scheduler.run(hourMs, () => formed);
    await forming;
    const drift = this.#profile.driftPpm / 2;
    const random = this.#random.fork('clocks');
    for (const machine of this.#machines) {
      if (this.#profile.faultEveryMs['clock-drift'] !== undefined)
        machine.clock.setDrift(random.between(-drift, drift));
      machine.boot();
      machine.disk.knobs.flushMs = [this.#profile.flushMeanMs / 4, this.#profile.flushMeanMs * 2];
      machine.disk.knobs.operationMs = [0.005, this.#profile.flushMeanMs / 4];
    }
  }

  /** True time. Stops early at a violation, which it throws. */
  async #runFor(ms: number, done: () => boolean = () => false): Promise<void> {
    const until = this.#scheduler.nowMs + ms;
    await this.#scheduler.run(until, () => this.#violation !== null || done());
    if (this.#violation !== null) throw this.#violation;
  }

  #workload(): Workload {
    const scheduler = this.#scheduler;
    const { leaseMs, clients, driftPpm, sessionTtlMs, thinkMs, locks = false } = this.#profile;
    const { lineage } = this.#observer;
    const isGivenUp = (instance: number): boolean => lineage.isGivenUp(instance);
    const checker = new LockChecker({
      ...{ driftPpm, isGivenUp },
      now: () => scheduler.nowMs,
      numbersBegin: () => lineage.newest.numbers,
    });
    return new Workload({
      scheduler,
      random: this.#random.fork('clients'),
      history: this.#history,
      replay: this.#observer.replay,
      isGivenUp,
      locking: locks ? { checker, count: (effect) => this.#faults.count(effect) } : null,
      replicas: this.#machines.map(({ name }) => name),
      clients,
      thinkMs,
      timeoutMs: Math.max(2 * leaseMs, 50),
      deadlineMs: Math.max(10 * leaseMs, 500),
      sessionTtlMs,
      driftPpm,
      send: (_client, replica, request, reply) => {
        const machine = this.#machines.find(({ name }) => name === replica) as Machine;
        this.#clientNetwork.send('request', replica, () => {
          machine.front.serve(request, (answer) => this.#clientNetwork.send('reply', replica, () => reply(answer)));
        });
      },
      note: (client, what, ...parts) => this.#trace.note(scheduler.nowMs, client, what, ...parts),
      fail: (violation) => this.#fail(violation),
    });
  }

  #endings(): Endings {
    return new Endings({
      ...{ scheduler: this.#scheduler, trace: this.#trace, profile: this.#profile, history: this.#history },
      ...{ observer: this.#observer, machines: this.#machines, faults: this.#faults, atlas: this.#atlas },
      ...{ network: this.#network, clientNetwork: this.#clientNetwork, crew: this.#crew },
      ...{ upgrades: this.#upgrades, generations: this.#generations, random: this.#random.fork('upgrades at last') },
      runFor: (ms, done) => this.#runFor(ms, done),
    });
  }

  /** The second way to check linearizability; the first went along with the run. */
  #checkHistory(): void {
    const { lineage, replay } = this.#observer;
    for (const branch of lineage.branches) {
      const verdict = checkLinearizable(replay.seenIn(branch), 200_000);
      if (verdict.kind !== 'impossible') continue;
      throw new Violation('linearizability', `no order explains what clients saw of ${verdict.object}`, {
        generation: branch.generation,
        stuckAt: verdict.stuckAt,
      });
    }
    this.#generations?.prices.check(lineage, replay, this.#history);
  }

  get #answered(): number {
    return this.#history.answered;
  }

  // --- ends ---------------------------------------------------------------------------------------------------------

  #onFatal(machine: Machine, error: Error): void {
    const end = error instanceof Violation ? ({ kind: 'bug' } as const) : endOf(error);
    switch (end.kind) {
      case 'restart':
        return machine.diskFailed();
      case 'halt':
        if (this.#crew?.excuses(machine, end.why.code) === true) return machine.halt(end.why);
        if (this.#upgrades?.excuses(machine, end.why) === true) return machine.halt(end.why);
        if (this.#generations?.excuses(machine, end.why.code) === true) return machine.halt(end.why);
        try {
          this.#atlas.halted(machine.name, end.why.code, end.why.message);
        } catch (violation) {
          return this.#fail(violation);
        }
        return machine.halt(end.why);
      default:
        return this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#violation ??= error instanceof Error ? error : new Error(String(error));
  }

  #report(): CellReport {
    const faults: Record<string, number> = {};
    for (const [kind, count] of this.#faults.counts) faults[kind] = count;
    if (this.#profile.clockStepMs > 0) faults['coarse-clock'] = 1;
    if (this.#profile.timerLatenessMs > 0) faults['late-timers'] = 1;
    for (const [kind, count] of Object.entries(this.#network.counts)) if (count > 0) faults[`network-${kind}`] = count;
    const violation = this.#violation;
    const kept = this.#machines.flatMap(({ log }) => log?.core.firstRetained ?? []);
    return {
      profile: this.#profile,
      simulatedMs: this.#scheduler.nowMs,
      events: this.#scheduler.events,
      instances: this.#observer.chosenUpTo,
      snapshots: this.#observer.snapshotsTaken,
      logFrom: kept.length === 0 ? 0 : Math.min(...kept),
      operations: this.#answered,
      unknown: this.#history.operations.filter(({ outcome }) => outcome === 'unknown').length,
      traceHash: this.#trace.hash(),
      faults,
      strikes: this.#faults.struck,
      halts: this.#machines.flatMap(({ name, halted }) => (halted === null ? [] : [{ member: name, ...halted }])),
      transitions: this.#observer.transitions.toRecord(),
      violation:
        violation === null
          ? null
          : { ...describe(violation), atMs: this.#scheduler.nowMs, trace: this.#trace.tail(traceLines) },
      healedAfterMs: this.#healedAfterMs,
    };
  }
}

function describe(error: Error): Pick<CellViolation, 'property' | 'message' | 'facts'> {
  if (error instanceof Violation || error instanceof InvariantViolation) {
    const property = error instanceof Violation ? error.property : 'invariant';
    return { property, message: error.message, facts: plain(error.details) };
  }
  // No fault of the standard swarm damages what was flushed, so a replica must never refuse its own disk.
  const refused = /(Corrupt|Lost)Error$/.test(error.name);
  return { property: refused ? 'recovery' : 'bug', message: error.stack ?? error.message, facts: {} };
}

/** As JSON would carry it: facts travel between threads and into files. */
const plain = (details: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  JSON.parse(JSON.stringify(details, (_, value) => (typeof value === 'bigint' ? String(value) : value)));

function formationOf(profile: Profile): Configuration {
  const { replicas, alpha, leaseMs, driftPpm } = profile;
  const members = Array.from({ length: replicas }, (_, i) => {
    const name = `n${i + 1}`;
    return { name, incarnation: 1, role: 'voter' as const, url: `http://${name}.simulated` };
  });
  return { members, alpha, leaseMs, driftPpm };
}

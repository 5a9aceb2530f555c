/**
 * A whole cell in one thread: machines, networks, clients, faults and checkers, from one seed.
 *
 * Source: PML §6.3. A run is safety under faults, then healing, then liveness: after the last fault a write must succeed
 * within three leases and ten round trips (L1), every operation completes, and all replicas reach the same database.
 */
import { type Configuration, memberId } from '../core/consensus/configuration.ts';
import { InvariantViolation } from '../core/invariant.ts';
import { Random } from '../core/random.ts';
import { checkRedundancyTold, checkStability } from './checkers/calm.ts';
import { checkLinearizable } from './checkers/linearizability.ts';
import { Violation } from './checkers/violation.ts';
import { ClientNetwork } from './client-network.ts';
import { endOf } from './fatal-errors.ts';
import { FaultAtlas } from './faults/atlas.ts';
import { Faults } from './faults/faults.ts';
import type { Strike } from './faults/strike.ts';
import { History } from './history.ts';
import { Machine, type NamedHalt } from './machine.ts';
import { SimulatedNetwork } from './network.ts';
import { calmNetwork } from './network-faults.ts';
import { Observer } from './observer.ts';
import { drawProfile, type Profile } from './profile.ts';
import { Trace } from './trace.ts';
import { Scheduler } from './virtual-clock.ts';
import { Workload } from './workload.ts';

/** `beyond-repair`: all copies of something are destroyed, and a safe halt with a name is required. */
export type SimulationMode = 'safety' | 'liveness' | 'beyond-repair';

export interface CellOptions {
  readonly seed: number | string;
  readonly replicas: number | null;
  /** Simulated hours of the phase that the run is about: safety, or liveness when that is the mode. */
  readonly hours: number;
  /** Null: safety, healing and liveness in turn. */
  readonly mode: SimulationMode | null;
  /** Answered operations that a run under faults goes on for, at most five times as long as was asked for. Default: 200. */
  readonly operationsMin?: number;
  /** Breaks a promise that the cell relies on, to show that a checker finds what comes of it. Only for tests. */
  readonly sabotage?: Sabotage;
  /** What differs from the profile that the seed draws. */
  readonly profile?: Partial<Profile>;
  /** Instead of drawing faults: exactly these, as an earlier run of the same seed has reported them, or fewer. */
  readonly script?: FaultScript;
}

export interface FaultScript {
  /** What differs from the profile that the seed draws. */
  readonly profile?: Partial<Profile>;
  readonly strikes: readonly Strike[];
}

/** Disks report flushes that they did not do (D6); a master's clocks run at a tenth of their pace (C2). */
export type Sabotage = 'disks-forget' | 'clocks-run-wild';

export interface CellReport {
  readonly profile: Profile;
  readonly simulatedMs: number;
  readonly events: number;
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
/** A run under faults takes at most so many times as long as was asked for. */
const patienceShare = 5;
/** Of the trace that a violation shows. */
const traceLines = 200;
/** What lets wrong clocks show: a master that nobody hears. */
const onlyIsolation: Profile['faultEveryMs'] = { 'isolate-master': 3_000 };
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
  #violation: Error | null = null;
  #healedAfterMs: number | null = null;

  constructor(options: CellOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    const calm = options.mode === 'liveness';
    const drawn = drawProfile(this.#random.fork('profile'), { replicas: options.replicas, calm });
    const wild = options.sabotage === 'clocks-run-wild' ? { faultEveryMs: onlyIsolation } : {};
    this.#profile = { ...drawn, ...wild, ...options.profile, ...options.script?.profile };
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
    this.#observer = new Observer({
      formation,
      history: this.#history,
      trace: this.#trace,
      now: () => scheduler.nowMs,
      believers: () => this.#machines.flatMap((machine) => machine.believer() ?? []),
    });
    this.#atlas = new FaultAtlas(Math.ceil(formation.members.length / 2) - 1);
    this.#machines = formation.members.map(
      ({ name }) =>
        new Machine({
          name,
          scheduler,
          random: this.#random.fork(name),
          network: this.#network,
          profile: this.#profile,
          formation,
          observer: this.#observer,
          note,
          peers: (peer) => this.#machines.find((machine) => machine.name === peer),
          onFatal: (machine, error) => this.#onFatal(machine, error),
          onRecovered: ({ name: member }) => this.#atlas.wentOn(member),
        }),
    );
    this.#faults = new Faults({
      scheduler,
      seed: `${options.seed}/faults`,
      script: options.script?.strikes ?? null,
      profile: this.#profile,
      machines: this.#machines,
      network: this.#network,
      clientNetwork: this.#clientNetwork,
      atlas: this.#atlas,
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
    if (this.#options.sabotage === 'clocks-run-wild') this.#slowMasters();
    if (mode !== 'liveness') {
      this.#faults.start();
      await this.#runFor(hours * hourMs);
      // Long leases under many faults leave few answers to judge by: such runs take longer.
      const answered = (): boolean => this.#answered >= operationsMin;
      if (!answered()) await this.#runFor(patienceShare * hours * hourMs, answered);
    }
    if (mode === 'beyond-repair') await this.#destroy();
    else if (mode !== 'safety') {
      await this.#heal();
      await this.#stayCalm(mode === 'liveness' ? hours * hourMs : livenessMs);
    }
    workload.stop();
    if (mode === null || mode === 'liveness') await this.#finish(workload);
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
    const { sabotage } = this.#options;
    const random = this.#random.fork('clocks');
    for (const machine of this.#machines) {
      if (this.#profile.faultEveryMs['clock-drift'] !== undefined)
        machine.clock.setDrift(random.between(-drift, drift));
      machine.boot();
      machine.disk.knobs.flushMs = [this.#profile.flushMeanMs / 4, this.#profile.flushMeanMs * 2];
      if (sabotage === 'disks-forget') machine.disk.knobs.lostWriteChance = 0.05;
      machine.disk.knobs.operationMs = [0.005, this.#profile.flushMeanMs / 4];
    }
  }

  /** Whoever serves believes in its lease ten times too long. */
  #slowMasters(): void {
    for (const machine of this.#machines) machine.clock.setDrift(machine.believer()?.serving != null ? -900_000 : 0);
    this.#scheduler.after(100, () => this.#slowMasters());
  }

  /** True time. Stops early at a violation, which it throws. */
  async #runFor(ms: number, done: () => boolean = () => false): Promise<void> {
    const until = this.#scheduler.nowMs + ms;
    await this.#scheduler.run(until, () => this.#violation !== null || done());
    if (this.#violation !== null) throw this.#violation;
  }

  #workload(): Workload {
    const scheduler = this.#scheduler;
    const { leaseMs, clients, thinkMs } = this.#profile;
    return new Workload({
      scheduler,
      random: this.#random.fork('clients'),
      history: this.#history,
      replay: this.#observer.replay,
      replicas: this.#machines.map(({ name }) => name),
      clients,
      thinkMs,
      timeoutMs: Math.max(2 * leaseMs, 50),
      deadlineMs: Math.max(10 * leaseMs, 500),
      sessionTtlMs: 60_000,
      driftPpm: this.#profile.driftPpm,
      send: (_client, replica, request, reply) => {
        const machine = this.#machines.find(({ name }) => name === replica) as Machine;
        this.#clientNetwork.send('request', replica, () => {
          machine.serve(request, (answer) => this.#clientNetwork.send('reply', replica, () => reply(answer)));
        });
      },
      note: (client, what, ...parts) => this.#trace.note(scheduler.nowMs, client, what, ...parts),
      fail: (violation) => this.#fail(violation),
    });
  }

  // --- healing and liveness -----------------------------------------------------------------------------------------

  get #roundTripMs(): number {
    const { network, flushMeanMs } = this.#profile;
    // A slow one: a delay of three times the usual on the longest way, and a flush at both ends.
    return 2 * (network.delayMsMin + calmNetwork.delayMsMean * 4) + 4 * flushMeanMs;
  }

  /** L1: after the last fault a write succeeds within three leases and ten round trips. */
  async #heal(): Promise<void> {
    this.#calm();
    const healedAt = this.#scheduler.nowMs;
    this.#trace.note(healedAt, '', 'healed');
    const revisionBefore = this.#observer.replay.reference.revision;
    const boundMs = 3 * this.#profile.leaseMs + 10 * this.#roundTripMs + this.#startMs();
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
    this.#healedAfterMs = this.#scheduler.nowMs - healedAt;
  }

  /** Nothing goes wrong, and so nobody changes, every request is answered, and status says who is missing. */
  async #stayCalm(ms: number): Promise<void> {
    const { leaseMs } = this.#profile;
    await this.#runFor(Math.min(3 * leaseMs + this.#startMs(), ms));
    const before = this.#observer.masterships;
    const since = this.#scheduler.nowMs;
    await this.#runFor(ms);
    checkStability(before, this.#observer.masterships, this.#scheduler.nowMs - since);
    const mostMs = 20 * leaseMs + 100 * this.#roundTripMs + 1_000;
    for (const machine of this.#machines) machine.checkPending(mostMs);
    const master = this.#machines.find((machine) => machine.log?.isServing() === true);
    if (master?.service == null) return;
    const voters = this.#observer.configuration.members.filter(({ role }) => role === 'voter').map(memberId);
    const out = this.#machines.filter(({ halted, vacant, id }) => (halted !== null || vacant) && voters.includes(id));
    checkRedundancyTold(
      out.map(({ name }) => name),
      master.service.status().unheard ?? [],
    );
  }

  /**
   * The faults end, all copies of something are destroyed, and those who had them are started again. They must end with a named
   * error, nobody may be told anything that supposes that they are there, and what is told must be right.
   */
  async #destroy(): Promise<void> {
    this.#calm();
    const { leaseMs } = this.#profile;
    await this.#runFor(2 * leaseMs + this.#startMs());
    const lost = this.#faults.destroy();
    const destroyedMs = this.#scheduler.nowMs;
    await this.#runFor(Math.max(20 * leaseMs, 5_000) + 2 * this.#startMs());
    if (lost.length === 0) return;
    for (const machine of this.#machines) {
      if (!lost.includes(machine.name) || machine.halted !== null || !this.#atlas.mustHalt(machine.name)) continue;
      throw new Violation('beyond-repair', `${machine.name} neither goes on nor says what is lost`, { lost });
    }
    const out = this.#machines.filter(({ halted }) => halted !== null).length;
    if (2 * (this.#machines.length - out) > this.#machines.length) return;
    for (const operation of this.#history.operations) {
      // A lease that was granted before may be used up, for reads.
      const late = operation.invokedMs > destroyedMs + (operation.command === null ? 2 * leaseMs : 0);
      if (!late || operation.outcome !== 'ok') continue;
      const facts = { operation: operation.id, invokedMs: operation.invokedMs, destroyedMs, lost };
      throw new Violation('beyond-repair', 'the cell goes on although a majority is lost', facts);
    }
  }

  #calm(): void {
    const { delayMsMin } = this.#profile.network;
    this.#faults.stop();
    const network = { ...calmNetwork, delayMsMin };
    this.#network.setFaults(network);
    this.#clientNetwork.setFaults(network);
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
      machine.serve({ kind: 'write', command: { kind: 'open-session', ttlMs: 1_000 } }, (answer) => {
        if (answer.kind !== 'written' || over) return;
        over = true;
        done();
      });
      this.#scheduler.after(Math.max(1, this.#profile.leaseMs / 20), () => attempt(machine));
    };
    for (const machine of this.#machines) attempt(machine);
  }

  /** Every operation completes, and all replicas reach one database at one instance. */
  async #finish(workload: Workload): Promise<void> {
    const patienceMs = Math.max(20 * this.#profile.leaseMs, 5_000) + 100 * this.#roundTripMs;
    await this.#runFor(patienceMs, () => workload.idle);
    if (!workload.idle) throw new Violation('liveness', 'an operation never ended');
    await this.#runFor(patienceMs, () => this.#converged());
    if (this.#converged()) return;
    throw new Violation('liveness', `replicas did not come together within ${Math.round(patienceMs)} ms`, {
      replicas: this.#machines.map((machine) => machine.state()),
      chosenUpTo: this.#observer.chosenUpTo,
    });
  }

  #converged(): boolean {
    const chosen = this.#observer.chosenUpTo;
    const members = new Set(this.#observer.configuration.members.map(memberId));
    const good = this.#machines.filter(({ halted, vacant, id }) => halted === null && !vacant && members.has(id));
    const first = good[0]?.checksum();
    // A master goes on renewing its lease with values that change nothing: a few of them may be under way.
    return good.every((machine) => (machine.log?.appliedUpTo ?? 0) >= chosen - 4 && machine.checksum() === first);
  }

  /** The second way to check linearizability; the first went along with the run. */
  #checkHistory(): void {
    const verdict = checkLinearizable(this.#history.operations, 200_000);
    if (verdict.kind !== 'impossible') return;
    throw new Violation('linearizability', `no order explains what clients saw of ${verdict.object}`, {
      stuckAt: verdict.stuckAt,
    });
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
    return {
      profile: this.#profile,
      simulatedMs: this.#scheduler.nowMs,
      events: this.#scheduler.events,
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

/**
 * Faults that strike at moments: when, whom, how long, and what ends them.
 *
 * Source: pitfalls §2 (catalogue). Everything is drawn from the seed; every strike is counted and noted in the trace.
 * Keeps: clocks stay within the drift that the cell was promised; each fault ends, or is ended by `stop`.
 */
import { unreachable } from '../core/invariant.ts';
import type { Random } from '../core/random.ts';
import type { ClientNetwork } from './client-network.ts';
import type { CrashOptions } from './disk.ts';
import type { Machine } from './machine.ts';
import type { SimulatedNetwork } from './network.ts';
import { exponential } from './network-faults.ts';
import { type FaultKind, faultKinds, type Profile } from './profile.ts';
import type { Scheduler } from './virtual-clock.ts';

export interface FaultsOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly profile: Profile;
  readonly machines: readonly Machine[];
  readonly network: SimulatedNetwork;
  readonly clientNetwork: ClientNetwork;
  readonly note: (who: string, what: string, ...parts: readonly (string | number)[]) => void;
}

const secondMs = 1_000;
const yearMs = 365 * 86_400 * secondMs;

export class Faults {
  /** How often each kind has struck. */
  readonly counts = new Map<FaultKind, number>();
  readonly #options: FaultsOptions;
  readonly #random: Random;
  readonly #leaseMs: number;
  /** Services that have been told to end, by who runs them. */
  readonly #draining = new Map<Machine, Machine['service']>();
  /** True time until which a slow operation may be under way. */
  readonly #slowUntilMs = new Map<Machine, number>();
  #stopped = false;

  constructor(options: FaultsOptions) {
    this.#options = options;
    this.#random = options.random;
    this.#leaseMs = options.profile.leaseMs;
  }

  start(): void {
    for (const kind of faultKinds) {
      const everyMs = this.#options.profile.faultEveryMs.get(kind);
      if (everyMs !== undefined) this.#schedule(kind, everyMs);
    }
  }

  /** Ends every fault: machines run, networks are whole, disks are quick, clocks stay where they are. */
  stop(): void {
    this.#stopped = true;
    const { machines, network, clientNetwork } = this.#options;
    network.heal();
    for (const machine of machines) {
      // What was told to end does end, and comes back like the rest; what hangs in its disk is started again.
      const draining = machine.service !== null && machine.service === this.#draining.get(machine);
      const hanging = this.#options.scheduler.nowMs < (this.#slowUntilMs.get(machine) ?? 0);
      if (draining || hanging) machine.kill(this.#crash());
      clientNetwork.mend(machine.name);
      this.#quickDisk(machine);
      machine.clock.wake();
      const process = machine.process;
      if (process === null) machine.boot();
      else {
        process.armCrash(Number.POSITIVE_INFINITY);
        process.slowDown(0);
        process.delayTimers(() => 0);
        process.resume('io');
      }
    }
  }

  /** An armed crash has struck: the machine dies here and comes back later. */
  onDeath(machine: Machine): void {
    machine.kill(this.#crash());
    this.#rebootLater(machine);
  }

  #schedule(kind: FaultKind, everyMs: number): void {
    this.#later(everyMs * exponential(this.#random), () => {
      this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
      this.#strike(kind);
      this.#schedule(kind, everyMs);
    });
  }

  /** Nothing planned happens any more once the faults have been stopped. */
  #later(delayMs: number, action: () => void): void {
    this.#options.scheduler.after(delayMs, () => {
      if (!this.#stopped) action();
    });
  }

  #strike(kind: FaultKind): void {
    const { machines } = this.#options;
    switch (kind) {
      case 'crash':
        return this.#kill(this.#someone(), kind);
      case 'crash-at-effect':
        return this.#anyone().process?.armCrash(this.#random.below(30));
      case 'crash-majority':
        return this.#killSome(Math.floor(machines.length / 2) + 1, kind);
      case 'crash-all':
        return this.#killSome(machines.length, kind);
      case 'restart-storm':
        return this.#storm(5 + this.#random.below(20));
      case 'grantor-restart':
        return this.#restartGrantors();
      case 'pause':
        return this.#pause(this.#someone());
      case 'suspend':
        return this.#suspend(this.#someone());
      case 'slow-process':
        return this.#slow(this.#someone());
      case 'partition':
        return this.#partition(this.#groups(), kind);
      case 'isolate-master':
        return this.#partition(this.#alone(this.#master()), kind);
      case 'one-way':
        return this.#cut([this.#pair()], kind);
      case 'partial': {
        const [from, to] = this.#pair();
        return this.#cut(
          [
            [from, to],
            [to, from],
          ],
          kind,
        );
      }
      case 'flapping-link':
        return this.#flap(this.#pair());
      case 'clog':
        return this.#clog([this.#pair()], kind);
      case 'swizzle':
        return this.#clog(this.#everyPair(), kind);
      case 'client-cut':
        return this.#cutClients(this.#random.chance(0.5) ? this.#master() : this.#anyone());
      case 'slow-flush':
        return this.#slowDisk(this.#someone(), this.#random.betweenLogarithmic(10, 3_000), kind);
      case 'hanging-flush':
        return this.#slowDisk(this.#master(), this.#leases(1, 20), kind);
      case 'clock-drift':
        return this.#drift();
      case 'wall-jump':
        return this.#jump(this.#someone());
      case 'hand-over':
        return void this.#master().service?.transfer(null, false);
      case 'graceful-stop':
        return this.#stopGracefully(this.#anyone());
      case 'disk-error':
        return this.#breakDisk(this.#anyone());
      default:
        return unreachable(kind);
    }
  }

  #note(machine: Machine | null, what: string, ...parts: readonly (string | number)[]): void {
    this.#options.note(machine?.name ?? '', `fault: ${what}`, ...parts);
  }

  #leases(low: number, high: number): number {
    return this.#leaseMs * this.#random.betweenLogarithmic(low, high);
  }

  // --- whom ---------------------------------------------------------------------------------------------------------

  #anyone(): Machine {
    return this.#random.pick(this.#options.machines);
  }

  /** Who would serve now, or anyone when nobody would. */
  #master(): Machine {
    const anyone = this.#anyone();
    return this.#options.machines.find((machine) => machine.believer()?.serving != null) ?? anyone;
  }

  /** The master as often as not: whoever holds something has something to lose. */
  #someone(): Machine {
    return this.#random.chance(0.5) ? this.#master() : this.#anyone();
  }

  #pair(): readonly [string, string] {
    const [first, second] = this.#random.shuffle(this.#options.machines);
    return [first?.name ?? '', (second ?? first)?.name ?? ''];
  }

  #everyPair(): readonly (readonly [string, string])[] {
    const names = this.#options.machines.map(({ name }) => name);
    return names.flatMap((from) => names.filter((to) => to !== from).map((to) => [from, to] as const));
  }

  #groups(): readonly (readonly string[])[] {
    const names = this.#random.shuffle(this.#options.machines.map(({ name }) => name));
    const at = 1 + this.#random.below(Math.max(1, names.length - 1));
    return [names.slice(0, at), names.slice(at)];
  }

  #alone(machine: Machine): readonly (readonly string[])[] {
    const others = this.#options.machines.filter((other) => other !== machine);
    return [[machine.name], others.map(({ name }) => name)];
  }

  // --- processes ----------------------------------------------------------------------------------------------------

  /**
   * A third of the crashes are `kill -9`; in the others the power goes, and of a torn write a beginning survives. Any
   * subset of sectors instead looks like damage to the log (pitfalls P17), which only a repair by peers can settle.
   */
  #crash(): CrashOptions {
    const random = this.#random;
    if (random.chance(0.33)) return { writes: 'process' };
    const writes = random.pick(['lost', 'kept', 'torn', 'random', 'random'] as const);
    return { writes, names: random.pick(['lost', 'kept', 'random'] as const) };
  }

  #kill(machine: Machine, why: string, downMs = this.#leases(0.05, 20)): void {
    if (!machine.up) return;
    const how = this.#crash();
    this.#note(machine, why, how.writes);
    machine.kill(how);
    if (how.writes !== 'process') machine.clock.reboot(this.#random.below(1_000));
    this.#rebootLater(machine, downMs);
  }

  #killSome(count: number, why: string): void {
    for (const machine of this.#random.shuffle(this.#options.machines).slice(0, count)) this.#kill(machine, why);
  }

  #rebootLater(machine: Machine, downMs = this.#leases(0.05, 20)): void {
    this.#later(downMs, () => {
      if (!machine.up) machine.boot();
    });
  }

  /** One replica after another, every 0.5 to 3 leases (P-8). */
  #storm(left: number): void {
    if (left === 0) return;
    this.#kill(this.#anyone(), 'restart-storm');
    this.#later(this.#leases(0.5, 3), () => this.#storm(left - 1));
  }

  /**
   * Some lose sight of the master until they have granted it nothing any more; then those who still do restart, well within a
   * lease, and must not have forgotten (P34).
   */
  #restartGrantors(): void {
    const { machines, network } = this.#options;
    const master = this.#master();
    const others = this.#random.shuffle(machines.filter((machine) => machine !== master));
    const strangers = others.splice(0, Math.floor(machines.length / 2));
    this.#note(master, 'grantor-restart', strangers.map(({ name }) => name).join('+'));
    for (const { name } of strangers) {
      network.cut(master.name, name);
      network.cut(name, master.name);
      this.#later(this.#leases(3, 6), () => {
        network.mend(master.name, name);
        network.mend(name, master.name);
      });
    }
    this.#later(this.#leases(1.1, 2), () => {
      for (const machine of others) this.#kill(machine, 'grantor-restart', this.#leases(0.01, 0.3));
    });
  }

  #pause(machine: Machine): void {
    const process = machine.process;
    if (process === null) return;
    const ms = this.#leases(0.01, 20);
    this.#note(machine, 'pause', ms);
    process.pause();
    const first = this.#random.pick(['io', 'timer'] as const);
    this.#later(ms, () => process.resume(first));
  }

  /** The whole machine sleeps; its monotonic clock does not notice (C4). */
  #suspend(machine: Machine): void {
    const process = machine.process;
    if (process === null || machine.clock.suspended) return;
    const ms = this.#leases(0.1, 20);
    this.#note(machine, 'suspend', ms);
    process.pause();
    machine.clock.suspend();
    this.#later(ms, () => {
      machine.clock.wake();
      process.resume('io');
    });
  }

  #slow(machine: Machine): void {
    const process = machine.process;
    if (process === null) return;
    const serviceMs = this.#random.betweenLogarithmic(1, 2_000);
    this.#note(machine, 'slow-process', serviceMs);
    process.slowDown(serviceMs);
    this.#later(this.#leases(1, 20), () => process.slowDown(0));
  }

  /** Hands over if it can, then ends without a word: what an operator's restart does. */
  #stopGracefully(machine: Machine): void {
    const { service } = machine;
    if (service === null) return;
    this.#note(machine, 'graceful-stop');
    const end = (): void => {
      if (machine.service === service) this.#kill(machine, 'graceful-stop');
    };
    this.#draining.set(machine, service);
    void service.transfer(null, false).then(() => service.drain());
    this.#later(this.#leases(1, 3), end);
  }

  // --- networks -----------------------------------------------------------------------------------------------------

  #partition(groups: readonly (readonly string[])[], why: string): void {
    const { network } = this.#options;
    this.#note(null, why, groups.map((group) => group.join('+')).join(' | '));
    network.partition(groups);
    this.#later(this.#leases(0.1, 30), () => network.partition([]));
  }

  #cut(links: readonly (readonly [string, string])[], why: string): void {
    const { network } = this.#options;
    for (const [from, to] of links) {
      this.#note(null, why, from, to);
      network.cut(from, to);
      this.#later(this.#leases(0.1, 30), () => network.mend(from, to));
    }
  }

  #flap([from, to]: readonly [string, string]): void {
    const { network } = this.#options;
    this.#note(null, 'flapping-link', from, to);
    network.flicker(from, to, this.#leases(0.1, 10), this.#random.between(0.2, 0.8));
    this.#later(this.#leases(1, 60), () => network.steady(from, to));
  }

  /** Several links clog one by one and open again in another order (N5). */
  #clog(links: readonly (readonly [string, string])[], why: string): void {
    const { network } = this.#options;
    const spreadMs = this.#leases(0.1, 5);
    const lastsMs = this.#leases(0.1, 10);
    this.#note(null, why, links.length, lastsMs);
    for (const [from, to] of links) {
      this.#later(this.#random.next() * spreadMs, () => network.clog(from, to));
      this.#later(spreadMs + lastsMs + this.#random.next() * spreadMs, () => network.unclog(from, to));
    }
  }

  #cutClients(machine: Machine): void {
    const { clientNetwork } = this.#options;
    this.#note(machine, 'client-cut');
    clientNetwork.cut(machine.name);
    this.#later(this.#leases(0.5, 20), () => clientNetwork.mend(machine.name));
  }

  // --- disks and clocks ---------------------------------------------------------------------------------------------

  #slowDisk(machine: Machine, ms: number, why: string): void {
    this.#note(machine, why, ms);
    machine.disk.knobs.slowFlushChance = why === 'slow-flush' ? 0.5 : 1;
    machine.disk.knobs.slowFlushMs = [ms / 2, ms];
    const lastsMs = this.#leases(1, 20);
    this.#slowUntilMs.set(machine, this.#options.scheduler.nowMs + lastsMs + ms);
    this.#later(lastsMs, () => this.#quickDisk(machine));
  }

  #quickDisk(machine: Machine): void {
    const { knobs } = machine.disk;
    knobs.slowFlushChance = 0;
    knobs.flushErrorChance = 0;
    knobs.writeErrorChance = 0;
  }

  /** The next flush or write fails; the replica must stop and come back from what is really there (P14, P15). */
  #breakDisk(machine: Machine): void {
    this.#note(machine, 'disk-error');
    if (this.#random.chance(0.5)) machine.disk.knobs.flushErrorChance = 0.5;
    else machine.disk.knobs.writeErrorChance = 0.5;
    this.#later(this.#leases(0.1, 2), () => this.#quickDisk(machine));
  }

  /** A replica that stopped because of its disk is started again, like after any crash. */
  onDiskFailure(machine: Machine): void {
    this.#kill(machine, 'disk-error');
  }

  /** Any two machines stay within the promised bound of each other: each within half of it of true time (C1). */
  #drift(): void {
    const { machines, profile } = this.#options;
    for (const machine of machines) {
      machine.clock.setDrift(this.#random.between(-profile.driftPpm / 2, profile.driftPpm / 2));
    }
    this.#note(null, 'clock-drift');
  }

  #jump(machine: Machine): void {
    const ms = this.#random.betweenLogarithmic(1, yearMs) * (this.#random.chance(0.5) ? 1 : -1);
    this.#note(machine, 'wall-jump', ms);
    machine.clock.jumpWall(ms);
  }
}

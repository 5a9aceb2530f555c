/** What faults strike: the machines and networks of one cell, and ways to choose among them. */
import type { Random } from '../../core/random.ts';
import type { ClientNetwork } from '../client-network.ts';
import type { CrashOptions } from '../disk.ts';
import type { Machine } from '../machine.ts';
import type { SimulatedNetwork } from '../network.ts';
import type { Observer } from '../observer.ts';
import type { Crew } from '../operators/crew.ts';
import type { GenerationCrew } from '../operators/generation-crew.ts';
import type { UpgradeCrew } from '../operators/upgrade-crew.ts';
import type { Profile } from '../profile.ts';
import type { Scheduler } from '../virtual-clock.ts';
import type { FaultAtlas } from './atlas.ts';
import type { CountedKind } from './catalogue.ts';
import type { FaultDefinition, Parameters } from './definition.ts';

export interface FaultWorldOptions {
  readonly scheduler: Scheduler;
  readonly profile: Profile;
  readonly machines: readonly Machine[];
  readonly network: SimulatedNetwork;
  readonly clientNetwork: ClientNetwork;
  readonly atlas: FaultAtlas;
  /** Who may add and remove members; null where nobody does. */
  readonly crew: Crew | null;
  /** Who may upgrade it; null where nobody does. */
  readonly upgrades: UpgradeCrew | null;
  readonly generations: GenerationCrew | null;
  readonly observer: Observer;
  readonly note: (who: string, what: string, ...parts: readonly (string | number)[]) => void;
  readonly fail: (violation: Error) => void;
}

/** A crash as data: a third are `kill -9`; in the others the power goes. */
export type Crash = {
  readonly writes: CrashOptions['writes'];
  readonly names: 'lost' | 'kept' | 'random';
  /** The machine's clocks begin anew here; unused by `kill -9`. */
  readonly upMs: number;
};

export class FaultWorld {
  readonly profile: Profile;
  readonly machines: readonly Machine[];
  readonly network: SimulatedNetwork;
  readonly clientNetwork: ClientNetwork;
  readonly atlas: FaultAtlas;
  readonly crew: Crew | null;
  readonly upgrades: UpgradeCrew | null;
  readonly generations: GenerationCrew | null;
  readonly observer: Observer;
  /** How often each kind has struck something. */
  readonly counts = new Map<CountedKind, number>();
  readonly #options: FaultWorldOptions;
  #stopped = false;
  #age = 0;
  #reserved = false;

  constructor(options: FaultWorldOptions) {
    this.#options = options;
    this.profile = options.profile;
    this.machines = options.machines;
    this.network = options.network;
    this.clientNetwork = options.clientNetwork;
    this.atlas = options.atlas;
    this.crew = options.crew;
    this.upgrades = options.upgrades;
    this.generations = options.generations;
    this.observer = options.observer;
  }

  get nowMs(): number {
    return this.#options.scheduler.nowMs;
  }

  get scheduler(): Scheduler {
    return this.#options.scheduler;
  }

  /** Only one change of the membership goes on at a time. False while another does. */
  reserve(): boolean {
    if (this.#reserved) return false;
    this.#reserved = true;
    return true;
  }

  release(): void {
    this.#reserved = false;
  }

  /** Somebody is being replaced, or was: who is a member depends on whom one asks. */
  get membershipChanged(): boolean {
    return (
      this.crew !== null || this.#reserved || this.machines.some(({ incarnation, vacant }) => incarnation > 1 || vacant)
    );
  }

  /** Something that must not be has come of a fault. */
  readonly fail = (violation: Error): void => this.#options.fail(violation);

  get names(): readonly string[] {
    return this.machines.map(({ name }) => name);
  }

  /** Nothing planned happens any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** Plans again, with nothing of what was planned before. */
  goOn(): void {
    this.#stopped = false;
    this.#age++;
  }

  /** Happens at this true time, unless all faults have been ended before. */
  at(atMs: number, action: () => void): void {
    this.#options.scheduler.at(atMs, this.unlessEnded(action));
  }

  /** Happens unless all faults have been ended before. */
  later(delayMs: number, action: () => void): void {
    this.#options.scheduler.after(delayMs, this.unlessEnded(action));
  }

  /** The same, which does nothing once all faults have been ended: for what happens when something else has come to its end. */
  unlessEnded<Told extends readonly unknown[]>(action: (...told: Told) => void): (...told: Told) => void {
    const age = this.#age;
    return (...told) => {
      if (!this.#stopped && age === this.#age) action(...told);
    };
  }

  count(kind: CountedKind): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  note(who: string, what: string, ...parts: readonly (string | number)[]): void {
    this.#options.note(who, `fault: ${what}`, ...parts);
  }

  /** Undefined for a name that a shortened script still has and the cell does not. */
  machine(name: string): Machine | undefined {
    return this.machines.find((machine) => machine.name === name);
  }

  leases(random: Random, low: number, high: number): number {
    return this.profile.leaseMs * random.betweenLogarithmic(low, high);
  }

  // --- whom ---------------------------------------------------------------------------------------------------------

  anyone(random: Random): string {
    return random.pick(this.machines).name;
  }

  /** Who would serve now, or anyone when nobody would. */
  master(random: Random): string {
    const anyone = this.anyone(random);
    return this.machines.find((machine) => machine.front.believer()?.serving != null)?.name ?? anyone;
  }

  /** The master as often as not: whoever holds something has something to lose. */
  someone(random: Random): string {
    return random.chance(0.5) ? this.master(random) : this.anyone(random);
  }

  /** Two different ones, where there are two. */
  pair(random: Random): readonly [string, string] {
    const [first, second] = random.shuffle(this.names);
    return [first ?? '', second ?? first ?? ''];
  }

  // --- what many kinds do -------------------------------------------------------------------------------------------

  drawCrash(random: Random): Crash {
    const kept = random.chance(0.33);
    const writes = random.pick(['lost', 'kept', 'torn', 'random', 'random'] as const);
    const names = random.pick(['lost', 'kept', 'random'] as const);
    return { writes: kept ? 'process' : writes, names, upMs: random.below(1_000) };
  }

  /** Ends the process there, if one runs. */
  kill(machine: Machine, { writes, names, upMs }: Crash, random: Random): void {
    if (!machine.up) return;
    const unflushed = machine.disk.image.hasUnflushed();
    machine.kill({ writes, names }, random);
    if (writes === 'process') return;
    machine.clock.reboot(upMs);
    this.count('clock-reset');
    if (unflushed && writes !== 'lost' && writes !== 'kept') this.count('torn-write');
    if (unflushed && writes === 'random') this.count('reordered-writes');
  }

  /** And starts another after `downMs`. */
  crash(machine: Machine, how: Crash, downMs: number, random: Random): void {
    if (!machine.up) return;
    this.kill(machine, how, random);
    this.bootLater(machine, downMs);
  }

  bootLater(machine: Machine, downMs: number): void {
    this.later(downMs, () => {
      if (!machine.up) machine.boot();
    });
  }
}

/** Infers the parameters of a kind from how it draws them. */
export const fault = <P extends Parameters>(
  definition: FaultDefinition<FaultWorld, P>,
): FaultDefinition<FaultWorld, P> => definition;

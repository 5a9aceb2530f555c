/**
 * Strikes a cell with faults: drawn from the seed as the run goes on, or taken from a list that an earlier run left.
 *
 * Source: pitfalls §2. Every strike is counted, noted in the trace and recorded. Keeps: each fault ends by itself, or is
 * ended by `stop`.
 */
import { Random } from '../../core/random.ts';
import { exponential } from '../network-faults.ts';
import { type CountedKind, destructionKinds, type FaultKind, faultKinds } from './catalogue.ts';
import type { Parameters } from './definition.ts';
import { definitionOf } from './definitions.ts';
import type { Strike } from './strike.ts';
import { FaultWorld, type FaultWorldOptions } from './world.ts';

export interface FaultsOptions extends FaultWorldOptions {
  /** Of all draws. */
  readonly seed: string;
  /** Instead of drawing: exactly these. */
  readonly script: readonly Strike[] | null;
}

export class Faults {
  /** Everything that has struck, in order. */
  readonly struck: Strike[] = [];
  readonly #options: FaultsOptions;
  readonly #world: FaultWorld;

  constructor(options: FaultsOptions) {
    this.#options = options;
    this.#world = new FaultWorld(options);
  }

  /** How often each kind has struck something. */
  get counts(): ReadonlyMap<CountedKind, number> {
    return this.#world.counts;
  }

  /** What came of operators' commands counts among them. */
  count(kind: CountedKind): void {
    this.#world.count(kind);
  }

  start(): void {
    const { script, profile } = this.#options;
    if (script !== null) {
      for (const strike of script.filter(({ kind }) => !destructionKinds.includes(kind)))
        this.#world.at(strike.atMs, () => this.#carryOut(strike));
      return;
    }
    for (const kind of faultKinds) {
      const everyMs = profile.faultEveryMs[kind];
      if (everyMs !== undefined) this.#plan(kind, everyMs, 1);
    }
  }

  /** Ends every fault: machines run, networks are whole, disks are quick, clocks stay where they are. */
  stop(): void {
    this.#world.stop();
    this.#world.crew?.stop(new Random(`${this.#options.seed}/operators`));
    this.#world.upgrades?.stop();
    this.#world.generations?.stop();
    const { machines, network, clientNetwork, seed } = this.#options;
    network.heal();
    for (const machine of machines) {
      clientNetwork.mend(machine.name);
      clientNetwork.hear(machine.name);
      machine.heal(() => {
        const random = new Random(`${seed}/heal/${machine.name}`);
        const { writes, names } = this.#world.drawCrash(random);
        machine.kill({ writes, names }, random);
      });
    }
    // Who was to start the right version again some time later does so now.
    this.#world.upgrades?.straighten();
  }

  /**
   * After `stop`: destroys all copies of something, drawn or as the script says. Returns the members that must not come back.
   * They are started again by themselves.
   */
  destroy(): readonly string[] {
    const { script, seed } = this.#options;
    this.#world.goOn();
    const before = this.struck.length;
    for (const strike of script ?? []) if (destructionKinds.includes(strike.kind)) this.#carryOut(strike);
    if (script === null) {
      const random = new Random(`${seed}/destroy`);
      for (const kind of random.shuffle(destructionKinds)) {
        const parameters = definitionOf(kind).draw(this.#world, random);
        if (parameters === null) continue;
        this.#strike(kind, parameters, `${seed}/destroy/how`, random);
        break;
      }
    }
    return this.struck.slice(before).flatMap(({ with: { members } }) => members as readonly string[]);
  }

  /** Strike number `nth` of a kind has its own draws, so that no other can shift them. */
  #plan(kind: FaultKind, everyMs: number, nth: number): void {
    const seed = `${this.#options.seed}/${kind}/${nth}`;
    const random = new Random(seed);
    this.#world.later(everyMs * exponential(random), () => {
      const parameters = definitionOf(kind).draw(this.#world, random);
      if (parameters !== null) this.#strike(kind, parameters, `${seed}/how`, random);
      this.#plan(kind, everyMs, nth + 1);
    });
  }

  #strike(kind: FaultKind, parameters: Parameters, seed: string, random: Random): void {
    this.#carryOut({ atMs: this.#world.nowMs, kind, seed, with: parameters });
    const next = definitionOf(kind).next?.(this.#world, parameters, random) ?? null;
    if (next === null) return;
    this.#world.later(next.afterMs, () => this.#strike(kind, next.parameters, `${seed}+`, random));
  }

  #carryOut(strike: Strike): void {
    const { kind } = strike;
    this.struck.push(strike);
    const struck = definitionOf(kind).strike(this.#world, strike.with, new Random(strike.seed));
    if (struck !== false) this.#world.count(kind);
  }
}

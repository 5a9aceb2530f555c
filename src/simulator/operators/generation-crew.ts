/**
 * Whoever goes back to backups of a simulated cell: saves them at some moments, types `cell restore` of `src/operator` at others, beside
 * somebody else who does so too, is killed at some call and types it again, reads the price and accepts it; and at the end brings to its
 * end what is open.
 *
 * Source: design §1 (the promise), §3 "Generations"; pitfall O11. Keeps: nobody accepts that what only so many members had is lost, that
 * the rest would not have everything that was acknowledged: that is a price nobody can name.
 */
import type { Value } from '../../core/consensus/value.ts';
import type { Random } from '../../core/random.ts';
import { OperatorError } from '../../errors/index.ts';
import { decodeValue } from '../../formats/value.ts';
import type { Price } from '../../operator/recovery/decide.ts';
import { type RestoreResult, restoreCell } from '../../operator/restore/restore.ts';
import { checkStep } from '../checkers/generation-steps.ts';
import { PriceChecker } from '../checkers/prices.ts';
import { Violation } from '../checkers/violation.ts';
import type { Machine } from '../machine.ts';
import { simulatedCell } from '../replica-life.ts';
import type { CrewOptions } from './crew.ts';
import { Desk, type Kill } from './desk.ts';
import type { GenerationOrder } from './generation-order.ts';
import { heldBy, simulatedGenerationWorld } from './generation-world.ts';
import { OperatorFiles } from './operator-files.ts';

/** What stands behind the name of the file on the command line. */
interface Typed {
  loss: number | null;
  unknown: readonly string[];
  again: boolean;
}

type Ending = RestoreResult | 'killed' | OperatorError;

/** Of what is typed at the end, when nothing goes wrong any more. */
const lastTries = 12;
/** Revisions that whoever wants to come to an end types beyond what was shown: clients go on writing meanwhile. */
const lastMargin = 1_000;
/** From so many of them on another attempt is begun. */
const sameTries = 5;

/** Of steps, those that come to somebody else. */
const misroutedShare = 0.01;

export class GenerationCrew {
  readonly prices = new PriceChecker();
  readonly #options: CrewOptions;
  readonly #files: OperatorFiles;
  readonly #random: Random;
  #busy = false;
  #stopped = false;
  /** Of whoever types. */
  readonly #desks = new Set<Desk>();
  #commands = 0;
  #saved = 0;

  constructor(options: CrewOptions, random: Random) {
    this.#options = options;
    this.#random = random;
    this.#files = new OperatorFiles(options.scheduler, random.fork('files'));
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** There is something to go back to. */
  get hasBackups(): boolean {
    return this.#files.names.length > 0;
  }

  /** Nobody types anything any more. */
  stop(): void {
    this.#stopped = true;
    for (const desk of this.#desks) desk.kill();
  }

  /** Is it right that this replica ends for good? One that was left out of a later generation. */
  excuses({ generation }: Machine, code: string): boolean {
    const { newest } = this.#options.observer.lineage;
    return code === 'PAXOS_GENERATION_OVER' && generation !== null && generation < newest.generation;
  }

  // --- backups ----------------------------------------------------------------------------------------------------------

  /** What that member has at this moment. */
  async save(member: string): Promise<void> {
    const { count, note } = this.#options;
    const desk = this.#newDesk(null);
    const url = this.#options.machines.find(({ name }) => name === member)?.url ?? '';
    const bytes = await desk.at(url, heldBy);
    if (bytes === null) return;
    const file = `backup-${String(++this.#saved).padStart(4, '0')}.snapshot`;
    await this.#files.write(file, [bytes]);
    note(member, 'operator: saves', file);
    count('backup-saved');
  }

  // --- restores ---------------------------------------------------------------------------------------------------------

  async perform(orders: readonly GenerationOrder[], random: Random): Promise<void> {
    this.#busy = true;
    for (const [i, order] of orders.entries()) {
      if (this.#stopped) break;
      const own = this.#repeat(order, random.fork(`order ${i}`));
      await Promise.all([own, this.#besides(order, random.fork(`rival ${i}`))]);
    }
    this.#busy = false;
    this.#options.scheduler.settle();
  }

  /** Somebody else, who does not know of the first. */
  async #besides({ rival }: GenerationOrder, random: Random): Promise<void> {
    if (rival == null) return;
    if (rival.afterMs > 0) await this.#pause(rival.afterMs);
    if (this.#stopped) return;
    this.#options.count('restore-rival');
    await this.#repeat(rival.order, random);
  }

  /** Typed until it is done, by somebody who reads what it says. */
  async #repeat(order: GenerationOrder, random: Random): Promise<void> {
    const { age, kills, margin, pauseMs, tries } = order;
    const { names } = this.#files;
    const file = names[Math.min(names.length - 1, Math.floor(age * names.length))];
    if (file === undefined) return;
    const typed: Typed = { loss: null, unknown: [], again: false };
    const left = [...kills];
    for (let run = 0; run < tries && !this.#stopped; run++) {
      // One that only asks for the price changes nothing.
      const kill = typed.loss === null ? null : (left.shift() ?? null);
      const ending = await this.#type(file, typed, { kill, random: random.fork(`run ${run}`) });
      if (this.#reads(ending, typed, margin)) return;
      await this.#pause(pauseMs);
    }
  }

  /** What the next run is typed with: `margin` more than was shown, where the cell goes on serving. True when it was done. */
  #reads(ending: Ending, typed: Typed, margin: number): boolean {
    const { count } = this.#options;
    if (ending === 'killed') {
      count('restore-killed');
      return false;
    }
    if (!(ending instanceof OperatorError)) {
      count(ending.foundDone ? 'restore-found-done' : 'restore-done');
      return true;
    }
    const price = ending.facts.price as Price | undefined;
    if (price !== undefined) {
      count('restore-priced');
      if (this.#mayAccept(price)) {
        typed.loss = Math.max(typed.loss ?? 0, price.revisionsAtLeast + margin);
        typed.unknown = price.notAsked;
      }
    } else {
      count('restore-refused');
      if (/with another state|another recovery|another generation|for another file/.test(ending.message))
        typed.again = true;
    }
    return false;
  }

  /**
   * Of those that answer a majority is whole, and in the newest generation: whatever was acknowledged is known to one of them. One that is
   * named for what others may have begun is no worse for that.
   */
  #mayAccept({ notAsked, unknown }: Price): boolean {
    const { atlas, machines, observer } = this.#options;
    const { newest } = observer.lineage;
    const silent = notAsked.filter((_, at) => !/is ready for generation/.test(unknown[at] ?? ''));
    const voters = observer.configuration.members.filter(({ role }) => role === 'voter').map(({ name }) => name);
    const whole = voters.filter((name) => {
      const machine = machines.find((it) => it.name === name);
      return machine?.generation === newest.generation && !silent.includes(name) && !atlas.isDamaged(name);
    });
    return 2 * whole.length > voters.length;
  }

  async #type(
    file: string,
    { loss, unknown, again }: Typed,
    { kill, random }: { readonly kill: Kill | null; readonly random: Random },
  ): Promise<Ending> {
    const { leaseMs, machines, note } = this.#options;
    const desk = this.#newDesk(kill);
    this.#desks.add(desk);
    let counted: Price | null = null;
    let stoppedFor: string | null = null;
    const accepted = (): void => {
      if (counted === null || stoppedFor === null) return;
      const { revisionsAtLeast } = counted;
      const proven = revisionsAtLeast - perhapsIn(counted);
      this.prices.accepted(stoppedFor, { typed: loss ?? 0, counted: revisionsAtLeast, proven });
    };
    const world = simulatedGenerationWorld({
      ...{ desk, files: this.#files, machines },
      // Between what a member said and the next step its address may have become another's.
      addressee: (url) => (!this.#stopped && random.chance(misroutedShare) ? random.pick(machines).url : url),
      onDone: (step, by, before) => {
        try {
          checkStep(step, by, before);
        } catch (violation) {
          this.#options.fail(violation as Error);
        }
      },
      newId: () => Array.from({ length: 32 }, () => random.below(16).toString(16)).join(''),
      onStep: (step) => {
        if (step.op !== 'fence') return;
        stoppedFor = step.generationId;
        accepted();
      },
    });
    try {
      const work = async (): Promise<RestoreResult> =>
        restoreCell(
          { endpoints: machines.map(({ url }) => url), timeout: Math.max(5_000, 20 * leaseMs) },
          {
            backup: await this.#files.backup(file),
            ...{ confirm: loss === null ? null : simulatedCell.name, acceptLoss: loss, acceptUnknownLoss: unknown },
            ...{ again, dryRun: false, inPlaceOf: null, saveTo: null },
            verify: this.#files.verify,
            extend: (held, tail) => {
              for (const { instance, valueBase64 } of tail) {
                const value = decodeValue(Buffer.from(valueBase64, 'base64'));
                this.#keeps(instance, value);
              }
              return this.#files.extend(held, tail);
            },
            onPrice: (price) => {
              counted = price;
              accepted();
            },
            onStep: (what) => note('', 'operator: cell restore', what),
          },
          world,
        );
      const ending = await Promise.race([work(), desk.death]);
      note('', 'operator: cell restore ends', file, ending === 'killed' ? ending : `generation ${ending.generation}`);
      return ending;
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      note('', 'operator: cell restore ends', file, `${error.code}: ${error.message}`);
      return error;
    } finally {
      this.#desks.delete(desk);
    }
  }

  #keeps(instance: number, value: Value): void {
    try {
      this.#options.observer.keeps({ instance, value });
    } catch (violation) {
      this.#options.fail(violation as Error);
    }
  }

  #newDesk(kill: Kill | null): Desk {
    const { scheduler, clientNetwork, machines, leaseMs } = this.#options;
    return new Desk({ scheduler, clientNetwork, machines, kill, timeoutMs: Math.max(2_000, 8 * leaseMs) });
  }

  #pause(ms: number): Promise<void> {
    const { scheduler } = this.#options;
    return new Promise((resolve) => void scheduler.after(ms, resolve, true));
  }

  // --- the end ----------------------------------------------------------------------------------------------------------

  /** Of the file that some member of the newest generation has stopped for; null where none has. */
  #openSource(): string | null {
    const { machines, observer } = this.#options;
    const { newest } = observer.lineage;
    for (const { generation, storage } of machines) {
      const attempt = storage?.manifest.attempt;
      if (attempt == null || generation !== newest.generation) continue;
      if (attempt.generation > newest.generation) return attempt.source;
    }
    return null;
  }

  /** What was begun is typed again until nobody is stopped for it any more. Resolves with what could not be done. */
  async finish(): Promise<readonly string[]> {
    const { count, leaseMs } = this.#options;
    const problems: string[] = [];
    for (let run = 0; ; run++) {
      const source = this.#openSource();
      if (source === null) {
        if (run > 0) count('restore-at-last');
        return [];
      }
      if (run === lastTries) return [`members are still stopped for file ${source}`, ...problems.slice(-5)];
      const file = await this.#fileOf(source);
      const typed: Typed = { loss: null, unknown: [], again: run >= sameTries };
      for (let left = 3; left > 0; left--) {
        const ending = await this.#type(file, typed, {
          kill: null,
          random: this.#random.fork(`last ${this.#commands++}`),
        });
        if (this.#reads(ending, typed, lastMargin)) break;
        problems.push(ending instanceof Error ? ending.message : String(ending));
        await this.#pause(leaseMs);
      }
    }
  }

  async #fileOf(source: string): Promise<string> {
    const { names } = this.#files;
    for (const name of names) if ((await this.#files.backup(name)).digest === source) return name;
    throw new Violation('generation', 'members have stopped for a file that nobody has', { source });
  }
}

/** Items that were accepted and perhaps chosen, of whatever kind: each of them is shown as a revision that may be lost. */
const perhapsIn = ({ because }: Price): number =>
  Math.max(0, ...because.map((text) => Number(/(\d+) of them accepted and perhaps chosen/.exec(text)?.[1] ?? 0)));

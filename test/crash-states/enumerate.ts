/**
 * Crashes every life of the scripts after every step, in every way; recovers, and looks at what is there. Then crashes some of
 * the recoveries after every step of theirs.
 *
 * Source: pitfalls §6 R6, P-1, P-2, P-3. A state is an image of a disk, by its bytes: two crashes that leave the same one count
 * once, but each is held against what had been said by then.
 */
import { Random } from '../../src/core/random.ts';
import type { DiskChange } from '../../src/simulator/disk.ts';
import { DiskImage } from '../../src/simulator/disk-image.ts';
import type { ScriptedCell, ScriptedMember } from './cell.ts';
import { differences, diskOf, recover, replayProblem } from './recovery.ts';
import { soloLife, trioLife } from './script.ts';
import { Shadow, type Survivors } from './shadow.ts';
import { type Found, Told } from './told.ts';

export interface CrashStatesOptions {
  /** Decides which of many subsets are tried. */
  readonly seed: number;
  /** States of each level, at most; those beyond are left out evenly. */
  readonly limit: number;
  readonly onProgress?: (result: CrashStates) => void;
}

/** What one replica did, and the cell that knows what was right. */
export type Life = Pick<ScriptedMember, 'name' | 'journal'> & {
  readonly cell: Pick<ScriptedCell, 'configuration' | 'reference' | 'members'>;
};

export interface CrashStates {
  readonly seed: number;
  readonly persists: number;
  /** Moments at which a crash was tried: after a change of the disk, or an effect. */
  readonly boundaries: number;
  /** Disks that differ, each recovered from. */
  readonly states: number;
  /** Disks held against what had been said: a state may be found at many moments. */
  readonly checks: number;
  /** Moments at which the process alone died, with the power lost after its recovery. */
  readonly kills: number;
  readonly recoveriesCrashed: number;
  /** Disks that differ from all others, each left by a crash of a recovery. */
  readonly statesInRecovery: number;
  readonly problems: readonly CrashProblem[];
}

export interface CrashProblem {
  readonly member: string;
  /** Number of the step after which the crash came. */
  readonly step: number;
  readonly after: string;
  readonly survivors: string;
  /** The same for the crash of the recovery; null where there was none. */
  readonly inRecovery: { readonly step: number; readonly survivors: string } | null;
  readonly problem: string;
}

const problemsMax = 20;
/** Of larger sets of subsets while recovering: better some of many recoveries than many of some. */
const samplesInRecovery = 4;

type Counts = { -readonly [Key in keyof CrashStates]: CrashStates[Key] extends number ? number : CrashProblem[] };

/** The lives of both scripts; in the cell of one its replica makes at least `persists` requests to persist. */
export async function scriptedLives(seed: number, persists: number): Promise<readonly Life[]> {
  const cells = [await soloLife({ seed, persists }), await trioLife({ seed: seed + 1, persists })];
  return cells.flatMap((cell) => cell.members.map(({ name, journal }) => ({ name, journal, cell })));
}

export async function crashStates(lives: readonly Life[], options: CrashStatesOptions): Promise<CrashStates> {
  const { seed, limit } = options;
  const counts: Counts = {
    seed,
    persists: lives.reduce((sum, { journal }) => sum + journal.persists, 0),
    boundaries: 0,
    states: 0,
    checks: 0,
    kills: 0,
    recoveriesCrashed: 0,
    statesInRecovery: 0,
    problems: [],
  };
  const total = lives.reduce((sum, life, i) => sum + countStates(life, new Random(`${seed}/${i}`)), 0);
  const stride = Math.max(1, total / limit);
  const walk: Walk = { counts, options, stride, seen: 0, nextState: 0, seenInRecovery: new Set() };
  for (const [i, life] of lives.entries()) await new LifeWalk(walk, life, new Random(`${seed}/${i}`)).run();
  return counts;
}

interface Walk {
  readonly counts: Counts;
  readonly options: CrashStatesOptions;
  /** One of so many states is recovered from. */
  readonly stride: number;
  /** States met so far, left out or not. */
  seen: number;
  /** The next one that is not left out. */
  nextState: number;
  readonly seenInRecovery: Set<string>;
}

/** How many states a walk through this life will meet. */
function countStates({ journal }: Life, random: Random): number {
  const shadow = new Shadow(random, new DiskImage());
  const known = new Set<string>();
  let formed = false;
  for (const step of journal.steps) {
    if (step.kind === 'effect') {
      formed ||= step.effect.kind === 'formed';
      continue;
    }
    shadow.take(step.change);
    if (formed) for (const survivors of shadow.survivors()) known.add(shadow.digest(survivors));
  }
  return known.size;
}

interface Met {
  readonly survivors: Survivors;
  readonly digest: string;
  /** Null when it was left out. */
  readonly found: Found | null;
}

class LifeWalk {
  readonly #walk: Walk;
  readonly #life: Life;
  readonly #told = new Told();
  readonly #shadow: Shadow;
  readonly #known = new Set<string>();
  /** The states of this moment, and of the one before. */
  #met = new Map<string, Met>();
  #step = 0;
  #after = '';
  #atNames = false;

  constructor(walk: Walk, life: Life, random: Random) {
    this.#walk = walk;
    this.#life = life;
    this.#shadow = new Shadow(random, new DiskImage());
  }

  async run(): Promise<void> {
    const { counts, options } = this.#walk;
    for (const [i, step] of this.#life.journal.steps.entries()) {
      this.#step = i;
      if (step.kind === 'disk') {
        this.#after = describe(step.change);
        this.#atNames = step.change.kind === 'name' || step.change.kind === 'settle-names';
        this.#shadow.take(step.change);
        if (!this.#told.formed) continue;
        await this.#crashHere();
      } else {
        this.#after = step.effect.kind;
        this.#told.take(step.effect);
        if (!this.#told.formed) continue;
        for (const met of this.#met.values()) this.#compare(met);
      }
      counts.boundaries++;
      if (counts.problems.length >= problemsMax) return;
      if (i % 100 === 0) options.onProgress?.(counts);
    }
  }

  async #crashHere(): Promise<void> {
    const met = new Map<string, Met>();
    const before = this.#walk.counts.states;
    for (const survivors of this.#shadow.survivors()) {
      const digest = this.#shadow.digest(survivors);
      if (met.has(digest)) continue;
      const known = this.#met.get(digest);
      const now = known === undefined ? await this.#recoverFrom(survivors, digest) : { ...known, survivors };
      if (now === null) continue;
      met.set(digest, now);
      if (known !== undefined) this.#compare(now);
    }
    this.#met = met;
    if (this.#walk.counts.states > before) await this.#killHere();
  }

  /** What a process finds in the cache, it must make durable before it relies on it (pitfalls P15). */
  async #killHere(): Promise<void> {
    this.#walk.counts.kills++;
    const { image } = this.#shadow.killed(new Random(0), 0);
    const found = await this.#recovered(image, 'a kill', null, true);
    const problem = found === null ? null : this.#judge(found);
    if (problem !== null) this.#report('a kill', null, problem);
  }

  /** Null for a state that was met long ago. */
  async #recoverFrom(survivors: Survivors, digest: string): Promise<Met | null> {
    const walk = this.#walk;
    if (this.#known.has(digest)) return null;
    this.#known.add(digest);
    if (walk.seen++ < walk.nextState) return { survivors, digest, found: null };
    walk.nextState += walk.stride;
    walk.counts.states++;
    const found = await this.#recovered(this.#shadow.image(survivors), survivors.how, null, true);
    const met = { survivors, digest, found };
    this.#compare(met);
    if (found !== null && this.#isTurnOfRecovery()) await this.#crashRecoveries(survivors);
    return met;
  }

  /**
   * Evenly along the lives, about as many states of each level; every second time at a change of names, which are few among
   * the writes to the log and where two processes may disagree most.
   */
  #isTurnOfRecovery(): boolean {
    const { states, statesInRecovery, recoveriesCrashed } = this.#walk.counts;
    if (statesInRecovery >= Math.min(states, this.#walk.options.limit)) return false;
    return recoveriesCrashed % 4 < 2 || this.#atNames;
  }

  #compare({ survivors, found }: Met): void {
    if (found === null) return;
    this.#walk.counts.checks++;
    const problem = this.#judge(found);
    if (problem !== null) this.#report(survivors.how, null, problem);
  }

  #judge(found: Found): string | null {
    const { reference, members } = this.#life.cell;
    return this.#told.problem(found, (instance) => reference.at(instance)?.digest, members.length === 1);
  }

  #report(survivors: string, inRecovery: CrashProblem['inRecovery'], problem: string): void {
    const { problems } = this.#walk.counts;
    const [step, after, member] = [this.#step, this.#after, this.#life.name];
    if (problems.length < problemsMax) problems.push({ member, step, after, survivors, inRecovery, problem });
  }

  /** What is found, or null after a report. */
  async #recovered(
    image: DiskImage,
    survivors: string,
    inRecovery: CrashProblem['inRecovery'],
    twice: boolean,
  ): Promise<Found | null> {
    const { name, cell } = this.#life;
    const { configuration, reference } = cell;
    try {
      const recovery = await recover(diskOf(image), name);
      const { found, disk } = recovery;
      const problem = await replayProblem(recovery, { name, configuration, reference });
      if (problem !== null) this.#report(survivors, inRecovery, problem);
      if (twice) {
        // Whatever was recovered is durable: it is there after the power goes at once.
        const second = await recover(diskOf(disk.crash({ writes: 'lost', names: 'lost' }).image), name);
        const other = differences(found, second.found);
        if (other !== null) this.#report(survivors, inRecovery, `a second start finds ${other}`);
      }
      return found;
    } catch (error) {
      this.#report(survivors, inRecovery, error instanceof Error ? error.message : String(error));
      return null;
    }
  }

  /**
   * Crashes a recovery after each change that it makes: one after a loss of power, and one after a kill, which finds in the
   * cache what the device may not have (pitfalls P15).
   */
  async #crashRecoveries(survivors: Survivors): Promise<void> {
    const { counts, options } = this.#walk;
    const random = new Random(`${options.seed}/${counts.recoveriesCrashed}`);
    const image = this.#shadow.image(survivors);
    await this.#crashRecovery({ image, shadow: new Shadow(random, image, samplesInRecovery) }, survivors.how);
    await this.#crashRecovery(this.#shadow.killed(random, samplesInRecovery), 'a kill');
  }

  async #crashRecovery({ image, shadow }: { image: DiskImage; shadow: Shadow }, survivors: string): Promise<void> {
    const { counts, seenInRecovery } = this.#walk;
    counts.recoveriesCrashed++;
    const changes: DiskChange[] = [];
    await recover(
      diskOf(image, (change) => changes.push(change)),
      this.#life.name,
    );
    for (const [step, change] of changes.entries()) {
      shadow.take(change);
      for (const kept of shadow.survivors()) {
        const digest = shadow.digest(kept);
        if (this.#known.has(digest) || seenInRecovery.has(digest)) continue;
        seenInRecovery.add(digest);
        counts.statesInRecovery++;
        const inRecovery = { step, survivors: `${describe(change)}: ${kept.how}` };
        const found = await this.#recovered(shadow.image(kept), survivors, inRecovery, false);
        const problem = found === null ? null : this.#judge(found);
        if (problem !== null) this.#report(survivors, inRecovery, problem);
      }
    }
  }
}

function describe(change: DiskChange): string {
  switch (change.kind) {
    case 'write':
      return `a write of ${change.write.bytes.length} bytes`;
    case 'settle':
      return `a flush of ${change.writes.length} writes`;
    case 'name':
      return `${change.change.kind} ${change.change.path}`;
    default:
      return `a flush of ${change.changes.length} names`;
  }
}

/**
 * Between two writes of an upgrade's driver: it falls asleep while somebody else drives, somebody starts a member with the other version,
 * or leaves files there; and what the driver may do then, by what it can know.
 *
 * Source: design §6 (claim, scans, the level); pitfalls U3, O11; PML §7 (incidents 2 and 3). Keeps: who slept restarts nobody for an
 * attempt that has ended; no turn begins over what was left before the write that came before it; a cell is not taken back behind what it
 * was raised to.
 */
import { levelKey } from '../../formats/levels.ts';
import type { UpgradeWriteBody } from '../../formats/upgrade-body.ts';
import { type Attempt, endStates, keys } from '../../operator/upgrade/journal.ts';
import type { RestartRequest, UpgradeWorld } from '../../operator/upgrade/world.ts';
import { Violation } from '../checkers/violation.ts';
import type { Machine } from '../machine.ts';
import { programNamed } from '../program.ts';
import type { Scheduler } from '../virtual-clock.ts';

/** Before that look or write, after so many writes. */
export type Sleep = {
  readonly before: 'look' | 'write';
  readonly writes: number;
  /** Instead: after the write that announces the turn of so many members. */
  readonly turns?: number;
  /** Another driver is about to write, has just raised the level, or has ended the upgrade; or a change of the members is on its way. */
  readonly until: 'another-writes' | 'level-is-raised' | 'upgrade-is-over' | 'members-change';
  /** No longer than that. */
  readonly forMs: number | null;
};

/** After so many writes of the driver. */
export type Meddling = {
  readonly writes: number;
  readonly what: 'other-version' | 'residue';
  readonly member: string;
  /** The look after it to which nobody answers; 0: none. */
  readonly unseenLook: number;
};

/** Nobody sleeps longer. */
const sleepMsMax = 40_000;
/** Whether the members change by now. */
const lookEveryMs = 5;

/** What has become of the attempts and members of one cell, whoever drives. */
export class UpgradeMoments {
  readonly #scheduler: Scheduler;
  readonly #machines: readonly Machine[];
  /** When each attempt was written down as over. */
  readonly #endedMs = new Map<string, number>();
  readonly #sleepers: Readonly<Record<Sleep['until'], Set<() => void>>> = {
    'another-writes': new Set(),
    'level-is-raised': new Set(),
    'upgrade-is-over': new Set(),
    'members-change': new Set(),
  };
  /** By machine: what somebody has left there, and since when. */
  readonly #residues = new Map<Machine, { readonly name: string; readonly sinceMs: number }>();
  #planted = 0;

  readonly #membersChange: () => boolean;

  /** `membersChange`: a change of the members was chosen that does not govern yet. */
  constructor(scheduler: Scheduler, machines: readonly Machine[], membersChange: () => boolean) {
    this.#scheduler = scheduler;
    this.#machines = machines;
    this.#membersChange = membersChange;
  }

  /** Somebody leaves files of another attempt there. */
  plant(machine: Machine | undefined): void {
    if (machine === undefined) return;
    const name = `u-march-${++this.#planted}`;
    machine.attempts.plant(name);
    const sinceMs = this.#residues.get(machine)?.sinceMs ?? this.#scheduler.nowMs;
    this.#residues.set(machine, { name, sinceMs });
  }

  /** And deletes them, as `upgrade scan --clear` does. */
  tidy(): void {
    for (const { attempts } of this.#residues.keys()) attempts.clearNamed('u-march-');
    this.#residues.clear();
  }

  /** Of these, who has had something of another attempt by then, and still has. */
  leftBy(ms: number, attempt: string, members: readonly string[]): readonly string[] {
    return this.#machines.flatMap((machine) => {
      const { attempts, name } = machine;
      const sinceMs = this.#residues.get(machine)?.sinceMs ?? Number.POSITIVE_INFINITY;
      return members.includes(name) && sinceMs <= ms && attempts.others(attempt) ? [name] : [];
    });
  }

  sleepsUntil(until: Sleep['until'], wake: () => void): void {
    this.#sleepers[until].add(wake);
    if (until === 'members-change') this.#lookForChange();
  }

  #lookForChange(): void {
    if (this.#sleepers['members-change'].size === 0) return;
    if (this.#membersChange()) this.#wake('members-change');
    else this.#scheduler.after(lookEveryMs, () => this.#lookForChange(), true);
  }

  /** Whatever was slept for has not come. */
  wakes(until: Sleep['until'], wake: () => void): void {
    if (this.#sleepers[until].delete(wake)) wake();
  }

  /** Another driver is about to write: who sleeps until then wakes up. */
  stir(): void {
    this.#wake('another-writes');
  }

  /** Whoever did it has not written that down yet. */
  raised(): void {
    this.#wake('level-is-raised');
  }

  #wake(until: Sleep['until']): void {
    const sleepers = [...this.#sleepers[until]];
    this.#sleepers[until].clear();
    for (const wake of sleepers) wake();
  }

  wrote({ attempt, state }: Attempt): void {
    if (!endStates.has(state)) return;
    this.#endedMs.set(attempt, this.#scheduler.nowMs);
    this.#wake('upgrade-is-over');
  }

  /** Of these, who has run another version since before `ms`. */
  otherVersionSince(ms: number, version: string, members: readonly string[]): readonly string[] {
    return this.#machines.flatMap(({ name, runs }) => {
      const isOther = runs !== null && runs.version !== version && runs.sinceMs < ms;
      return members.includes(name) && isOther ? [`${name} ${runs.version}`] : [];
    });
  }

  endedMs(attempt: string): number {
    return this.#endedMs.get(attempt) ?? Number.POSITIVE_INFINITY;
  }
}

export interface WatchedDriverOptions {
  readonly world: UpgradeWorld;
  readonly moments: UpgradeMoments;
  readonly scheduler: Scheduler;
  readonly sleep: Sleep | null;
  readonly meddlings: readonly Meddling[];
  /** By name: who is a member. */
  readonly members: () => readonly string[];
  /** In force, or of before. */
  readonly level: () => number;
  readonly meddle: (meddling: Meddling, attempt: Attempt) => void;
  /** The operator's line drops for a moment. */
  readonly drop: () => void;
  readonly fail: (violation: Error) => void;
}

/** The world of one driver, with what happens to it at moments. */
export class WatchedDriver {
  readonly world: UpgradeWorld;
  /** Resolves when it has fallen asleep: somebody else may take over. */
  readonly asleep: Promise<'asleep'>;
  readonly #options: WatchedDriverOptions;
  #fallsAsleep: () => void = () => undefined;
  #isAsleep = false;
  #wokeMs = Number.NEGATIVE_INFINITY;
  #writes = 0;
  /** Whose turns it has announced. */
  readonly #turns = new Set<string>();
  /** When its last look began. */
  #lookedMs = 0;
  /** Until one to which nobody answers. */
  #looksSeen = 0;
  #last: { readonly attempt: Attempt; readonly answeredMs: number } | null = null;

  constructor(options: WatchedDriverOptions) {
    this.#options = options;
    this.asleep = new Promise((resolve) => {
      this.#fallsAsleep = () => resolve('asleep');
    });
    const { world } = options;
    this.world = {
      ...world,
      see: async (known) => {
        await this.#mayFallAsleep('look');
        if (--this.#looksSeen === 0) options.drop();
        this.#lookedMs = options.scheduler.nowMs;
        return world.see(known);
      },
      write: (body) => this.#write(body),
      restart: (request) => {
        this.#restarts(request);
        return world.restart(request);
      },
      every: (ms, callback) => world.every(ms, () => void (this.#isAsleep || callback())),
    };
  }

  async #write(body: UpgradeWriteBody): Promise<boolean> {
    const { world, moments, meddle, meddlings } = this.#options;
    const attempt = attemptIn(body);
    if (attempt === null && !body.writes?.some(({ key }) => key === levelKey)) return world.write(body);
    await this.#mayFallAsleep('write');
    moments.stir();
    this.#writes++;
    if (attempt !== null) this.#begins(attempt);
    const done = await world.write(body);
    if (done && attempt === null) moments.raised();
    if (!done || attempt === null) return done;
    moments.wrote(attempt);
    this.#goesBack(attempt);
    this.#saysOfAll(attempt);
    this.#last = { attempt, answeredMs: this.#options.scheduler.nowMs };
    for (const meddling of meddlings.filter(({ writes }) => writes === this.#writes)) {
      meddle(meddling, attempt);
      this.#looksSeen = meddling.unseenLook;
    }
    return done;
  }

  async #mayFallAsleep(before: Sleep['before']): Promise<void> {
    const { moments, scheduler, sleep } = this.#options;
    if (sleep?.before !== before || this.#wokeMs >= 0 || this.#isAsleep) return;
    const isDue = sleep.turns === undefined ? sleep.writes === this.#writes : sleep.turns === this.#turns.size;
    if (!isDue) return;
    this.#isAsleep = true;
    this.#fallsAsleep();
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        resolve();
        scheduler.settle();
      };
      moments.sleepsUntil(sleep.until, wake);
      scheduler.after(Math.min(sleep.forMs ?? sleepMsMax, sleepMsMax), () => moments.wakes(sleep.until, wake), true);
    });
    this.#isAsleep = false;
    this.#wokeMs = scheduler.nowMs;
  }

  /** It scans all members between two writes before it takes one away. */
  #begins(attempt: Attempt): void {
    const { fail, members, moments } = this.#options;
    const last = this.#last;
    if (last?.attempt.attempt !== attempt.attempt) return;
    const stateIn = (of: Attempt, name: string) => of.members.find((it) => it.name === name)?.state;
    const turns = attempt.members.filter(
      ({ name, state }) => state === 'restarting' && stateIn(last.attempt, name) !== 'restarting',
    );
    if (turns.length === 0) return;
    for (const { name } of turns) this.#turns.add(name);
    const foreign = moments.leftBy(last.answeredMs, attempt.attempt, members());
    if (foreign.length === 0) return;
    fail(
      new Violation('operator', `an upgrade begins the turn of ${turns[0]?.name} over what another attempt has left`, {
        foreign,
      }),
    );
  }

  #goesBack({ attempt, from, state }: Attempt): void {
    const { fail, level } = this.#options;
    if (state !== 'rolling-back' && state !== 'aborting') return;
    if (level() <= programNamed(from).levels.max) return;
    fail(new Violation('operator', `upgrade ${attempt} goes back behind what it has raised`, { from, level: level() }));
  }

  /** What is written of all members was seen at each of them, by the last look. Behind a level that was raised nobody looks again. */
  #saysOfAll({ attempt, from, raiseFrom, raiseTo, state, to }: Attempt): void {
    const { fail, members, moments } = this.#options;
    const isRaised = state === 'finalized' && (raiseTo ?? 0) > (raiseFrom ?? 0);
    if (this.#last === null || this.#last.attempt.state === state || isRaised) return;
    const version = { upgraded: to, finalized: to, 'rolled-back': from, 'aborted-clean': from }[state as string];
    const astray = version === undefined ? [] : moments.otherVersionSince(this.#lookedMs, version, members());
    if (astray.length === 0) return;
    fail(new Violation('operator', `upgrade ${attempt} is ${state}, and not all run version ${version}`, { astray }));
  }

  /** Forward it asks first whether it still drives. */
  #restarts({ attempt: { attempt, to }, member, version }: RestartRequest): void {
    const { fail, moments } = this.#options;
    const endedMs = moments.endedMs(attempt);
    if (version !== to || endedMs > this.#wokeMs) return;
    const facts = { attempt, endedMs, wokeMs: this.#wokeMs };
    fail(new Violation('operator', `a driver that slept restarts ${member.name} for an upgrade that has ended`, facts));
  }
}

function attemptIn({ writes }: UpgradeWriteBody): Attempt | null {
  const value = writes?.find(({ key }) => key.startsWith(keys.attempts))?.value ?? null;
  return value === null ? null : (JSON.parse(value) as Attempt);
}

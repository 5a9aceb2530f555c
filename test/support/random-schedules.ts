/**
 * Short random schedules over a cell of logs: swarm of faults drawn from one seed, then healing, then progress required.
 *
 * Source: pitfalls §2 (swarm, two phases). The invariants are `LogChecker`'s; here is only what goes wrong when.
 */
import type { Configuration } from '../../src/core/consensus/configuration.ts';
import { parseReplicaId, type ReplicaId, replicaId } from '../../src/core/consensus/identity.ts';
import { Random } from '../../src/core/random.ts';
import { ConductChecker } from './conduct-checker.ts';
import { configurationOf, LogCell, memberNamed } from './log-cell.ts';
import type { LogMember } from './log-member.ts';

export interface Schedule {
  readonly seed: string;
  readonly record?: boolean;
  readonly faultyMs?: number;
  /** Draws membership changes too. */
  readonly memberships?: boolean;
}

export interface Explored {
  readonly chosen: number;
  readonly masters: number;
  readonly applied: number;
  readonly refused: number;
  /** How often each move of the state machines happened, by its id. */
  readonly transitions: Readonly<Record<string, number>>;
  /** Where all ended: equal for equal seeds. */
  readonly hash: number;
}

interface Faults {
  readonly loss: number;
  readonly duplicates: number;
  readonly jitterMs: number;
  readonly tail: number;
  readonly crashes: boolean;
  readonly cuts: boolean;
  readonly pauses: boolean;
  readonly disks: boolean;
  readonly snapshots: boolean;
  readonly handovers: boolean;
  readonly clocks: boolean;
}

/** Every class is on with probability one half, each with its own intensity. */
function drawFaults(random: Random): Faults {
  const on = (): boolean => random.chance(0.5);
  return {
    loss: on() ? random.between(0, 0.3) : 0,
    duplicates: on() ? random.between(0, 0.3) : 0,
    jitterMs: on() ? random.betweenLogarithmic(1, 100) : 0.5,
    tail: on() ? 0.02 : 0,
    crashes: on(),
    cuts: on(),
    pauses: on(),
    disks: on(),
    snapshots: on(),
    handovers: on(),
    clocks: on(),
  };
}

/** Leases only meet when one clock is as slow as it may be and others are as fast. */
const towardsTheEnds = (share: number): number => Math.sign(share) * Math.abs(share) ** 0.2;

class Explorer {
  readonly random: Random;
  readonly faults: Faults;
  readonly cell: LogCell;
  readonly memberships: boolean;
  #submitted = 0;
  /** Removed, and wanted no more: their processes have ended for good. */
  readonly #parted = new Set<LogMember>();
  readonly #askedFor: Set<ReplicaId>;

  constructor(schedule: Schedule) {
    this.random = new Random(schedule.seed);
    this.faults = drawFaults(this.random.fork('faults'));
    this.memberships = schedule.memberships === true && this.random.chance(0.5);
    const size = this.random.pick([1, 3, 3, 3, 5, 5]);
    this.cell = new LogCell({
      seed: `${schedule.seed}/cell`,
      names: ['a', 'b', 'c', 'd', 'e'].slice(0, size),
      leaseMs: this.random.pick([100, 300, 500, 500, 1000]),
      alpha: this.random.pick([1, 3, 8, 64]),
      driftPpm: this.random.fork('drift').pick([10_000, 100_000]),
      record: schedule.record === true,
      limits: {
        acceptWindowInstances: this.random.pick([1, 4, 16]),
        eagerWindowInstances: this.random.pick([1, 2, 4]),
        commitDelayMs: this.random.pick([0, 10, 40]),
        batchItemsMax: this.random.pick([1, 3, 1024]),
        pageBytesMax: this.random.pick([1, 600, 1024 * 1024]),
        retainBehindSnapshotInstances: this.random.pick([0, 5, 1024]),
        boostEveryMs: this.random.pick([50, 300, 20_000]),
      },
    });
    this.#askedFor = new Set(this.cell.members.map(({ id }) => id));
    if (this.memberships) for (const name of ['d', 'e', 'f']) this.#spare(name);
    this.#setFaults();
    const { tail, duplicates, jitterMs } = this.faults;
    const conduct = new ConductChecker(this.cell, {
      lateMs: tail > 0 ? 3_000 : duplicates > 0 ? 1_000 + jitterMs : jitterMs + 1,
    });
    this.cell.watch = (member, input, effects) => conduct.onStep(member, input, effects);
  }

  #spare(name: string): void {
    if (this.cell.members.every(({ id }) => id !== `${name}#1`)) this.cell.addMember(name).start();
  }

  #setFaults(): void {
    const { faults, cell, random } = this;
    cell.latencyMs = () => {
      if (random.chance(faults.tail)) return random.between(100, 3000);
      return 0.1 + faults.jitterMs * random.next();
    };
    cell.drop(() => random.chance(faults.loss));
    cell.duplicate(() => random.chance(faults.duplicates), 1, random.betweenLogarithmic(1, 1000));
    for (const member of cell.members) {
      // A little less than what was promised.
      const drift = (0.99 * cell.formation.driftPpm) / 1e6;
      if (faults.clocks) member.rate = 1 + towardsTheEnds(random.between(-1, 1)) * drift;
      member.flushMs = () => (faults.disks && random.chance(0.05) ? random.between(10, 300) : random.between(0.1, 1));
    }
  }

  /** One thing that happens to somebody. */
  #act(): void {
    const { random, cell, faults } = this;
    const member = random.pick(cell.members);
    switch (random.below(13)) {
      case 0:
        if (faults.crashes && member.alive) member.crash(random.below(member.pendingWrites + 1));
        return;
      case 1:
      case 2:
        if (!member.alive && !this.#parted.has(member)) member.start();
        return;
      case 3:
        if (faults.pauses && member.alive) member.pause(random.betweenLogarithmic(1, 2000));
        return;
      case 4:
        if (faults.cuts) this.#isolate(random.chance(0.5) ? (cell.serving?.id ?? member.id) : member.id);
        return;
      case 5:
        if (faults.cuts) cell.cutOneWay(member.id, random.pick(cell.members).id);
        return;
      case 6:
        cell.mend();
        return;
      case 7:
        if (faults.snapshots && member.alive && !member.paused) member.takeSnapshot();
        return;
      case 8:
        if (faults.handovers) cell.serving?.feed({ kind: 'hand-over', to: random.chance(0.5) ? null : member.id });
        return;
      case 9:
        if (faults.disks && member.alive) this.#hangDisk(member);
        return;
      case 10:
        if (this.memberships) this.#changeMembership();
        return;
      case 11:
        if (faults.clocks) this.#jumpClock(member);
        return;
      default:
        return this.#submit(random.chance(0.8) ? (cell.serving ?? member) : member);
    }
  }

  /** Now and then until a lease that was granted before has ended, and nothing else happens meanwhile. */
  #isolate(id: LogMember['id']): void {
    const { cell, random } = this;
    cell.isolate(id);
    if (random.chance(0.2)) cell.run(cell.formation.leaseMs * random.between(0.9, 1.6));
  }

  #hangDisk(member: LogMember): void {
    member.holdDisk();
    const { boots } = member;
    this.cell.queue.after(this.random.betweenLogarithmic(1, 2000), () => {
      if (member.alive && member.boots === boots) member.releaseDisk();
    });
  }

  #jumpClock(member: LogMember): void {
    if (this.random.chance(0.5)) member.wallOffsetMs += this.random.between(-10_000, 10_000);
    else {
      const ms = this.random.betweenLogarithmic(1, 2000);
      member.pause(ms);
      member.suspendedMs += ms * member.rate;
    }
  }

  #submit(member: LogMember): void {
    if (!member.alive) return;
    const count = this.random.pick([1, 1, 3, 10]);
    member.submit(...Array.from({ length: count }, () => `x${++this.#submitted}`));
  }

  #changeMembership(): void {
    const master = this.cell.serving;
    if (master === null) return;
    const present = master.core.configuration;
    const { name } = parseReplicaId(this.random.pick(this.cell.members).id);
    master.changeConfiguration(this.#other(present, name));
  }

  /** A life is let in once: whoever was asked for before comes as another one, on an empty disk. */
  #newLife(name: string): number {
    const lives = this.cell.members.filter(({ id }) => parseReplicaId(id).name === name);
    const { id } = lives.at(-1) as LogMember;
    const { incarnation } = parseReplicaId(id);
    const isNew = !this.#askedFor.has(id);
    const life = replicaId(name, isNew ? incarnation : incarnation + 1);
    if (!isNew) this.cell.addMember(life).start();
    this.#askedFor.add(life);
    return parseReplicaId(life).incarnation;
  }

  #endParted(): void {
    for (const member of this.cell.members) {
      if (!member.alive || !member.parted) continue;
      member.crash();
      this.#parted.add(member);
    }
  }

  #other(present: Configuration, name: string): Configuration {
    const known = present.members.find((member) => member.name === name);
    const rest = present.members.filter((member) => member.name !== name);
    const { driftPpm, leaseMs } = present;
    const options = { driftPpm, leaseMs, alpha: this.random.chance(0.2) ? this.random.pick([1, 3, 8]) : present.alpha };
    if (known === undefined) {
      const role = this.random.pick(['voter', 'learner'] as const);
      return configurationOf([...rest, memberNamed(name, role, this.#newLife(name))], options);
    }
    if (known.role === 'learner' && this.random.chance(0.7)) {
      return configurationOf([...rest, memberNamed(name, 'voter', known.incarnation)], options);
    }
    if (present.members.filter(({ role }) => role === 'voter').length <= 1) return present;
    return configurationOf(rest, options);
  }

  run(faultyMs: number): Explored {
    const { cell, random } = this;
    try {
      while (cell.nowMs < faultyMs) {
        this.#act();
        cell.run(random.betweenLogarithmic(0.2, 150));
        this.#endParted();
      }
      return this.#mustRecover();
    } catch (error) {
      if (error instanceof Error) error.message += `\n${cell.describe()}`;
      throw error;
    }
  }

  /** Faults end: a write succeeds soon, all become equal, and nothing that was asked stays without an answer. */
  #mustRecover(): Explored {
    const { cell } = this;
    cell.heal();
    cell.latencyMs = () => 0.4;
    for (const member of cell.members) {
      member.flushMs = () => 0.5;
      if (member.alive) member.releaseDisk();
      else if (!this.#parted.has(member)) member.start();
    }
    const { leaseMs } = cell.formation;
    // A pause or a tail of the network may still have to pass.
    cell.run(3500);
    const limitMs = 6 * leaseMs + 1000;
    const begin = cell.nowMs;
    for (let i = 1; ; i++) {
      const master = cell.runUntilServing(undefined, limitMs);
      const [request] = master.submit(`last ${i}`);
      cell.runUntil(
        'the last write is answered',
        () => !master.alive || master.outcomes.has(request as never),
        limitMs,
      );
      if (master.outcome(request as never)?.kind === 'applied') break;
      if (cell.nowMs > begin + limitMs) throw new Error('no write succeeds after healing');
    }
    this.#equal(limitMs);
    const answers = cell.members.flatMap((member) => [...member.outcomes.values()]);
    return {
      chosen: cell.checker.chosenCount,
      masters: cell.checker.masterChanges,
      applied: cell.checker.appliedItems.size,
      refused: answers.filter(({ kind }) => kind === 'settled').length,
      transitions: cell.transitions.toRecord(),
      hash: cell.serving?.hash ?? 0,
    };
  }

  #equal(limitMs: number): void {
    const { cell } = this;
    const master = cell.runUntilServing();
    const ids = master.core.configuration.members.map(({ name, incarnation }) => `${name}#${incarnation}`);
    const target = master.core.chosenUpTo;
    const inside = cell.members.filter(({ id }) => ids.includes(id));
    cell.runUntil(
      `every member applied ${target}`,
      () => inside.every(({ core }) => core.appliedUpTo >= target),
      limitMs,
    );
    const outside = cell.members.filter((member) => !ids.includes(member.id) && !this.#parted.has(member));
    cell.runUntil(
      'members that are out know it',
      () => outside.every(({ core }) => core.participation === 'removed' || core.participation === 'waiting'),
      limitMs,
    );
  }
}

/** Runs one schedule. Throws at the first violation, or when the healed cell makes no progress. */
export function exploreLog(schedule: Schedule): Explored {
  return new Explorer(schedule).run(schedule.faultyMs ?? 4000);
}

/** For the message of a failure: what happened before it. */
export function transcriptOf(schedule: Schedule, lines = 150): string {
  const explorer = new Explorer({ ...schedule, record: true });
  try {
    explorer.run(schedule.faultyMs ?? 4000);
  } catch (error) {
    return `${explorer.cell.transcript(lines)}\n${String(error)}`;
  }
  return explorer.cell.transcript(lines);
}

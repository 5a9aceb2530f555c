/**
 * One random schedule: draws a profile, then step by step what happens next, from the schedule's seed alone.
 *
 * Source: pitfalls §2 (swarm) and §6 R4. Mostly a message of those in flight is delivered, in any order; between them disks
 * flush, timers fire, processes and disks fail, requests and changes come in. Guided to the shapes of pitfalls §3: one
 * kind of message is kept late for long (P02, P04, P08, P09), leases run out under two candidates (P03, P06), processes
 * restart at once (P01, P34), lost disks and changes of membership go together (P20, P21, P44-P48).
 */
import { type Configuration, memberId, type Member as Seat } from '../../src/core/consensus/configuration.ts';
import { parseReplicaId } from '../../src/core/consensus/identity.ts';
import { Random } from '../../src/core/random.ts';
import type { Coverage } from './coverage.ts';
import type { Member } from './member.ts';
import { drawProfile, type Profile } from './profile.ts';
import { hasSeat, type Rejoin, seat, World } from './world.ts';

/** Steps of the smooth beginning, when nobody serves by then. */
const warmStepsMax = 120;
const settleStepsMax = 80;

export class Schedule {
  readonly profile: Profile;
  readonly world: World;
  readonly #random: Random;
  readonly #coverage: Coverage;

  constructor(seed: string, coverage: Coverage, rejoin: Rejoin = 'new-incarnation') {
    this.#random = new Random(seed);
    this.#coverage = coverage;
    this.profile = drawProfile(this.#random, seed);
    this.world = new World(this.profile, rejoin, coverage.transitions);
  }

  #below(n: number): number {
    return Math.floor((this.#random.word() * n) / 0x1_0000_0000);
  }

  #chance(p: number): boolean {
    return this.#random.word() < p * 0x1_0000_0000;
  }

  /** @throws {Violation} or {InvariantViolation} at the first broken rule. */
  run(): void {
    const { profile } = this;
    if (profile.warm) this.#smooth(warmStepsMax, true);
    for (let i = 0; i < profile.steps; i++) this.#step();
    if (profile.settles) this.#settle();
  }

  // --- smooth parts -----------------------------------------------------------------------------------------------------

  /** Everything is delivered in order, all disks flush at once, whoever is due first is woken. */
  #smooth(steps: number, untilServing: boolean): void {
    const { world } = this;
    for (let i = 0; i < steps; i++) {
      this.#coverage.smooth++;
      const waiting = world.members.find(({ pending }) => pending.length > 0);
      if (waiting !== undefined) world.flush(waiting, waiting.pending.length);
      else if (world.inFlight.length > 0) world.deliver(0, false);
      else if (untilServing && this.#serving() !== null) return;
      else this.#wakeFirst();
    }
  }

  #settle(): void {
    const { world } = this;
    for (const member of [...world.members]) if (!member.alive && !member.gone) world.start(member);
    this.#smooth(settleStepsMax, false);
  }

  #serving(): Member | null {
    const { world } = this;
    for (const member of world.members) {
      const core = member.core;
      if (core !== null && core.state === 'serving' && core.isServing(world.clocks(member))) return member;
    }
    return null;
  }

  /** Somebody who takes himself for master, whether or not his lease holds. */
  #master(): Member | null {
    for (const member of this.world.members) if (member.core?.state === 'serving') return member;
    return null;
  }

  #wakeFirst(): void {
    const { world } = this;
    let first: Member | null = null;
    let firstMs = Number.POSITIVE_INFINITY;
    for (const member of world.members) {
      const ms = world.msToWake(member);
      if (ms < firstMs) {
        firstMs = ms;
        first = member;
      }
    }
    if (first !== null) world.wake(first);
  }

  // --- one step ---------------------------------------------------------------------------------------------------------

  #anyMember(): Member {
    const { members } = this.world;
    return members[this.#below(members.length)] as Member;
  }

  #step(): void {
    const { profile } = this;
    let at = this.#below(1000);
    const falls = (weight: number): boolean => {
      at -= weight;
      return at < 0;
    };
    if (falls(profile.flush)) return this.#flush();
    if (falls(profile.wake)) return this.#wake();
    if (falls(profile.submit)) return this.#submit();
    if (falls(profile.crash)) return this.#crash();
    if (falls(profile.crash)) return this.#start();
    if (falls(profile.pass)) return this.#pass();
    if (falls(profile.suspend)) return this.#suspend();
    if (falls(profile.handOver)) return this.#handOver();
    if (falls(profile.snapshot)) return this.#snapshot();
    if (falls(profile.change)) return this.#change();
    if (falls(profile.loseDisk)) return this.#loseDisk();
    if (this.world.inFlight.length > 0) this.#deliver();
    else this.#idle();
  }

  /** Nothing is on its way: a disk, or the next timer. */
  #idle(): void {
    const waiting = this.world.members.find(({ pending }) => pending.length > 0);
    if (waiting !== undefined) {
      this.#coverage.flushed++;
      this.world.flush(waiting, waiting.pending.length);
    } else {
      this.#coverage.woken++;
      this.#wakeFirst();
    }
  }

  #deliver(): void {
    const { world, profile } = this;
    let place = this.#place();
    for (let i = 0; i < 3 && this.#isLate(place); i++) place = this.#below(world.inFlight.length);
    if (profile.drop > 0 && this.#chance(profile.drop)) {
      this.#coverage.dropped++;
      world.drop(place);
    } else if (profile.copy > 0 && this.#chance(profile.copy)) {
      this.#coverage.copied++;
      world.deliver(place, true);
    } else {
      this.#coverage.delivered++;
      world.deliver(place, false);
    }
  }

  #place(): number {
    return this.#chance(this.profile.inOrder) ? 0 : this.#below(this.world.inFlight.length);
  }

  #isLate(place: number): boolean {
    const { late } = this.profile;
    const envelope = this.world.inFlight[place];
    if (late === null || envelope === undefined) return false;
    if (late.kind !== null && late.kind !== envelope.message.kind) return false;
    return envelope.to.index === late.to || this.world.members[late.from]?.id === envelope.from;
  }

  #flush(): void {
    const member = this.#anyMember();
    const { length } = member.pending;
    if (length === 0) return this.#idle();
    this.#coverage.flushed++;
    this.world.flush(member, 1 + this.#below(length));
  }

  #wake(): void {
    this.#coverage.woken++;
    if (this.#chance(0.7)) return this.#wakeFirst();
    const member = this.#anyMember();
    if (member.alive) this.world.wake(member);
  }

  #pass(): void {
    this.#coverage.passed++;
    const { leaseMs } = this.profile;
    this.world.pass(this.#chance(0.4) ? leaseMs * this.#random.between(0.9, 1.2) : this.#below(leaseMs / 4));
  }

  #suspend(): void {
    const member = this.#anyMember();
    if (!member.alive) return;
    this.#coverage.suspended++;
    this.world.suspend(member, this.#random.between(1, 3 * this.profile.leaseMs));
  }

  #submit(): void {
    const member = this.#master() ?? this.#anyMember();
    if (!member.alive) return;
    this.#coverage.submitted++;
    this.world.submit(member, 1 + this.#below(3));
  }

  #crash(): void {
    const member = this.#anyMember();
    if (!member.alive) return this.#start();
    this.#coverage.crashed++;
    this.world.crash(member, this.#below(member.pending.length + 1));
    // Often at once again: within the lease that it granted, among the messages of its life before.
    if (this.#chance(0.6)) this.#startMember(member);
  }

  #start(): void {
    for (const member of this.world.members) {
      if (!member.alive && !member.gone) return this.#startMember(member);
    }
  }

  #startMember(member: Member): void {
    this.#coverage.started++;
    this.world.start(member);
  }

  #handOver(): void {
    const master = this.#serving();
    if (master === null) return;
    this.#coverage.handedOver++;
    this.world.handOver(master, this.#chance(0.5) ? null : this.#anyMember().id);
  }

  #snapshot(): void {
    const asking = this.world.members.find(({ fetching }) => fetching !== null);
    if (asking !== undefined) {
      this.#coverage.fetched++;
      this.world.fetched(asking);
      return;
    }
    const member = this.#anyMember();
    if (!member.alive) return;
    this.#coverage.snapshots++;
    this.world.snapshot(member);
  }

  // --- disks and members --------------------------------------------------------------------------------------------------

  #loseDisk(): void {
    const { world } = this;
    // Two in a schedule are plenty: no majority is left to go on with otherwise.
    if (world.members.filter(({ gone }) => gone).length >= 2) return;
    const member = this.#anyMember();
    if (member.gone || member.boots === 0) return;
    this.#coverage.disksLost++;
    world.loseDisk(member);
    if (this.#chance(0.7)) this.#start();
  }

  #change(): void {
    const master = this.#master();
    const core = master?.core;
    if (master === null || core === null || core === undefined) return;
    const next = this.#otherConfiguration(core.configuration);
    if (next === null) return;
    this.#coverage.changes++;
    this.world.change(master, next);
  }

  /** A dead incarnation goes, a live one comes, a learner gets its vote, a voter leaves: what an operator would ask for. */
  #otherConfiguration(present: Configuration): Configuration | null {
    const { members } = this.world;
    const dead = members.find(({ id, gone }) => gone && hasSeat(present, id));
    if (dead !== undefined && this.#chance(0.7)) return without(present, dead);
    const outside = members.filter(({ id, gone }) => !gone && !hasSeat(present, id));
    if (outside.length > 0 && this.#chance(0.6)) {
      const member = outside[this.#below(outside.length)] as Member;
      return withSeat(present, member, this.#chance(0.6) ? 'voter' : idleRole(member));
    }
    const { name, incarnation, role } = present.members[this.#below(present.members.length)] as Seat;
    const member = members.find(({ id }) => id === `${name}#${incarnation}`);
    if (member === undefined) return null;
    if (role !== 'voter') return withSeat(present, member, 'voter');
    if (this.#chance(0.2)) return { ...present, alpha: 1 + this.#below(4) };
    return present.members.length > 2 ? without(present, member) : null;
  }
}

/** Who takes the place of an incarnation that is dead rebuilds what that one knew. */
const idleRole = ({ id }: Member): Seat['role'] => (parseReplicaId(id).incarnation > 1 ? 'rebuilding' : 'learner');

const without = (configuration: Configuration, { id }: Member): Configuration => ({
  ...configuration,
  members: configuration.members.filter((member) => memberId(member) !== id),
});

/** A name stands once: an earlier incarnation leaves in the same step, which the core must refuse when both vote. */
function withSeat(configuration: Configuration, { id }: Member, role: Seat['role']): Configuration {
  const { name, incarnation } = parseReplicaId(id);
  const rest = configuration.members.filter((member) => member.name !== name);
  const members = [...rest, seat(name, incarnation, role)].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { ...configuration, members };
}

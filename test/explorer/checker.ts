/**
 * Sees everything in an explored cell and fails at the first violated rule of pitfalls §4. It counts for itself, from what
 * became durable and what left; nothing here is taken from the core's own bookkeeping.
 *
 * | rule | looked at |
 * |---|---|
 * | I1 agreement | durable accepts per (instance, ballot, voters of that instance) |
 * | I2 validity | every applied item was submitted |
 * | I3 ballots | durable promises never sink, no accept off the promise, one value and one attempt a ballot |
 * | I4 applied prefix | in order, without gaps, what was chosen, alike everywhere |
 * | I5 lease exclusion | true time: one serves at a time, nobody else's higher ballot chooses meanwhile |
 * | I6 stale reads | who serves has applied everything that was acknowledged |
 * | I7 group | one voter different, one change at a time, decided by the members of that instance |
 * | I8 honest answers, I9 once | who was told what; no item applied twice |
 * | I10 durability | no message leaves before what it says is durable |
 * | I16 identity | nothing is durable, sent or counted for an incarnation whose disk is lost |
 * | I21 epochs | one unbroken mastership an epoch |
 */
import { type Ballot, ballotsEqual, compareBallots, zeroBallot } from '../../src/core/consensus/ballot.ts';
import { valuesEqual } from '../../src/core/consensus/chosen-log.ts';
import type { Configuration } from '../../src/core/consensus/configuration.ts';
import type { WriteRequest } from '../../src/core/consensus/effect.ts';
import { type ReplicaId, replicaId } from '../../src/core/consensus/identity.ts';
import type { Clocks } from '../../src/core/consensus/input.ts';
import type { AcceptedEntry, Message } from '../../src/core/consensus/message.ts';
import type { Value } from '../../src/core/consensus/value.ts';
import { ballotText, idText, valueText } from '../support/core-text.ts';
import { numberOf } from './items.ts';
import type { Member, Of } from './member.ts';

/** A rule of pitfalls §4 does not hold. */
export class Violation extends Error {
  /** `I1 agreement`, and so on. */
  readonly rule: string;

  constructor(rule: string, facts: string) {
    super(`${rule}: ${facts}`);
    this.name = 'Violation';
    this.rule = rule;
  }
}

const fail = (rule: string, facts: string): never => {
  throw new Violation(rule, facts);
};

interface Vote {
  readonly ballot: Ballot;
  readonly value: Value;
  /** One bit a member that accepted durably. */
  voters: number;
  chosen: boolean;
}

interface Group {
  readonly from: number;
  readonly voters: number;
  readonly quorum: number;
  readonly alpha: number;
}

export interface CheckedWorld {
  readonly members: readonly Member[];
  clocks(member: Member): Clocks;
}

function bits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}

export class Checker {
  readonly #world: CheckedWorld;
  /** Each (name, incarnation) has a bit of its own, by place here. */
  readonly #ids: ReplicaId[] = [];
  /** Bits of the world's members, by their index. */
  readonly #bits: number[] = [];
  readonly #votes: (Vote[] | undefined)[] = [];
  readonly #chosen: (Value | undefined)[] = [];
  #chosenUpTo = 0;
  readonly #groups: Group[] = [];
  readonly #applied: (Of<'apply'> | undefined)[] = [];
  #appliedUpTo = 0;
  #epoch = 0;
  readonly #durablePromise: Ballot[] = [];
  readonly #attempts: { readonly ballot: Ballot; readonly nonce: number }[] = [];
  readonly #submitted = new Set<number>();
  readonly #appliedItems = new Set<number>();
  readonly #never = new Set<number>();
  /** Member index and number of its mastership, by epoch. */
  readonly #epochs: (number | undefined)[] = [];
  readonly #masterships: number[] = [];
  /** The highest instance that any submitter was told of. */
  #ackedUpTo = 0;
  chosenCount = 0;
  masterships = 0;
  configurations = 0;

  constructor(world: CheckedWorld, formation: Configuration) {
    this.#world = world;
    this.#groups.push(this.#group(0, formation));
  }

  #bitOf(id: ReplicaId): number {
    let place = this.#ids.indexOf(id);
    if (place < 0) place = this.#ids.push(id) - 1;
    return 1 << place;
  }

  #bit(member: Member): number {
    let bit = this.#bits[member.index];
    if (bit === undefined) {
      bit = this.#bitOf(member.id);
      this.#bits[member.index] = bit;
    }
    return bit;
  }

  #group(from: number, configuration: Configuration): Group {
    let voters = 0;
    for (const { name, incarnation, role } of configuration.members) {
      if (role === 'voter') voters |= this.#bitOf(replicaId(name, incarnation));
    }
    return { from, voters, quorum: Math.floor(bits(voters) / 2) + 1, alpha: configuration.alpha };
  }

  #groupAt(instance: number): Group {
    let i = this.#groups.length - 1;
    while (i > 0 && (this.#groups[i] as Group).from > instance) i--;
    return this.#groups[i] as Group;
  }

  // --- what leaves ----------------------------------------------------------------------------------------------------

  onSubmit(item: number): void {
    this.#submitted.add(item);
  }

  /** A message leaves `member`. */
  onSend(member: Member, message: Message): void {
    if (member.gone) fail('I16 identity', `${idText(member.id)} speaks after its disk was lost`);
    switch (message.kind) {
      case 'accept':
        if (`${message.ballot.name}#${message.ballot.incarnation}` !== member.id) {
          fail('I3 one owner per ballot', `${ballotText(message.ballot)} proposed by ${idText(member.id)}`);
        }
        this.#voteFor(message.instance, message.ballot, message.value);
        return this.#checkKnown(member, message.chosenUpTo);
      case 'accepted':
        if (!this.#hasVoted(member, message.instance, message.ballot)) {
          fail('I10 durable before sent', `${idText(member.id)} says accepted ${this.#at(message)}, its disk does not`);
        }
        return this.#checkKnown(member, message.chosenUpTo);
      case 'prepare':
        this.#checkPromiseDurable(member, message.ballot, 'prepares');
        return this.#checkAttempt(message.ballot, message.nonce);
      case 'promise':
        this.#checkPromiseDurable(member, message.ballot, 'promises');
        for (const entry of message.entries) {
          if (!this.#hasVoted(member, entry.instance, entry.ballot)) {
            fail(
              'I10 durable before sent',
              `${idText(member.id)} reports ${this.#at(entry)}, its disk does not have it`,
            );
          }
        }
        return this.#checkKnown(member, message.chosenUpTo);
      case 'reject':
        this.#checkPromiseDurable(member, message.promised, 'refuses by');
        return this.#checkKnown(member, message.chosenUpTo);
      case 'commit':
        return this.#checkKnown(member, message.chosenUpTo);
      case 'catch-up-reply':
        for (const entry of message.entries) {
          const chosen = this.#chosen[entry.instance];
          if (chosen === undefined || !valuesEqual(chosen, entry.value)) {
            fail(
              'I8 told as chosen',
              `${idText(member.id)} ${entry.instance}: ${valueText(entry.value)} was not chosen`,
            );
          }
        }
        return this.#checkKnown(member, message.chosenUpTo);
      default:
    }
  }

  #at({ instance, ballot }: { readonly instance: number; readonly ballot: Ballot }): string {
    return `${instance}@${ballotText(ballot)}`;
  }

  #checkKnown(member: Member, chosenUpTo: number): void {
    if (chosenUpTo > this.#chosenUpTo) {
      fail('I8 told as chosen', `${idText(member.id)} up to ${chosenUpTo}, chosen is up to ${this.#chosenUpTo}`);
    }
  }

  #checkPromiseDurable(member: Member, ballot: Ballot, what: string): void {
    const durable = this.#durablePromise[member.index] ?? zeroBallot;
    if (compareBallots(durable, ballot) < 0) {
      const facts = `${idText(member.id)} ${what} ${ballotText(ballot)}, its disk holds ${ballotText(durable)}`;
      fail('I10 durable before sent', facts);
    }
  }

  /** A second attempt in the same ballot could count the first one's promises (pitfall P03). */
  #checkAttempt(ballot: Ballot, nonce: number): void {
    for (const known of this.#attempts) {
      if (!ballotsEqual(known.ballot, ballot)) continue;
      if (known.nonce !== nonce) fail('I3 one attempt per ballot', ballotText(ballot));
      return;
    }
    this.#attempts.push({ ballot, nonce });
  }

  #hasVoted(member: Member, instance: number, ballot: Ballot): boolean {
    const votes = this.#votes[instance];
    if (votes === undefined) return false;
    for (const vote of votes) {
      if (ballotsEqual(vote.ballot, ballot)) return (vote.voters & this.#bit(member)) !== 0;
    }
    return false;
  }

  /** The tally of one ballot at one instance. */
  #voteFor(instance: number, ballot: Ballot, value: Value): Vote {
    let votes = this.#votes[instance];
    if (votes === undefined) {
      votes = [];
      this.#votes[instance] = votes;
    }
    for (const vote of votes) {
      if (!ballotsEqual(vote.ballot, ballot)) continue;
      if (!valuesEqual(vote.value, value)) {
        const facts = `${instance}@${ballotText(ballot)}: ${valueText(vote.value)} and ${valueText(value)}`;
        fail('I3 one value per ballot', facts);
      }
      return vote;
    }
    const vote = { ballot, value, voters: 0, chosen: false };
    votes.push(vote);
    return vote;
  }

  // --- what is durable ------------------------------------------------------------------------------------------------

  /** A write of `member` became durable. */
  onDurable(member: Member, request: WriteRequest): void {
    if (member.gone) fail('I16 identity', `${idText(member.id)} writes after its disk was lost`);
    const { promise, entries, chosenUpTo } = request;
    const before = this.#durablePromise[member.index] ?? zeroBallot;
    if (promise !== null) {
      if (compareBallots(promise.ballot, before) < 0) {
        const facts = `${idText(member.id)}: ${ballotText(before)}, then ${ballotText(promise.ballot)}`;
        fail('I3 promises never decrease', facts);
      }
      this.#durablePromise[member.index] = promise.ballot;
    }
    const promised = promise?.ballot ?? before;
    for (const entry of entries) {
      // What is learned as chosen was accepted elsewhere, in whatever ballot.
      if (entry.instance > chosenUpTo) this.#checkDiscipline(member, entry, before, promised);
      this.#count(member, entry);
    }
  }

  /** One write may hold an accept and the higher promise that came after it in the same step. */
  #checkDiscipline(member: Member, entry: AcceptedEntry, before: Ballot, after: Ballot): void {
    const facts = (): string => `${idText(member.id)} ${this.#at(entry)}`;
    if (compareBallots(entry.ballot, before) < 0) fail('I3 no accept below the promise', facts());
    if (compareBallots(entry.ballot, after) > 0) fail('I3 an accept raises the promise', facts());
  }

  #count(member: Member, { instance, ballot, value }: AcceptedEntry): void {
    const vote = this.#voteFor(instance, ballot, value);
    vote.voters |= this.#bit(member);
    if (vote.chosen) return;
    const group = this.#groupAt(instance);
    if (bits(vote.voters & group.voters) < group.quorum) return;
    vote.chosen = true;
    this.#onChosen(instance, ballot, value);
  }

  #onChosen(instance: number, ballot: Ballot, value: Value): void {
    const known = this.#chosen[instance];
    if (known === undefined) {
      this.#chosen[instance] = value;
      this.chosenCount++;
      while (this.#chosen[this.#chosenUpTo + 1] !== undefined) this.#chosenUpTo++;
      if (value.kind === 'configuration') this.#onConfiguration(instance, value.configuration);
    } else if (!valuesEqual(known, value)) {
      fail('I1 agreement', `${instance}: ${valueText(known)}, then ${valueText(value)} at ${ballotText(ballot)}`);
    }
    for (const member of this.#world.members) {
      const core = member.core;
      if (core === null || !isMasterState(core.state)) continue;
      if (compareBallots(ballot, core.ballot) <= 0 || member.id === `${ballot.name}#${ballot.incarnation}`) continue;
      if (core.isServing(this.#world.clocks(member))) {
        fail('I5 lease exclusion', `${instance} chosen at ${ballotText(ballot)} while ${idText(member.id)} serves`);
      }
    }
  }

  #onConfiguration(instance: number, configuration: Configuration): void {
    const latest = this.#groups.at(-1) as Group;
    if (instance < latest.from) fail('I7 group', `a second change at ${instance}, before ${latest.from} is in force`);
    const group = this.#group(instance + this.#groupAt(instance).alpha, configuration);
    if (bits(group.voters ^ latest.voters) > 1) fail('I7 group', `two voters change at once at ${instance}`);
    this.#groups.push(group);
    this.configurations++;
  }

  // --- what is applied and answered -----------------------------------------------------------------------------------

  onApply(member: Member, effect: Of<'apply'>): void {
    const { instance, value, current, requests } = effect;
    const chosen = this.#chosen[instance];
    if (chosen === undefined || !valuesEqual(chosen, value)) {
      const was = chosen === undefined ? 'nothing' : valueText(chosen);
      fail('I4 applied is chosen', `${idText(member.id)} ${instance}: ${valueText(value)}, chosen ${was}`);
    }
    const first = this.#applied[instance];
    if (first === undefined) {
      if (instance !== this.#appliedUpTo + 1) {
        fail('I4 applied prefix', `${idText(member.id)} ${instance} after ${this.#appliedUpTo}`);
      }
      this.#appliedUpTo = instance;
      this.#applied[instance] = effect;
      this.#checkEpoch(member, effect);
      if (value.kind === 'submitted' && current) for (const item of value.items) this.#applyItem(numberOf(item));
    } else if (first.epoch !== effect.epoch || first.current !== current) {
      const facts = `${idText(member.id)} ${instance}: epoch ${effect.epoch} ${current}, elsewhere ${first.epoch} ${first.current}`;
      fail('I4 applied alike', facts);
    }
    if (requests === null) return;
    if (instance > this.#ackedUpTo) this.#ackedUpTo = instance;
    if (value.kind === 'submitted' && value.items.some((item, i) => numberOf(item) !== requests[i])) {
      fail('I8 honest answers', `${instance}: ${valueText(value)} answers ${requests.join(' ')}`);
    }
  }

  /** The epoch counts mastership values; what was proposed in another epoch than that of its place is skipped. */
  #checkEpoch(member: Member, { instance, value, epoch, current }: Of<'apply'>): void {
    if (value.kind === 'mastership') this.#epoch++;
    const expected = value.kind !== 'submitted' || value.epoch === this.#epoch;
    if (epoch === this.#epoch && current === expected) return;
    fail(
      'I21 epochs',
      `${idText(member.id)} ${instance}: ${valueText(value)} applied ${current} in epoch ${epoch}, is ${this.#epoch}`,
    );
  }

  #applyItem(item: number): void {
    if (!this.#submitted.has(item)) fail('I2 validity', `${item} was never submitted`);
    if (this.#appliedItems.has(item)) fail('I9 exactly once', `${item} applied twice`);
    if (this.#never.has(item)) fail('I8 honest answers', `${item} applied after "came to nothing"`);
    this.#appliedItems.add(item);
  }

  /** Submitters were told that their items came to nothing, or that nobody knows. */
  onSettle(effect: Of<'settle'>): void {
    if (effect.reason === 'unknown') return;
    for (const item of effect.requests) {
      if (this.#appliedItems.has(item)) fail('I8 honest answers', `${item} applied, then "came to nothing"`);
      this.#never.add(item);
    }
  }

  onMastership(member: Member, effect: Of<'mastership'>): void {
    if (effect.role !== 'master') return;
    this.masterships++;
    this.#masterships[member.index] = (this.#masterships[member.index] ?? 0) + 1;
  }

  /** After every step: whoever serves, serves alone, from a state that has everything acknowledged, in an own epoch. */
  checkServing(): void {
    let serving: Member | null = null;
    for (const member of this.#world.members) {
      const core = member.core;
      if (core === null || !isMasterState(core.state) || !core.isServing(this.#world.clocks(member))) continue;
      if (serving !== null) fail('I5 lease exclusion', `${idText(serving.id)} and ${idText(member.id)} serve at once`);
      serving = member;
      if (core.appliedUpTo < this.#ackedUpTo) {
        fail('I6 stale reads', `${idText(member.id)} at ${core.appliedUpTo}, acknowledged up to ${this.#ackedUpTo}`);
      }
      const mastership = (this.#masterships[member.index] ?? 0) * 64 + member.index;
      const known = this.#epochs[core.epoch];
      if (known === undefined) this.#epochs[core.epoch] = mastership;
      else if (known !== mastership) fail('I21 epochs', `epoch ${core.epoch} served in two masterships`);
    }
  }
}

const isMasterState = (state: string): boolean =>
  state === 'serving' || state === 'boosting' || state === 'handing-over';

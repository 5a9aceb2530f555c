/**
 * Sees everything in a cell of logs and fails at the first violated rule of pitfalls §4: agreement (I1), validity (I2),
 * ballot discipline (I3), applied prefix (I4), lease exclusion (I5), reads that are not stale (I6), honest answers (I8),
 * exactly once (I9), epochs (I21).
 */
import { type Ballot, ballotOwner, ballotsEqual, compareBallots, zeroBallot } from '../../src/core/consensus/ballot.ts';
import type { Configuration } from '../../src/core/consensus/configuration.ts';
import { ConfigurationHistory } from '../../src/core/consensus/configuration-history.ts';
import type { Effect, WriteRequest } from '../../src/core/consensus/effect.ts';
import type { Instance, ReplicaId, RequestId } from '../../src/core/consensus/identity.ts';
import type { AcceptedEntry, Message } from '../../src/core/consensus/message.ts';
import { isQuorum } from '../../src/core/consensus/quorum.ts';
import { ballotText, textOf, valueText } from './core-text.ts';
import type { LogMember } from './log-member.ts';

type Of<Kind extends Effect['kind']> = Extract<Effect, { kind: Kind }>;

interface Vote {
  readonly ballot: Ballot;
  readonly label: string;
  readonly voters: Set<ReplicaId>;
  chosen: boolean;
}

export class Violation extends Error {}

export class LogChecker {
  /** Per instance what was durably accepted, by ballot. */
  readonly #votes = new Map<number, Vote[]>();
  readonly #chosen = new Map<number, string>();
  readonly #applied: string[] = [];
  readonly #proposed = new Map<string, string>();
  readonly #durablePromise = new Map<ReplicaId, Ballot>();
  readonly #groups: ConfigurationHistory;
  readonly #submitted = new Set<string>();
  readonly #appliedItems = new Set<string>();
  readonly #never = new Set<string>();
  readonly #epochs = new Map<number, string>();
  readonly #masterships = new Map<ReplicaId, number>();
  readonly #members: () => Iterable<LogMember>;
  /** The highest instance that any submitter was told of. */
  #ackedUpTo = 0;
  chosenCount = 0;

  constructor(formation: Configuration, members: () => Iterable<LogMember>) {
    this.#groups = new ConfigurationHistory([{ from: 0 as Instance, configuration: formation }]);
    this.#members = members;
  }

  chosenLabel(instance: number): string | undefined {
    return this.#chosen.get(instance);
  }

  /** Texts of all items applied anywhere, in no order. */
  get appliedItems(): ReadonlySet<string> {
    return this.#appliedItems;
  }

  /** Times any replica became master. */
  get masterChanges(): number {
    let sum = 0;
    for (const count of this.#masterships.values()) sum += count;
    return sum;
  }

  #fail(rule: string, facts: string): never {
    throw new Violation(`${rule}: ${facts}`);
  }

  onSubmit(text: string): void {
    this.#submitted.add(text);
  }

  onSend(from: ReplicaId, message: Message): void {
    if (message.kind !== 'accept') return;
    const key = `${message.instance}@${ballotText(message.ballot)}`;
    const label = valueText(message.value);
    const known = this.#proposed.get(key);
    if (known === undefined) this.#proposed.set(key, label);
    else if (known !== label) this.#fail('I3 one value per ballot', `${key}: ${known} and ${label}`);
    if (ballotOwner(message.ballot) !== from) this.#fail('I3 one owner per ballot', `${key} sent by ${from}`);
  }

  onDurable(member: LogMember, request: WriteRequest): void {
    const { promise } = request;
    if (promise !== null) {
      const before = this.#durablePromise.get(member.id) ?? zeroBallot;
      if (compareBallots(promise.ballot, before) < 0) {
        this.#fail(
          'I3 promises never decrease',
          `${member.id}: ${ballotText(before)}, then ${ballotText(promise.ballot)}`,
        );
      }
      this.#durablePromise.set(member.id, promise.ballot);
    }
    for (const entry of request.entries) this.#vote(member.id, entry);
  }

  #vote(voter: ReplicaId, { instance, ballot, value }: AcceptedEntry): void {
    let votes = this.#votes.get(instance);
    if (votes === undefined) {
      votes = [];
      this.#votes.set(instance, votes);
    }
    const label = valueText(value);
    let vote = votes.find((other) => ballotsEqual(other.ballot, ballot));
    if (vote === undefined) {
      vote = { ballot, label, voters: new Set(), chosen: false };
      votes.push(vote);
    }
    if (vote.label !== label) this.#fail('I3 one value per ballot', `${instance}: ${vote.label} and ${label}`);
    vote.voters.add(voter);
    if (vote.chosen || !isQuorum(this.#groups.at(instance), vote.voters)) return;
    vote.chosen = true;
    this.#onChosen(instance, ballot, label);
  }

  #onChosen(instance: number, ballot: Ballot, label: string): void {
    const known = this.#chosen.get(instance);
    if (known === undefined) {
      this.#chosen.set(instance, label);
      this.chosenCount++;
    } else if (known !== label)
      this.#fail('I1 agreement', `${instance}: ${known}, then ${label} at ${ballotText(ballot)}`);
    for (const member of this.#members()) {
      if (member.id === ballotOwner(ballot) || !member.isServing) continue;
      const served = member.core.ballot;
      if (compareBallots(ballot, served) > 0) {
        this.#fail('I5 lease exclusion', `${instance} chosen at ${ballotText(ballot)} while ${member.id} serves`);
      }
    }
  }

  onApply(
    member: LogMember,
    effect: Of<'apply'>,
    textsOf: (requests: readonly RequestId[]) => readonly string[],
  ): void {
    const { instance, value, epoch, current, requests } = effect;
    const label = valueText(value);
    if (this.#chosen.get(instance) !== label) {
      this.#fail(
        'I8 applied what was not chosen',
        `${member.id} ${instance}: ${label}, chosen ${this.#chosen.get(instance)}`,
      );
    }
    if (current !== (value.kind !== 'submitted' || value.epoch === epoch)) {
      this.#fail('I21 epochs', `${member.id} ${instance}: ${label} applied in epoch ${epoch}, current=${current}`);
    }
    const first = this.#applied[instance] === undefined;
    const full = `${label} epoch=${epoch} current=${current}`;
    if (first) this.#applied[instance] = full;
    else if (this.#applied[instance] !== full) {
      this.#fail('I4 same prefix', `${member.id} ${instance}: ${full}, elsewhere ${this.#applied[instance]}`);
    }
    if (first && value.kind === 'configuration') this.#groups.chosen(instance, value.configuration);
    if (first && value.kind === 'submitted' && current) for (const item of value.items) this.#applyItem(textOf(item));
    if (requests === null) return;
    this.#ackedUpTo = Math.max(this.#ackedUpTo, instance);
    if (value.kind === 'submitted' && textsOf(requests).join() !== value.items.map(textOf).join()) {
      this.#fail('I8 honest answers', `${instance}: ${label} answers ${textsOf(requests).join()}`);
    }
  }

  #applyItem(text: string): void {
    if (!this.#submitted.has(text)) this.#fail('I2 validity', `${text} was never submitted`);
    if (this.#appliedItems.has(text)) this.#fail('I9 exactly once', `${text} applied twice`);
    if (this.#never.has(text)) this.#fail('I8 honest answers', `${text} applied after "came to nothing"`);
    this.#appliedItems.add(text);
  }

  /** A submitter was told that its item came to nothing. */
  onNever(text: string): void {
    if (this.#appliedItems.has(text)) this.#fail('I8 honest answers', `${text} applied, then "came to nothing"`);
    this.#never.add(text);
  }

  onMaster(member: LogMember): void {
    this.#masterships.set(member.id, (this.#masterships.get(member.id) ?? 0) + 1);
  }

  /** After every event: whoever serves, serves alone, from a state that has everything acknowledged, in an own epoch. */
  checkServing(): void {
    let serving: LogMember | null = null;
    for (const member of this.#members()) {
      if (!member.isServing) continue;
      if (serving !== null) this.#fail('I5 lease exclusion', `${serving.id} and ${member.id} serve at once`);
      serving = member;
      const { appliedUpTo, epoch } = member.core;
      if (appliedUpTo < this.#ackedUpTo) {
        this.#fail('I6 stale reads', `${member.id} serves at ${appliedUpTo}, acknowledged up to ${this.#ackedUpTo}`);
      }
      const key = `${member.id} mastership ${this.#masterships.get(member.id)}`;
      const known = this.#epochs.get(epoch);
      if (known === undefined) this.#epochs.set(epoch, key);
      else if (known !== key) this.#fail('I21 epochs', `${epoch} served in ${known} and in ${key}`);
    }
  }
}

/**
 * Agreement (I1): at most one value is ever chosen in an instance.
 *
 * What is chosen is computed here, from what is durable on each disk, never from what replicas say: a value is chosen at
 * the moment at which a majority of the voters of *that instance's* configuration durably hold it accepted in one ballot.
 * Source: PMS §2.1 (P2), PML §4.1; the window that delays configurations: Lamport 2001 §3.
 */
import { type Ballot, ballotsEqual, formatBallot } from '../../core/consensus/ballot.ts';
import type { Configuration } from '../../core/consensus/configuration.ts';
import { memberId } from '../../core/consensus/configuration.ts';
import type { ReplicaId } from '../../core/consensus/identity.ts';
import type { Value } from '../../core/consensus/value.ts';
import { checkGroupChange } from './group.ts';
import type { Governing } from './partings.ts';
import { Acquaintances } from './strangers.ts';
import { Violation } from './violation.ts';

/** One entry that has become durable on one replica. `digest` identifies the value. */
export interface DurableAccept {
  readonly replica: ReplicaId;
  readonly instance: number;
  readonly ballot: Ballot;
  readonly value: Value;
  readonly digest: string;
}

export interface Choice {
  readonly instance: number;
  /** The ballot in which it was first chosen. */
  readonly ballot: Ballot;
  readonly value: Value;
  readonly digest: string;
}

interface Votes {
  readonly ballot: Ballot;
  readonly value: Value;
  readonly digest: string;
  readonly replicas: ReplicaId[];
}

/** Votes this far below the last instance chosen without a gap are forgotten, to bound memory over long runs. */
const votesKeptInstances = 20_000;

export class AgreementChecker {
  readonly #configurations: Governing[];
  /** By instance: one for each ballot, of which there are few. */
  readonly #votes = new Map<number, Votes[]>();
  readonly #voters = new Map<Configuration, readonly ReplicaId[]>();
  readonly #chosen = new Map<number, Choice>();
  /** Chosen configurations whose window is not known yet, because an instance below is still open, come later. */
  #chosenUpTo = 0;

  /** Everybody who was ever a member. */
  readonly acquaintances: Acquaintances;

  /** `formation` governs from the instance after `above`: 1, or the first of a later generation. */
  constructor(formation: Configuration, above = 0, acquaintances = new Acquaintances()) {
    this.acquaintances = acquaintances;
    acquaintances.add(formation.members.map(memberId));
    this.#configurations = [{ from: above + 1, configuration: formation }];
    this.#chosenUpTo = above;
  }

  /** Every instance up to here was chosen. */
  get chosenUpTo(): number {
    return this.#chosenUpTo;
  }

  choice(instance: number): Choice | undefined {
    return this.#chosen.get(instance);
  }

  /** The members in force at `instance`, as far as what was chosen says. */
  configurationAt(instance: number): Configuration {
    let governing = this.#configurations[0] as { configuration: Configuration };
    for (const later of this.#configurations) if (later.from <= instance) governing = later;
    return governing.configuration;
  }

  /** All that were chosen so far, in their order. */
  get configurations(): readonly Governing[] {
    return this.#configurations;
  }

  /** The newest one that was chosen, after the one before it. */
  get lastConfigurations(): readonly [before: Governing, present: Governing] {
    const present = this.#configurations.at(-1) as Governing;
    return [this.#configurations.at(-2) ?? present, present];
  }

  /**
   * An entry became durable. Returns the choices that this made, usually none or one; several choices of one instance in
   * rising ballots are the same value and each is returned, since leases care about the ballot.
   * @throws {Violation} when another value was chosen before.
   */
  accepted(entry: DurableAccept): Choice | null {
    const { instance, ballot, digest } = entry;
    let ballots = this.#votes.get(instance);
    if (ballots === undefined) {
      ballots = [];
      this.#votes.set(instance, ballots);
    }
    let votes = ballots.find((other) => ballotsEqual(other.ballot, ballot));
    if (votes === undefined) {
      votes = { ballot, value: entry.value, digest, replicas: [] };
      ballots.push(votes);
    } else if (votes.digest !== digest) {
      throw new Violation(
        'agreement',
        `two values were accepted at instance ${instance} in ballot ${formatBallot(ballot)}`,
        { digests: [votes.digest, digest], replicas: [...votes.replicas, entry.replica] },
      );
    }
    if (votes.replicas.includes(entry.replica)) return null;
    votes.replicas.push(entry.replica);
    return this.#count(instance, votes);
  }

  #votersOf(configuration: Configuration): readonly ReplicaId[] {
    let voters = this.#voters.get(configuration);
    if (voters === undefined) {
      voters = configuration.members.filter((member) => member.role === 'voter').map(memberId);
      this.#voters.set(configuration, voters);
    }
    return voters;
  }

  #count(instance: number, votes: Votes): Choice | null {
    const voters = this.#votersOf(this.configurationAt(instance));
    let count = 0;
    for (const voter of voters) if (votes.replicas.includes(voter)) count++;
    if (count !== Math.floor(voters.length / 2) + 1) return null;
    const choice: Choice = { instance, ballot: votes.ballot, value: votes.value, digest: votes.digest };
    const before = this.#chosen.get(instance);
    if (before === undefined) {
      this.#chosen.set(instance, choice);
      this.#advance();
    } else if (before.digest !== choice.digest) {
      throw new Violation('agreement', `two values were chosen at instance ${instance}`, {
        first: { ballot: formatBallot(before.ballot), digest: before.digest, kind: before.value.kind },
        second: { ballot: formatBallot(choice.ballot), digest: choice.digest, kind: choice.value.kind },
      });
    }
    return choice;
  }

  #advance(): void {
    for (;;) {
      const next = this.#chosen.get(this.#chosenUpTo + 1);
      if (next === undefined) return;
      this.#chosenUpTo++;
      if (next.value.kind === 'configuration') {
        const from = next.instance + this.configurationAt(next.instance).alpha;
        const after = { from, configuration: next.value.configuration };
        const before = this.#configurations.at(-1) as typeof after;
        checkGroupChange({ instance: next.instance, before, after });
        this.#configurations.push(after);
        this.acquaintances.add(after.configuration.members.map(memberId));
      }
      this.#votes.delete(next.instance - votesKeptInstances);
    }
  }
}

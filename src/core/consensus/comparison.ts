/**
 * With whom a replica that has just started has compared disks, and whether that is enough to vote.
 *
 * A replica whose disk is older than what it acknowledged would promise and accept against its own word (pitfalls P20, P22). Those
 * who counted its votes remember more than it has; so it asks a majority before it votes again, and gives all others a lease's
 * time. These may have just started too, so a power cut of all heals by itself.
 *
 * Source: design §4 (fence, copied directories).
 */
import type { Configuration, ConfigurationFrom } from './configuration.ts';
import { memberId } from './configuration.ts';
import type { ReplicaId } from './identity.ts';
import { isQuorum, voters } from './quorum.ts';

/**
 * - `majority`: of the voters, and the others had their time
 * - `voters`: all others. The end of its log is lost, and with it perhaps what says that its promise is an old one: only the candidate
 *   that was given the newest promise may remember it
 * - `all`: every other member. Of a directory that was copied, nobody else vouches
 */
export type ComparisonRule = 'majority' | 'voters' | 'all';

export class Comparison {
  readonly #self: ReplicaId;
  readonly #rule: ComparisonRule;
  readonly #startedMs: number;
  readonly #compared = new Set<ReplicaId>();

  constructor(options: { readonly self: ReplicaId; readonly rule: ComparisonRule; readonly startedMs: number }) {
    this.#self = options.self;
    this.#rule = options.rule;
    this.#startedMs = options.startedMs;
    this.#compared.add(options.self);
  }

  with(member: ReplicaId): void {
    this.#compared.add(member);
  }

  /** Until when those who have not answered are waited for. */
  untilMs(present: Configuration): number {
    return this.#startedMs + present.leaseMs;
  }

  /** `configurations`: those in force and to come, the present one first. */
  isEnough(configurations: readonly ConfigurationFrom[], nowMs: number): boolean {
    return configurations.every(({ configuration }, i) => {
      if (this.#rule === 'all') return this.#vouchedByAll(configuration);
      if (this.#rule === 'voters') return this.#missing(configuration).length === 0;
      if (!isQuorum(configuration, this.#compared)) return false;
      return i > 0 || nowMs >= this.untilMs(configuration) || this.#missing(configuration).length === 0;
    });
  }

  /** Where there is nobody else, nobody vouches. */
  #vouchedByAll({ members }: Configuration): boolean {
    return members.length > 1 && members.every((member) => this.#compared.has(memberId(member)));
  }

  /** Voters that were not compared with. */
  #missing(configuration: Configuration): ReplicaId[] {
    return [...voters(configuration)].filter((id) => !this.#compared.has(id));
  }

  /** Whom it still waits for, for people. */
  waitsFor(present: Configuration): readonly ReplicaId[] {
    if (this.#rule === 'voters') return this.#missing(present);
    return present.members.map(memberId).filter((id) => id !== this.#self && !this.#compared.has(id));
  }
}

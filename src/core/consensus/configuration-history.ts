/**
 * Which configuration governs which instance.
 *
 * Source: Lamport 2001 §3; design §3 "Membership". Keeps: `from`s strictly rise; the first one governs everything that
 * this replica may still be asked about; what is chosen at `i` governs from `i + alpha` on (pitfall P44).
 */
import { invariant } from '../invariant.ts';
import { type Configuration, type ConfigurationFrom, memberId } from './configuration.ts';
import type { Instance, ReplicaId } from './identity.ts';
import { voters } from './quorum.ts';

export class ConfigurationHistory {
  #list: ConfigurationFrom[];

  constructor(list: readonly ConfigurationFrom[]) {
    invariant(list.length > 0, 'a replica knows at least one configuration');
    this.#list = [...list];
    for (let i = 1; i < this.#list.length; i++) {
      const [before, after] = [this.#list[i - 1] as ConfigurationFrom, this.#list[i] as ConfigurationFrom];
      invariant(before.from < after.from, 'configurations govern rising instances', { from: after.from });
    }
  }

  /** The configuration whose majority decides `instance`. */
  at(instance: number): Configuration {
    for (let i = this.#list.length - 1; i > 0; i--) {
      const item = this.#list[i] as ConfigurationFrom;
      if (item.from <= instance) return item.configuration;
    }
    return (this.#list[0] as ConfigurationFrom).configuration;
  }

  /** The newest one that is chosen, in force or not yet. */
  get latest(): ConfigurationFrom {
    return this.#list.at(-1) as ConfigurationFrom;
  }

  /** Every configuration that governs some instance at or after `instance`, oldest first. */
  from(instance: number): readonly ConfigurationFrom[] {
    let first = 0;
    for (let i = 1; i < this.#list.length; i++) if ((this.#list[i] as ConfigurationFrom).from <= instance) first = i;
    return this.#list.slice(first);
  }

  /** Records a configuration value that was applied at `chosenAt`. Returns from where it governs. */
  chosen(chosenAt: Instance, configuration: Configuration): Instance {
    const from = (chosenAt + this.at(chosenAt).alpha) as Instance;
    invariant(from > this.latest.from, 'one configuration change at a time', { from, latest: this.latest.from });
    this.#list.push({ from, configuration });
    return from;
  }

  /** Forgets configurations that govern only instances at or below `instance`. */
  forget(instance: Instance): void {
    this.#list = [...this.from(instance + 1)];
  }

  isVoterFrom(instance: number, id: ReplicaId): boolean {
    return this.from(instance).some((item) => voters(item.configuration).has(id));
  }

  /** Everybody, voters and learners, of every configuration from `instance` on. */
  membersFrom(instance: number): readonly ReplicaId[] {
    const ids = new Set<ReplicaId>();
    for (const item of this.from(instance)) for (const member of item.configuration.members) ids.add(memberId(member));
    return [...ids];
  }
}

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

/** Who matters from some instance on, over all configurations that govern one. */
interface Membership {
  readonly members: ReadonlySet<ReplicaId>;
  readonly voters: ReadonlySet<ReplicaId>;
  readonly list: readonly ConfigurationFrom[];
  others: { readonly self: ReplicaId; readonly ids: readonly ReplicaId[] } | null;
}

export class ConfigurationHistory {
  #list: ConfigurationFrom[];
  /** By place of the first configuration that counts: asked with every message, so made once. */
  #memberships: (Membership | undefined)[] = [];

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

  #membershipFrom(instance: number): Membership {
    let first = this.#list.length - 1;
    while (first > 0 && (this.#list[first] as ConfigurationFrom).from > instance) first--;
    let membership = this.#memberships[first];
    if (membership === undefined) {
      const list = this.#list.slice(first);
      membership = {
        members: new Set(list.flatMap(({ configuration }) => configuration.members.map(memberId))),
        voters: new Set(list.flatMap(({ configuration }) => [...voters(configuration)])),
        list,
        others: null,
      };
      this.#memberships[first] = membership;
    }
    return membership;
  }

  /** Every configuration that governs some instance at or after `instance`, oldest first. */
  from(instance: number): readonly ConfigurationFrom[] {
    return this.#membershipFrom(instance).list;
  }

  /** Records a configuration value that was applied at `chosenAt`. Returns from where it governs. */
  chosen(chosenAt: Instance, configuration: Configuration): Instance {
    const from = (chosenAt + this.at(chosenAt).alpha) as Instance;
    invariant(from > this.latest.from, 'one configuration change at a time', { from, latest: this.latest.from });
    this.#list.push({ from, configuration });
    this.#memberships = [];
    return from;
  }

  /** Forgets configurations that govern only instances at or below `instance`. */
  forget(instance: Instance): void {
    const kept = this.from(instance + 1);
    if (kept.length === this.#list.length) return;
    this.#list = [...kept];
    this.#memberships = [];
  }

  isVoterFrom(instance: number, id: ReplicaId): boolean {
    return this.#membershipFrom(instance).voters.has(id);
  }

  isMemberFrom(instance: number, id: ReplicaId): boolean {
    return this.#membershipFrom(instance).members.has(id);
  }

  /** Everybody but `self`, voters and learners, of every configuration from `instance` on. */
  othersFrom(instance: number, self: ReplicaId): readonly ReplicaId[] {
    const membership = this.#membershipFrom(instance);
    if (membership.others?.self !== self) {
      membership.others = { self, ids: [...membership.members].filter((id) => id !== self) };
    }
    return membership.others.ids;
  }
}

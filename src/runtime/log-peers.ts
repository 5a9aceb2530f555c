/**
 * Whom one replica is connected to: the members of all configurations that its disk knows to be in force or to come, and
 * those that the log does not name yet.
 *
 * Source: PML §5.4; ADR 15. Keeps: who is out by the newest configuration is reached for some instances more.
 */
import type { Instance, ReplicaId } from '../core/consensus/identity.ts';
import type { Replica } from '../core/consensus/replica.ts';
import type { Value } from '../core/consensus/value.ts';
import type { LogReplicaOptions } from './log-replica-options.ts';

/** Who is out is spoken to for so many instances more, so that it hears that it is. */
const partingInstances = 4;

type Options = Pick<LogReplicaOptions<unknown>, 'self' | 'network' | 'acquaintances'>;

export class LogPeers {
  readonly #options: Options;
  readonly #core: Replica;
  /** From where the newest configuration governs, while those that are out by it are still connected; else 0. */
  #partingAt = 0;

  constructor(options: Options, core: Replica) {
    this.#options = options;
    this.#core = core;
  }

  /** Whom to reach, and where, has changed; nobody is reached at `except`. */
  update(except: ReplicaId | null = null): void {
    const { self, network, acquaintances } = this.#options;
    const peers = new Map<ReplicaId, string>(acquaintances?.());
    for (const { configuration } of this.#core.durableConfigurations) {
      for (const { name, incarnation, url } of configuration.members) {
        peers.set(`${name}#${incarnation}` as ReplicaId, url);
      }
    }
    peers.delete(self);
    if (except !== null) peers.delete(except);
    network.setPeers([...peers].map(([id, url]) => ({ id, url })));
  }

  /** After each applied instance. */
  applied(instance: Instance, value: Value): void {
    if (value.kind === 'configuration') {
      this.update();
      this.#partingAt = this.#core.configurations.at(-1)?.from ?? 0;
    } else if (this.#partingAt > 0 && instance >= this.#partingAt + partingInstances && this.#hasParted()) {
      this.#partingAt = 0;
      this.update();
    }
  }

  /** Those that are out by the newest configuration are out by what the disk knows, too. */
  #hasParted(): boolean {
    return this.#core.durablyAppliedUpTo >= this.#partingAt - 1;
  }
}

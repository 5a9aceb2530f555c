/**
 * A member that is frozen, or silent for a new generation: how it comes to that, and how the others hear of it.
 *
 * Source: design §4 "Frozen". Keeps: from the first moment on nothing is promised, accepted, served or applied; it is told to the
 * others only when it is durable with its evidence; the first evidence stays.
 */
import type { Effect } from '../core/consensus/effect.ts';
import type { FreezeEvidence } from '../core/consensus/freeze.ts';
import type { ReplicaId } from '../core/consensus/identity.ts';
import { fromNow, type Timer } from '../ports/clocks.ts';
import type { LogReplicaOptions } from './log-replica-options.ts';

/** A frozen member says so again and again: who comes back later must hear it before anything else. */
const tellFrozenEveryMs = 500;

export interface FreezingHost {
  stopped(): boolean;
  /** Of every configuration in force or to come. */
  members(): readonly ReplicaId[];
  /** Nothing is promised, accepted or answered any more. */
  silence(): void;
  fatal(error: Error): void;
}

type Options = Pick<
  LogReplicaOptions<unknown>,
  'self' | 'storage' | 'network' | 'clocks' | 'logger' | 'onFrozen' | 'frozen' | 'fenced'
>;

export class Freezing {
  readonly #options: Options;
  readonly #host: FreezingHost;
  /** From the first moment on nothing is said to anybody; `#evidence` follows when that is durable. */
  #silent: boolean;
  #evidence: FreezeEvidence | null;
  #freezing: Promise<void> | null = null;
  #timer: Timer | null = null;

  constructor(options: Options, host: FreezingHost) {
    this.#options = options;
    this.#host = host;
    this.#evidence = options.frozen ?? null;
    this.#silent = this.#evidence !== null || options.fenced === true;
  }

  /** What froze this member; null while nothing did, or while that is not durable yet. */
  get evidence(): FreezeEvidence | null {
    return this.#evidence;
  }

  /** Nothing is answered any more, durable or not. */
  get silent(): boolean {
    return this.#silent;
  }

  start(): void {
    if (this.#evidence !== null) this.#tellFrozen(this.#evidence);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  fence(): void {
    if (this.#silent) return;
    this.#silent = true;
    this.#host.silence();
  }

  freeze(evidence: FreezeEvidence): Promise<void> {
    if (this.#evidence !== null || this.#host.stopped()) return Promise.resolve();
    this.#freezing ??= this.#freeze(evidence);
    return this.#freezing;
  }

  /** Who is no member any more has no say in what becomes of this cell; other generations are not connected to. */
  onTold(from: ReplicaId, evidence: FreezeEvidence): void {
    if (this.#host.members().includes(from)) void this.freeze(evidence);
  }

  async #freeze(evidence: FreezeEvidence): Promise<void> {
    this.fence();
    try {
      await this.#options.storage.freeze(evidence);
    } catch (error) {
      return this.#host.fatal(error instanceof Error ? error : new Error(String(error)));
    }
    this.#evidence = evidence;
    this.#options.logger.error({ ...evidence }, 'this cell is frozen');
    if (this.#host.stopped()) return;
    this.#options.onFrozen?.(evidence);
    this.#tellFrozen(evidence);
  }

  #tellFrozen(evidence: FreezeEvidence): void {
    if (this.#host.stopped()) return;
    const { network, clocks, self } = this.#options;
    for (const peer of new Set(this.#host.members())) {
      if (peer !== self) network.send(peer, { kind: 'frozen', evidence });
    }
    const at = fromNow(clocks, tellFrozenEveryMs);
    this.#timer = clocks.schedule(at, () => this.#tellFrozen(evidence));
  }
}

/** Members hold different logs up to an instance: who has which. */
export function forkEvidence(
  { instance, branches }: Extract<Effect, { kind: 'fork-seen' }>,
  seen: Pick<FreezeEvidence, 'generation' | 'seenBy' | 'seenAtMs'>,
): FreezeEvidence {
  const sides = branches.map(({ members, logChain }) => `${members.join(', ')} with ${logChain.slice(0, 16)}…`);
  return {
    cause: 'log-fork',
    ...seen,
    text: `Members do not have the same log up to instance ${instance}: ${sides.join('; ')}.`,
    facts: Object.fromEntries([
      ['instance', instance],
      ...branches.flatMap(({ members, logChain }) => members.map((member) => [`log of ${member}`, logChain])),
    ]),
  };
}

/**
 * What one replica's database comes to at an instance, told to the core, which puts it beside what the others have.
 *
 * Source: PML §6.2 (checksums of the replicas' databases); design §5; ADR 16.
 */
import type { DatabaseDigests } from '../core/consensus/database-comparison.ts';
import type { Instance } from '../core/consensus/identity.ts';
import type { Replica } from '../core/consensus/replica.ts';
import type { AppliedLog } from './applied-log.ts';
import type { LogReplicaOptions } from './log-replica-options.ts';
import type { StepLoop } from './step-loop.ts';

/** Instances between two comparisons of the sums that are kept up with each operation: they cost next to nothing. */
const runningSumEvery = 1024;

type Options = Pick<LogReplicaOptions<unknown>, 'recovered' | 'version'> & {
  readonly application: LogReplicaOptions<unknown>['application'];
};

interface Parts {
  readonly core: Replica;
  readonly loop: StepLoop;
  readonly applied: AppliedLog<unknown>;
}

export class DatabaseSums {
  readonly #options: Options;
  readonly #parts: Parts;

  constructor(options: Options, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** What a full scan of the application found. */
  checked(digests: Omit<DatabaseDigests, 'full' | 'version'>): void {
    if (!this.#parts.loop.stopped) this.#feed({ ...digests, full: true });
  }

  /** After each applied instance. */
  applied(instance: Instance): void {
    if (instance % runningSumEvery === 0) this.#reportRunningSum(instance);
  }

  /** Of what others apply too: what this replica finds again on its disk was compared before. */
  #reportRunningSum(instance: Instance): void {
    const { application, recovered } = this.#options;
    const { applied, core } = this.#parts;
    const database = instance > recovered.chosenUpTo && !core.isSetAside ? application.checksumHex?.() : undefined;
    if (database !== undefined) this.#feed({ instance, full: false, logChain: applied.chainHex, database });
  }

  #feed(digests: Omit<DatabaseDigests, 'version'>): void {
    const { loop } = this.#parts;
    const { version = '' } = this.#options;
    loop.feed({ kind: 'database-checked', at: loop.now(), digests: { ...digests, version } });
  }
}

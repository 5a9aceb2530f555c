/** Puts together what `status` and `doctor` want to know of a replica beside its part in the protocol. */
import { parseReplicaId } from '../core/consensus/identity.ts';
import type {
  LastCheckDocument,
  LinkDocument,
  NewestSnapshotDocument,
  OperatingDocument,
  SecondProcessDocument,
} from '../formats/operating-body.ts';
import type { HostedNetwork } from '../ports/world.ts';
import type { ReplicaStorage } from '../storage/replica-storage.ts';
import type { DatabaseCheck } from './database-checks.ts';
import type { MachineFacts } from './machine-facts.ts';

/** A listing of the data directory is many system calls; a leftover has time. */
const leftoversMs = 30_000;
/** A status names no more of them. */
const leftoversMax = 20;

export interface OperatingOptions {
  readonly storage: ReplicaStorage;
  readonly network: HostedNetwork;
  readonly machine: MachineFacts;
  readonly snapshotLogBytes: number;
  hintsDiffer(): readonly string[];
  secondProcesses(): readonly SecondProcessDocument[];
  lastCheck(): DatabaseCheck | null;
}

export class OperatingFacts {
  readonly #options: OperatingOptions;
  readonly #timer: NodeJS.Timeout;
  #leftovers: readonly string[] | null = null;

  constructor(options: OperatingOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.look(), leftoversMs);
    this.#timer.unref();
    void this.look();
  }

  document(): OperatingDocument {
    const { storage, network, machine, snapshotLogBytes, hintsDiffer, secondProcesses, lastCheck } = this.#options;
    return {
      links: network.links().map(toLink),
      secondProcesses: secondProcesses(),
      machine: machine.document(),
      newestSnapshot: toSnapshot(storage.snapshots()[0]),
      logBytesSinceSnapshot: storage.walBytesSinceSnapshot,
      snapshotLogBytes,
      hintsDiffer: hintsDiffer(),
      lastCheck: toLastCheck(lastCheck()),
      ...(this.#leftovers === null ? {} : { leftovers: this.#leftovers }),
    };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Something was put there or taken away just now. A directory that cannot be listed is told by whoever needs its files. */
  async look(): Promise<void> {
    this.#leftovers = await this.#options.storage.leftovers().then(
      (found) => found.slice(0, leftoversMax),
      () => this.#leftovers,
    );
  }
}

function toLink(link: ReturnType<HostedNetwork['links']>[number]): LinkDocument {
  const { id, url, outbound, inbound, brokenMs, met, trouble } = link;
  return { ...parseReplicaId(id), url, reached: outbound, reaches: inbound, brokenMs, met, trouble };
}

function toSnapshot(entry: ReturnType<ReplicaStorage['snapshots']>[number] | undefined): NewestSnapshotDocument | null {
  if (entry === undefined) return null;
  const { instance, bytes, createdAt, verified } = entry;
  return { instance, bytes, createdAt, verified };
}

function toLastCheck(check: DatabaseCheck | null): LastCheckDocument | null {
  if (check === null) return null;
  const { instance, atWallMs, logChain, checksum } = check;
  return { instance, at: new Date(atWallMs).toISOString(), log: logChain, database: checksum };
}

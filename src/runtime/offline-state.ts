/**
 * A state outside of any replica, and what follows it value by value: for reading directories that nobody runs on, and for files.
 * The same steps as the log takes (`applied-log.ts`).
 */
import type { ConfigurationFrom } from '../core/consensus/configuration.ts';
import { ConfigurationHistory } from '../core/consensus/configuration-history.ts';
import type { Epoch, Instance } from '../core/consensus/identity.ts';
import type { Value } from '../core/consensus/value.ts';
import { chained } from '../formats/log-chain.ts';
import type { SnapshotHeader } from '../formats/snapshot.ts';
import type { DigestPort } from '../ports/digest.ts';
import { snapshotParts } from '../storage/snapshot-writer.ts';
import type { DatabaseApplication } from './database-application.ts';

export interface OfflinePoint {
  readonly instance: number;
  readonly logChain: Uint8Array;
  readonly configurations: readonly ConfigurationFrom[];
}

export class OfflineState {
  readonly application: DatabaseApplication;
  readonly configurations: ConfigurationHistory;
  readonly #digest: DigestPort;
  #instance: number;
  #logChain: Uint8Array;

  /** `application` holds the state at that point. */
  constructor(application: DatabaseApplication, at: OfflinePoint, digest: DigestPort) {
    this.application = application;
    this.configurations = new ConfigurationHistory(at.configurations);
    this.#instance = at.instance;
    this.#logChain = at.logChain;
    this.#digest = digest;
  }

  get instance(): number {
    return this.#instance;
  }

  get logChain(): Uint8Array {
    return this.#logChain;
  }

  /** The value of the next instance. */
  apply(value: Value): void {
    const { application } = this;
    const instance = (this.#instance + 1) as Instance;
    this.#instance = instance;
    this.#logChain = chained(this.#digest, this.#logChain, { instance, value });
    const current = value.kind !== 'submitted' || value.epoch === application.epoch;
    const epoch = (value.kind === 'mastership' ? application.epoch + 1 : application.epoch) as Epoch;
    application.apply({ instance, epoch, value, current, logChain: this.#logChain });
    if (value.kind === 'configuration') this.configurations.chosen(instance, value.configuration);
  }

  /** As a snapshot file, part by part; its digest comes out at the end. */
  parts({ id, generation }: { readonly id: string; readonly generation: number }): Generator<Uint8Array, string> {
    const { application, configurations } = this;
    const instance = this.#instance as Instance;
    const view = application.view();
    const header: SnapshotHeader = {
      cellId: id,
      generation,
      handle: {
        instance,
        epoch: application.epoch,
        cellTimeMs: application.cellTimeMs,
        configurations: configurations.from(instance + 1),
      },
      level: application.level,
      logChain: this.#logChain,
      checksum: view.checksum,
      records: view.count,
      entries: view.entryCount,
    };
    return snapshotParts({ header, records: view.records() }, this.#digest);
  }
}

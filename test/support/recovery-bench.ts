/** One member's part in making a new generation, on a simulated disk: what the others say and what time it is comes from the test. */
import type { Instance } from '../../src/core/consensus/identity.ts';
import type { GenerationAttempt } from '../../src/formats/manifest.ts';
import { DatabaseApplication } from '../../src/runtime/database-application.ts';
import type { Logger } from '../../src/runtime/logger.ts';
import { type GenerationView, Recovery, type RecoveryOptions } from '../../src/runtime/recovery.ts';
import type { SimulatedDisk } from '../../src/simulator/disk.ts';
import type { ReplicaStorage } from '../../src/storage/replica-storage.ts';
import { digest, formation, formedDisk, handle, open, simulatedDisk } from '../storage/support.ts';

const logger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} } as unknown as Logger;

/** Writes the state of `attempt` as another would have made it; its members are those of the formation. */
export async function readyFor(
  storage: ReplicaStorage,
  attempt: Pick<GenerationAttempt, 'generation' | 'generationId'>,
  numbers: number,
): Promise<GenerationAttempt> {
  const present = storage.manifest.attempt;
  const fenced: GenerationAttempt =
    present !== null && present.generationId === attempt.generationId
      ? present
      : { ...attempt, step: 'fenced', decision: '', source: '', state: null, before: null };
  if (fenced !== present) await storage.setAttempt(fenced);
  const state = await stateFor(storage, fenced, numbers);
  return { ...fenced, step: 'ready', decision: '01'.repeat(32), state, before: null };
}

/** The state alone. */
export async function stateFor(
  storage: ReplicaStorage,
  attempt: GenerationAttempt,
  numbers: number,
): Promise<NonNullable<GenerationAttempt['state']>> {
  const database = new DatabaseApplication({ digest });
  const view = database.view();
  const { bytes, sha256 } = await storage.writeState(attempt, {
    header: {
      cellId: 'cell-1',
      generation: attempt.generation,
      handle: handle(numbers),
      level: 1,
      logChain: new Uint8Array(32).fill(9),
      checksum: view.checksum,
      records: view.count,
      entries: 0,
    },
    records: view.records(),
    pause: () => Promise.resolve(),
  });
  return { instance: numbers, bytes, sha256 };
}

export class RecoveryBench {
  readonly storage: ReplicaStorage;
  readonly disk: SimulatedDisk;
  readonly recovery: Recovery;
  /** What the others answer, by name; the rest does not. */
  readonly views = new Map<string, GenerationView>();
  reopened = 0;
  readonly leftBehind: number[] = [];
  silent = false;
  #timers: (() => void)[] = [];
  #endFetches: () => void = () => undefined;
  readonly #fetches = new Promise<never>((_, reject) => {
    this.#endFetches = () => reject(new Error('the connection was lost'));
  });

  static async open(
    disk: SimulatedDisk | null = null,
    prepare: (storage: ReplicaStorage) => Promise<void> = async () => {},
  ): Promise<RecoveryBench> {
    const on = disk ?? (await formedDisk(simulatedDisk()));
    const storage = await open(on);
    await prepare(storage);
    return new RecoveryBench(on, storage);
  }

  private constructor(disk: SimulatedDisk, storage: ReplicaStorage) {
    this.disk = disk;
    this.storage = storage;
    const [from] = formation().configurations;
    const log = {
      self: 'n1#1',
      appliedUpTo: 0 as Instance,
      logChain: new Uint8Array(32),
      frozen: null,
      fence: () => {
        this.silent = true;
      },
      core: {
        configuration: from?.configuration,
        configurations: formation().configurations,
        chosenUpTo: 0,
        isSetAside: false,
        acceptedFrom: () => [],
        badFrom: () => [],
      },
    };
    const clocks = {
      now: () => ({ monotonicMs: 0, wallMs: 0 }),
      nextTurn: (callback: () => void) => setImmediate(callback),
      schedule: (_at: number, callback: () => void) => {
        this.#timers.push(callback);
        return { cancel: () => undefined };
      },
    };
    const options = {
      joined: {
        log,
        storage,
        application: new DatabaseApplication({ digest }),
        network: { fetchSnapshot: () => this.#fetches },
        fencing: { disk: 'compared' },
      },
      world: { clocks, digest },
      logger,
      askGeneration: async (url: string) => this.views.get(/n\d/.exec(url)?.[0] ?? '') ?? null,
      reopen: () => void this.reopened++,
      onLeftBehind: (generation: number) => void this.leftBehind.push(generation),
    };
    this.recovery = new Recovery(options as unknown as RecoveryOptions);
  }

  /** States that are fetched from others come to nothing from now on. */
  endFetches(): void {
    this.#endFetches();
  }

  get attempt(): GenerationAttempt | null {
    return this.storage.manifest.attempt;
  }

  /** One look at the others, if it is waiting for one. */
  async look(): Promise<void> {
    const timers = this.#timers;
    this.#timers = [];
    for (const timer of timers) timer();
    // It looks again unless it went on.
    for (
      let i = 0;
      i < 200 && timers.length > 0 && this.#timers.length === 0 && this.reopened + this.leftBehind.length === 0;
      i++
    ) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Closed and opened again on the same disk. */
  async restarted(): Promise<RecoveryBench> {
    this.recovery.close();
    await this.storage.close();
    return RecoveryBench.open(this.disk);
  }
}

/**
 * P-11 struck again and again in one simulated cell of five: one bit of one stored value changes in the memory of one replica,
 * the master as often as not. Production core, runtime and storage above simulated disks, networks and clocks.
 *
 * Of every case must hold (I15): the replica is set aside within one interval of the check; no other is; writes go on; and it comes
 * back with the database of the others (I14), which the simulator's own checkers compare after every instance.
 */
import { PackedEntryStore } from '../../src/core/database/packed-entry-store.ts';
import { Random } from '../../src/core/random.ts';
import { databaseRecordCodec } from '../../src/formats/database-record.ts';
import { History } from '../../src/simulator/history.ts';
import { Machine } from '../../src/simulator/machine.ts';
import { SimulatedNetwork } from '../../src/simulator/network.ts';
import { calmNetwork } from '../../src/simulator/network-faults.ts';
import { Observer } from '../../src/simulator/observer.ts';
import { drawProfile, type Profile } from '../../src/simulator/profile.ts';
import { Trace } from '../../src/simulator/trace.ts';
import { Scheduler } from '../../src/simulator/virtual-clock.ts';
import { flipValue } from './flip-value.ts';

export interface FlipCase {
  readonly member: string;
  readonly wasMaster: boolean;
  /** Simulated, from the flip until the replica was set aside; null when it was not. */
  readonly foundAfterMs: number | null;
  /** From the flip until it took part again; null when it did not within ten intervals. */
  readonly backAfterMs: number | null;
  /** Others that were set aside meanwhile. */
  readonly others: readonly string[];
  /** Writes that were answered between the flip and the return, and the longest time without one. */
  readonly writes: number;
  readonly longestGapMs: number;
}

export interface FlipSearch {
  readonly seed: string;
  readonly cases: number;
  readonly replicas?: number;
}

export const checkEveryMs = 1_000;
const leaseMs = 200;
/** Keys that are flipped; clients write to others, so that nothing but the check can find the change. */
const coldKeys = 40;
const writeEveryMs = 25;

/** The bound of I15: an interval, and what the scan, the messages and a lost mastership take. */
export const foundMsMax = checkEveryMs + 2 * leaseMs;

class FlippedCell {
  readonly #scheduler = new Scheduler();
  readonly #random: Random;
  readonly #machines: readonly Machine[];
  readonly #stores = new Map<string, PackedEntryStore>();
  #failure: Error | null = null;
  #answered = 0;
  #answeredMs = 0;
  #gapMs = 0;

  constructor({ seed, replicas = 5 }: FlipSearch) {
    this.#random = new Random(seed);
    const scheduler = this.#scheduler;
    const drawn = drawProfile(this.#random.fork('profile'), { replicas, calm: true });
    const profile: Profile = {
      ...drawn,
      ...{ leaseMs, alpha: 32, checkEveryMs, snapshotLogBytes: 300_000, segmentBytes: 256 * 1024, flushMeanMs: 0.5 },
      ...{ limits: {}, driftPpm: 10_000, network: { ...calmNetwork, delayMsMin: 0.5, delayMsMean: 0.5 } },
    };
    const network = new SimulatedNetwork({
      scheduler: {
        now: () => scheduler.nowMs,
        schedule: (delayMs, callback, settles) => void scheduler.after(delayMs, callback, settles),
      },
      random: this.#random.fork('network'),
      faults: profile.network,
      codec: false,
      snapshotChunkBytes: 65_536,
      snapshotStallMs: 4 * leaseMs,
    });
    const members = Array.from({ length: replicas }, (_, i) => ({
      ...{ name: `n${i + 1}`, url: `sim://n${i + 1}`, incarnation: 1, role: 'voter' as const },
    }));
    const formation = { members, alpha: profile.alpha, leaseMs, driftPpm: profile.driftPpm };
    const observer = new Observer({
      formation,
      history: new History(),
      trace: new Trace(),
      now: () => scheduler.nowMs,
      believers: () => this.#machines.flatMap((machine) => machine.front.believer() ?? []),
    });
    this.#machines = members.map(
      ({ name }) =>
        new Machine({
          ...{ name, scheduler, network, profile, formation, observer, random: this.#random.fork(name) },
          note: (...parts) =>
            void (process.env.FLIP_LOG && process.stderr.write(`${scheduler.nowMs} ${parts.join(' ')}\n`)),
          makeEntryStore: (member) => {
            const store = new PackedEntryStore(databaseRecordCodec);
            this.#stores.set(member, store);
            return store;
          },
          peers: (peer) => this.#machines.find((machine) => machine.name === peer),
          onFatal: (machine, error) => this.#fail(new Error(`${machine.name} ended: ${error.message}`)),
          onRecovered: () => undefined,
        }),
    );
  }

  #fail(error: Error): void {
    this.#failure ??= error;
  }

  async start(): Promise<void> {
    let formed = false;
    void Promise.all(this.#machines.map((machine) => machine.form())).then(() => {
      formed = true;
    });
    await this.#scheduler.run(60_000, () => formed);
    for (const machine of this.#machines) machine.boot();
    await this.#until(60_000, () => this.#master() !== null);
    for (let key = 0; key < coldKeys; key++) this.#write(`cold${key}`);
    await this.#until(10_000, () => this.#answered >= coldKeys && this.#machines.every((it) => this.#holds(it)));
    this.#writeLater();
  }

  #holds({ name }: Machine): boolean {
    return (this.#stores.get(name)?.size ?? 0) >= coldKeys;
  }

  /** True when `done` within `ms`. @throws what a checker found. */
  async #until(ms: number, done: () => boolean): Promise<boolean> {
    await this.#scheduler.run(this.#scheduler.nowMs + ms, () => this.#failure !== null || done());
    if (this.#failure !== null) throw this.#failure;
    return done();
  }

  #master(): Machine | null {
    return this.#machines.find((machine) => machine.log?.isServing() === true) ?? null;
  }

  #write(key: string): void {
    const service = this.#master()?.service;
    if (service == null) return;
    // biome-ignore lint/suspicious/noThenProperty: the name in the paper and in the contract.
    const multiOp = { guard: [], then: [{ op: 'put', key, value: Buffer.from(`of ${key}`) } as const], else: [] };
    service.submit({ kind: 'multiop', multiOp, session: null, ifEpoch: null }, (outcome) => {
      if (outcome.kind !== 'result') return;
      const now = this.#scheduler.nowMs;
      this.#gapMs = Math.max(this.#gapMs, now - this.#answeredMs);
      this.#answered++;
      this.#answeredMs = now;
    });
  }

  #writeLater(): void {
    this.#scheduler.after(writeEveryMs, () => {
      this.#write(`hot${this.#random.below(100)}`);
      this.#writeLater();
    });
  }

  #setAside(): readonly string[] {
    return this.#machines.flatMap(({ name, log }) => (log?.core.isSetAside === true ? [name] : []));
  }

  async strike(): Promise<FlipCase> {
    await this.#until(60_000, () => this.#master() !== null && this.#setAside().length === 0);
    // At any point of an interval.
    await this.#until(this.#random.below(checkEveryMs), () => false);
    const master = this.#master();
    const victim = master !== null && this.#random.chance(0.5) ? master : this.#random.pick(this.#machines);
    const store = this.#stores.get(victim.name) as PackedEntryStore;
    const atMs = this.#scheduler.nowMs;
    const answered = this.#answered;
    this.#gapMs = 0;
    this.#answeredMs = atMs;
    const others = new Set<string>();
    flipValue(store, `cold${this.#random.below(coldKeys)}`);
    const found = await this.#until(foundMsMax, () => this.#setAside().includes(victim.name));
    const foundAfterMs = found ? this.#scheduler.nowMs - atMs : null;
    const back = await this.#until(10 * checkEveryMs, () => {
      for (const name of this.#setAside()) if (name !== victim.name) others.add(name);
      return victim.log?.core.isSetAside === false && this.#stores.get(victim.name) !== store;
    });
    const backAfterMs = back ? this.#scheduler.nowMs - atMs : null;
    // A write was under way, or the next one goes through: the majority never stops.
    await this.#until(4 * leaseMs, () => this.#answered > answered);
    return {
      member: victim.name,
      wasMaster: victim === master,
      foundAfterMs,
      backAfterMs,
      others: [...others],
      writes: this.#answered - answered,
      longestGapMs: Math.max(this.#gapMs, this.#scheduler.nowMs - this.#answeredMs),
    };
  }

  get simulatedMs(): number {
    return this.#scheduler.nowMs;
  }
}

/** Yields one after the other. @throws what a checker of the simulator found. */
export async function* searchFlips(search: FlipSearch): AsyncGenerator<FlipCase & { readonly simulatedMs: number }> {
  const cell = new FlippedCell(search);
  await cell.start();
  for (let n = 0; n < search.cases; n++) yield { ...(await cell.strike()), simulatedMs: cell.simulatedMs };
}

/** What is wrong with a case; null when nothing is. */
export function problemOf({ foundAfterMs, backAfterMs, others, longestGapMs, writes }: FlipCase): string | null {
  if (foundAfterMs === null) return `not found within ${foundMsMax} ms`;
  if (backAfterMs === null) return 'never came back';
  if (others.length > 0) return `${others.join(', ')} set aside as well`;
  if (writes === 0) return 'no write went through';
  // Without a hand-over the others wait for the lease to end and elect: three leases, as after any loss of a master.
  return longestGapMs > 3 * leaseMs ? `no write for ${Math.round(longestGapMs)} ms` : null;
}

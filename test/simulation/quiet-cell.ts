/** A whole cell in one thread without faults and without the checkers, for tests that put its disks back themselves. */
import { expect } from 'vitest';
import type { Configuration } from '../../src/core/consensus/configuration.ts';
import type { MultiOp } from '../../src/core/database/command.ts';
import { Random } from '../../src/core/random.ts';
import { DataRolledBackError } from '../../src/errors/index.ts';
import type { ClientReply, ClientRequest } from '../../src/simulator/front.ts';
import { Machine } from '../../src/simulator/machine.ts';
import { SimulatedNetwork } from '../../src/simulator/network.ts';
import type { Observer } from '../../src/simulator/observer.ts';
import { drawProfile } from '../../src/simulator/profile.ts';
import { Scheduler } from '../../src/simulator/virtual-clock.ts';

/** Its checkers hold that no acknowledged write is ever lost: here that is what happens. */
const nobodyLooks = new Proxy({}, { get: () => () => undefined }) as Observer;

/** Three simulated replicas with short leases and quick disks, to which a test does what no checker of the simulator allows. */
export class QuietCell {
  readonly scheduler = new Scheduler();
  readonly random: Random;
  readonly machines: readonly Machine[];
  /** Names of the errors with which a replica may refuse its disk, besides that it was rolled back. */
  readonly refusals = new Set<string>();
  #written = 0;

  constructor(seed: number) {
    this.random = new Random(`quiet cell ${seed}`);
    const { scheduler, random } = this;
    const drawn = drawProfile(random.fork('profile'), { replicas: 3, calm: true });
    // Short leases, and a network and disks that are quick enough for them.
    const network = { ...drawn.network, delayMsMin: 0.5, delayMsMean: 1 };
    const profile = { ...drawn, network, leaseMs: 200, flushMeanMs: 0.5 };
    const members = ['n1', 'n2', 'n3'].map((name) => ({
      name,
      incarnation: 1,
      role: 'voter' as const,
      url: `http://${name}.simulated`,
    }));
    const { alpha, leaseMs, driftPpm } = profile;
    const formation: Configuration = { members, alpha, leaseMs, driftPpm };
    const links = new SimulatedNetwork({
      scheduler: {
        now: () => scheduler.nowMs,
        schedule: (delayMs, callback, settles) => void scheduler.after(delayMs, callback, settles),
      },
      random: random.fork('network'),
      faults: profile.network,
      codec: true,
      snapshotChunkBytes: 4096,
      snapshotStallMs: 4 * leaseMs,
    });
    this.machines = members.map(
      ({ name }) =>
        new Machine({
          name,
          scheduler,
          random: random.fork(name),
          network: links,
          profile,
          formation,
          observer: nobodyLooks,
          note: () => undefined,
          peers: (peer) => this.machines.find((machine) => machine.name === peer),
          onFatal: (machine, error) => {
            if (!(error instanceof DataRolledBackError || this.refusals.has(error.name))) throw error;
            const code = error instanceof DataRolledBackError ? error.code : error.name;
            machine.halt({ code, message: error.message, item: machine.name });
          },
          onRecovered: () => undefined,
        }),
    );
  }

  async start(): Promise<void> {
    let formed = false;
    const forming = Promise.all(this.machines.map((machine) => machine.form())).then(() => {
      formed = true;
    });
    await this.until(() => formed);
    await forming;
    for (const machine of this.machines) machine.boot();
  }

  /** The value of the newest write is this number. */
  get written(): number {
    return this.#written;
  }

  async run(ms: number): Promise<void> {
    await this.scheduler.run(this.scheduler.nowMs + ms);
  }

  async until(condition: () => boolean): Promise<void> {
    await this.scheduler.run(this.scheduler.nowMs + 60_000, condition);
    expect(condition()).toBe(true);
  }

  /** What `machine` answers; it may take a while. */
  async ask(machine: Machine, request: ClientRequest): Promise<ClientReply> {
    let reply: ClientReply | null = null;
    machine.front.serve(request, (answer) => {
      reply = answer;
    });
    await this.scheduler.run(this.scheduler.nowMs + 2_000, () => reply !== null);
    return reply ?? { kind: 'none', retryAfterMs: 0 };
  }

  /** One acknowledged write of a client that asks until it is done. Its mark. */
  async write(machines = this.machines): Promise<string> {
    for (let tries = 0; tries < 400; tries++) {
      const value = Buffer.from(String(++this.#written));
      // biome-ignore lint/suspicious/noThenProperty: guard, then, else are the names of PML §5.6 and of the contract.
      const multiOp: MultiOp = { guard: [], then: [{ op: 'put', key: 'k', value }], else: [] };
      const command = { kind: 'multiop', multiOp, session: null, ifEpoch: null } as const;
      const reply = await this.ask(this.random.pick(machines), { kind: 'write', command });
      if (reply.kind === 'written') return reply.mark;
      await this.run(20);
    }
    throw new Error('no write was acknowledged');
  }
}

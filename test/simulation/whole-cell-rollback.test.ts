/**
 * A whole simulated cell goes back to an older state: all disks at once, which nothing in the cell can know. One client remembers.
 * Whatever it asks of whomever, it is never given an older state, and in the end the cell is frozen (design §4 "Position mark").
 */
import { describe, expect, it } from 'vitest';
import type { Configuration } from '../../src/core/consensus/configuration.ts';
import type { MultiOp } from '../../src/core/database/command.ts';
import { Random } from '../../src/core/random.ts';
import type { ClientReply, ClientRequest } from '../../src/simulator/front.ts';
import { Machine } from '../../src/simulator/machine.ts';
import { SimulatedNetwork } from '../../src/simulator/network.ts';
import type { Observer } from '../../src/simulator/observer.ts';
import { drawProfile } from '../../src/simulator/profile.ts';
import { Scheduler } from '../../src/simulator/virtual-clock.ts';

/** Its checkers hold that no acknowledged write is ever lost: here that is what happens. */
const nobodyLooks = new Proxy({}, { get: () => () => undefined }) as Observer;

class RolledBackCell {
  readonly scheduler = new Scheduler();
  readonly random: Random;
  readonly machines: readonly Machine[];
  #written = 0;

  constructor(seed: number) {
    this.random = new Random(`whole cell ${seed}`);
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
          onFatal: (_, error) => {
            throw error;
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
    machine.serve(request, (answer) => {
      reply = answer;
    });
    await this.scheduler.run(this.scheduler.nowMs + 2_000, () => reply !== null);
    return reply ?? { kind: 'none', retryAfterMs: 0 };
  }

  /** One acknowledged write of a client that asks until it is done. Its mark. */
  async write(): Promise<string> {
    for (let tries = 0; tries < 400; tries++) {
      const value = Buffer.from(String(++this.#written));
      // biome-ignore lint/suspicious/noThenProperty: guard, then, else are the names of PML §5.6 and of the contract.
      const multiOp: MultiOp = { guard: [], then: [{ op: 'put', key: 'k', value }], else: [] };
      const command = { kind: 'multiop', multiOp, session: null, ifEpoch: null } as const;
      const reply = await this.ask(this.random.pick(this.machines), { kind: 'write', command });
      if (reply.kind === 'written') return reply.mark;
      await this.run(20);
    }
    throw new Error('no write was acknowledged');
  }
}

async function lostMark(cell: RolledBackCell): Promise<string> {
  const { random } = cell;
  await cell.start();
  for (let i = 0; i < 1 + random.below(6); i++) await cell.write();
  await cell.run(random.between(0, 3_000));
  const images = cell.machines.map((machine) => machine.disk.copy().image);
  let mark = '';
  for (let i = 0; i < 1 + random.below(6); i++) {
    // Sometimes it has been in another epoch by then.
    if (random.chance(0.3)) {
      const machine = random.pick(cell.machines);
      machine.kill({ writes: 'process' }, random);
      machine.boot();
    }
    mark = await cell.write();
  }
  // Copies of one moment under way: as a power loss leaves them.
  for (const [i, machine] of cell.machines.entries()) machine.restore(images[i] as (typeof images)[0], random);
  return mark;
}

describe('a whole cell that went back', () => {
  it.each(Array.from({ length: 40 }, (_, i) => i + 1))(
    'gives a client that remembers nothing older, and freezes (seed %i)',
    async (seed) => {
      const cell = new RolledBackCell(seed);
      const { random, machines } = cell;
      const mark = await lostMark(cell);
      // Others who remember nothing may take it far beyond the mark.
      for (let i = 0; i < random.below(20); i++) await cell.write();
      const frozen = (): boolean => machines.every(({ log }) => log?.frozen != null);
      for (let asked = 0; asked < 400 && !frozen(); asked++) {
        const machine = random.pick(machines);
        if (random.chance(0.02)) {
          machine.kill({ writes: 'process' }, random);
          machine.boot();
        }
        const stale = random.chance(0.5);
        const reply = await cell.ask(machine, { kind: 'read', key: 'k', stale, mark });
        expect(reply.kind, JSON.stringify(reply)).not.toBe('read');
        await cell.run(random.between(1, 100));
      }
      await cell.until(frozen);
      for (const machine of machines) {
        expect(await cell.ask(machine, { kind: 'read', key: 'k', stale: true, mark: null })).not.toHaveProperty(
          'value',
        );
      }
    },
    30_000,
  );
});

import { describe, expect, it } from 'vitest';
import type { ReplicaId } from '../../src/core/consensus/identity.ts';
import { replicaId } from '../../src/core/consensus/identity.ts';
import { Random } from '../../src/core/random.ts';
import { SimulatedNetwork, type SimulatedNetworkOptions } from '../../src/simulator/network.ts';
import { exponential, type NetworkFaults } from '../../src/simulator/network-faults.ts';
import type { SimulatedPort } from '../../src/simulator/network-port.ts';
import { Scheduler } from '../../src/simulator/virtual-clock.ts';
import { commit, n1, n2, n3, snapshotOf } from '../contract/network.ts';

interface Heard {
  readonly atMs: number;
  readonly from: ReplicaId;
  readonly n: number;
}

function setUp(
  faults: Partial<NetworkFaults> = {},
  options: Partial<SimulatedNetworkOptions> & { seed?: number } = {},
) {
  const clock = new Scheduler();
  const network = new SimulatedNetwork({
    scheduler: {
      now: () => clock.nowMs,
      schedule: (delayMs, callback, settles) => void clock.after(delayMs, callback, settles),
    },
    random: new Random(options.seed ?? 1),
    faults,
    ...options,
  });
  const start = (id: ReplicaId, boot = 1): { port: SimulatedPort; heard: Heard[] } => {
    const port = network.port(id, { boot: { number: boot, id: `b${boot}` } });
    port.setPeers([n1, n2, n3].map((it) => ({ id: it, url: '' })));
    const heard: Heard[] = [];
    port.onMessage((from, message) => {
      if (message.kind === 'commit') heard.push({ atMs: clock.nowMs, from, n: message.chosenUpTo });
    });
    return { port, heard };
  };
  const sendMany = (port: SimulatedPort, to: ReplicaId, count: number, everyMs = 1) => {
    for (let i = 0; i < count; i++) clock.after(i * everyMs, () => port.send(to, commit(i)));
  };
  return { clock, network, start, sendMany };
}

const numbers = (heard: readonly Heard[]) => heard.map(({ n }) => n);
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('the simulated network', () => {
  it('when calm delivers everything once, in order', async () => {
    const { clock, network, start, sendMany } = setUp();
    const [a, b] = [start(n1), start(n2)];
    sendMany(a.port, n2, 500, 0.01);
    await clock.run(10_000);
    expect(numbers(b.heard)).toEqual(upTo(500));
    expect(Object.values(network.counts).every((count) => count === 0)).toBe(true);
  });

  it('is the same for the same seed, and another for another', async () => {
    const run = async (seed: number) => {
      const faults = { loss: 0.1, duplication: 0.1, replay: 0.05, reorder: 0.5, tail: 0.02, corruption: 0.02 };
      const { clock, network, start, sendMany } = setUp(faults, { seed, codec: true });
      const [a, b] = [start(n1), start(n2)];
      sendMany(a.port, n2, 300);
      await clock.run(400_000);
      return JSON.stringify([b.heard, network.counts]);
    };
    expect(await run(5)).toBe(await run(5));
    expect(await run(5)).not.toBe(await run(6));
  });

  it('loses, doubles, replays, reorders, delays and spoils as often as it was told, and counts it', async () => {
    const faults = {
      loss: 0.2,
      duplication: 0.2,
      replay: 0.1,
      replayMsMax: 60_000,
      reorder: 0.5,
      tail: 0.05,
      corruption: 0.1,
    };
    const { clock, network, start, sendMany } = setUp({ ...faults, delayMsMean: 5 }, { codec: true });
    const [a, b] = [start(n1), start(n2)];
    sendMany(a.port, n2, 2_000);
    await clock.run(200_000);
    const { counts } = network;
    expect(counts.loss).toBeGreaterThan(350);
    expect(counts.duplicate).toBeGreaterThan(250);
    expect(counts.replay).toBeGreaterThan(150);
    expect(counts.overtaken).toBeGreaterThan(100);
    expect(counts['tail-delay']).toBeGreaterThan(60);
    expect(counts.corrupt).toBeGreaterThan(100);
    expect(b.heard.length).toBe(network.delivered);
    expect(b.heard.some(({ atMs, n }) => atMs - n > 30_000)).toBe(true);
    expect(numbers(b.heard)).not.toEqual([...numbers(b.heard)].sort((x, y) => x - y));
  });

  it('draws exponential delays of the right mean', () => {
    const random = new Random(3);
    let sum = 0;
    for (let i = 0; i < 50_000; i++) sum += exponential(random);
    expect(sum / 50_000).toBeGreaterThan(0.97);
    expect(sum / 50_000).toBeLessThan(1.03);
  });

  it('cut one way carries the other way', async () => {
    const { clock, network, start } = setUp();
    const [a, b] = [start(n1), start(n2)];
    network.cut('n1', 'n2');
    a.port.send(n2, commit(1));
    b.port.send(n1, commit(2));
    await clock.run(100);
    expect([numbers(a.heard), numbers(b.heard)]).toEqual([[2], []]);
    expect(network.counts.cut).toBe(1);
    expect(a.port.connected()).not.toContain(n2);
    network.mend('n1', 'n2');
    a.port.send(n2, commit(3));
    await clock.run(200);
    expect(numbers(b.heard)).toEqual([3]);
  });

  it('cut while a message is under way loses it', async () => {
    const { clock, network, start } = setUp({ delayMsMin: 50 });
    const [a, b] = [start(n1), start(n2)];
    a.port.send(n2, commit(1));
    clock.after(10, () => network.cut('n1', 'n2'));
    await clock.run(200);
    expect(b.heard).toEqual([]);
  });

  it('partitioned carries within a group only; a new partition replaces the old', async () => {
    const { clock, network, start } = setUp();
    const [a, b, c] = [start(n1), start(n2), start(n3)];
    network.partition([['n1'], ['n2', 'n3']]);
    a.port.send(n2, commit(1));
    b.port.send(n3, commit(2));
    await clock.run(100);
    network.partition([['n1', 'n2'], ['n3']]);
    a.port.send(n2, commit(3));
    b.port.send(n3, commit(4));
    await clock.run(200);
    expect([numbers(b.heard), numbers(c.heard)]).toEqual([[3], [2]]);
    expect(network.counts.partition).toBe(2);
  });

  it('clogged holds everything back and lets it go at once, in order', async () => {
    const { clock, network, start, sendMany } = setUp();
    const [a, b] = [start(n1), start(n2)];
    network.clog('n1', 'n2');
    sendMany(a.port, n2, 20);
    await clock.run(5_000);
    expect(b.heard).toEqual([]);
    clock.after(0, () => network.unclog('n1', 'n2'));
    await clock.run(10_000);
    expect(numbers(b.heard)).toEqual(upTo(20));
    expect(new Set(b.heard.map(({ atMs }) => atMs)).size).toBe(1);
  });

  it('flickering is down for its share of each period', async () => {
    const { clock, network, start, sendMany } = setUp();
    const [a, b] = [start(n1), start(n2)];
    network.flicker('n1', 'n2', 100, 0.5);
    sendMany(a.port, n2, 1_000);
    await clock.run(5_000);
    expect(b.heard.length).toBeGreaterThan(450);
    expect(b.heard.length).toBeLessThan(550);
    expect(b.heard.every(({ n }) => n % 100 >= 45)).toBe(true);
  });

  it('healed forgets every fault, the slow messages in front included', async () => {
    const { clock, network, start, sendMany } = setUp({ loss: 1 });
    const [a, b] = [start(n1), start(n2)];
    network.cut('n1', 'n2');
    network.partition([['n1'], ['n2']]);
    network.clog('n1', 'n2');
    network.flicker('n1', 'n2', 10, 1);
    network.heal();
    sendMany(a.port, n2, 50);
    await clock.run(1_000);
    expect(numbers(b.heard)).toEqual(upTo(50));
  });

  it('gives a crashed replica nothing, and its next life what was meant for the one before', async () => {
    const { clock, network, start } = setUp({ delayMsMin: 50 });
    const [a, b] = [start(n1), start(n2)];
    a.port.send(n2, commit(1));
    network.crash(n2);
    b.port.send(n1, commit(9));
    const again = start(n2, 2);
    await clock.run(200);
    expect([numbers(b.heard), numbers(again.heard), numbers(a.heard)]).toEqual([[], [1], []]);
  });

  it('brings messages of an older life after those of a newer one, counted', async () => {
    const { clock, network, start } = setUp();
    const [a, b] = [start(n1), start(n2)];
    a.port.send(n2, commit(0));
    await clock.run(100);
    network.setFaults({ delayMsMin: 500 });
    a.port.send(n2, commit(1));
    network.crash(n1);
    network.setFaults({ delayMsMin: 1, reorder: 1 });
    start(n1, 2).port.send(n2, commit(2));
    await clock.run(2_000);
    expect(numbers(b.heard)).toEqual([0, 2, 1]);
    expect(network.counts['older-life']).toBe(1);
  });

  it('never brings a message to another incarnation of the member', async () => {
    const { clock, network, start } = setUp({ delayMsMin: 50 });
    const a = start(n1);
    start(n2);
    a.port.send(n2, commit(1));
    network.crash(n2);
    const next = network.port(replicaId('n2', 7));
    const heard: unknown[] = [];
    next.onMessage((_, message) => heard.push(message));
    await clock.run(200);
    expect(heard).toEqual([]);
    expect(network.counts['receiver-down']).toBe(1);
  });

  it('loses snapshot connections, and lets them stall behind a cut', async () => {
    const { clock, network, start } = setUp({}, { snapshotStallMs: 1_000 });
    const [a, b] = [start(n1), start(n2)];
    b.port.onSnapshotRequest(async () => snapshotOf(1_000_000));
    const outcome = (promise: Promise<unknown>) => promise.catch((error: { reason?: string }) => error.reason);
    network.setFaults({ snapshotLoss: 1 });
    const lost = outcome(a.port.fetchSnapshot(n2, 0, async () => {}));
    await clock.run(clock.nowMs + 100);
    expect(await lost).toBe('lost');
    network.setFaults({ snapshotLoss: 0 });
    const cut = outcome(a.port.fetchSnapshot(n2, 0, async () => network.cut('n2', 'n1')));
    await clock.run(clock.nowMs + 5_000);
    expect(await cut).toBe('stalled');
    expect([network.counts['snapshot-lost'], network.counts['snapshot-stalled']]).toEqual([1, 1]);
  });

  it('never answers a reader that has crashed', async () => {
    const { clock, network, start } = setUp();
    const [a, b] = [start(n1), start(n2)];
    b.port.onSnapshotRequest(async () => snapshotOf(1_000_000));
    let answered = false;
    let chunks = 0;
    const fetch = a.port.fetchSnapshot(n2, 0, async () => {
      if (++chunks === 3) network.crash(n1);
    });
    const note = () => {
      answered = true;
    };
    fetch.then(note, note);
    await clock.run(60_000);
    expect([answered, chunks]).toEqual([false, 3]);
  });
});

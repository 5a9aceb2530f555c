/**
 * Cells of disks alone, by the thousand: members start, flush, meet and stop in any order; one disk is put back to an earlier
 * state. As soon as a witness that remembers more is met, directly or by what it has told others, the old disk must be found; and
 * no disk that is as new as it says may be. Production code of the fence, pitfalls §6 R8; `PAXOSCTL_TEST_FULL=1` runs 10,000.
 */
import { expect, it } from 'vitest';
import { type Boot, type BootHistory, contradiction } from '../../src/core/consensus/boot-history.ts';
import type { Configuration } from '../../src/core/consensus/configuration.ts';
import { type ReplicaId, replicaId } from '../../src/core/consensus/identity.ts';
import { type Remembered, WitnessMemory } from '../../src/core/consensus/witness-memory.ts';
import { Random } from '../../src/core/random.ts';
import type { PeerHello } from '../../src/ports/network.ts';
import { Fencing } from '../../src/runtime/fencing.ts';

const cases = process.env.PAXOSCTL_TEST_FULL === '1' ? 10_000 : 400;

interface Disk {
  readonly boots: readonly Boot[];
  readonly flush: number;
  readonly promiseFlush: number;
  readonly remembered: readonly Remembered[];
}

class Host {
  readonly id: ReplicaId;
  disk: Disk = { boots: [], flush: 0, promiseFlush: 0, remembered: [] };
  fencing: Fencing | null = null;
  #memory = new WitnessMemory();
  readonly #configuration: Configuration;
  readonly #random: Random;

  constructor(name: string, configuration: Configuration, random: Random) {
    this.id = replicaId(name, 1);
    this.#configuration = configuration;
    this.#random = random;
  }

  get memory(): WitnessMemory {
    return this.#memory;
  }

  start(): void {
    const { boots, flush, promiseFlush, remembered } = this.disk;
    const boot = { number: boots.length + 1, id: `b${this.#random.below(2 ** 31)}`, began: flush, promiseFlush };
    this.disk = { boots: [...boots, boot], flush: flush + 1, promiseFlush, remembered };
    this.#memory = new WitnessMemory();
    for (const { member, histories } of remembered) for (const it of histories) this.#memory.learn(member, it);
    this.fencing = new Fencing({
      self: this.id,
      memory: this.#memory,
      history: () => this.history,
      rule: 'majority',
      connected: () => [],
      configuration: () => this.#configuration,
      frozen: () => false,
      onCompared: () => undefined,
      onRolledBack: () => undefined,
      onFork: () => undefined,
      reconnect: () => undefined,
      nowMs: () => 0,
    });
  }

  get history(): BootHistory {
    const { boots, flush, promiseFlush } = this.disk;
    return { boots, flush, promiseFlush };
  }

  stop(): void {
    this.fencing = null;
  }

  /** What was learned goes out with the flush. */
  flush(): void {
    this.disk = { ...this.disk, flush: this.disk.flush + 1, remembered: this.#memory.all() };
  }

  hello(to: Host): PeerHello {
    const { boots, flush } = this.disk;
    const boot = boots.at(-1) as Boot;
    return {
      id: this.id,
      direction: 'inbound',
      purpose: 'stream',
      generation: 1,
      boot: { number: boot.number, id: boot.id },
      flush,
      programVersion: '0.0.0',
      protocols: { min: 1, max: 1 },
      testimony: (this.fencing as Fencing).testimony(to.id),
    };
  }
}

/** As a connection is made: the accepting side judges first, and its refusal ends it. */
function meet(dialler: Host, acceptor: Host): void {
  if (dialler.fencing === null || acceptor.fencing === null || dialler === acceptor) return;
  const [there, back] = [dialler.hello(acceptor), acceptor.hello(dialler)];
  const admission = acceptor.fencing.admit(there);
  if (!admission.ok) {
    dialler.fencing.onRefusal(acceptor.id, { ...admission, authentic: true });
    return;
  }
  if (!dialler.fencing.admit(back).ok) return;
  for (const [from, to] of [
    [dialler, acceptor],
    [acceptor, dialler],
  ] as const) {
    const { boots, flush, promiseFlush } = from.disk;
    to.fencing?.onMark(from.id, { boot: boots.length, flush, promiseFlush });
  }
}

function play(hosts: readonly Host[], random: Random, steps: number, busy: Host | null = null): void {
  for (let i = 0; i < steps; i++) {
    const host = random.chance(0.3) && busy !== null ? busy : random.pick(hosts);
    const what = random.next();
    if (host.fencing === null) host.start();
    else if (what < 0.1) host.stop();
    else if (what < 0.5) host.flush();
    else meet(host, random.pick(hosts));
  }
}

function cellOf(random: Random): readonly Host[] {
  const names = ['n1', 'n2', 'n3', 'n4', 'n5'].slice(0, random.pick([3, 5] as const));
  const members = names.map((name) => ({ name, incarnation: 1, role: 'voter' as const, url: `http://${name}` }));
  const configuration = { members, alpha: 8, leaseMs: 500, driftPpm: 0 };
  return names.map((name) => new Host(name, configuration, random));
}

const knowsBetter = (witness: Host, victim: Host): boolean =>
  witness.memory.of(victim.id).some((remembered) => contradiction(remembered, victim.history) !== null);

it(`finds an old disk in ${cases} of ${cases} cells in which a witness that remembers is met`, () => {
  let found = 0;
  for (let seed = 0; found < cases; seed++) {
    const random = new Random(`old disk ${seed}`);
    const hosts = cellOf(random);
    play(hosts, random, random.between(10, 60));
    const victim = random.pick(hosts);
    const old = victim.disk;
    play(hosts, random, random.between(5, 80), victim);
    victim.stop();
    victim.disk = old;
    for (const host of hosts) if (host.fencing === null) host.start();
    const witnesses = hosts.filter((host) => host !== victim && knowsBetter(host, victim));
    // What nobody remembers nobody can tell.
    if (witnesses.length === 0) continue;
    // It may meet those first who know of nothing, take part, and be started again before it meets the witness.
    const others = hosts.filter((host) => !witnesses.includes(host));
    play(others, random, random.below(20));
    if (victim.fencing === null) victim.start();
    const witness = random.pick(witnesses);
    if (random.chance(0.5)) meet(victim, witness);
    else meet(witness, victim);
    const facts = { seed, victim: victim.id, witness: witness.id };
    expect(victim.fencing?.rolledBack, JSON.stringify(facts)).toBeTruthy();
    found++;
  }
});

it(`suspects no disk that is as new as it says, in ${cases} cells`, () => {
  for (let seed = 0; seed < cases; seed++) {
    const random = new Random(`sound disks ${seed}`);
    const hosts = cellOf(random);
    play(hosts, random, 150);
    for (const host of hosts) {
      expect([host.fencing?.rolledBack ?? null, [...(host.fencing?.refused ?? [])]], `seed ${seed}`).toEqual([
        null,
        [],
      ]);
    }
  }
});

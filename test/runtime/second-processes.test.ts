/** What a replica tells of processes that it turns away, because another one of the same member is connected. */
import { describe, expect, it } from 'vitest';
import type { BootHistory } from '../../src/core/consensus/boot-history.ts';
import type { ReplicaId } from '../../src/core/consensus/identity.ts';
import { WitnessMemory } from '../../src/core/consensus/witness-memory.ts';
import { encodeTestimony } from '../../src/formats/witness.ts';
import { Fencing } from '../../src/runtime/fencing.ts';
import { SecondProcesses } from '../../src/runtime/second-processes.ts';

const boot = (number: number, id: string) => ({ number, id });
const hello = (id: string) =>
  ({
    id: 'n3#1' as ReplicaId,
    direction: 'inbound',
    purpose: 'stream',
    generation: 1,
    boot: boot(7, id),
    flush: 0,
    programVersion: '0.1.0',
    protocols: { min: 1, max: 1 },
    testimony: null,
    address: '10.0.0.9',
  }) as const;

function watched() {
  let nowMs = 1_000;
  const seconds = new SecondProcesses(() => nowMs);
  const comes = (id: string) => seconds.turnedAway(hello(id), boot(6, 'first'));
  const wait = (ms: number): void => {
    nowMs += ms;
  };
  return { seconds, comes, wait };
}

describe('a second process of a member', () => {
  it('is told of once it has kept coming, with where it comes from, and forgotten when it stays away', () => {
    const { seconds, comes, wait } = watched();
    comes('other');
    wait(3_000);
    comes('other');
    expect(seconds.documents()).toEqual([
      {
        ...{ name: 'n3', incarnation: 1, boot: 'other', connectedBoot: 'first' },
        ...{ address: '10.0.0.9', forMs: 3_000 },
      },
    ]);
    wait(15_001);
    expect(seconds.documents()).toEqual([]);
  });

  it('is none when a restart meets the connection of before for a moment', () => {
    const { seconds, comes, wait } = watched();
    comes('restarted');
    wait(1_000);
    comes('restarted');
    expect(seconds.documents()).toEqual([]);
  });

  it('that is started anew again and again takes no more room, and the present one is told of', () => {
    const { seconds, comes, wait } = watched();
    for (let boots = 0; boots < 100; boots++) comes(`crashes ${boots}`);
    wait(16_000);
    comes('stays');
    wait(4_000);
    comes('stays');
    expect(seconds.documents().map((it) => it.boot)).toEqual(['stays']);
  });
});

it('the fence tells of whom it turns away, and of nobody else', () => {
  const self = 'n1#1' as ReplicaId;
  const third = 'n3#1' as ReplicaId;
  let nowMs = 0;
  const hex = (digit: string): string => digit.repeat(32);
  const history = (id: string): BootHistory => ({
    boots: [{ number: 1, id: hex(id), began: 0, promiseFlush: 0 }],
    ...{ flush: 1, promiseFlush: 0 },
  });
  const member = (name: string) => ({ name, incarnation: 1, url: `http://${name}`, role: 'voter' as const });
  const fencing = new Fencing({
    ...{ self, memory: new WitnessMemory(), history: () => history('1'), rule: 'majority' },
    connected: () => [third],
    configuration: () => ({ members: ['n1', 'n2', 'n3'].map(member), alpha: 8, leaseMs: 500, driftPpm: 50_000 }),
    frozen: () => false,
    onCompared: () => undefined,
    onRolledBack: () => undefined,
    onFork: () => undefined,
    reconnect: () => undefined,
    nowMs: () => nowMs,
  });
  const comes = (id: string) =>
    fencing.admit({
      ...hello(hex(id)),
      boot: boot(1, hex(id)),
      testimony: encodeTestimony({ own: history(id), others: [] }),
    });
  expect(comes('a')).toEqual({ ok: true });
  for (; nowMs <= 4_000; nowMs += 1_000) expect(comes('b')).toMatchObject({ code: 'PAXOS_PEER_TWICE' });
  expect(comes('a')).toEqual({ ok: true });
  expect(fencing.secondProcesses.documents()).toMatchObject([
    { name: 'n3', boot: hex('b'), connectedBoot: hex('a'), address: '10.0.0.9' },
  ]);
});

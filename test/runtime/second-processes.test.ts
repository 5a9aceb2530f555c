/** What a replica tells of processes that it turns away, because another one of the same member is connected. */
import { describe, expect, it } from 'vitest';
import type { ReplicaId } from '../../src/core/consensus/identity.ts';
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

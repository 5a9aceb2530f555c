/** Draining the master: what is recorded is told as done, also where mastership could not be handed on at once. */
import { expect, it } from 'vitest';
import { MemberDrains, type MemberDrainsOptions } from '../../src/runtime/member-drains.ts';

it('a drain of the master that is recorded is done, though the hand-over was not; a warning says so', async () => {
  const writes: unknown[] = [];
  const members = ['n1', 'n2'].map((name) => ({ name, role: 'voter', incarnation: 1, url: '' }));
  const core = {
    ...{ cellTimeMs: () => 0, configuration: { members }, epoch: 4, handOverCandidate: () => 'n2#1' },
  };
  const drains = new MemberDrains({
    self: 'n1#1',
    log: { core, isServing: () => true },
    database: { system: new Map() },
    clocks: { now: () => ({ monotonicMs: 0, wallMs: 0 }) },
    submit: (command: unknown, done: (outcome: object) => void) => {
      writes.push(command);
      done({ kind: 'result', result: { kind: 'system', succeeded: true } });
    },
    transfer: async () => ({ kind: 'refused', code: 'PAXOS_TRANSFER_FAILED', message: 'n2 did not become master.' }),
  } as unknown as MemberDrainsOptions);
  expect(await drains.change({ member: 'n1', forMs: 60_000, dryRun: false })).toMatchObject({
    kind: 'done',
    drained: {
      ...{ member: 'n1', changed: true, handedTo: null, epoch: 4 },
      warning: expect.stringMatching(/^n2 did not become master\. The drain is recorded/),
    },
  });
  expect(writes).toHaveLength(1);
});

it('a master whose removal is chosen and does not govern yet gives its mastership on', () => {
  const members = ['n1', 'n2', 'n3'].map((name) => ({ name, role: 'voter', incarnation: 1, url: '' }));
  const given: unknown[] = [];
  const configurations = [{ from: 1, configuration: { members } }];
  const core = {
    ...{ cellTimeMs: () => 0, configuration: { members }, epoch: 4, handOverCandidate: () => 'n2#1', configurations },
  };
  const drains = new MemberDrains({
    self: 'n1#1',
    log: { core, isServing: () => true, handOver: (to: unknown) => given.push(to) },
    database: { system: new Map() },
    clocks: { now: () => ({ monotonicMs: 0, wallMs: 0 }) },
  } as unknown as MemberDrainsOptions);
  drains.keepAway();
  expect(given).toEqual([]);
  configurations.push({ from: 90, configuration: { members: members.slice(1) } });
  drains.keepAway();
  expect(given).toEqual(['n2#1']);
});

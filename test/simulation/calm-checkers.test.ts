import { describe, expect, test } from 'vitest';
import type { Configuration } from '../../src/core/consensus/configuration.ts';
import type { Effect } from '../../src/core/consensus/effect.ts';
import { replicaId } from '../../src/core/consensus/identity.ts';
import type { Input } from '../../src/core/consensus/input.ts';
import { noop } from '../../src/core/consensus/value.ts';
import { checkBounds, openFilesMax } from '../../src/simulator/checkers/bounds.ts';
import { checkRedundancyTold, checkRepaired, checkStability } from '../../src/simulator/checkers/calm.ts';
import { checkGroupChange } from '../../src/simulator/checkers/group.ts';
import { checkKept } from '../../src/simulator/checkers/kept-snapshots.ts';
import { PendingRequests } from '../../src/simulator/checkers/pending-requests.ts';
import { checkExpiry } from '../../src/simulator/checkers/session-terms.ts';
import { SnapshotBytesChecker } from '../../src/simulator/checkers/snapshot-bytes.ts';
import { checkStranger } from '../../src/simulator/checkers/strangers.ts';
import { FaultAtlas } from '../../src/simulator/faults/atlas.ts';

// Each is a broken run that must be found, beside a sound one that must not.

const group = (names: string, from: number): { from: number; configuration: Configuration } => ({
  from,
  configuration: {
    members: [...names].map((name) => ({ name, incarnation: 1, role: 'voter', url: '' })),
    alpha: 3,
    leaseMs: 500,
    driftPpm: 10_000,
  },
});

describe('groups', () => {
  test('may not allow two majorities without a common member (P45)', () => {
    checkGroupChange({ instance: 5, before: group('abcd', 1), after: group('bcd', 8) });
    checkGroupChange({ instance: 5, before: group('abc', 1), after: group('abcd', 8) });
    const swapped = { instance: 5, before: group('abc', 1), after: group('ade', 8) };
    expect(() => checkGroupChange(swapped)).toThrow('two majorities without a common member');
  });

  test('change one after the other: the next when the last is in force (P44)', () => {
    const early = { instance: 7, before: group('abcd', 8), after: group('abc', 10) };
    expect(() => checkGroupChange(early)).toThrow('before the last one is in force');
  });
});

describe('strangers', () => {
  const input = { kind: 'message', from: replicaId('x', 1), message: { kind: 'prepare' } } as unknown as Extract<
    Input,
    { kind: 'message' }
  >;
  const send = (kind: string, more: object = {}): Effect =>
    ({ kind: 'send', to: replicaId('x', 1), after: null, message: { kind, ...more } }) as unknown as Effect;

  test('get no promise, no vote and no acknowledgement (P05)', () => {
    checkStranger('a', input, [send('pre-vote-reply', { granted: false }), send('catch-up-reply')]);
    for (const effect of [send('promise'), send('accepted'), send('pre-vote-reply', { granted: true })]) {
      expect(() => checkStranger('a', input, [effect])).toThrow('no member');
    }
  });
});

describe('bounds', () => {
  const measured = { appliedUpTo: 10, alpha: 4, pendingItems: 5, pendingItemsMax: 5, openFiles: openFilesMax };
  const accept = (instance: number): Effect =>
    ({ kind: 'send', to: 'b#1', after: null, message: { kind: 'accept', instance, value: noop } }) as unknown as Effect;

  test('hold for queues, for open files and for the window of proposals', () => {
    checkBounds('a', measured, [accept(14)]);
    expect(() => checkBounds('a', { ...measured, pendingItems: 6 }, [])).toThrow('queues 6 submissions');
    expect(() => checkBounds('a', { ...measured, openFiles: openFilesMax + 1 }, [])).toThrow('files open');
    expect(() => checkBounds('a', measured, [accept(15)])).toThrow('more than 4 above');
  });
});

describe('snapshots', () => {
  test('of one instance are the same bytes everywhere (I14)', () => {
    const checker = new SnapshotBytesChecker();
    checker.taken('a', 7, 'aa');
    checker.taken('b', 7, 'aa');
    checker.taken('b', 8, 'bb');
    expect(() => checker.taken('c', 7, 'cc')).toThrow('snapshots of instance 7 differ');
  });
});

describe('requests', () => {
  test('are answered in bounded time, by whoever lives (L3)', () => {
    const pending = new PendingRequests();
    const first = pending.begin(0);
    pending.begin(900);
    expect(() => pending.check('a', 1_100, 1_000)).toThrow('has not answered a request for 1100 ms');
    first();
    pending.check('a', 1_100, 1_000);
    pending.clear();
    pending.check('a', 9_999, 1_000);
  });
});

describe('a calm cell', () => {
  test('keeps its master (L2)', () => {
    checkStability(3, 3, 1_000);
    expect(() => checkStability(3, 4, 1_000)).toThrow('1 changes of master');
  });

  test('names everybody who cannot be counted on (L4)', () => {
    checkRedundancyTold(['b'], ['b', 'c']);
    expect(() => checkRedundancyTold(['b', 'd'], ['b'])).toThrow('does not say that d');
  });
});

describe('sessions', () => {
  test('are not over before their time, by the fastest clock that was promised (I20)', () => {
    const term = { session: '1', ttlMs: 60_000, aliveMs: 1_000 };
    checkExpiry(term, 60_800, 10_000);
    expect(() => checkExpiry(term, 60_000, 10_000)).toThrow('expired after 59000 of 60000 ms');
  });
});

describe('the atlas of damage', () => {
  test('leaves a good majority, whatever is drawn', () => {
    const atlas = new FaultAtlas(2);
    atlas.damaged('a', 'bit-rot');
    atlas.damaged('b', 'missing-file');
    expect(['a', 'b', 'c'].map((member) => atlas.allows(member))).toEqual([true, true, false]);
    atlas.returned('a', 'bit-rot');
    expect(atlas.allows('c')).toBe(true);
  });

  test('lets nobody refuse a good disk, and nobody go on from one that must be refused (I11, I13)', () => {
    const atlas = new FaultAtlas(1);
    expect(() => atlas.halted('a', 'PAXOS_DATA_CORRUPT', '')).toThrow('refuses a disk that is good');
    atlas.damaged('a', 'promise-copy-bad');
    expect(() => atlas.halted('a', 'PAXOS_DATA_CORRUPT', '')).toThrow('refuses a disk that is good');
    atlas.wentOn('a');
    atlas.damaged('a', 'promise-copies-bad');
    atlas.halted('a', 'PAXOS_DATA_CORRUPT', '');
    expect(() => atlas.wentOn('a')).toThrow('goes on from a disk that was struck by promise-copies-bad');
  });
});

describe('snapshots that are kept', () => {
  const kept = (...instances: readonly number[]) => instances.map((instance) => ({ instance, verified: true }));

  test('hold what the log was cut for (P24)', () => {
    checkKept('a', kept(9, 4), 9);
    checkKept('a', [{ instance: 9, verified: false }, ...kept(4)], 9);
    expect(() => checkKept('a', kept(4), 9)).toThrow('no snapshot of 9');
    expect(() => checkKept('a', [], 1)).toThrow('no snapshot of 1');
  });

  test('are never replaced by older ones (P25)', () => {
    checkKept('a', [...kept(9, 4), { instance: 12, verified: false }], 9);
    expect(() => checkKept('a', kept(4, 9), 4)).toThrow('an older snapshot over a newer one');
    expect(() => checkKept('a', kept(9, 9), 9)).toThrow('an older snapshot over a newer one');
  });
});

describe('what a disk has lost', () => {
  test('comes back once nothing goes wrong any more', () => {
    checkRepaired([]);
    expect(() => checkRepaired(['b'])).toThrow('disk of b');
  });
});

/** What one replica does when its operator asks for snapshots, without the replica. */
import { describe, expect, it } from 'vitest';
import type { Instance, ReplicaId } from '../../src/core/consensus/identity.ts';
import type { ClockPort } from '../../src/ports/clocks.ts';
import type { SnapshotOutcome } from '../../src/runtime/log-replica-options.ts';
import { ReplicaSnapshots, type ReplicaSnapshotsOptions } from '../../src/runtime/replica-snapshots.ts';
import type { SnapshotDetails } from '../../src/storage/replica-storage.ts';

const details = (instance: number, verified = true): SnapshotDetails => ({
  instance,
  epoch: 1,
  generation: 1,
  entries: 1,
  bytes: 10,
  checksum: 'ab',
  digest: 'cd',
  createdAt: '2026-01-02T03:04:05.000Z',
  verified,
});

function replica({ applied = 9, kept = [] as SnapshotDetails[], flags = {} as object, point = true } = {}) {
  const asked: string[] = [];
  const state = {
    applied,
    kept,
    outcome: { kind: 'taken', instance: applied } as SnapshotOutcome,
    next: null as SnapshotOutcome | null,
  };
  const opened = (what: SnapshotDetails) => ({
    details: what,
    bytes: what.bytes,
    read: async () => new Uint8Array(what.bytes),
    close: async () => void asked.push('closed'),
  });
  const options = {
    log: {
      self: 'n1#1' as ReplicaId,
      get appliedUpTo() {
        return state.applied as Instance;
      },
      takeSnapshot: async () => {
        asked.push('take');
        if (state.outcome.kind === 'taken') state.kept = [details(state.outcome.instance), ...state.kept];
        const { outcome } = state;
        state.outcome = state.next ?? outcome;
        return outcome;
      },
      snapshotPoint: () =>
        point ? { handle: { instance: state.applied }, logChain: new Uint8Array(32), view: { close() {} } } : null,
    },
    storage: {
      snapshotDetails: async () => state.kept,
      openKeptSnapshot: async (instance: number | null) => {
        const found = state.kept.find((it) => instance === null || it.instance === instance);
        return found === undefined ? null : opened(found);
      },
      exportSnapshot: async () => {
        asked.push('export');
        return opened(details(state.applied));
      },
      readOnly: false,
      manifest: { flags: { frozen: false, quarantined: false, removed: false, ...flags } },
    },
    clocks: {} as ClockPort,
  };
  return { snapshots: new ReplicaSnapshots(options as unknown as ReplicaSnapshotsOptions), state, asked };
}

describe('taking a snapshot', () => {
  it('is not done where one holds everything already, nor in a dry run', async () => {
    const present = replica({ kept: [details(9)] });
    expect(await present.snapshots.take(false)).toMatchObject({
      kind: 'done',
      taken: false,
      snapshot: { instance: 9 },
    });
    const older = replica({ kept: [details(8), details(9, false)] });
    expect(await older.snapshots.take(true)).toEqual({ kind: 'would', instance: 9 });
    expect([present.asked, older.asked]).toEqual([[], []]);
    expect(await older.snapshots.take(false)).toMatchObject({ kind: 'done', taken: true, snapshot: { instance: 9 } });
  });

  it('goes on after one that was under way and holds less than was asked for', async () => {
    const { snapshots, state, asked } = replica();
    // The one that was joined began before the last instances were applied.
    state.outcome = { kind: 'taken', instance: 7 as Instance };
    state.next = { kind: 'taken', instance: 12 as Instance };
    expect(await snapshots.take(false)).toMatchObject({ kind: 'done', snapshot: { instance: 12 } });
    expect(asked).toEqual(['take', 'take']);
    // One that never comes ends the wait.
    expect(await replica().snapshots.take(false)).toMatchObject({ kind: 'done' });
    const stuck = replica();
    stuck.state.outcome = { kind: 'taken', instance: 7 as Instance };
    expect(await stuck.snapshots.take(false)).toMatchObject({ kind: 'refused', code: 'PAXOS_SNAPSHOT_FAILED' });
  });

  it('is refused on a frozen and on a quarantined replica, which give a copy of their state away all the same', async () => {
    for (const flags of [{ frozen: true }, { quarantined: true }]) {
      const { snapshots, asked } = replica({ flags });
      expect(await snapshots.take(false)).toMatchObject({ kind: 'refused', code: 'PAXOS_SNAPSHOT_REFUSED' });
      expect(await snapshots.open('current', 9)).toMatchObject({ kind: 'open' });
      expect(asked).toEqual(['export']);
    }
  });
});

describe('reading a snapshot', () => {
  it('is for two at a time, and each ends once', async () => {
    const { snapshots } = replica();
    const open = () => snapshots.open('current', 0);
    const [first, second] = [await open(), await open()];
    expect(await open()).toMatchObject({ kind: 'refused', code: 'PAXOS_OVERLOADED' });
    if (first.kind !== 'open' || second.kind !== 'open') throw new Error('refused');
    await first.download.close();
    await first.download.close();
    expect(await open()).toMatchObject({ kind: 'open' });
    expect(await open()).toMatchObject({ kind: 'refused' });
  });

  it('that is older than asked for is refused and closed', async () => {
    const { snapshots, asked } = replica({ kept: [details(5)] });
    for (let i = 0; i < 3; i++) {
      expect(await snapshots.open('newest', 6)).toMatchObject({ kind: 'refused', code: 'PAXOS_SNAPSHOT_NOT_FOUND' });
      expect(await snapshots.open(4, 0)).toMatchObject({ kind: 'refused', code: 'PAXOS_SNAPSHOT_NOT_FOUND' });
    }
    expect(asked).toEqual(['closed', 'closed', 'closed']);
  });

  it('of a replica that has stopped gives what it keeps', async () => {
    const { snapshots } = replica({ kept: [details(5)], point: false });
    expect(await snapshots.open('current', 0)).toMatchObject({ kind: 'open', download: { snapshot: { instance: 5 } } });
  });
});

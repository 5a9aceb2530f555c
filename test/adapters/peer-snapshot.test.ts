import { afterEach, describe, expect, it } from 'vitest';
import { n1, n2, snapshotOf } from '../contract/network.ts';
import { type MiddleBox, startMiddleBox } from './middle-box.ts';
import { type PeerStation, startPeer, until } from './peer-cell.ts';

const open: { kill?(): Promise<void>; close?(): Promise<void> }[] = [];
const keep = <Kept extends PeerStation | MiddleBox>(it: Kept): Kept => {
  open.push(it);
  return it;
};
afterEach(async () => {
  for (const it of open.splice(0)) await (it.kill?.() ?? it.close?.());
});

const setUp = async (limits: object = {}) => {
  const { a, b } = await direct(limits);
  const box = keep(await startMiddleBox(b.url));
  a.port.setPeers([{ id: n2, url: box.url }]);
  return { a, b, box };
};

const direct = async (limits: object = {}) => {
  const a = keep(await startPeer(n1, { limits }));
  const b = keep(await startPeer(n2, { limits }));
  a.port.setPeers([b]);
  return { a, b };
};

describe('a snapshot stream', () => {
  it('is refused while another one goes to the same replica', async () => {
    const { a, b } = await direct();
    // More than the buffers of the kernel take, so that the server is at it for as long as the reader.
    b.port.onSnapshotRequest(async () => snapshotOf(20_000_000));
    let second: unknown = null;
    await a.port.fetchSnapshot(n2, 0, async () => {
      second ??= await a.port.fetchSnapshot(n2, 0, async () => {}).catch((error: unknown) => error);
    });
    expect(second).toMatchObject({ reason: 'refused', message: expect.stringContaining('PAXOS_PEER_SNAPSHOT_BUSY') });
    expect(await a.port.fetchSnapshot(n2, 0, async () => {})).toEqual({ bytes: 20_000_000 });
  });

  it('that was changed on the way is refused at the chunk that was changed', async () => {
    const { a, b, box } = await setUp();
    const file = snapshotOf(500_000);
    b.port.onSnapshotRequest(async () => file);
    let passed = 0;
    box.onBack = (chunk) => {
      passed += chunk.length;
      if (passed < 200_000) return [chunk];
      const changed = Buffer.from(chunk);
      changed[changed.length >> 1] = (changed[changed.length >> 1] as number) ^ 1;
      return [changed];
    };
    const got: Uint8Array[] = [];
    const fetch = a.port.fetchSnapshot(n2, 0, async (chunk) => {
      got.push(chunk.slice());
    });
    await expect(fetch).rejects.toMatchObject({ reason: 'tampered' });
    const bytes = Buffer.concat(got);
    expect(bytes.equals(file.content.subarray(0, bytes.length))).toBe(true);
  });

  it('that stops moving is given up by both sides', async () => {
    const { a, b, box } = await setUp({ snapshotStallMs: 100, silentPeriodsMax: 1000 });
    const file = snapshotOf(20_000_000);
    b.port.onSnapshotRequest(async () => file);
    const fetch = a.port.fetchSnapshot(n2, 0, async () => box.freeze());
    await expect(fetch).rejects.toMatchObject({ reason: 'stalled' });
    await until(() => file.closed === 1);
  });

  it('waits for a reader that takes its time, without reading the file ahead', async () => {
    const { a, b } = await direct({ snapshotStallMs: 200, snapshotBytesPerSecond: 0 });
    const file = snapshotOf(30_000_000);
    let readTo = 0;
    b.port.onSnapshotRequest(async () => ({
      bytes: file.bytes,
      read: (offset, length) => {
        readTo = offset + length;
        return file.read(offset, length);
      },
      close: () => file.close(),
    }));
    let first = true;
    const stop = new Error('enough');
    const fetch = a.port.fetchSnapshot(n2, 0, async () => {
      if (!first) throw stop;
      first = false;
      await until(() => file.closed === 1);
    });
    // The server gives up on a reader that does not read for its stall time; the reader's own clock stands meanwhile.
    await expect(fetch).rejects.toThrow();
    expect(readTo).toBeLessThan(file.bytes);
  });

  it('keeps its pace', async () => {
    const { a, b } = await direct({ snapshotBytesPerSecond: 2_000_000 });
    b.port.onSnapshotRequest(async () => snapshotOf(200_000));
    const startedMs = performance.now();
    await a.port.fetchSnapshot(n2, 0, async () => {});
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(90);
  });

  it('fails as lost when the file is shorter than it was said to be', async () => {
    const { a, b } = await direct();
    const file = snapshotOf(100_000);
    b.port.onSnapshotRequest(async () => ({ ...file, bytes: 200_000, read: file.read, close: async () => {} }));
    await expect(a.port.fetchSnapshot(n2, 0, async () => {})).rejects.toMatchObject({ reason: 'lost' });
  });

  it('is refused for an instance that is none', async () => {
    const { a, b } = await direct();
    b.port.onSnapshotRequest(async () => snapshotOf(10));
    for (const above of [-1, 1.5, Number.NaN, 2 ** 60]) {
      await expect(
        a.port.fetchSnapshot(n2, above, async () => {}),
        String(above),
      ).rejects.toMatchObject({
        reason: 'refused',
        message: expect.stringContaining('PAXOS_BAD_REQUEST'),
      });
    }
  });

  it('ends when its reader closes the network', async () => {
    const { a, b } = await direct();
    const file = snapshotOf(5_000_000);
    b.port.onSnapshotRequest(async () => file);
    const fetch = a.port.fetchSnapshot(n2, 0, async () => a.port.close());
    await expect(fetch).rejects.toMatchObject({ reason: 'closed' });
    await until(() => file.closed === 1);
  });
});

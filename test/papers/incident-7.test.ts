/**
 * Incident 7 of Paxos Made Live §7: under a 2.4 kernel a flush of the small log waited for everything that was buffered for other files, right
 * after a snapshot several seconds. What is at stake: a master whose log hangs loses its lease to its own snapshot. The authors wrote all
 * large files in small chunks, with a flush after each; so do we, whoever writes: one that is taken, one that comes from a peer, the next
 * segment of the log, a repair.
 */
import { describe, expect, it } from 'vitest';
import type { DiskOperation } from '../../src/simulator/disk.ts';
import { Scheduler } from '../../src/simulator/virtual-clock.ts';
import type { ReplicaStorage } from '../../src/storage/replica-storage.ts';
import {
  entry,
  formedDisk,
  handle,
  open,
  persisted,
  simulatedDisk,
  takeOptions,
  view,
  write,
} from '../storage/support.ts';

const leaseMs = 500;
const snapshotRecords = 24_000;
/** What their disk wrote in a millisecond. */
const bytesPerMs = 16 * 1024;

/** A disk under that kernel: a flush, of whatever file, ends when all that any file has in the cache is on the device. */
class OldKernel {
  readonly scheduler = new Scheduler();
  readonly disk = simulatedDisk({
    fault: (operation) => {
      this.#operation = operation;
      if (operation.kind.startsWith('write')) this.#buffered += operation.bytes;
      return null;
    },
    schedule: (delayMs, callback) => {
      if (!this.#operation.kind.includes('flush')) return void this.scheduler.after(delayMs, callback, true);
      const startMs = Math.max(this.scheduler.nowMs, this.#freeMs);
      this.#freeMs = startMs + delayMs + this.#buffered / bytesPerMs;
      this.#buffered = 0;
      this.scheduler.after(this.#freeMs - this.scheduler.nowMs, callback, true);
    },
  });
  #operation: DiskOperation = { kind: 'look', path: '', bytes: 0 };
  #buffered = 0;
  #freeMs = 0;

  /** Lets time pass until `work` has ended. */
  async during<Result>(work: Promise<Result>): Promise<Result> {
    let over = false;
    const ended = work.finally(() => {
      over = true;
    });
    ended.catch(() => undefined);
    await this.scheduler.run(this.scheduler.nowMs + 600_000, () => over);
    return ended;
  }

  turn(): Promise<void> {
    return new Promise((resolve) => void this.scheduler.after(0.1, resolve, true));
  }

  open(): Promise<ReplicaStorage> {
    return this.during(
      formedDisk(this.disk).then((disk) => open(disk, { segmentBytes: 1024 * 1024, now: () => this.scheduler.nowMs })),
    );
  }
}

/** Acknowledges one write after the other until `work` is over. How long the slowest took. */
async function slowestWrite(kernel: OldKernel, storage: ReplicaStorage, work: Promise<unknown>): Promise<number> {
  let slowestMs = 0;
  let over = false;
  const writing = (async () => {
    for (let id = 1; !over; id++) {
      const began = kernel.scheduler.nowMs;
      const done = persisted(storage, id);
      storage.persist(write(id, [entry(1000 + id)]));
      await done;
      slowestMs = Math.max(slowestMs, kernel.scheduler.nowMs - began);
      await kernel.turn();
    }
  })();
  await kernel.during(
    work.finally(() => {
      over = true;
    }),
  );
  await kernel.during(writing);
  return slowestMs;
}

describe('incident 7: an operating system whose flush of a small file waits for all that is buffered for others', () => {
  it('hung their log for longer than a lease, with a large file that is written at once', async () => {
    const kernel = new OldKernel();
    const storage = await kernel.open();
    const naive = (async () => {
      const file = await kernel.disk.open('scratch/at-once', { create: 'exclusive' });
      await file.write(0, Buffer.alloc(snapshotRecords * 1000));
      await file.flush();
      await file.close();
    })();
    expect(await slowestWrite(kernel, storage, naive)).toBeGreaterThan(2 * leaseMs);
  });

  it('costs no write more than a small part of a lease while a snapshot is taken', async () => {
    const kernel = new OldKernel();
    const storage = await kernel.open();
    const began = kernel.scheduler.nowMs;
    const taking = storage.takeSnapshot(handle(5), view(snapshotRecords), {
      ...takeOptions,
      pause: () => kernel.turn(),
    });
    expect(await slowestWrite(kernel, storage, taking)).toBeLessThan(leaseMs / 5);
    expect(await taking).toMatchObject({ outcome: 'taken' });
    // As long as at once, all in all.
    expect(kernel.scheduler.nowMs - began).toBeGreaterThan(2 * leaseMs);
  });

  it('nor while one comes from a peer, in large pieces', async () => {
    const giver = new OldKernel();
    const from = await giver.open();
    await giver.during(from.takeSnapshot(handle(5), view(snapshotRecords), takeOptions));
    const stream = (await giver.during(from.serveNewest(0)))!;
    const bytes = await giver.during(stream.read(0, stream.bytes));

    const kernel = new OldKernel();
    const storage = await kernel.open();
    const receiving = (async () => {
      const receiver = await storage.receiveSnapshot();
      for (let at = 0; at < bytes.length; at += 200_000) {
        await receiver.append(bytes.subarray(at, at + 200_000));
        await kernel.turn();
      }
      await receiver.finish();
    })();
    expect(await slowestWrite(kernel, storage, receiving)).toBeLessThan(leaseMs / 5);
    expect(storage.snapshots()[0]?.instance).toBe(5);
  });
});

/**
 * Freezes the master with reads on their way to it, lets the cell go on without it, thaws it, and holds every read that it
 * answers against what had been acknowledged when the read was sent (pitfalls P32, R12).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../src/core/random.ts';
import { CellClient, keyPath } from './cell-client.ts';
import type { CellProcess } from './cell-process.ts';

const readersCount = 6;
const key = 'raced';
const read = { method: 'GET', path: keyPath(key), repeatable: false } as const;

/** Numbers from 1 on are written by one writer, so that newer and older are plain to see. */
let written = 0;

/** @throws {Error} when a read was older than a write that had been acknowledged before the read was sent. */
export async function staleReadsRace(cell: CellProcess, pauseMs: number, random: Random): Promise<{ reads: number }> {
  const master = await cell.master();
  const writer = new CellClient({ urls: cell.urls, random, attemptTimeoutMs: 1_000 });
  let acknowledged = 0;
  let over = false;
  let reads = 0;
  const stale: string[] = [];
  const write = async (): Promise<void> => {
    const value = ++written;
    const request = { method: 'PUT', path: keyPath(key), body: String(value), repeatable: true } as const;
    const outcome = await writer.perform(request, 20_000);
    if (outcome.kind !== 'answer') throw new Error(`No write was possible: ${outcome.why}`);
    acknowledged = value;
  };
  await write();

  const reader = async (): Promise<void> => {
    // Its own connection, open before the master freezes; without a limit, since an answer after the thaw is the point.
    const client = new CellClient({ urls: cell.urls, random, attemptTimeoutMs: 60_000 });
    while (!over) {
      const atLeast = acknowledged;
      const outcome = await client.exchange(read, master.url);
      if (outcome.kind === 'answer' && outcome.status === 200) {
        reads++;
        if (Number(outcome.body) < atLeast) stale.push(`read ${outcome.body} after ${atLeast} was acknowledged`);
      }
      await sleep(random.below(3));
    }
    await client.close();
  };
  const readers = Array.from({ length: readersCount }, reader);
  await sleep(20);
  master.pause();
  // On new connections, which the system accepts for the frozen process: queued before the newer write is acknowledged,
  // these may be answered with either value; those of the other loop were sent after it.
  const frozen = sleep(pauseMs);
  const newer = write();
  await frozen;
  if (pauseMs > 2 * cell.leaseMs) await newer;
  const late = Array.from({ length: readersCount }, reader);
  await sleep(5);
  master.resume();
  await newer;
  await write();
  await sleep(50);
  over = true;
  await Promise.all([...readers, ...late]);
  await writer.close();
  if (stale.length > 0) throw new Error(`${stale.length} stale reads: ${stale.slice(0, 5).join('; ')}`);
  return { reads };
}

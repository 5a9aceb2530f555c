/**
 * More than a cell can carry: puts that arrive at a fixed rate, whatever becomes of the ones before, on so many connections that the
 * cell, not the generator, has to turn some away.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../measure/statistics.mjs';
import { keyName, makeValue } from './keys-and-values.mjs';

const valueBytes = 100;
const tickMs = 2;
const drainMsMax = 15_000;

/** What an early refusal looks like; anything else that is not an acknowledgement fails the row. */
const isRefusal = (error) => /answered 503:.*PAXOS_OVERLOADED/s.test(error.message);

/**
 * Gives what was acknowledged and refused a second, how long each took (p99, ms; the acknowledged ones from when they were to be
 * sent), and what found no free connection.
 */
export async function runOverload({ cell, target, rate, connections, letter, seconds }) {
  const idle = [];
  const all = [];
  try {
    for (let i = 0; i < connections; i += 1) {
      const connection = await cell.connect(target);
      all.push(connection);
      idle.push({ connection, key: keyName(letter, i), sequence: 0 });
    }
    const acknowledgedMs = [];
    const refusedMs = [];
    let failure = null;
    let open = 0;
    let unsent = 0;
    const send = (worker, dueAt) => {
      const sentAt = performance.now();
      open += 1;
      worker.sequence += 1;
      worker.connection.put(worker.key, makeValue(worker.key, worker.sequence, valueBytes), (error) => {
        open -= 1;
        idle.push(worker);
        if (error === null) acknowledgedMs.push(performance.now() - dueAt);
        else if (isRefusal(error)) refusedMs.push(performance.now() - sentAt);
        else failure ??= error;
      });
    };
    const startedAt = performance.now();
    let next = 0;
    for (let now = startedAt; now < startedAt + seconds * 1000 && failure === null; now = performance.now()) {
      for (; startedAt + (next * 1000) / rate <= now; next += 1) {
        const worker = idle.shift();
        if (worker === undefined) unsent += 1;
        else send(worker, startedAt + (next * 1000) / rate);
      }
      await sleep(tickMs);
    }
    const tookSeconds = (performance.now() - startedAt) / 1000;
    const inTime = acknowledgedMs.length;
    const until = performance.now() + drainMsMax;
    while (open > 0 && failure === null && performance.now() < until) await sleep(tickMs);
    if (failure !== null) throw failure;
    if (open > 0) throw new Error(`${open} answers were still missing after ${drainMsMax} ms`);
    const p99 = (list) => (list.length === 0 ? null : quantile(Float64Array.from(list).sort(), 0.99));
    return {
      acknowledgedRate: inTime / tookSeconds,
      refusedRate: refusedMs.length / tookSeconds,
      unsent,
      acknowledgedP99: p99(acknowledgedMs),
      refusedP99: p99(refusedMs),
    };
  } finally {
    for (const connection of all) connection.close();
  }
}

/**
 * More than a cell can carry: puts that arrive at a fixed rate, whatever becomes of the ones before, on so many connections that the
 * cell, not the generator, has to turn some away.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../measure/statistics.mjs';
import { keyName, makeValue } from './keys-and-values.mjs';

const valueBytes = 100;
const tickMs = 2;
const connectAtOnce = 200;
/** A replica bounds the connections of one address. */
const addresses = ['127.0.0.2', '127.0.0.3'];
const connectMsMax = 20_000;
const drainMsMax = 15_000;

/** Not done, for sure, and said so: too much to do, or no master just now, which the changes of master tell. Anything else fails the row. */
const isRefusal = (error) => /answered 503:.*"urn:paxosctl:PAXOS_/s.test(error.message);

/** The replica gave up an idle connection before anything was asked on it. */
const neverSent = (error) => error.message === 'the connection is closed';

/**
 * Gives what was acknowledged and refused a second, how long each took (p99, ms; the acknowledged ones from when they were to be
 * sent), and what found no free connection.
 */
export async function runOverload({ cell, target, rate, connections, letter, seconds }) {
  const idle = [];
  const all = [];
  const connect = (address) => cell.connect(target, connectMsMax, address);
  try {
    // Many at a time: a replica does not wait long for the first request of a connection.
    for (let i = 0; i < connections; i += connectAtOnce) {
      const count = Math.min(connectAtOnce, connections - i);
      const opened = await Promise.all(
        Array.from({ length: count }, (_, at) => connect(addresses[at % addresses.length])),
      );
      for (const connection of opened) {
        idle.push({
          connection,
          key: keyName(letter, all.length),
          sequence: 0,
          address: addresses[all.length % addresses.length],
        });
        all.push(connection);
      }
    }
    const acknowledgedMs = [];
    const refusedMs = [];
    let failure = null;
    let open = 0;
    let unsent = 0;
    let lost = 0;
    const send = (worker, dueAt) => {
      const sentAt = performance.now();
      open += 1;
      worker.sequence += 1;
      worker.connection.put(worker.key, makeValue(worker.key, worker.sequence, valueBytes), (error) => {
        open -= 1;
        if (error === null) {
          acknowledgedMs.push(performance.now() - dueAt);
          idle.push(worker);
        } else if (isRefusal(error)) {
          refusedMs.push(performance.now() - sentAt);
          renew(worker);
        } else if (neverSent(error)) {
          unsent += 1;
          renew(worker);
        } else failure ??= error;
      });
    };
    /** Who was refused may have been told to go: a client comes back on a connection of its own making. */
    const renew = async (worker) => {
      worker.connection.close();
      try {
        worker.connection = await connect(worker.address);
        all.push(worker.connection);
        idle.push(worker);
      } catch {
        lost += 1;
      }
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
      lost,
      acknowledgedP99: p99(acknowledgedMs),
      refusedP99: p99(refusedMs),
    };
  } finally {
    for (const connection of all) connection.close();
  }
}

/** Writes many new keys, a batch at a time on a few connections. */
import { setTimeout as sleep } from 'node:timers/promises';
import { keyName, makeValue } from './keys-and-values.mjs';
import { call } from './promises.mjs';

const retriesMax = 50;
const retryMs = 200;
const connectionsMax = 8;
/** etcd takes up to 128 operations in one transaction. */
const batchKeysMax = 100;
const batchBytesMax = 128 * 1024;

/** Keys `letter` `first` … `count`−1, with values of `valueBytes`. */
export async function fill({ cell, member, letter, first = 0, count, valueBytes, onProgress = () => {} }) {
  const batch = batchOf(valueBytes);
  let next = first;
  let written = 0;
  await pour({
    ...{ cell, member },
    onProgress: (more) => {
      written += more;
      onProgress(written);
    },
    workers: Math.ceil(count / batch),
    draw: () => {
      const from = next;
      next = Math.min(count, from + batch);
      return Array.from({ length: next - from }, (_, i) => {
        const key = keyName(letter, from + i);
        return [key, makeValue(key, 0, valueBytes)];
      });
    },
  });
}

/** For `seconds`, keys `letter` 0 … `count`−1 in no order, each with another value of a length of its own; tells how many more were written. */
export async function overwrite({ cell, member, letter, count, valueBytes, seconds, onProgress }) {
  const [least, most] = valueBytes;
  const untilMs = performance.now() + seconds * 1_000;
  let sequence = 0;
  const one = () => {
    sequence += 1;
    const key = keyName(letter, Math.floor(Math.random() * count));
    return [key, makeValue(key, sequence, least + Math.floor(Math.random() * (most - least + 1)))];
  };
  await pour({
    ...{ cell, member, onProgress },
    workers: connectionsMax,
    // etcd refuses a key that comes twice in one transaction.
    draw: () => (performance.now() < untilMs ? [...new Map(Array.from({ length: batchOf(most) }, one))] : []),
  });
}

const batchOf = (valueBytes) => Math.max(1, Math.min(batchKeysMax, Math.floor(batchBytesMax / valueBytes)));

/** Batches of entries on a few connections, until `draw` gives an empty one; each tells how many more were written. */
async function pour({ cell, member, workers, draw, onProgress }) {
  const worker = async () => {
    const connection = await cell.connect(member);
    try {
      for (let entries = draw(); entries.length > 0; entries = draw()) {
        const batch = entries;
        await patiently(() => call(connection, 'create', batch));
        onProgress(batch.length);
      }
    } finally {
      connection.close();
    }
  };
  await Promise.all(Array.from({ length: Math.min(connectionsMax, workers) }, worker));
}

/** The same again while nobody serves: on a machine that is busy with other things a lease may lapse. */
async function patiently(write) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await write();
    } catch (error) {
      if (attempt === retriesMax || !/answered 503/.test(error.message)) throw error;
      await sleep(retryMs);
    }
  }
}

/** @throws {Error} when one of `samples` keys, chosen at random, does not hold what `fill` wrote. */
export async function checkFilled({ cell, member, letter, count, valueBytes, samples }) {
  const connection = await cell.connect(member);
  try {
    for (let i = 0; i < samples; i += 1) {
      const key = keyName(letter, Math.floor(Math.random() * count));
      const value = await call(connection, 'get', key);
      if (value !== makeValue(key, 0, valueBytes)) throw new Error(`${key} does not hold what was written`);
    }
  } finally {
    connection.close();
  }
}

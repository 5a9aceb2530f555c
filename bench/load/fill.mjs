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
  const batch = Math.max(1, Math.min(batchKeysMax, Math.floor(batchBytesMax / valueBytes)));
  let next = first;
  let written = 0;
  const worker = async () => {
    const connection = await cell.connect(member);
    try {
      while (next < count) {
        const from = next;
        next = Math.min(count, from + batch);
        const entries = [];
        for (let n = from; n < next; n += 1) {
          const key = keyName(letter, n);
          entries.push([key, makeValue(key, 0, valueBytes)]);
        }
        await patiently(() => call(connection, 'create', entries));
        written += entries.length;
        onProgress(written);
      }
    } finally {
      connection.close();
    }
  };
  const workers = Math.min(connectionsMax, Math.ceil(count / batch));
  await Promise.all(Array.from({ length: workers }, worker));
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

/** How long a writer waits that goes on trying every member until one of them acknowledges. */
import { setTimeout as sleep } from 'node:timers/promises';
import { callWithin } from './promises.mjs';

/** Shorter than any system's own patience: a request that went to a dead leader must not be waited for. */
const attemptMs = 250;
const pauseMs = 5;

/**
 * `performance.now()` at the first acknowledged put of `key`. Each of `members` is tried all the time, beside the others.
 * @throws {Error} when nobody acknowledged within `patienceMs`.
 */
export async function firstAcknowledgedWrite({ cell, members, key, value, patienceMs = 60_000 }) {
  const state = { at: null, until: performance.now() + patienceMs, lastError: null };
  await Promise.all(members.map((member) => tryMember({ cell, member, key, value, state })));
  if (state.at === null) {
    throw new Error(`no write was acknowledged within ${patienceMs} ms (${state.lastError?.message})`);
  }
  return state.at;
}

async function tryMember({ cell, member, key, value, state }) {
  let connection = null;
  while (state.at === null && performance.now() < state.until) {
    try {
      connection ??= await cell.connect(member, attemptMs);
      await callWithin(attemptMs, connection, 'put', key, value);
      state.at ??= performance.now();
    } catch (error) {
      state.lastError = error;
      connection?.close();
      connection = null;
      await sleep(pauseMs);
    }
  }
  connection?.close();
}

/**
 * Bytes that a piece of work allocates: a count, which does not depend on how busy the machine is.
 *
 * Wants `--expose-gc`, a young generation that holds all of the work, and no optimizing compiler: which allocations that takes away
 * depends on when it got to them, so with it the counts of two runs would differ.
 */

export const nodeFlags = [
  '--expose-gc',
  '--no-opt',
  '--single-threaded',
  '--min-semi-space-size=512',
  '--max-semi-space-size=512',
];

const rounds = 5;

function bytesHeld() {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Median of some rounds, in bytes for each of `times`; `work(times)` may give a promise. */
export async function bytesEach(work, times) {
  if (globalThis.gc === undefined) throw new Error('wants --expose-gc');
  await work(times);
  const each = [];
  for (let round = 0; round < rounds; round += 1) {
    globalThis.gc();
    globalThis.gc();
    const before = bytesHeld();
    await work(times);
    each.push((bytesHeld() - before) / times);
  }
  return each.sort((a, b) => a - b)[rounds >> 1];
}

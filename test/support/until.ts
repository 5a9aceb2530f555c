/** Waiting for a condition, never for time. */
import { setTimeout as sleep } from 'node:timers/promises';

const pollMs = 15;

/**
 * The first answer of `probe` that is neither null nor false. Errors that it throws end the wait.
 * @throws {Error} naming `what` and the last thing that `explain` said, when it takes longer than `timeoutMs`.
 */
export async function until<Result>(
  what: string,
  probe: () => Promise<Result | null | false> | Result | null | false,
  options: { readonly timeoutMs?: number; readonly explain?: () => string } = {},
): Promise<Result> {
  const { timeoutMs = 15_000, explain } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await probe();
    if (found !== null && found !== false) return found;
    if (performance.now() > deadline) {
      throw new Error(`Waited ${timeoutMs} ms in vain until ${what}.${explain === undefined ? '' : ` ${explain()}`}`);
    }
    await sleep(pollMs);
  }
}

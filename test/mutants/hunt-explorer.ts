/**
 * The core of consensus alone. Most schedules are the explorer's, short and without much of a clock; every hundredth is a long one
 * with clocks, pauses and drift, where leases can go wrong.
 */
import { exploreRandom } from '../explorer/explore-random.ts';
import { exploreLog } from '../support/random-schedules.ts';
import { type Catch, hunt } from './hunt.ts';

await hunt((number) => (number % 100 === 0 ? timed(number) : untimed(number)));

function untimed(number: number): Catch | null {
  const { failure } = exploreRandom({ seed: 'mutants', first: number, schedules: 1 });
  return failure === null ? null : { property: failure.rule, message: failure.message };
}

function timed(number: number): Catch | null {
  try {
    exploreLog({ seed: `mutants/${number}`, memberships: true });
    return null;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { property: message.split('\n')[0]?.slice(0, 120) ?? 'error', message };
  }
}

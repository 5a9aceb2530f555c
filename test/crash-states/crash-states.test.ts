/**
 * A sample of the crash enumeration, and proof that it would find what it looks for: journals that tell of a storage which
 * speaks too early or forgets to flush. `npm run crash-states` is the whole of it.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { type CrashStates, crashStates, type Life, scriptedLives } from './enumerate.ts';
import { Journal, type Step } from './journal.ts';

const seed = 1;
let lives: readonly Life[] = [];

beforeAll(async () => {
  lives = await scriptedLives(seed, 60);
}, 120_000);

/** The life of the cell of one, told otherwise. */
function retold(tell: (steps: readonly Step[]) => Step[]): Promise<CrashStates> {
  const [life] = lives as [Life];
  const journal = new Journal();
  journal.steps.push(...tell(life.journal.steps));
  return crashStates([{ ...life, journal }], { seed, limit: 300 });
}

describe('a replica that crashes after any effect, and again while it recovers', () => {
  it('comes back with all that it said, and nothing else', { timeout: 120_000 }, async () => {
    const result = await crashStates(lives, { seed, limit: 400 });
    expect(result.problems).toEqual([]);
    expect(result.states).toBeGreaterThan(350);
    expect(result.statesInRecovery).toBeGreaterThan(350);
  });
});

describe('the crash enumeration finds', () => {
  it('a write that is called durable before its flush has ended', async () => {
    const { problems } = await retold((steps) => {
      const told = [...steps];
      for (let i = 1; i < told.length; i++) {
        const [before, step] = [told[i - 1], told[i]] as [Step, Step];
        if (step.kind !== 'effect' || step.effect.kind !== 'persisted') continue;
        [told[i - 1], told[i]] = [step, before];
      }
      return told;
    });
    expect(problems.map(({ problem }) => problem).join()).toMatch(/was durable and is gone/);
  });

  it('a message that names a ballot before the promise is durable (P01)', async () => {
    const { problems } = await retold((steps) => {
      const ballot = { round: 1_000, name: 'n1', incarnation: 1 };
      const message = { kind: 'prepare' as const, ballot, nonce: 1, from: 1 as never, release: null };
      const early: Step = { kind: 'effect', effect: { kind: 'send', message } };
      return [...steps.slice(0, 300), early, ...steps.slice(300)];
    });
    expect(problems.map(({ problem }) => problem).join()).toMatch(/promise \d+ below 1000/);
  });

  it.each([
    ['a file whose flush was forgotten', 'settle'],
    ['a folder whose flush was forgotten (P27)', 'settle-names'],
  ])('%s', async (_, forgotten) => {
    const { problems } = await retold((steps) => {
      let seen = 0;
      return steps.filter((step) => step.kind === 'effect' || step.change.kind !== forgotten || ++seen % 40 !== 0);
    });
    expect(problems.length).toBeGreaterThan(0);
  });
});

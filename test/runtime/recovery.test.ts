/** One member's part in making a new generation: what it may never take back (design §3 "Generations"). */
import { describe, expect, it } from 'vitest';
import { RecoveryBench, readyFor } from '../support/recovery-bench.ts';

const numbers = 2 ** 40;
const second = { generation: 2, generationId: 'ab'.repeat(16) };
const third = { generation: 3, generationId: 'cd'.repeat(16) };

const readyForSecond = (): Promise<RecoveryBench> =>
  RecoveryBench.open(null, async (storage) => storage.setAttempt(await readyFor(storage, second, numbers)));

describe('a member that is ready', () => {
  it('is ready for the same again when a later fence is lifted, and follows the first that began it', async () => {
    let bench = await readyForSecond();
    const ready = bench.attempt;
    await bench.recovery.handle({ op: 'fence', ...third });
    expect(bench.attempt).toMatchObject({ ...third, step: 'fenced', before: { ...second, step: 'ready' } });
    // Restarted in between, and fenced for yet another one.
    bench = await bench.restarted();
    await bench.recovery.handle({ op: 'fence', generation: 4, generationId: 'ef'.repeat(16) });
    await bench.recovery.handle({ op: 'lift', generation: 4, generationId: 'ef'.repeat(16) });
    expect(bench.attempt).toEqual(ready);
    expect(bench.reopened).toBe(1);

    bench = await bench.restarted();
    const { decision } = ready as NonNullable<typeof ready>;
    bench.views.set('n2', { name: 'n2', ...second, step: 'active', decision });
    await bench.look();
    expect(bench.attempt).toMatchObject({ ...second, step: 'active' });
  });

  it('is not fenced for what is no later than that, also while a fence stands', async () => {
    const bench = await readyForSecond();
    await expect(bench.recovery.handle({ op: 'fence', generation: 2, generationId: '11'.repeat(16) })).rejects.toThrow(
      /ready for another generation 2/,
    );
    await bench.recovery.handle({ op: 'fence', ...third });
    await expect(bench.recovery.handle({ op: 'fence', generation: 2, generationId: '11'.repeat(16) })).rejects.toThrow(
      /ready for another generation 2/,
    );
  });
});

describe('a member that was only fenced', () => {
  it('takes part again when that is lifted', async () => {
    const bench = await RecoveryBench.open();
    await bench.recovery.handle({ op: 'fence', ...second });
    expect(bench.silent).toBe(true);
    await bench.recovery.handle({ op: 'lift', ...second });
    expect([bench.attempt, bench.reopened]).toEqual([null, 1]);
  });
});

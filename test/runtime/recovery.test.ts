/** One member's part in making a new generation: what it may never take back (design §3 "Generations"). */
import { describe, expect, it } from 'vitest';
import { decide } from '../../src/operator/recovery/decide.ts';
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

describe('the numbers that an attempt began with', () => {
  it('are never handed out again, whatever becomes of it: others may have begun it', async () => {
    const bench = await readyForSecond();
    const numbersOf = (to: typeof third) =>
      decide({ to, reports: [bench.recovery.report()], witnessed: [], branch: null }).decision.numbers;
    expect(numbersOf(third)).toBe(2 * numbers);
    await bench.recovery.handle({ op: 'fence', ...third });
    expect(numbersOf(third)).toBe(2 * numbers);
    // Ready for the later one too, and that displaced in its turn.
    const ready = await readyFor(bench.storage, third, 2 * numbers);
    await bench.storage.setAttempt(ready);
    expect(numbersOf(third)).toBe(2 * numbers);
    const fourth = { generation: 4, generationId: 'ef'.repeat(16) };
    await bench.recovery.handle({ op: 'fence', ...fourth });
    expect(numbersOf(fourth)).toBe(3 * numbers);
    await bench.recovery.handle({ op: 'lift', ...fourth });
    expect(bench.storage.manifest.floor).toBe(numbers);
    await bench.storage.setAttempt(null);
    expect(numbersOf(fourth)).toBe(3 * numbers);
    expect((await bench.restarted()).recovery.report().highest).toBe(2 * numbers);
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

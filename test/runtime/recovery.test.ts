/** One member's part in making a new generation: what it may never take back (design §3 "Generations"). */
import { describe, expect, it } from 'vitest';
import type { GenerationAttempt } from '../../src/formats/manifest.ts';
import { decide } from '../../src/operator/recovery/decide.ts';
import { RecoveryBench, readyFor, stateFor } from '../support/recovery-bench.ts';
import { until } from '../support/until.ts';

const numbers = 2 ** 40;
const n1 = { cell: 'cell-1', member: 'n1', incarnation: 1, source: '' };
const second = { generation: 2, generationId: 'ab'.repeat(16) };
const third = { generation: 3, generationId: 'cd'.repeat(16) };

/** As a member tells it that is in that generation. */
const present = ({ generation, generationId }: typeof second) => ({ present: generation, presentId: generationId });

const readyForSecond = (): Promise<RecoveryBench> =>
  RecoveryBench.open(null, async (storage) => storage.setAttempt(await readyFor(storage, second, numbers)));

describe('a member that is ready', () => {
  it('is ready for the same again when a later fence is lifted, and follows the first that began it', async () => {
    let bench = await readyForSecond();
    const ready = bench.attempt;
    await bench.recovery.handle({ op: 'fence', ...n1, ...third });
    expect(bench.attempt).toMatchObject({ ...third, step: 'fenced', before: { ...second, step: 'ready' } });
    // Restarted in between, and fenced for yet another one.
    bench = await bench.restarted();
    await bench.recovery.handle({ op: 'fence', ...n1, generation: 4, generationId: 'ef'.repeat(16) });
    await bench.recovery.handle({ op: 'lift', ...n1, generation: 4, generationId: 'ef'.repeat(16) });
    expect(bench.attempt).toEqual(ready);
    expect(bench.reopened).toBe(1);

    bench = await bench.restarted();
    const { decision } = ready as NonNullable<typeof ready>;
    bench.views.set('n2', { name: 'n2', ...present(second), ...second, step: 'active', decision });
    await bench.look();
    expect(bench.attempt).toMatchObject({ ...second, step: 'active' });
  });

  it('learns that the others are in a later generation, or in another of that number, and ends', async () => {
    const fourth = { generation: 4, generationId: 'ef'.repeat(16) };
    const sibling = { generation: 2, generationId: '77'.repeat(16) };
    for (const [theirs, leftBehind] of [
      [third, [3]],
      [sibling, [2]],
      [{ generation: 1, generationId: 'first' }, []],
    ] as const) {
      const bench = await readyForSecond();
      // Whatever is being made there besides.
      const view = { ...fourth, step: 'fenced' as const, decision: '' };
      bench.views.set('n3', { name: 'n3', ...present(theirs), ...view });
      await bench.look();
      expect([bench.leftBehind, bench.attempt?.step]).toEqual([leftBehind, 'ready']);
    }
    // Somebody else at that address proves nothing.
    const bench = await readyForSecond();
    bench.views.set('n3', { name: 'n2', ...present(third), ...third, step: 'active', decision: '' });
    await bench.look();
    expect(bench.leftBehind).toEqual([]);
  });

  it('reports what it is ready with as a state of its own, after a restart and while another is made over it', async () => {
    let bench = await readyForSecond();
    const [own] = (await bench.recovery.wholeReport()).ready;
    expect(own).toMatchObject({
      state: { sha256: bench.attempt?.state?.sha256, bytes: bench.attempt?.state?.bytes },
      report: { generation: 2, chosenUpTo: numbers, highest: numbers, ready: [] },
    });
    await bench.recovery.handle({ op: 'fence', ...n1, ...third });
    expect((await bench.recovery.wholeReport()).ready).toEqual([own]);
    bench = await bench.restarted();
    expect((await bench.recovery.wholeReport()).ready).toEqual([own]);
    const opened = await bench.recovery.openReady(own?.state.sha256 ?? '');
    const bytes = await opened?.file.read(0, opened.file.bytes);
    expect([opened?.digest, opened?.instance, bytes?.length]).toEqual([own?.state.sha256, numbers, own?.state.bytes]);
    await opened?.file.close();
  });

  it('is not fenced for what is no later than that, also while a fence stands', async () => {
    const bench = await readyForSecond();
    await expect(
      bench.recovery.handle({ op: 'fence', ...n1, generation: 2, generationId: '11'.repeat(16) }),
    ).rejects.toThrow(/ready for another generation 2/);
    await bench.recovery.handle({ op: 'fence', ...n1, ...third });
    await expect(
      bench.recovery.handle({ op: 'fence', ...n1, generation: 2, generationId: '11'.repeat(16) }),
    ).rejects.toThrow(/ready for another generation 2/);
  });
});

describe('the numbers that an attempt began with', () => {
  it('are never handed out again, whatever becomes of it: others may have begun it', async () => {
    const bench = await readyForSecond();
    const numbersOf = (to: typeof third) =>
      decide({ to, reports: [bench.recovery.report()], witnessed: [], branch: null }).decision.numbers;
    expect(numbersOf(third)).toBe(2 * numbers);
    await bench.recovery.handle({ op: 'fence', ...n1, ...third });
    expect(numbersOf(third)).toBe(2 * numbers);
    // Ready for the later one too, and that displaced in its turn.
    const ready = await readyFor(bench.storage, third, 2 * numbers);
    await bench.storage.setAttempt(ready);
    expect(numbersOf(third)).toBe(2 * numbers);
    const fourth = { generation: 4, generationId: 'ef'.repeat(16) };
    await bench.recovery.handle({ op: 'fence', ...n1, ...fourth });
    expect(numbersOf(fourth)).toBe(3 * numbers);
    await bench.recovery.handle({ op: 'lift', ...n1, ...fourth });
    expect(bench.storage.manifest.floor).toBe(numbers);
    await bench.storage.setAttempt(null);
    expect(numbersOf(fourth)).toBe(3 * numbers);
    expect((await bench.restarted()).recovery.report().highest).toBe(2 * numbers);
  });
});

describe('a member that was only fenced', () => {
  it.each([
    ['another cell', { cell: 'cell-2' }],
    ['another member', { member: 'n2' }],
    ['another life of it', { incarnation: 2 }],
  ])('is not when the fence was meant for %s', async (_what, other) => {
    const bench = await RecoveryBench.open();
    await expect(bench.recovery.handle({ op: 'fence', ...n1, ...other, ...second })).rejects.toThrow(
      /nothing was done/,
    );
    expect([bench.attempt, bench.silent]).toEqual([null, false]);
  });

  it('takes part again at once when the fence could not be made durable', async () => {
    const bench = await RecoveryBench.open();
    await bench.storage.close();
    await expect(bench.recovery.handle({ op: 'fence', ...n1, ...second })).rejects.toThrow();
    expect([bench.attempt, bench.reopened]).toEqual([null, 1]);
  });

  it('is still seen as active by those that are ready for the generation that it is in', async () => {
    const active = {
      ...second,
      generation: 1,
      step: 'active' as const,
      decision: '01',
      source: '',
      state: null,
      before: null,
    };
    const bench = await RecoveryBench.open(null, (storage) => storage.setAttempt(active));
    await bench.recovery.handle({ op: 'fence', ...n1, ...third });
    expect(bench.recovery.view()).toMatchObject({
      present: 1,
      generationId: second.generationId,
      step: 'active',
      decision: '01',
    });
  });

  it('takes part again when that is lifted', async () => {
    const bench = await RecoveryBench.open();
    await bench.recovery.handle({ op: 'fence', ...n1, ...second });
    expect(bench.silent).toBe(true);
    await bench.recovery.handle({ op: 'lift', ...n1, ...second });
    expect([bench.attempt, bench.reopened]).toEqual([null, 1]);
  });
});

describe('two recoveries at the same time', () => {
  it('are never one: an attempt is gone on with for the file that it was begun for, and no other takes its place by the same number', async () => {
    const bench = await RecoveryBench.open();
    const own = { ...n1, ...second, source: '11'.repeat(32) };
    await bench.recovery.handle({ op: 'fence', ...own });
    expect(bench.recovery.report().attempt).toMatchObject({ ...second, source: own.source });
    await bench.recovery.handle({ op: 'fence', ...own });
    await expect(bench.recovery.handle({ op: 'fence', ...own, source: '22'.repeat(32) })).rejects.toThrow(
      /another file/,
    );
    const rival = { ...n1, generation: 2, generationId: '77'.repeat(16), source: '22'.repeat(32) };
    await expect(bench.recovery.handle({ op: 'fence', ...rival })).rejects.toThrow(/another recovery is under way/);
    expect(bench.attempt).toMatchObject({ ...second, step: 'fenced', source: own.source });
    // It is told apart after a restart too.
    expect((await bench.restarted()).attempt).toMatchObject({ source: own.source });
  });

  it('do not place their states over one another: what was given up while it was made comes to nothing', async () => {
    const bench = await RecoveryBench.open();
    await bench.recovery.handle({ op: 'fence', ...n1, ...second });
    const given = bench.attempt as GenerationAttempt;
    await bench.recovery.handle({ op: 'lift', ...n1, ...second });
    await bench.recovery.handle({ op: 'fence', ...n1, ...second });
    const ready = await readyFor(bench.storage, second, numbers);
    await bench.storage.setAttempt(ready);
    // The first comes to its end only now.
    await expect(stateFor(bench.storage, given, 2 * numbers)).rejects.toThrow(/given up meanwhile/);
    expect(await bench.storage.stateMembers(ready)).toHaveLength(3);
  });

  it('do not both work on one member: the later one asks again until the first has come to its end', async () => {
    const bench = await RecoveryBench.open();
    await bench.recovery.handle({ op: 'fence', ...n1, ...second });
    const take = {
      op: 'take',
      ...n1,
      cellId: 'cell-1',
      from: 'n2',
      instance: numbers,
      sha256: '00'.repeat(32),
    } as const;
    await bench.recovery.handle({ ...take, ...second, digest: '01'.repeat(32) });
    await expect(bench.recovery.handle({ ...take, ...second, digest: '02'.repeat(32) })).rejects.toThrow(
      /another state/,
    );
    await bench.recovery.handle({ op: 'fence', ...n1, ...third });
    const offer = {
      op: 'offer',
      ...n1,
      ...third,
      sha256: '00'.repeat(32),
      bytes: 5,
      offset: 0,
      pieceBase64: 'AAAA',
    } as const;
    for (const step of [offer, { ...take, ...third, digest: '03'.repeat(32) }] as const) {
      await expect(bench.recovery.handle(step)).rejects.toMatchObject({ code: 'PAXOS_NOT_SERVING' });
    }
    bench.endFetches();
    await until('the first is over', () => bench.recovery.handle(offer).catch(() => null));
    expect(bench.attempt).toMatchObject({ ...third, step: 'fenced' });
  });
});

describe('a step that is meant for another', () => {
  it.each([
    ['lift', { op: 'lift' }],
    ['offer', { op: 'offer', sha256: '00'.repeat(32), bytes: 1, offset: 0, pieceBase64: 'AAAA' }],
    [
      'take',
      { op: 'take', cellId: 'cell-1', from: 'n2', instance: 2 ** 40, sha256: '00'.repeat(32), digest: '01'.repeat(32) },
    ],
  ] as const)('is not done: %s', async (_what, step) => {
    const bench = await RecoveryBench.open();
    await bench.recovery.handle({ op: 'fence', ...n1, ...second });
    for (const other of [{ cell: 'cell-2' }, { member: 'n2' }, { incarnation: 2 }]) {
      await expect(bench.recovery.handle({ ...n1, ...second, ...step, ...other })).rejects.toThrow(/nothing was done/);
    }
    expect(bench.attempt).toMatchObject({ ...second, step: 'fenced' });
  });
});

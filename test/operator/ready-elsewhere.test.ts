/**
 * Members that are ready for a generation which others may have begun, and were lost with: what they are ready with is a state of its
 * own, and nothing goes on from behind it (design §3 "Generations").
 */
import { describe, expect, it } from 'vitest';
import type { AttemptDocument, RecoverReport } from '../../src/formats/recovery.ts';
import { type DecideOptions, decide } from '../../src/operator/recovery/decide.ts';
import { decideRestore } from '../../src/operator/restore/price.ts';
import { backupOfReports as backup, epochsOfReport, report } from '../support/recover-report.ts';

const apart = 2 ** 40;
const second = { generation: 2, generationId: 'cd'.repeat(16) };
const to = { generation: 3, generationId: 'ab'.repeat(16) };
const state = { sha256: '23'.repeat(32), bytes: 4_000 };

const attempt: AttemptDocument = {
  ...second,
  step: 'ready',
  decision: 'x',
  source: '',
  state: { instance: apart, ...state },
  before: null,
};

/** The first state of generation 2, made of what was chosen up to `parent`. */
function readyAt(parent: number): RecoverReport {
  const boundary = { epoch: apart, instance: parent + 1, id: second.generationId, revision: parent };
  return report('n2', apart, {
    ...second,
    incarnation: apart,
    members: report('n2', 0).members.map((it) => ({ ...it, incarnation: apart })),
    applied: { instance: apart, epoch: apart, epochId: second.generationId, revision: apart },
    begun: { epoch: 2, instance: parent },
    epochs: [...epochsOfReport, boundary],
    generations: [boundary],
    highest: apart,
  });
}

const ready = (member: string, instance: number, parent: number, more: Partial<RecoverReport> = {}): RecoverReport =>
  report(member, instance, { attempt, ready: [{ report: readyAt(parent), state }], highest: apart, ...more });

const decided = (reports: readonly RecoverReport[], more: Partial<DecideOptions> = {}) =>
  decide({ to, reports, witnessed: [], branch: null, ...more });

describe('the last one that is ready for a generation', () => {
  it('goes on from what it is ready with, which is further than what it stands at', () => {
    const { decision, price } = decided([ready('n2', 90, 100)]);
    expect(decision).toMatchObject({ base: 'n2', baseApplied: apart, offered: state, tail: [], numbers: 2 * apart });
    expect(decision.members.map(({ name }) => name)).toEqual(['n2']);
    // Whoever began it may have gone further.
    expect(price).toMatchObject({ revisionsAtLeast: 0, because: [], notAsked: ['n1', 'n3'] });
  });

  it('does so too when its own history goes beyond: that was given up when the generation was made', () => {
    const { decision, price } = decided([ready('n2', 140, 100)]);
    expect(decision).toMatchObject({ baseApplied: apart, offered: state });
    expect(price.because).toEqual([]);
  });

  it('does so while a later one is being made over it', () => {
    const { state: _, ...rest } = attempt;
    const over = { ...rest, ...to, generation: 4, step: 'fenced' as const, state: null, before: attempt };
    expect(decided([ready('n2', 90, 100, { attempt: over })]).decision).toMatchObject({ offered: state });
  });

  it('is gone on from in the generation that is begun once more by the same command', () => {
    const own = ready('n2', 90, 100);
    const { decision } = decide({ to: second, reports: [own], witnessed: [], branch: null });
    expect(decision).toMatchObject({ base: 'n2', baseApplied: 90, offered: null });
  });

  it('is gone on from the same way by a program that is run again, once somebody is ready for the later one', () => {
    const first = ready('n2', 90, 100);
    const again = { ...attempt, ...to, decision: 'y', state: { ...state, instance: 2 * apart }, before: attempt };
    const third = { report: { ...readyAt(100), ...to }, state: { sha256: '34'.repeat(32), bytes: 4_100 } };
    const now = { ...first, attempt: again, ready: [third, ...first.ready] };
    expect(decided([now]).digest).toBe(decided([first]).digest);
  });

  it('may be gone behind when its own history is chosen by name, and that is in the price', () => {
    const { decision, price } = decided([ready('n2', 90, 100)], { branch: 'n2' });
    expect(decision).toMatchObject({ baseApplied: 90, offered: null });
    expect(price.because).toContainEqual(expect.stringContaining('n2 is ready for generation 2'));
    expect(price.notAsked).toEqual(['n1', 'n2', 'n3']);
  });
});

describe('a generation that nobody has begun', () => {
  it('is left aside where all that it was made of is known besides: one of its members is not ready', () => {
    const { decision, price } = decided([ready('n2', 90, 100), report('n3', 120)]);
    expect(decision).toMatchObject({ base: 'n3', baseApplied: 120, offered: null });
    expect(price.because).toEqual([expect.stringContaining('n2 is ready for generation 2')]);
  });

  it('is left aside as well while all of its members answer and are ready only', () => {
    const all = ['n1', 'n2', 'n3'].map((name) => ready(name, 100, 100));
    expect(decided(all).decision).toMatchObject({ baseApplied: 100, offered: null });
    expect(decided(all).price).toMatchObject({ because: [], notAsked: [] });
  });

  it('counts where it was made of more than anybody else holds', () => {
    const { decision } = decided([ready('n2', 90, 130), report('n3', 120)]);
    expect(decision).toMatchObject({ base: 'n2', baseApplied: apart, offered: state });
    // Those that are not ready for it have no part in it: they join anew.
    expect(decision.members.map(({ name }) => name)).toEqual(['n2']);
  });

  it('is not chosen over another history unasked, nor given up unasked', () => {
    const forked = readyAt(100);
    const boundary = forked.epochs.at(-1) as (typeof forked.epochs)[number];
    const other = { epoch: 2, instance: 15, id: 'another two', revision: 9 };
    const epochs = [epochsOfReport[0] as typeof other, other, boundary];
    const odd = ready('n2', 90, 100, { ready: [{ report: { ...forked, epochs }, state }] });
    expect(() => decided([odd, report('n3', 120)])).toThrow(/n2:generation-2: .*; .*n3: epoch 2, instance 120/);
    const chosen = decided([odd, report('n3', 120)], { branch: 'n2:generation-2' });
    expect(chosen.decision).toMatchObject({ offered: state });
    expect(chosen.price.revisionsAtLeast).toBeGreaterThan(0);
  });

  it('may have begun all the same where the one that is not ready runs on a disk that nobody has compared', () => {
    const old = report('n3', 120, { disk: 'not-compared' });
    expect(decided([ready('n2', 90, 100), old]).decision).toMatchObject({ base: 'n2', offered: state });
  });
});

describe('going back to a backup', () => {
  it('counts what a generation holds that may have begun', () => {
    const { price } = decideRestore({ to, backup, reports: [ready('n2', 30, 100)], witnessed: [] });
    expect(price.revisionsAtLeast).toBe(75);
    expect(price.because).toContainEqual(expect.stringMatching(/ready for generation 2, which may have begun: 75 /));
  });
});

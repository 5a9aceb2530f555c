/** What a new generation begins with, and at what price, from what the members report: design §3 "Generations". */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { CellTimeMs, Epoch } from '../../src/core/consensus/identity.ts';
import { numbersApart as apart } from '../../src/formats/history-points.ts';
import { chained } from '../../src/formats/log-chain.ts';
import type { AcceptedDocument, RecoverReport } from '../../src/formats/recovery.ts';
import { decodeValue, encodeValue } from '../../src/formats/value.ts';
import { decide, type Witnessed } from '../../src/operator/recovery/decide.ts';
import { nextId } from '../../src/operator/recovery/plan.ts';
import { epochsOfReport as epochs, report } from '../support/recover-report.ts';

const to = { generation: 2, generationId: 'ab'.repeat(16) };
const accepted = (instance: number, round: number, text: string): AcceptedDocument => {
  const value = {
    kind: 'submitted',
    epoch: 2 as Epoch,
    cellTimeMs: 0 as CellTimeMs,
    items: [Buffer.from(text)],
  } as const;
  return {
    instance,
    ballot: { round, name: 'n1', incarnation: 1 },
    valueBase64: Buffer.from(encodeValue(value)).toString('base64'),
  };
};

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const textOf = (valueBase64: string): string => {
  const value = decodeValue(Buffer.from(valueBase64, 'base64'));
  return value.kind === 'submitted' ? Buffer.from(value.items[0] as Uint8Array).toString() : value.kind;
};

const decided = (
  reports: readonly RecoverReport[],
  witnessed: readonly Witnessed[] = [],
  branch: string | null = null,
) => decide({ to, reports, witnessed, branch });

const tailOf = (reports: readonly RecoverReport[]) =>
  decided(reports).decision.tail.map(({ instance, valueBase64 }) => `${instance} ${textOf(valueBase64)}`);

describe('the state of a new generation', () => {
  it('goes on from whoever has applied most', () => {
    const { decision } = decided([report('n1', 30), report('n2', 40), report('n3', 35)]);
    expect(decision).toMatchObject({ base: 'n2', baseApplied: 40, tail: [] });
  });

  it('never begins with records whose state is gone', () => {
    const lost = { missingUpTo: 50, chosenUpTo: 60, entries: [accepted(60, 5, 'late')] };
    const reports = [report('n1', 0, lost), report('n2', 30), report('n3', 40)];
    const { decision, price } = decided(reports);
    expect(decision).toMatchObject({ base: 'n3', baseApplied: 40 });
    expect(price.unknown).toEqual(['n1 has lost its state up to instance 50']);
    expect(() => decided(['n1', 'n2', 'n3'].map((name) => report(name, 0, lost)))).toThrowError(
      expect.objectContaining({
        message: 'Nobody holds a state that a generation could begin with.',
        suggestions: ['paxosctl status', 'paxosctl recover collect --data-dir DIR', 'paxosctl cell restore FILE'],
      }),
    );
  });

  it('takes what was accepted in the highest ballot, not what the longest log holds', () => {
    // n1 was cut off as master of round 5 with three values; round 7 has since chosen another at 41, known to nobody yet.
    const n1 = report('n1', 40, { entries: [accepted(41, 5, 'old'), accepted(42, 5, 'b'), accepted(43, 5, 'c')] });
    const n2 = report('n2', 40, { entries: [accepted(41, 7, 'new')] });
    expect(tailOf([n1, n2, report('n3', 40)])).toEqual(['41 new', '42 b', '43 c']);
    expect(tailOf([n2, n1, report('n3', 40)])).toEqual(['41 new', '42 b', '43 c']);
  });

  it('takes what somebody knows as chosen, in whatever ballot it stands there', () => {
    const n1 = report('n1', 40, { chosenUpTo: 41, entries: [accepted(41, 3, 'chosen')] });
    const n2 = report('n2', 40, { entries: [accepted(41, 7, 'other')] });
    expect(tailOf([n1, n2])).toEqual(['41 chosen']);
    expect(tailOf([n2, n1])).toEqual(['41 chosen']);
  });

  it('fills gaps with no-ops', () => {
    const n1 = report('n1', 40, { entries: [accepted(43, 5, 'x')] });
    expect(tailOf([n1, report('n2', 40)])).toEqual(['41 noop', '42 noop', '43 x']);
  });

  it('ends before what is chosen and nobody has any more: what follows is no state that the cell was ever in', () => {
    const later = [accepted(43, 5, 'later'), accepted(52, 5, 'last')];
    const lost = { missingUpTo: 50, chosenUpTo: 0, entries: later };
    expect(tailOf([report('n1', 0, lost), report('n2', 40, { entries: [accepted(41, 5, 'kept')] })])).toEqual([
      '41 kept',
    ]);
    expect(tailOf([report('n1', 0, lost), report('n2', 50)])).toEqual(['51 noop', '52 last']);
  });

  it('does not begin with what was collected of a directory that has lost its state', () => {
    const copy = (instance: number, more: Partial<RecoverReport> = {}) => ({
      report: report('n1', instance, more),
      state: { sha256: 'state', bytes: 5 },
    });
    const lost = copy(45, { missingUpTo: 50, chosenUpTo: 60 });
    const offered = (collected: typeof lost) =>
      decide({ to, reports: [report('n2', 40)], collected: [collected], witnessed: [], branch: null }).decision.offered;
    expect(offered(copy(45))).toMatchObject({ sha256: 'state' });
    expect(offered(lost)).toBeNull();
  });

  it('is the same for the same reports, in whatever order they come', () => {
    const reports = [report('n1', 30), report('n2', 40), report('n3', 40)];
    expect(decided(reports).digest).toBe(decided([...reports].reverse()).digest);
    expect(decided(reports).digest).not.toBe(decided([report('n1', 30), report('n2', 41)]).digest);
  });

  it('counts on from above every number that is known anywhere', () => {
    const high = report('n2', 40, { highest: 3 * 2 ** 40 + 5 });
    expect(decided([report('n1', 40), high]).decision.numbers).toBe(4 * 2 ** 40);
    // Who knew of it when the plan was made may be gone when it is carried out.
    const planned = decide({ to, reports: [report('n1', 40)], witnessed: [], numbers: 3 * 2 ** 40, branch: null });
    expect(planned.decision.numbers).toBe(3 * 2 ** 40);
    const seen = { generation: 1, epoch: 9, epochId: 'x', instance: 2 ** 41, revision: 1, by: 'a client' };
    const { numbers, members: next } = decided([report('n1', 40)], [seen]).decision;
    expect(numbers).toBe(3 * 2 ** 40);
    expect(next.map(({ name, incarnation }) => [name, incarnation])).toEqual([['n1', numbers]]);
  });

  it('is the same when a member knows less as chosen after a restart', () => {
    const chosen = [accepted(39, 5, 'a'), accepted(40, 5, 'b')];
    const chain = chosen.reduce(
      (before: Uint8Array, { instance, valueBase64 }) =>
        chained({ sha256 }, before, {
          instance: instance as never,
          value: decodeValue(Buffer.from(valueBase64, 'base64')),
        }),
      Buffer.from(report('n1', 38).logChain, 'hex'),
    );
    const whole = report('n1', 40, { logChain: Buffer.from(chain).toString('hex') });
    const restarted = report('n1', 38, { chosenUpTo: 39, entries: chosen, highest: 40 });
    expect(decided([restarted]).digest).toBe(decided([whole]).digest);
  });

  it('does not change when a member is ready already', () => {
    const reports = [report('n1', 40), report('n2', 40)];
    const state = { instance: 2 ** 40, bytes: 1, sha256: '' };
    const ready = { ...to, step: 'ready' as const, decision: 'x', source: '', state, before: null };
    expect(decided([report('n1', 40, { attempt: ready }), report('n2', 40)]).digest).toBe(decided(reports).digest);
  });
});

describe('the generation', () => {
  it('needs a voter: learners alone would decide nothing', () => {
    const members = report('n1', 40).members.map((it) => ({ ...it, role: it.name === 'n1' ? 'learner' : 'voter' }));
    expect(() => decided([report('n1', 40, { members })])).toThrow(/none votes/);
    expect(decided([report('n1', 40, { members }), report('n2', 40)]).decision.members).toHaveLength(2);
  });

  it('has a number above all that members and marks know of: a cell that was rolled back whole was further', () => {
    const world = { newId: () => 'y' };
    const before = { generation: 5, generationId: 'x', step: 'ready' as const, decision: '', source: '', state: null };
    const attempt = { ...before, generation: 6, step: 'fenced' as const, before };
    expect(nextId([report('n1', 40, { generation: 2 })], { witnessed: [{ generation: 3 }], world }).generation).toBe(4);
    expect(nextId([report('n1', 40, { attempt })], { witnessed: [{ generation: 3 }], world }).generation).toBe(7);
    expect(nextId([report('n1', 40)], { witnessed: [], atLeast: 8, world }).generation).toBe(9);
  });
});

describe('members that hold different histories', () => {
  const other = [epochs[0] as (typeof epochs)[0], { epoch: 2, instance: 15, id: 'other', revision: 9 }];
  const forked = report('n3', 60, {
    epochs: other,
    applied: { instance: 60, epoch: 2, epochId: 'other', revision: 50 },
    entries: [accepted(61, 99, 'of the other')],
  });

  it('are refused until an operator has chosen one, however many hold the other', () => {
    expect(() => decided([report('n1', 40), report('n2', 40), forked])).toThrow(/different histories/);
  });

  it('are gone on from the chosen one alone, and the other is in the price', () => {
    const { decision, price } = decided([report('n1', 40), report('n2', 42), forked], [], 'n1');
    // Whoever has all of the chosen history and more of it.
    expect(decision).toMatchObject({ base: 'n2', baseApplied: 42, tail: [] });
    // The other left it in epoch 1, which ends there at revision 9.
    expect(price.revisionsAtLeast).toBe(50 - 9);
    expect(decided([report('n1', 40), forked], [], 'n3').decision.base).toBe('n3');
  });

  it('count against the chosen one with every generation that they went through, and not with their last alone', () => {
    // Generation 2 went on from before where n1 is; n2 and n3 have two revisions of it, and one of generation 3.
    const [second, third] = [
      { epoch: apart, instance: 31, id: 'second', revision: 30 },
      { epoch: 2 * apart, instance: apart + 9, id: 'third', revision: apart + 2 },
    ] as const;
    const generations = [second, third];
    const applied = { instance: 2 * apart + 3, epoch: 2 * apart, epochId: 'third', revision: 2 * apart + 1 };
    const later = { generation: 3, generations, epochs: [...epochs, ...generations], applied };
    const reports = [report('n1', 40), report('n2', 0, later), report('n3', 0, later)];
    expect(decided(reports, [], 'n1').price.revisionsAtLeast).toBe(2 + 1);
  });
});

describe('the price', () => {
  it('is nothing for what everybody has, and names who was not asked', () => {
    const { price } = decided([report('n1', 40), report('n2', 30, { unreadable: 1 })]);
    expect(price).toEqual({
      revisionsAtLeast: 0,
      because: [],
      notAsked: ['n2', 'n3'],
      unknown: ['n2 cannot read 1 of what it has accepted', 'n3 does not answer'],
    });
  });

  it('knows only what the present life of a member says, on a disk that others have compared', () => {
    const members = report('n1', 40).members.map((it) => (it.name === 'n2' ? { ...it, incarnation: 7 } : it));
    const newest = report('n1', 40, { members });
    const { decision, price } = decided([newest, report('n2', 30), report('n3', 40)]);
    expect(decision.members.map(({ name }) => name)).toEqual(['n1', 'n3']);
    expect([price.notAsked, price.unknown]).toEqual([
      ['n2'],
      [expect.stringMatching(/incarnation 1; .* incarnation 7/)],
    ]);
    const asked = (disk: RecoverReport['disk']) => {
      const reports = [report('n1', 40, { disk }), report('n2', 40), report('n3', 40)];
      return decided(reports).price.notAsked;
    };
    expect(asked('compared')).toEqual([]);
    for (const disk of ['not-compared', 'copied', 'older'] as const)
      expect([disk, asked(disk)]).toEqual([disk, ['n1']]);
  });

  it('does not ask again who is ready with what was priced then', () => {
    const state = { instance: 2 ** 40, bytes: 1, sha256: '' };
    const attempt = { ...to, step: 'ready' as const, decision: 'x', source: '', state, before: null };
    const restarted = report('n1', 40, { disk: 'not-compared', attempt });
    expect(decided([restarted, report('n2', 40), report('n3', 40)]).price.notAsked).toEqual([]);
  });

  it('has what an older life of a member holds beyond, which takes no part', () => {
    const members = report('n1', 40).members.map((it) => (it.name === 'n2' ? { ...it, incarnation: 7 } : it));
    const { decision, price } = decided([
      report('n1', 40, { members }),
      report('n2', 35, { chosenUpTo: 35, entries: [accepted(41, 5, 'from the old disk')] }),
    ]);
    expect(decision.tail.map(({ valueBase64 }) => textOf(valueBase64))).toEqual(['from the old disk']);
    expect([decision.base, price.notAsked]).toEqual(['n1', ['n2', 'n3']]);
  });

  it('names who is ready for a generation that those who do not answer may have begun', () => {
    const state = { instance: 2 ** 40, bytes: 1, sha256: '' };
    const ready = {
      generation: 2,
      generationId: 'ef'.repeat(16),
      step: 'ready' as const,
      decision: 'x',
      source: '',
      state,
    };
    const attempt = { ...ready, before: null };
    const { price } = decided([report('n2', 40, { attempt })]);
    expect(price.notAsked).toEqual(['n1', 'n2', 'n3']);
    expect(price.because).toEqual([expect.stringContaining(`n2 is ready for generation 2 (${ready.generationId})`)]);
    // Fenced for this one it still is.
    const fenced = {
      ...to,
      generation: 3,
      step: 'fenced' as const,
      decision: '',
      source: '',
      state: null,
      before: ready,
    };
    expect(decided([report('n2', 40, { attempt: fenced })]).price).toEqual(price);
    // Nobody has begun it while all answer and none has.
    const all = [report('n1', 40), report('n2', 40, { attempt }), report('n3', 40)];
    expect(decided(all).price).toMatchObject({ because: [], notAsked: [] });
    // Its own attempt, run again.
    const own = { ...attempt, ...to };
    expect(decided([report('n2', 40, { attempt: own })]).price).toMatchObject({ because: [], notAsked: ['n1', 'n3'] });
  });

  it('counts what a mark proves, and allows for all that is kept beyond what is applied', () => {
    const seen = { generation: 1, epoch: 3, epochId: 'three', instance: 90, revision: 47, by: 'a client' };
    expect(decided([report('n1', 40)], [seen]).price.revisionsAtLeast).toBe(7);
    const more = report('n1', 40, { entries: [accepted(41, 5, 'a'), accepted(42, 5, 'b')] });
    expect(decided([more], [seen]).price.revisionsAtLeast).toBe(5);
    // Of this history: no loss.
    const kept = { ...seen, epoch: 2, epochId: 'two', instance: 38 };
    expect(decided([report('n1', 40)], [kept]).price.because).toEqual([]);
  });
});

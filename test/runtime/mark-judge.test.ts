/**
 * Which position marks are served, waited for, refused, and which freeze the cell: contract §2, one test a rule. A mark that
 * should freeze nobody is the larger half of them: whoever can stop a cell with a forged mark needs no other weapon.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import type { FreezeEvidence } from '../../src/core/consensus/freeze.ts';
import type { Epoch, Instance, MonotonicMs, ReplicaId } from '../../src/core/consensus/identity.ts';
import type { CellIdentity, EpochRecord } from '../../src/core/database/record.ts';
import { lostAtLeast } from '../../src/formats/history-points.ts';
import { MarkJudge } from '../../src/runtime/mark-judge.ts';
import { type History, PositionMarks } from '../../src/runtime/position.ts';

const secret = Buffer.alloc(32, 7);
const identity: CellIdentity = {
  cellId: 'cell-1',
  generation: 1,
  generationId: 'generation-1',
  generationStart: { epoch: 0 as Epoch, instance: 0 as Instance },
  rootSecret: secret,
};

const epoch = (n: number, instance: number, revision: number, id = `epoch-${n}`): EpochRecord => ({
  epoch: n as Epoch,
  instance: instance as Instance,
  id,
  owner: 'n1#1',
  revision,
});

/** A history of these epochs, at `revision`. */
const historyOf = (epochs: readonly EpochRecord[], revision: number, own: CellIdentity = identity): History => ({
  identity: own,
  epoch: (epochs.at(-1)?.epoch ?? 0) as Epoch,
  revision,
  epochAt: (n) => epochs.find((it) => it.epoch === n) ?? null,
  epochAfter: (n) => epochs.find((it) => it.epoch > n) ?? null,
});

const markOf = (history: History, instance: number): string => new PositionMarks(history).current(instance as Instance);

class Bench {
  history: History;
  readonly log;
  renounced = 0;
  frozen: FreezeEvidence[] = [];
  nowMs = 100_000;
  serving = true;
  applied: number;
  proposed: number;
  timers: (() => void)[] = [];
  readonly judge: MarkJudge;

  constructor(history: History, applied: number) {
    this.history = history;
    this.applied = applied;
    this.proposed = applied;
    const bench = this;
    this.log = {
      self: 'n1#1' as ReplicaId,
      stopped: false,
      get appliedUpTo(): Instance {
        return bench.applied as Instance;
      },
      isServing: () => this.serving,
      core: {
        get epoch(): Epoch {
          return bench.history.epoch;
        },
        get proposedUpTo(): Instance {
          return bench.proposed as Instance;
        },
      },
      renounce: () => {
        this.renounced++;
        this.serving = false;
      },
      freeze: async (evidence: FreezeEvidence) => void this.frozen.push(evidence),
    };
    const live: History = {
      get identity() {
        return bench.history.identity;
      },
      get epoch() {
        return bench.history.epoch;
      },
      get revision() {
        return bench.history.revision;
      },
      epochAt: (n) => this.history.epochAt(n),
      epochAfter: (n) => this.history.epochAfter(n),
    };
    const clocks = {
      now: () => ({ monotonicMs: this.nowMs as MonotonicMs, wallMs: this.nowMs, bootMs: this.nowMs }),
      schedule: (_at: MonotonicMs, fire: () => void) => {
        this.timers.push(fire);
        return { cancel: () => undefined };
      },
      nextTurn: (callback: () => void) => void this.timers.push(callback),
    };
    this.judge = new MarkJudge({ log: this.log, history: live, marks: new PositionMarks(live), clocks });
  }

  /** Phase 1 is done, and the epoch that it brought is applied. */
  reelected(epochs: readonly EpochRecord[], revision: number, applied: number): void {
    this.history = historyOf(epochs, revision, this.history.identity as CellIdentity);
    this.applied = applied;
    this.proposed = applied;
    this.serving = true;
  }

  look(): void {
    for (const fire of this.timers.splice(0)) fire();
  }
}

/** What was lost: epochs 1 to 3; what came back: epoch 1, then others. */
const lost = historyOf([epoch(1, 1, 0), epoch(2, 50, 40), epoch(3, 80, 70)], 90);
const lostInSecond = historyOf([epoch(1, 1, 0), epoch(2, 50, 40)], 55);
const back = [epoch(1, 1, 0), epoch(2, 31, 25, 'other-2')];
let bench: Bench;
beforeEach(() => {
  bench = new Bench(historyOf(back, 26), 35);
});

describe('a mark outside the history of a master with a lease', () => {
  it('makes it prove itself first, and freezes the cell only when it is outside still', () => {
    const mark = markOf(lost, 100);
    expect(bench.judge.judge(mark)).toEqual({ kind: 'hold' });
    expect([bench.renounced, bench.frozen.length]).toEqual([1, 0]);
    bench.reelected([...back, epoch(3, 36, 26, 'other-3')], 26, 36);
    expect(bench.judge.judge(mark)).toEqual({ kind: 'hold' });
    expect(bench.frozen).toHaveLength(1);
    expect(bench.frozen[0]).toMatchObject({
      cause: 'mark-outside-history',
      seenBy: 'n1#1',
      facts: { markEpoch: 3, markInstance: 100, markRevision: 90, historyEpoch: 3, historyRevision: 26 },
    });
  });

  it('freezes also when its client has gone away meanwhile', () => {
    bench.judge.judge(markOf(lost, 100));
    bench.reelected([...back, epoch(3, 36, 26, 'other-3')], 26, 36);
    bench.look();
    expect(bench.frozen).toHaveLength(1);
  });

  it('freezes nobody when the new epoch shows that it was there', () => {
    const late = historyOf([...back, epoch(3, 36, 26)], 27);
    const mark = markOf(late, 40);
    expect(bench.judge.judge(mark)).toEqual({ kind: 'hold' });
    // Phase 1 found what this master, deposed without knowing it, had missed.
    bench.reelected([...back, epoch(3, 36, 26), epoch(4, 41, 27)], 27, 41);
    expect(bench.judge.judge(mark)).toEqual({ kind: 'serve' });
    bench.look();
    expect(bench.frozen).toEqual([]);
  });

  it.each([
    ['in an epoch of the same number and another id, however far the cell has moved on', markOf(lostInSecond, 60)],
    ['in an epoch that both have, above where it ended here', markOf(historyOf([epoch(1, 1, 0)], 33), 40)],
    ['in an epoch that this history has not reached', markOf(lost, 100)],
    [
      'of a newer generation',
      markOf(historyOf([epoch(1, 1, 0)], 33, { ...identity, generation: 2, generationId: 'generation-2' }), 5),
    ],
    [
      'of another generation of the same number',
      markOf(historyOf([epoch(1, 1, 0)], 33, { ...identity, generationId: 'other-generation' }), 5),
    ],
  ])('%s', (_, mark) => {
    bench.applied = 1_000_000;
    bench.proposed = 1_000_000;
    expect(bench.judge.judge(mark)).toEqual({ kind: 'hold' });
    bench.reelected([...back, epoch(3, 1_000_001, 26, 'other-3')], 26, 1_000_001);
    bench.judge.judge(mark);
    expect(bench.frozen).toHaveLength(1);
  });

  it('moves mastership once in five seconds at most, whatever is sent', () => {
    for (let i = 0; i < 100; i++) {
      bench.judge.judge(markOf(lost, 100 + i));
      bench.serving = true;
      bench.nowMs += 10;
    }
    expect(bench.renounced).toBe(1);
    expect(bench.frozen).toEqual([]);
  });
});

describe('freezes nobody and moves no mastership:', () => {
  const quiet = (): void => expect([bench.renounced, bench.frozen]).toEqual([0, []]);

  it('a forged mark', () => {
    const forged = markOf({ ...lost, identity: { ...identity, rootSecret: Buffer.alloc(32, 8) } }, 100);
    expect(bench.judge.judge(forged)).toMatchObject({ kind: 'refuse', status: 400, code: 'PAXOS_POSITION_INVALID' });
    quiet();
  });

  it('a garbled mark, in any one character', () => {
    const mark = markOf(lost, 100);
    for (let at = 0; at < mark.length - 1; at++) {
      const garbled = `${mark.slice(0, at)}${mark[at] === 'A' ? 'B' : 'A'}${mark.slice(at + 1)}`;
      const judged = bench.judge.judge(garbled);
      // One that names another cell is told so, before any proof can be looked at.
      expect(judged.kind, garbled).toBe('refuse');
    }
    quiet();
  });

  it("another cell's mark", () => {
    const mark = markOf(historyOf([epoch(1, 1, 0)], 5, { ...identity, cellId: 'cell-2' }), 100);
    expect(bench.judge.judge(mark)).toMatchObject({ kind: 'refuse', status: 403, code: 'PAXOS_WRONG_CELL' });
    quiet();
  });

  it('a replica without the lease, which waits or sends the client to the master', () => {
    bench.serving = false;
    expect(bench.judge.judge(markOf(lost, 100))).toEqual({ kind: 'wait', instance: 100 });
    expect(bench.judge.judge(markOf(lostInSecond, 60))).toEqual({ kind: 'wait', instance: 60 });
    bench.serving = true;
    bench.look();
    quiet();
  });

  it('a mark of the present epoch above all that it proposed', () => {
    const mark = markOf(historyOf(back, 40), 36);
    expect(bench.judge.judge(mark)).toMatchObject({ kind: 'refuse', status: 400, code: 'PAXOS_POSITION_INVALID' });
    quiet();
  });

  it('a mark of what is proposed and not applied yet, which is waited for', () => {
    bench.proposed = 36;
    expect(bench.judge.judge(markOf(historyOf(back, 40), 36))).toEqual({ kind: 'wait', instance: 36 });
    quiet();
  });

  it('a mark of an older point of this history, of a replica that lags or was deposed', () => {
    for (const instance of [1, 15, 30]) {
      expect(bench.judge.judge(markOf(historyOf(back.slice(0, 1), 3), instance))).toEqual({ kind: 'serve' });
    }
    for (const instance of [31, 35]) {
      expect(bench.judge.judge(markOf(historyOf(back, 3), instance))).toEqual({ kind: 'serve' });
    }
    quiet();
  });

  it('a mark from before a legitimate new generation: kept is served, given up is told so', () => {
    const base = 2 ** 40;
    // Generation 2 left its parent after epoch 2, instance 60.
    const start = { epoch: 2 as Epoch, instance: 60 as Instance };
    const epochs = [
      epoch(1, 1, 0),
      epoch(2, 50, 40),
      epoch(base, 61, 45, 'generation-2'),
      epoch(base + 1, base + 1, base, 'first-of-2'),
    ];
    const second = { ...identity, generation: 2, generationId: 'generation-2', generationStart: start };
    bench = new Bench(historyOf(epochs, base + 3, second), base + 9);
    for (const instance of [50, 60]) {
      const parent = historyOf([epoch(1, 1, 0), epoch(2, 50, 40)], 44);
      expect(bench.judge.judge(markOf(parent, instance))).toEqual({ kind: 'serve' });
    }
    for (const mark of [markOf(historyOf([epoch(1, 1, 0), epoch(2, 50, 40)], 46), 61), markOf(lost, 100)]) {
      expect(bench.judge.judge(mark)).toMatchObject({
        kind: 'refuse',
        status: 409,
        code: 'PAXOS_GENERATION_CHANGED',
        facts: { generation: 2, beganAfter: start },
      });
    }
    quiet();
  });
});

describe('what a mark proves to be lost', () => {
  it('is counted from the latest point that both branches can have in common', () => {
    const own = historyOf(back, 60);
    const present = {
      generation: 1,
      revision: 60,
      epochAt: (n: number) => own.epochAt(n as Epoch),
      epochAfter: (n: number) => own.epochAfter(n as Epoch),
    };
    const point = (n: number, epochId: string, revision: number) => ({
      ...identity,
      epoch: n,
      epochId,
      instance: 0,
      revision,
    });
    expect(lostAtLeast(point(1, 'epoch-1', 33), present)).toBe(33 - 25);
    expect(lostAtLeast(point(2, 'epoch-2', 48), present)).toBe(48 - 25);
    expect(lostAtLeast(point(3, 'epoch-3', 90), present)).toBe(90 - 60);
    expect(lostAtLeast(point(3, 'epoch-3', 50), present)).toBe(0);
  });
});

describe('the mark of an answer to a request whose mark nobody judged', () => {
  const history = historyOf(back, 26);
  const marks = new PositionMarks(history);
  const own = marks.current(35 as Instance);
  const answering = (mark: string): string => marks.answering(mark, 35 as Instance);

  it.each([
    ['in an epoch of another history, which this one has moved on past', markOf(lostInSecond, 60)],
    ['in an epoch that was not reached here', markOf(lost, 100)],
    ['ahead of what is applied here', markOf(history, 40)],
    ['of another cell', markOf(historyOf(back, 26, { ...identity, cellId: 'cell-2' }), 5)],
  ])('is that mark again, %s', (_, mark) => {
    expect(answering(mark)).toBe(mark);
  });

  it.each([
    ['in the history that is applied here', markOf(history, 33)],
    ['garbled', `${markOf(history, 40).slice(0, -4)}AAAA`],
    ['no mark at all', 'x'],
  ])('is a new one, where it is %s', (_, mark) => {
    expect(answering(mark)).toBe(own);
  });
});

/** Who has the cell's backups made, and what becomes of it when anybody fails: what is due follows from the entries of the cell alone. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { SavedBackupDocument } from '../../../src/formats/backup-body.ts';
import { BackupKeeper } from '../../../src/runtime/backups/backup-keeper.ts';
import type { BackupAnswer, BackupQuestion } from '../../../src/runtime/backups/backup-question.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { FakeCell, FakeLog, of, settled, Times } from './support.ts';

const hourMs = 3_600_000;

let times: Times;
let cell: FakeCell;
let asked: { readonly member: string; readonly question: BackupQuestion }[];
/** What each member answers; null: nothing. */
let answers: Record<string, (question: BackupQuestion) => BackupAnswer | null>;

beforeEach(() => {
  times = new Times();
  cell = new FakeCell();
  asked = [];
  answers = {};
});

const backup = (instance: number, directory = '/backups') => ({
  ...{ generation: 1, instance, entries: 1, bytes: 100, checksum: 'aa', digest: 'bb' },
  ...{ at: new Date(times.wallMs).toISOString(), cellTimeMs: times.cellMs },
  file: `${directory}/${instance}.snapshot`,
});

const writes =
  (instance: number): ((question: BackupQuestion) => BackupAnswer) =>
  ({ begin, directory }) =>
    begin
      ? { state: 'running', instance, bytes: 0, idleMs: 0 }
      : { state: 'done', backup: backup(instance, directory) };
const fails =
  (why: string, wrote = false) =>
  (): BackupAnswer => ({ state: 'failed', why, wrote });

function keeperOf(name: string, names?: readonly string[]): { keeper: BackupKeeper; log: FakeLog } {
  const log = new FakeLog(name, times, names);
  log.serving = true;
  const ask = (member: string, question: BackupQuestion): BackupAnswer | null => {
    asked.push({ member, question });
    return answers[member]?.(question) ?? null;
  };
  const keeper = new BackupKeeper({
    ...{ self: log.self, of, log: log.asLog(), system: () => cell.entries, clocks: times.clocks },
    ...{ logger: silentLogger, submit: cell.submit },
    ask: async (url, question) => ask(new URL(url).hostname, question),
    askSelf: (question) => ask('self', question) as BackupAnswer,
  });
  return { keeper, log };
}

async function looks(keeper: BackupKeeper, count: number, everyMs = 500): Promise<void> {
  for (let look = 0; look < count; look++) {
    keeper.look();
    await settled();
    times.pass(everyMs);
  }
}

const last = (): SavedBackupDocument | null => cell.document<SavedBackupDocument>('scheduled');
const members = (): string[] => [...new Set(asked.map(({ member }) => member))];

describe('the master of a cell with a schedule', () => {
  it('has a member that is not master make one, records it, and waits until the next is due', async () => {
    cell.schedule();
    answers = { n2: writes(50), n3: writes(50) };
    const { keeper } = keeperOf('n1');
    await looks(keeper, 10);
    expect(members()).toEqual(['n2']);
    expect(asked.map(({ question }) => question.begin)).toEqual([true, false]);
    expect(last()).toMatchObject({ instance: 50, where: 'n2', by: 'schedule', file: '/backups/50.snapshot' });
    expect(cell.document('saved')).toEqual(last());
    times.pass(hourMs - 60_000);
    await looks(keeper, 3);
    expect(asked).toHaveLength(2);
    times.pass(60_000);
    answers.n2 = writes(60);
    await looks(keeper, 3);
    expect(last()?.instance).toBe(60);
    expect(asked[2]?.question).toMatchObject({ after: { generation: 1, instance: 50 }, atLeast: 50, keep: 2 });
  });

  it('goes on with what the one before it had begun', async () => {
    cell.schedule();
    answers = { n3: () => ({ state: 'running', instance: 40, bytes: 9, idleMs: 0 }) };
    const first = keeperOf('n1', ['n1', 'n3']);
    await looks(first.keeper, 3);
    first.log.serving = false;
    answers = { n3: () => ({ state: 'done', backup: backup(40) }), n1: writes(99) };
    const second = keeperOf('n2', ['n2', 'n3']);
    await looks(second.keeper, 2);
    expect(last()).toMatchObject({ instance: 40, where: 'n3' });
    const before = asked.length;
    await looks(first.keeper, 3);
    expect(asked).toHaveLength(before);
  });

  it('asks the next one when one fails, says why, and comes back to it', async () => {
    cell.schedule();
    answers = { n2: fails('there is no such directory'), n3: fails('it is full', true) };
    const { keeper } = keeperOf('n1');
    await looks(keeper, 4);
    expect(keeper.failed()).toEqual([
      { member: 'n2', why: 'there is no such directory' },
      { member: 'n3', why: 'it is full' },
    ]);
    const tries = (name: string) => asked.filter(({ member }) => member === name).length;
    const full = tries('n3');
    await looks(keeper, 40);
    // What costs a disk something is not tried again at once.
    expect(tries('n2')).toBeGreaterThan(3);
    expect(tries('n3')).toBe(full);
    answers.n2 = writes(55);
    await looks(keeper, 10);
    expect(last()).toMatchObject({ instance: 55, where: 'n2' });
    expect(keeper.failed()).toEqual([]);
  });

  it('says why nobody makes one where the only member that is named is master', async () => {
    cell.schedule({ members: ['n1'] });
    const { keeper } = keeperOf('n1');
    await looks(keeper, 3);
    expect(asked).toEqual([]);
    expect(keeper.failed()).toEqual([{ member: 'n1', why: 'it is master, and backups are made by the others' }]);
  });

  it('gives up a member that does not answer, or whose disk does not', async () => {
    cell.schedule();
    answers = { n2: () => null, n3: () => ({ state: 'running', instance: 1, bytes: 0, idleMs: 40_000 }) };
    const { keeper } = keeperOf('n1');
    await looks(keeper, 14);
    expect(keeper.failed()).toEqual([
      { member: 'n2', why: 'it does not answer' },
      { member: 'n3', why: '/backups does not answer' },
    ]);
  });

  it('waits for a member that is behind, and not for ever', async () => {
    cell.schedule();
    answers = { n2: () => ({ state: 'waiting', why: 'it is 7 instances behind' }), n3: writes(50) };
    const { keeper, log } = keeperOf('n1');
    await looks(keeper, 20);
    log.appliedUpTo = 500;
    expect(new Set(asked.map(({ question }) => question.atLeast))).toEqual(new Set([50]));
    expect(last()).toBeNull();
    await looks(keeper, 60);
    expect(last()).toMatchObject({ where: 'n3' });
  });

  it('goes on at the member that made the last one, and takes only those that are meant', async () => {
    cell.schedule({ members: ['n1', 'n3'] });
    answers = { n2: writes(50), n3: writes(50) };
    const { keeper } = keeperOf('n1');
    await looks(keeper, 4);
    expect(members()).toEqual(['n3']);
    cell.schedule();
    times.pass(hourMs);
    answers.n3 = writes(60);
    await looks(keeper, 4);
    expect([last()?.where, members()]).toEqual(['n3', ['n3']]);
  });

  it('does it itself only where there is nobody else', async () => {
    cell.schedule();
    answers = { self: writes(50) };
    const { keeper } = keeperOf('n1', ['n1']);
    await looks(keeper, 4);
    expect(asked[0]?.question.alone).toBe(true);
    expect(last()).toMatchObject({ where: 'n1' });
  });

  it('asks again when the log did not take the record, and the same backup answers', async () => {
    cell.schedule();
    answers = { n2: writes(50) };
    cell.refuses = 'unknown';
    const { keeper } = keeperOf('n1');
    await looks(keeper, 4);
    expect(last()).toBeNull();
    cell.refuses = null;
    await looks(keeper, 2);
    expect(last()).toMatchObject({ instance: 50 });
  });

  it('makes one too many, and never one too few, when clocks are wrong', async () => {
    cell.schedule();
    answers = { n2: writes(50) };
    const { keeper } = keeperOf('n1');
    await looks(keeper, 4);
    // The wall clock jumps a year ahead.
    times.wallMs += 365 * 24 * hourMs;
    answers.n2 = writes(60);
    await looks(keeper, 4);
    expect(last()?.instance).toBe(60);
    // And back: the time of the cell still passes.
    times.wallMs -= 365 * 24 * hourMs;
    answers.n2 = writes(70);
    await looks(keeper, 4);
    expect(last()?.instance).toBe(60);
    times.pass(hourMs);
    await looks(keeper, 4);
    expect(last()?.instance).toBe(70);
    // Nobody was master for long, and the time of the cell stood still.
    times.wallMs += 2 * hourMs;
    answers.n2 = writes(80);
    await looks(keeper, 4);
    expect(last()?.instance).toBe(80);
  });

  it('records the age of the state and not of the word of it: one that was cut off for hours is as old as that', async () => {
    cell.schedule();
    const { keeper, log } = keeperOf('n1', ['n1', 'n2']);
    answers = { n2: writes(50) };
    const begun = { at: new Date(times.wallMs).toISOString(), cellTimeMs: times.cellMs };
    await looks(keeper, 1);
    const made = backup(50);
    // It writes, and nobody hears of it for twenty hours, in which others write on.
    answers = {};
    await looks(keeper, 20, hourMs);
    log.appliedUpTo = 9_000;
    const { length } = asked;
    answers = { n2: () => ({ state: 'done', backup: made }) };
    await looks(keeper, 1);
    expect(last()).toMatchObject({ instance: 50, at: made.at, cellTimeMs: made.cellTimeMs });
    expect(Date.parse(made.at) - Date.parse(begun.at)).toBeLessThan(hourMs);
    // So the one that was due still is.
    answers = { n2: writes(9_000) };
    await looks(keeper, 3);
    expect(last()).toMatchObject({ instance: 9_000 });
    expect(asked[length + 1]?.question).toMatchObject({ begin: true, after: { instance: 50 }, atLeast: 9_000 });
  });

  it('counts the age from when it asked, however long the writing takes, and believes no clock that is ahead', async () => {
    cell.schedule({ everyMs: 24 * hourMs });
    const { keeper, log } = keeperOf('n1');
    const asked = { at: new Date(times.wallMs).toISOString(), cellTimeMs: times.cellMs };
    answers = {
      n2: ({ begin }) =>
        begin
          ? { state: 'running', instance: 50, bytes: 0, idleMs: 0 }
          : { state: 'running', instance: 50, bytes: 9, idleMs: 0 },
    };
    await looks(keeper, 4, 600_000);
    answers = { n2: writes(50) };
    await looks(keeper, 1);
    expect(last()).toMatchObject({ instance: 50, ...asked });
    times.pass(24 * hourMs);
    log.appliedUpTo = 70;
    const later = { at: new Date(times.wallMs).toISOString(), cellTimeMs: times.cellMs };
    const ahead = { at: new Date(times.wallMs + 9 * hourMs).toISOString(), cellTimeMs: times.cellMs + hourMs };
    answers = { n2: () => ({ state: 'done', backup: { ...backup(60), ...ahead } }) };
    await looks(keeper, 1);
    expect(last()).toMatchObject({ instance: 60, ...later });
  });

  it('is not moved by the schedule of another cell whose state it was restored from', async () => {
    cell.schedule({}, 'the cell that was saved');
    answers = { n2: writes(50) };
    const { keeper } = keeperOf('n1');
    await looks(keeper, 4);
    expect(asked).toEqual([]);
  });

  it('begins anew in another directory, and in another generation', async () => {
    cell.schedule();
    answers = { n2: writes(50) };
    const { keeper } = keeperOf('n1');
    await looks(keeper, 4);
    cell.schedule({ directory: '/elsewhere' });
    answers.n2 = writes(51);
    await looks(keeper, 4);
    expect(last()).toMatchObject({ instance: 51, file: '/elsewhere/51.snapshot' });
  });

  it('holds against nobody in another directory what stood in the way in the one before', async () => {
    cell.schedule({ directory: '/full' });
    answers = { n2: fails('it is full', true), n3: fails('it is full', true) };
    const { keeper } = keeperOf('n1');
    await looks(keeper, 4);
    expect(keeper.failed()).toHaveLength(2);
    cell.schedule({ directory: '/elsewhere' });
    answers = { n2: writes(50), n3: writes(50) };
    await looks(keeper, 1);
    expect(keeper.failed()).toEqual([]);
    await looks(keeper, 2);
    expect(last()).toMatchObject({ instance: 50, file: '/elsewhere/50.snapshot' });
  });
});

import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryMarks, NotAllowedError, StateFile, StoredMarks, stateDirectory } from '../../src/client/index.ts';
import { ByteWriter } from '../../src/formats/bytes.ts';
import { comparePoints, readPositionMark } from '../../src/formats/position-mark.ts';
import { PositionMarks } from '../../src/runtime/position.ts';

/** As a replica writes one, with a proof that no client looks at. */
function mark(instance: number, { cell = 'c1', generation = 1, epoch = 1 } = {}): string {
  const body = new ByteWriter()
    .u8(1)
    .text(cell)
    .safe(generation)
    .text('g')
    .safe(epoch)
    .text('e')
    .safe(instance)
    .safe(0);
  return Buffer.concat([body.finish(), Buffer.alloc(16, 7)]).toString('base64url');
}

let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'paxosctl-state-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('marks', () => {
  it('say where in the history of which cell they are', () => {
    expect(readPositionMark(mark(9, { epoch: 4 }))).toMatchObject({
      cellId: 'c1',
      generation: 1,
      epoch: 4,
      instance: 9,
    });
    for (const bad of ['', 'AA', 'not base64!', 'x'.repeat(2000), mark(1).slice(0, 20)]) {
      expect(readPositionMark(bad)).toBeNull();
    }
  });

  it('are read as replicas write them', () => {
    const identity = { cellId: 'c1', generation: 2, generationId: 'g', rootSecret: Buffer.alloc(32) } as never;
    const record = { id: 'e', instance: 3 } as never;
    const marks = new PositionMarks({
      identity,
      epoch: 5 as never,
      epochAt: () => record,
      epochAfter: () => null,
      revision: 0,
    });
    expect(readPositionMark(marks.current(17 as never))).toEqual({
      cellId: 'c1',
      generation: 2,
      generationId: 'g',
      epoch: 5,
      epochId: 'e',
      instance: 17,
      revision: 0,
    });
  });

  it('are ordered by generation, epoch, instance', () => {
    const points = [mark(9), mark(1, { epoch: 2 }), mark(0, { generation: 2 })].map((it) => readPositionMark(it)!);
    expect([...points].reverse().sort(comparePoints)).toEqual(points);
  });

  it('in memory the newest wins, whatever the order of the answers', () => {
    const marks = new MemoryMarks();
    for (const it of [mark(5), mark(9), mark(7)]) marks.saw(it);
    expect(marks.newest()).toBe(mark(9));
  });
});

describe('the state directory', () => {
  it('keeps the newest mark of each cell, readable by its owner alone', async () => {
    const state = new StateFile(directory);
    expect(await state.newestMark('c1')).toBeNull();
    for (const it of [mark(5), mark(9), mark(7), mark(3, { cell: 'c2' })]) await state.keepMark(it);
    expect(await state.newestMark('c1')).toBe(mark(9));
    expect(await state.newestMark('c2')).toBe(mark(3, { cell: 'c2' }));
    const folder = path.join(directory, 'cells', 'c1');
    const files = await readdir(folder);
    expect(files).toHaveLength(1);
    expect((await stat(path.join(folder, files[0]!))).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });

  it('many writers at once leave the newest', async () => {
    const instances = Array.from({ length: 40 }, (_, i) => ((i * 17) % 40) + 1);
    await Promise.all(instances.map((it) => new StateFile(directory).keepMark(mark(it))));
    expect(await new StateFile(directory).newestMark('c1')).toBe(mark(40));
  });

  it('leftovers of a killed writer are not read', async () => {
    const state = new StateFile(directory);
    await state.keepMark(mark(5));
    const folder = path.join(directory, 'cells', 'c1');
    await writeFile(path.join(folder, '.abc.tmp'), 'half');
    await writeFile(path.join(folder, 'zzz'), 'other');
    expect(await state.newestMark('c1')).toBe(mark(5));
  });

  it('a cell id that is a path stays inside', async () => {
    const state = new StateFile(directory);
    const cell = '../../outside';
    await state.keepMark(mark(5, { cell }));
    expect(await state.newestMark(cell)).toBe(mark(5, { cell }));
    expect((await readdir(path.join(directory, 'cells')))[0]).toMatch(/^sha256-/);
  });

  it('refuses another cell at endpoints where one was met, until that is forgotten', async () => {
    const state = new StateFile(directory);
    await state.meet('http://a:1', 'c1');
    await state.meet('http://a:1', 'c1');
    await state.keepMark(mark(5));
    const error = await state.meet('http://a:1', 'c2').catch((it: unknown) => it);
    expect(error).toBeInstanceOf(NotAllowedError);
    expect(error).toMatchObject({ code: 'PAXOS_WRONG_CELL', exitCode: 12 });
    expect(await state.forget('c1')).toBe(true);
    expect(await state.forget('c1')).toBe(false);
    expect(await state.newestMark('c1')).toBeNull();
    await state.meet('http://a:1', 'c2');
    expect(await state.cellAt('http://a:1')).toBe('c2');
  });

  it('of two that meet different cells at once, one is refused', async () => {
    const met = await Promise.allSettled(
      ['c1', 'c2', 'c3'].map((cell) => new StateFile(directory).meet('http://a:1', cell)),
    );
    expect(met.filter((it) => it.status === 'fulfilled')).toHaveLength(1);
  });

  it('marks of a command begin with what the one before has seen', async () => {
    const state = new StateFile(directory);
    await state.meet('http://a:1', 'c1');
    await state.keepMark(mark(5));
    const marks = await StoredMarks.load(state, ['http://unknown:1', 'http://a:1']);
    expect(marks.newest()).toBe(mark(5));
    marks.saw(mark(4));
    expect(marks.newest()).toBe(mark(5));
    marks.saw(mark(8));
    await marks.save();
    expect(await state.newestMark('c1')).toBe(mark(8));
  });

  it('marks of a command that nothing was looked up for take the place of none: it was held against no answer', async () => {
    const state = new StateFile(directory);
    await state.keepMark(mark(5));
    const stranger = await StoredMarks.load(state, ['http://unknown:1']);
    expect([stranger.isStranger, stranger.newest()]).toEqual([true, null]);
    // As of a cell that was put back to an older state, and has moved on since.
    stranger.saw(mark(3, { epoch: 2 }));
    await stranger.save();
    expect(await state.newestMark('c1')).toBe(mark(5));
    const told = await StoredMarks.load(state, ['http://unknown:1']);
    await told.meet('c1');
    expect([told.isStranger, told.newest()]).toEqual([false, mark(5)]);
    told.saw(mark(6));
    await told.save();
    expect(await state.newestMark('c1')).toBe(mark(6));
  });

  it('remembers name and members of a cell, and forgets them with it', async () => {
    const state = new StateFile(directory);
    const cell = { id: 'c1', name: 'blue', members: ['http://a:1', 'http://b:1'] };
    await state.meet('http://a:1', 'c1');
    expect(await state.cellMetAt(['http://x:1', 'http://a:1'])).toEqual({ id: 'c1', name: null, members: [] });
    await state.keepCell(cell);
    await state.keepCell({ ...cell, members: [] });
    expect(await state.cellMetAt(['http://a:1'])).toEqual(cell);
    expect(await state.cellsNamed('blue')).toEqual(['c1']);
    expect([await state.knows('c1'), await state.knows('c2')]).toEqual([true, false]);
    await state.forget('c1');
    expect(await state.cellsNamed('blue')).toEqual([]);
    expect(await state.cellMetAt(['http://a:1'])).toBeNull();
  });

  it('lies where the XDG specification says', () => {
    expect(stateDirectory({ XDG_STATE_HOME: '/x' })).toBe('/x/paxosctl');
    expect(stateDirectory({ XDG_STATE_HOME: 'relative' })).toBe(path.join(os.homedir(), '.local/state/paxosctl'));
  });
});

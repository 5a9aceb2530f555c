import { expect, test } from 'vitest';
import { MastershipHistory } from '../../src/runtime/mastership-history.ts';

const at = Date.parse('2026-01-01T00:00:00Z');
const minute = 60_000;

test('every new epoch is a change of mastership, also when the same replica goes on; the first one of a cell is none', () => {
  const history = new MastershipHistory();
  history.began({ epoch: 1, atWallMs: at, master: 'n1', cause: 'election' });
  expect(history.summary(at)).toMatchObject({ changesLastHour: 0, since: '2026-01-01T00:00:00.000Z' });
  history.began({ epoch: 2, atWallMs: at + minute, master: 'n1', cause: 'election' });
  history.began({ epoch: 3, atWallMs: at + 2 * minute, master: 'n2', cause: 'election' });
  history.explain(3, 'hand-over');
  expect(history.summary(at + 3 * minute)).toEqual({
    since: '2026-01-01T00:02:00.000Z',
    changesLastHour: 2,
    changesLastDay: 2,
    causes: { election: 1, 'hand-over': 1 },
    lastChange: { at: '2026-01-01T00:02:00.000Z', cause: 'hand-over' },
  });
  expect([...history.totals()]).toEqual([
    ['election', 2],
    ['hand-over', 1],
  ]);
  expect(history.summary(at + 61.5 * minute)).toMatchObject({ changesLastHour: 1, changesLastDay: 2 });
});

test('an epoch is counted once', () => {
  const history = new MastershipHistory();
  for (let i = 0; i < 3; i++) history.began({ epoch: 4, atWallMs: at, master: 'n1', cause: 'election' });
  expect(history.summary(at).changesLastDay).toBe(1);
});

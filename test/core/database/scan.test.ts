/** What is at stake: damage in memory that the running sum never sees (P-11), and a difference that cannot be found. */
import { describe, expect, it } from 'vitest';
import { Database } from '../../../src/core/database/database.ts';
import { PackedEntryStore } from '../../../src/core/database/packed-entry-store.ts';
import { type ScanResult, scanDatabase, scannedEntries } from '../../../src/core/database/scan.ts';
import { StateMachine } from '../../../src/core/state-machine.ts';
import { databaseRecordCodec } from '../../../src/formats/database-record.ts';
import { intervalsThatDiffer } from '../../../src/operator/narrow-difference.ts';
import { flipValue } from '../../support/flip-value.ts';
import { identity, multiOp, ports, put, remove, scanned } from './support.ts';

/** A database of `count` keys, and the table that its entries lie in. */
function filled(count: number) {
  const store = new PackedEntryStore(databaseRecordCodec);
  const database = new Database({ ...ports, makeEntryStore: () => store });
  const machine = new StateMachine(database);
  database.initialize(identity);
  let at = 0;
  const run = (...operations: Parameters<typeof multiOp>[0]['do'] & object) =>
    machine.apply(++at as never, {
      kind: 'submitted',
      cellTimeMs: 0 as never,
      commands: [multiOp({ do: operations })],
    });
  for (let i = 0; i < count; i += 500) {
    run(...Array.from({ length: Math.min(500, count - i) }, (_, n) => put(`key ${i + n}`, `value ${i + n}`)));
  }
  return { database, store, run };
}

const keysOf = (database: Database, interval: { after: string | null; to: string | null }): string[] =>
  scannedEntries(database.view(), { ...interval, limit: 1e9 }).map(({ key }) => key);

/** The intervals that differ, and how many entries of `a` they hold. */
function narrowed(a: { database: Database }, b: { database: Database }) {
  const intervals = intervalsThatDiffer(scanned(a.database.view()).ranges, scanned(b.database.view()).ranges);
  return { intervals, keys: intervals.flatMap((interval) => keysOf(a.database, interval)) };
}

describe('a full scan', () => {
  it('gives the running sum of a sound database, in slices, and counts its entries', () => {
    const { database } = filled(3_000);
    const view = database.view();
    const scan = scanDatabase(view);
    let slices = 0;
    let result: ScanResult | null = null;
    for (let step = scan.next(); result === null; step = scan.next()) {
      if (step.done === true) result = step.value;
      else slices++;
    }
    expect(result.checksum).toBe(view.checksum);
    expect([result.entries, result.rotten.count]).toEqual([3_000, 0]);
    expect(slices).toBeGreaterThan(5);
    expect(result.ranges.reduce((sum, { records }) => sum + records, 0)).toBe(view.count);
  });

  it('finds one flipped value, which the running sum does not, and names its key', () => {
    const { database, store } = filled(2_000);
    flipValue(store, 'key 1234');
    const view = database.view();
    const result = scanned(view);
    expect(result.checksum).not.toBe(view.checksum);
    expect(view.checksum).toBe(filled(2_000).database.checksumHex());
    expect(result.rotten).toEqual({ count: 1, keys: ['key 1234'] });
    const [found] = scannedEntries(view, { after: 'key 1233', to: 'key 1234', limit: 10 });
    expect(found).toMatchObject({ key: 'key 1234', sound: false });
  });

  it('lets no snapshot be made of an entry that is no longer what was written', () => {
    const { database, store } = filled(100);
    expect([...database.view().records()]).toHaveLength(database.view().count);
    flipValue(store, 'key 50');
    expect(() => [...database.view().records()]).toThrow('changed in memory');
  });

  it('is of the point in time of its view', () => {
    const { database, run } = filled(2_000);
    const view = database.view();
    const before = scanned(view).checksum;
    run(put('key 7', 'later'), remove('key 8'), put('another'));
    expect(scanned(view).checksum).toBe(before);
    expect(scanned(database.view()).checksum).toBe(database.checksumHex());
  });
});

describe('ranges of keys', () => {
  it('narrow a changed, a missing and an added entry to a few thousand keys around them', () => {
    const changes: [what: string, key: string, change: (it: ReturnType<typeof filled>) => void][] = [
      ['changed', 'key 4321', ({ store }) => flipValue(store, 'key 4321')],
      ['missing', 'key 4321', ({ store }) => store.delete('key 4321')],
      ['first', 'key 0', ({ store }) => flipValue(store, 'key 0')],
      ['last', 'key 9999', ({ store }) => flipValue(store, 'key 9999')],
    ];
    const sound = filled(10_000);
    for (const [what, key, change] of changes) {
      const odd = filled(10_000);
      change(odd);
      const { intervals, keys } = narrowed(sound, odd);
      expect(keys, what).toContain(key);
      expect(intervals.length, what).toBeLessThanOrEqual(2);
      expect(keys.length, what).toBeLessThan(9_000);
    }
    expect(narrowed(sound, filled(10_000)).intervals).toEqual([]);
  });

  it('stay in step when a key that ends a range is missing, or keys were added', () => {
    const sound = filled(5_000);
    const end = scanned(sound.database.view()).ranges.find(({ kind, to }) => kind === 'entries' && to !== null)?.to;
    const odd = filled(5_000);
    odd.store.delete(end as string);
    const { keys } = narrowed(sound, odd);
    expect(keys).toContain(end);
    expect(keys.length).toBeLessThan(5_000);

    const more = filled(5_000);
    more.run(...Array.from({ length: 400 }, (_, n) => put(`key 2 ${n}`)));
    expect(narrowed(more, sound).keys.filter((key) => key.startsWith('key 2 '))).toHaveLength(400);
  });
});

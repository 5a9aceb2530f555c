/** What is at stake: an entry lost, doubled or in the wrong order; a view that changes; memory that grows with overwriting. */
import { describe, expect, it } from 'vitest';
import type { EntryView, StoredEntry } from '../../../src/core/database/entry-store.ts';
import { PackedEntryStore } from '../../../src/core/database/packed-entry-store.ts';
import { Random } from '../../../src/core/random.ts';
import { databaseRecordCodec } from '../../../src/formats/database-record.ts';
import { digest } from './support.ts';

const encode = (key: string, version: number, bytes: number): Uint8Array =>
  databaseRecordCodec.encode({
    ...{ kind: 'entry', key, createRevision: 7, revision: 2 ** 40 + version, version },
    value: new Uint8Array(bytes).fill(version),
  });

/** Everything that is known of an entry, in one comparable line. */
const lineOf = (it: StoredEntry): string =>
  [it.key, it.createRevision, it.revision, it.version, it.valueBytes, hash(it.value as Uint8Array), it.digest].join(
    ' ',
  );
const hash = (bytes: Uint8Array): string => digest.entry(bytes).join('-');

/** The table as it ought to be: a map, sorted when it is asked. */
class Model {
  readonly #entries = new Map<string, string>();

  copy(): Model {
    const copy = new Model();
    for (const [key, line] of this.#entries) copy.#entries.set(key, line);
    return copy;
  }

  get keys(): string[] {
    return [...this.#entries.keys()];
  }

  put(key: string, version: number, bytes: number): void {
    const value = new Uint8Array(bytes).fill(version);
    const found = digest.entry(encode(key, version, bytes));
    this.#entries.set(key, [key, 7, 2 ** 40 + version, version, bytes, hash(value), found].join(' '));
  }

  delete(key: string): boolean {
    return this.#entries.delete(key);
  }

  get(key: string): string | null {
    return this.#entries.get(key) ?? null;
  }

  from(from: string): string[] {
    const keys = this.keys.filter((key) => Buffer.compare(Buffer.from(key), Buffer.from(from)) >= 0);
    keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    return keys.map((key) => this.#entries.get(key) as string);
  }
}

const oddKeys = ['', 'a', 'aa', 'a\u0000', 'é', 'z\uffee', 'z😀', '😀', '\uffee', '__proto__', 'x'.repeat(1024)];
/** Mostly small; some larger than a whole piece of memory is at first, and one larger than any piece. */
const sizes = [0, 1, 20, 100, 100, 100, 400, 5_000, 70_000];

function keyFrom(random: Random, range: number): string {
  if (random.below(20) === 0) return random.pick(oddKeys);
  const n = random.below(range);
  return random.below(2) === 0 ? `key ${n}` : `${n}`.padStart(9, '0');
}

function expectSame(view: EntryView, model: Model, from = ''): void {
  expect([...view.from(from)].map(lineOf)).toEqual(model.from(from));
  if (from === '') expect(view.size).toBe(model.keys.length);
}

describe('packed entries', () => {
  it.each([1, 2, 3])(
    'hold what a plain map holds, and so do their views (seed %i)',
    (seed) => {
      const random = new Random(`packed ${seed}`);
      const store = new PackedEntryStore(databaseRecordCodec);
      const model = new Model();
      const views: { readonly view: EntryView; readonly model: Model }[] = [];
      for (let i = 1; i <= 6_000; i++) {
        // It grows, and shrinks to next to nothing, time and again.
        const shrinks = Math.floor(i / 1_000) % 2 === 1;
        const key = keyFrom(random, 400);
        if (random.below(10) < (shrinks ? 8 : 2)) expect(store.delete(key)).toBe(model.delete(key));
        else {
          const bytes = random.pick(sizes);
          const encoded = encode(key, i % 250, bytes);
          model.put(key, i % 250, bytes);
          expect(lineOf(store.put(key, encoded, digest.entry(encoded)))).toBe(model.get(key));
        }
        const asked = keyFrom(random, 400);
        const found = store.get(asked);
        expect(found === undefined ? null : lineOf(found)).toBe(model.get(asked));
        if (i % 500 === 0) {
          expectSame(store, model);
          expectSame(store, model, keyFrom(random, 400));
          views.push({ view: store.view(), model: model.copy() });
        }
      }
      for (const { view, model: then } of views) {
        expectSame(view, then);
        expectSame(view, then, keyFrom(random, 400));
        const asked = keyFrom(random, 400);
        const found = view.get(asked);
        expect(found === undefined ? null : lineOf(found)).toBe(then.get(asked));
      }
    },
    20_000,
  );

  it('take entries in the order of their keys and refuse any other', () => {
    const store = new PackedEntryStore(databaseRecordCodec);
    const append = (key: string): boolean => store.append(encode(key, 1, 50), digest.entry(encode(key, 1, 50)));
    const keys = Array.from({ length: 2_000 }, (_, i) => `key ${String(i).padStart(5, '0')}`);
    for (const key of keys) expect(append(key)).toBe(true);
    expect([append('key 01999'), append('key 0'), append('')]).toEqual([false, false, false]);
    expect([...store.from('')].map(({ key }) => key)).toEqual(keys);
    expect(append('key 02000')).toBe(true);
  });

  it('give back what overwriting and deleting leave behind', () => {
    const random = new Random('overwrites');
    const store = new PackedEntryStore(databaseRecordCodec);
    const put = (i: number): void => {
      const key = `key ${i}`;
      const encoded = encode(key, i % 250, 1_000);
      store.put(key, encoded, digest.entry(encoded));
    };
    for (let i = 0; i < 5_000; i++) put(i);
    const filled = store.bytes;
    let most = 0;
    for (let i = 0; i < 60_000; i++) {
      put(random.below(5_000));
      most = Math.max(most, store.bytes);
    }
    // Twice what lives, and a piece or two that are begun.
    expect(most).toBeLessThan(2 * filled + 2 * 2 ** 20);
    for (let i = 0; i < 5_000; i++) store.delete(`key ${i}`);
    expect([store.size, store.bytes]).toEqual([0, expect.any(Number)]);
    expect(store.bytes).toBeLessThanOrEqual(2 ** 20);
  });

  it('keep what rotted as rotten when they move it', () => {
    const random = new Random('rotten');
    const store = new PackedEntryStore(databaseRecordCodec);
    const put = (i: number): void => {
      const key = `key ${i}`;
      const encoded = encode(key, 1, 200);
      store.put(key, encoded, digest.entry(encoded));
    };
    for (let i = 0; i < 3_000; i++) put(i);
    const { encoded } = store.get('key 77') as StoredEntry;
    encoded[encoded.length - 1] = 99;
    for (let i = 0; i < 30_000; i++) {
      const other = random.below(3_000);
      if (other !== 77) put(other);
    }
    const found = store.get('key 77') as StoredEntry;
    expect(found.encoded).not.toBe(encoded);
    expect(found.encoded.at(-1)).toBe(99);
    expect(found.digest).not.toEqual(digest.entry(found.encoded));
  });

  it('go on where a key itself rotted', () => {
    const random = new Random('rotten key');
    const store = new PackedEntryStore(databaseRecordCodec);
    const put = (i: number): void => {
      const key = `key ${String(i).padStart(5, '0')}`;
      const encoded = encode(key, 1, 200);
      store.put(key, encoded, digest.entry(encoded));
    };
    for (let i = 0; i < 3_000; i++) put(i);
    const { encoded } = store.get('key 00077') as StoredEntry;
    encoded[3] = 0x7a;
    for (let i = 0; i < 30_000; i++) put(100 + random.below(2_900));
    expect(store.size).toBe(3_000);
    expect(store.get('key 02000')?.valueBytes).toBe(200);
  });
});

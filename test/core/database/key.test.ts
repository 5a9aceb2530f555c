import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareKeys, fromCollation, isWellFormed, toCollation, utf8Length } from '../../../src/core/database/key.ts';

/** Strings that meet where UTF-16 and UTF-8 order differ. */
const unit = fc.constantFrom(
  'a',
  'b',
  '\u0000',
  '\u007f',
  'é',
  '\ud7ff',
  '\ue000',
  '\uffee',
  '\uffff',
  '😀',
  '\u{10ffff}',
);
const key = fc.oneof(
  fc.array(unit, { maxLength: 6 }).map((units) => units.join('')),
  fc.string({ unit: 'binary', maxLength: 8 }),
);
const byteOrder = (a: string, b: string) => Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)));

describe('keys', () => {
  it('sort by their UTF-8 bytes, not by UTF-16 code units', () => {
    expect('😀' < '\uffee').toBe(true);
    expect(compareKeys('😀', '\uffee')).toBeGreaterThan(0);
    fc.assert(
      fc.property(key, key, (a, b) => Math.sign(compareKeys(a, b)) === byteOrder(a, b)),
      { numRuns: 5_000 },
    );
  });

  it('have a collation whose plain order is that of the bytes, and which leads back', () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        const [x, y] = [toCollation(a), toCollation(b)];
        return (x < y ? -1 : x === y ? 0 : 1) === byteOrder(a, b) && fromCollation(x) === a;
      }),
      { numRuns: 5_000 },
    );
  });

  it('are measured in UTF-8 bytes', () => {
    fc.assert(fc.property(key, (a) => utf8Length(a) === Buffer.byteLength(a)));
  });

  it('with half a surrogate pair are told apart', () => {
    expect(['\ud800', 'a\udc00b', '\udc00\ud800', '😀\ud83d'].map(isWellFormed)).toEqual([false, false, false, false]);
    fc.assert(fc.property(key, isWellFormed));
  });
});

import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter, FormatError } from '../../src/formats/bytes.ts';

const asBytes = (text: string): Buffer => Buffer.concat([Buffer.from([0, Buffer.byteLength(text)]), Buffer.from(text)]);

describe('a text', () => {
  const texts = ['', 'n1', 'n1#1', 'é', 'name é', 'a'.repeat(40), 'a'.repeat(41), `${'a'.repeat(39)}é`, '\u0000\u007f'];

  test('is its length and its UTF-8, short or long, ASCII or not', () => {
    for (const text of texts) expect(new ByteWriter(1).text(text).finish()).toEqual(asBytes(text));
  });

  test('reads back as itself, again and again', () => {
    for (const text of [...texts, ...texts]) {
      const from = new ByteReader(asBytes(text));
      expect(from.text()).toBe(text);
      from.end();
    }
  });

  test('of other bytes is another text, however many were read before', () => {
    for (let i = 0; i < 5_000; i++) expect(new ByteReader(asBytes(`n${i}`)).text()).toBe(`n${i}`);
    for (let i = 0; i < 5_000; i++) expect(new ByteReader(asBytes(`n${i}`)).text()).toBe(`n${i}`);
  });

  test('that is cut off or no UTF-8 is refused', () => {
    expect(() => new ByteReader(Buffer.from([0, 3, 97, 98])).text()).toThrow(FormatError);
    expect(() => new ByteReader(Buffer.from([0, 2, 97, 0xff])).text()).toThrow(FormatError);
  });
});

test('numbers that do not fit are refused, all others read back', () => {
  for (const n of [0, 1, 255, 256, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
    expect(new ByteReader(new ByteWriter().u32(n).finish()).u32()).toBe(n);
    expect(new ByteWriter().u32(n).finish().readUInt32BE()).toBe(n);
  }
  for (const n of [0, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER]) {
    expect(new ByteReader(new ByteWriter().safe(n).finish()).safe()).toBe(n);
    expect(new ByteWriter().safe(n).finish().readBigUInt64BE()).toBe(BigInt(n));
  }
  for (const n of [-1, 2 ** 32, Number.NaN]) expect(() => new ByteWriter().u32(n)).toThrow(FormatError);
  for (const n of [-1, 2 ** 53, 0.5]) expect(() => new ByteWriter().safe(n)).toThrow(FormatError);
});

/** What is at stake: a value that changes under whoever holds it, or is another one after it was written and read. */
import { describe, expect, it } from 'vitest';
import { valueBytes } from '../../src/core/consensus/chosen-log.ts';
import type { Value } from '../../src/core/consensus/value.ts';
import { decodeValue, encodeValue } from '../../src/formats/value.ts';

const texts = ['', 'a', 'bc'.repeat(200), '\u0000'];

const submitted = (items: readonly Uint8Array[]): Value & { kind: 'submitted' } => ({
  kind: 'submitted',
  epoch: 3 as never,
  cellTimeMs: 99 as never,
  items,
});

describe('a value of many items', () => {
  it('is the same each time its items are asked for, and after another round of bytes', () => {
    const bytes = encodeValue(submitted(texts.map((text) => Buffer.from(text))));
    const read = decodeValue(bytes) as Value & { kind: 'submitted' };
    for (let i = 0; i < 2; i++) expect(read.items.map(String)).toEqual(texts);
    expect(valueBytes(read)).toBe(valueBytes(submitted(read.items)));
    expect(read).toEqual(submitted(read.items));
    expect(encodeValue(submitted(read.items))).toEqual(bytes);
    expect(encodeValue({ ...read })).toEqual(bytes);
  });

  it('keeps nothing of the requests that it was gathered from', () => {
    const requests = texts.map((text) => Buffer.from(text));
    const value = submitted([...requests]);
    encodeValue(value);
    for (const request of requests) request.fill(0xff);
    expect(value.items.map(String)).toEqual(texts);
  });

  it('is refused when an item is cut short, before anything of it is handed out', () => {
    const bytes = encodeValue(submitted([Buffer.from('abc'), Buffer.from('def')]));
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeValue(Buffer.from(bytes.subarray(0, length)))).toThrow();
    }
  });
});

import { expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { Content } from '../../src/simulator/disk-content.ts';

/** The same file without pages: what it must always be equal to. */
interface Twin {
  readonly content: Content;
  flat: Buffer;
}

const lengthMax = 20_000;

function change({ content, flat }: Twin, random: Random): Buffer {
  if (random.chance(0.2)) {
    const size = random.below(lengthMax);
    content.truncate(size);
    return Buffer.concat([flat.subarray(0, size), Buffer.alloc(Math.max(0, size - flat.length))]);
  }
  const offset = random.below(lengthMax);
  const bytes = Buffer.alloc(random.below(9_000), random.chance(0.3) ? 0 : 1 + random.below(255));
  content.put(offset, bytes);
  const grown = Buffer.alloc(
    Math.max(flat.length, bytes.length === 0 ? 0 : offset + bytes.length, offset + bytes.length),
  );
  flat.copy(grown);
  bytes.copy(grown, offset);
  return grown;
}

test('a file of pages reads as a file without, and its copies go their own ways', () => {
  const random = new Random('pages');
  // Never cleared: what an earlier read left in it must not show.
  const place = Buffer.alloc(lengthMax, 0xee);
  const twins: Twin[] = [{ content: new Content(), flat: Buffer.alloc(0) }];
  for (let i = 0; i < 2_000; i++) {
    const twin = random.pick(twins);
    if (twins.length < 40 && random.chance(0.05)) twins.push({ content: twin.content.copy(), flat: twin.flat });
    twin.flat = change(twin, random);
    const other = random.pick(twins);
    expect(twin.content.equals(other.content)).toBe(twin.flat.equals(other.flat));
    const from = random.below(lengthMax);
    const length = random.below(lengthMax);
    const expected = twin.flat.subarray(from, from + length);
    expect(twin.content.get(from, length).equals(expected)).toBe(true);
    expect(Buffer.from(twin.content.read(from, length, place)).equals(expected)).toBe(true);
  }
  for (const { content, flat } of twins) expect(content.get(0, content.size).equals(flat)).toBe(true);
});

import { crc32 as zlibCrc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { crc32, crc32Of, placeSeed } from '../../src/formats/checksum.ts';

test('is CRC-32 whatever the length, from wherever it goes on', () => {
  const random = new Random('checksum');
  for (let length = 1; length < 600; length++) {
    const bytes = Buffer.from(Array.from({ length }, () => random.below(256)));
    const seed = random.word();
    const [start, end] = [random.below(length + 1), random.below(length + 1)].sort((a, b) => a - b) as [number, number];
    expect(crc32(bytes, seed)).toBe(zlibCrc32(bytes, seed));
    // Of nothing it is the seed, which the library forgets for some views without bytes.
    expect(crc32Of(bytes, start, end, seed)).toBe(start === end ? seed : zlibCrc32(bytes.subarray(start, end), seed));
  }
});

test('is seeded by the file and the offset, as eight bytes', () => {
  const random = new Random('place');
  for (let i = 0; i < 200; i++) {
    const [owner, file, offset] = [random.word(), random.word(), random.word()];
    const place = Buffer.alloc(8);
    place.writeUInt32BE(file, 0);
    place.writeUInt32BE(offset, 4);
    expect(placeSeed(owner, file, offset)).toBe(zlibCrc32(place, owner));
  }
});

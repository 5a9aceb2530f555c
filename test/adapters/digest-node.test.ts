import { describe, expect, it } from 'vitest';
import { createNodeDigest } from '../../src/adapters/digest-node/digest-node.ts';

describe('the digests of Node.js', async () => {
  const digest = await createNodeDigest();
  const bytes = (length: number, fill = 1) => new Uint8Array(length).fill(fill);

  it('are 128 bits as four words, the same in every version of this level', () => {
    const inputs = [bytes(0), bytes(1), bytes(31), bytes(32), bytes(300_000)];
    const words = inputs.map((input) => digest.entry(input));
    for (const word of words.flat()) expect(Number.isInteger(word) && word >= 0 && word < 2 ** 32).toBe(true);
    expect(words).toMatchInlineSnapshot(`
      [
        [
          208498261,
          814762293,
          3291783113,
          1006698496,
        ],
        [
          1143108316,
          2119693041,
          847810401,
          2677213839,
        ],
        [
          4169907868,
          2783555757,
          1601865409,
          1584388835,
        ],
        [
          3793191616,
          2748891870,
          4272978391,
          943063094,
        ],
        [
          4170210902,
          646091313,
          3024636843,
          697592036,
        ],
      ]
    `);
  });

  it('differ where one byte differs, also in a view into a larger buffer', () => {
    const whole = bytes(64);
    expect(digest.entry(whole.subarray(8, 16))).toEqual(digest.entry(bytes(8)));
    for (let at = 0; at < 64; at++) {
      const changed = bytes(64);
      changed[at] = 2;
      expect(digest.entry(changed)).not.toEqual(digest.entry(whole));
    }
  });

  it('of SHA-256 run over all parts', () => {
    const whole = Buffer.from(digest.sha256(Buffer.from('abc'))).toString('hex');
    expect(whole).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(Buffer.from(digest.sha256(Buffer.from('a'), Buffer.from('bc'))).toString('hex')).toBe(whole);
  });
});

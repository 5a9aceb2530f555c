import { expect, it } from 'vitest';
import { prose } from '../../src/render/prose.ts';

it('help text is wrapped by the terminal, not by the source', () => {
  expect(prose`One
paragraph.

Another:
  a list
  of two
and on
it goes.`).toBe('One paragraph.\n\nAnother:\n  a list\n  of two\nand on it goes.');
});

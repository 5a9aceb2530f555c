import { describe, expect, it } from 'vitest';
import { printable, shortened } from '../../src/render/escape.ts';
import { memberLine } from '../../src/render/local-cell-view.ts';
import { table } from '../../src/render/table.ts';

// Keys and values are anybody's bytes: a terminal must never obey them.
describe('text that is shown', () => {
  it.each([
    ['\u001b[31mred\u001b[0m', '\\x1b[31mred\\x1b[0m'],
    ['a\nb\r\tc', 'a\\nb\\r\\tc'],
    ['\u009b2J', '\\x9b2J'],
    ['\u202egnp.exe', '\\u{202e}gnp.exe'],
    ['\u2028', '\\u{2028}'],
    ['\u0000sys', '\\x00sys'],
    ['back\\slash', 'back\\\\slash'],
    ['grüße 漢字 😀', 'grüße 漢字 😀'],
  ])('%j is %s', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it('is cut by characters that are seen', () => {
    expect(shortened('abcdef', 4)).toBe('abc…');
    expect(shortened('😀😀', 2)).toBe('😀😀');
  });

  it('stays on one line of a table', () => {
    const text = table([{ title: 'KEY' }, { title: 'N', align: 'right' }], [[printable('a\u001b[2J\nb'), '1']]);
    expect(text.split('\n')).toHaveLength(2);
    expect(text).not.toContain('\u001b[2J');
  });

  it('of a replica that prints escapes is shown escaped', () => {
    expect(memberLine('n1', 'boom \u001b]0;title\u0007')).toContain('boom \\x1b]0;title\\x07');
    expect(memberLine('n1', '{"level":"warn","time":"x","msg":"slow \\u001b[2J","tookMs":5}')).toMatch(
      /warn slow \\x1b\[2J\s+tookMs=5/,
    );
  });
});

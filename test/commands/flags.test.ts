import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/errors/index.ts';
import { parseDuration, parseEndpoint, parseEndpoints, parseReplicas } from '../../src/render/flags.ts';

describe('a duration', () => {
  it.each([
    ['500ms', 500],
    ['8s', 8000],
    ['2m', 120_000],
    ['1.5s', 1500],
    ['1h', 3_600_000],
    [' 3s ', 3000],
  ])('%s is %i ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['30', '', 's', '-1s', '0ms', '0.1ms', '1 s', '1e3s', '25h', '5days', '１s'])('%j is refused', (text) => {
    expect(() => parseDuration(text)).toThrow(UsageError);
  });
});

describe('the size of a simulated cell', () => {
  it.each(['1', '5', '9'])('is %s', (text) => {
    expect(parseReplicas(text)).toBe(Number(text));
  });

  it('is drawn from the seed where that is wanted', () => {
    expect(parseReplicas('drawn')).toBe('drawn');
  });

  it.each(['0', '10', '-3', '3.0', '', ' 3', 'three', 'Drawn', '٣'])('%j is refused', (text) => {
    expect(() => parseReplicas(text)).toThrow(UsageError);
  });
});

describe('endpoints', () => {
  it('are separated by commas, and doubles and slashes at the end do not count', () => {
    expect(parseEndpoints('http://a:1, b:2/ ,http://a:1/,')).toEqual(['http://a:1', 'http://b:2']);
  });

  it('without a scheme are http', () => {
    expect(parseEndpoint('127.0.0.1:7401')).toBe('http://127.0.0.1:7401');
    expect(parseEndpoint('[::1]:7401')).toBe('http://[::1]:7401');
  });

  it.each(['', ',', 'ftp://a:1', 'http://a:1/path', 'http://u:p@a:1', 'http://a:1?x', 'http://', 'http://a:99999'])(
    '%j is refused',
    (text) => {
      expect(() => parseEndpoints(text)).toThrow(UsageError);
    },
  );
});

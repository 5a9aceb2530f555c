import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const bench = (file: string) => import(new URL(`../../bench/${file}`, import.meta.url).href);
const { sectionsOf, withSection } = await bench('report/sections.mjs');
const { growthSection, growthTable, plotsOf } = await bench('growth.mjs');
const { compared, drawCounts, grown } = await bench('counts/report.mjs');
const { parseOptions, UsageError } = await bench('options.mjs');

const document =
  'before\n\n<!-- measured: a -->\nold\n<!-- end of a -->\n\nbetween\n\n<!-- measured: b -->\n<!-- end of b -->\nafter\n';

describe('the parts of a document that a run writes', () => {
  it('are replaced, again and again, and nothing around them', () => {
    const once = withSection(document, 'a', 'new\n');
    expect(once).toBe(document.replace('old\n', '\nnew\n\n'));
    expect(withSection(once, 'a', 'new')).toBe(once);
    expect(withSection(document, 'b', 'x')).toContain('old');
  });

  it('must be there, once, and have an end before the next one begins', () => {
    expect(() => withSection(document, 'c', 'x')).toThrow('0 times');
    expect(() => withSection(document + document, 'a', 'x')).toThrow('2 times');
    expect(() => withSection(document.replace('<!-- end of a -->\n', ''), 'a', 'x')).toThrow('no <!-- end of a -->');
  });

  it('have their places in docs/PERFORMANCE.md', () => {
    const text = readFileSync(path.join(root, 'docs', 'PERFORMANCE.md'), 'utf8');
    expect(sectionsOf(text).sort()).toEqual(['growth', 'paper', 'peers']);
    for (const name of sectionsOf(text)) withSection(text, name, 'x');
  });
});

const figures = (rate: number) => {
  const of = (median: number) => ({ median, min: median / 2, max: median * 2 });
  return { rate: of(rate), p50: of(1), p99: of(10) };
};
const results = {
  machine: { cpu: 'a processor', cores: 2, node: 'v20.0.0' },
  rounds: 3,
  seconds: 2,
  date: '2026-01-01T00:00:00.000Z',
  dimensions: {
    replicas: [1, 3, 5].map((value) => ({ value, put: figures(9000 / value), get: figures(40_000) })),
    keys: [],
  },
};

describe('how it grows', () => {
  it('is drawn as SVG with every series, its range and the ticks that were measured', () => {
    const plots = plotsOf(results);
    expect(Object.keys(plots)).toEqual(['replicas-throughput.svg', 'replicas-latency.svg']);
    const svg = plots['replicas-throughput.svg'];
    expect(svg.slice(0, 50)).toContain('<svg xmlns="http://www.w3.org/2000/svg"');
    for (const text of ['Throughput by replicas', '>put<', '>get<', '>5<', '>10,000<'])
      expect(svg.includes(text)).toBe(true);
    expect(plots['replicas-latency.svg'].includes('>put p99<')).toBe(true);
  });

  it('is a table too, without what was not measured', () => {
    expect(growthTable(results).rows.map((row: string[]) => row.slice(0, 3))).toEqual([
      ['replicas', '1', '9,000'],
      ['replicas', '3', '3,000'],
      ['replicas', '5', '1,800'],
    ]);
    expect(growthSection(results)).toContain('](plots/replicas-latency.svg)');
  });
});

describe('counts of allocations', () => {
  const counts = [
    { id: 'a', what: 'first', bytes: 120 },
    { id: 'b', what: 'second', bytes: 101 },
    { id: 'c', what: 'new', bytes: 5 },
  ];

  it('are compared with the kept ones; what is new has none', () => {
    const lines = compared(counts, { a: 100, b: 100 });
    expect(
      drawCounts(lines)
        .split('\n')
        .slice(2)
        .map((line: string) => line.trimEnd()),
    ).toEqual([
      expect.stringMatching(/120 +100 +\+20 %$/),
      expect.stringMatching(/101 +100$/),
      expect.stringMatching(/5 +–$/),
    ]);
    expect(grown(lines, 10).map(({ id }: { id: string }) => id)).toEqual(['a']);
    expect(grown(lines, 25)).toEqual([]);
  });
});

describe('the options', () => {
  it.each([
    ['--write', '--profile', 'growth'],
    ['--write', '--only', 'put1'],
  ])('refuse %s %s %s', (...args) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
  });
});

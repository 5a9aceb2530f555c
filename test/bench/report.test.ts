import { describe, expect, it } from 'vitest';

const bench = (file: string) => import(new URL(`../../bench/${file}`, import.meta.url).href);
const { median, quantile } = await bench('measure/statistics.mjs');
const { parseOptions, UsageError } = await bench('options.mjs');
const { resultTable } = await bench('report/tables.mjs');
const { drawMarkdown } = await bench('report/markdown.mjs');
const { drawText } = await bench('report/text.mjs');
const { Results } = await bench('results.mjs');

const systems = [
  { name: 'paxosctl', label: 'paxosctl' },
  { name: 'etcd', label: 'etcd' },
];
const rows = [
  { metrics: [{ id: 'put1', label: 'put', unit: '/s', better: 'more', goal: { etcd: 1.6 } }] },
  { metrics: [{ id: 'failover', label: 'failover', unit: 's', better: 'less', goal: null }] },
];

describe('the table of results', () => {
  it('gives median, extremes and the ratio of the medians', () => {
    const results = new Results();
    for (const value of [200, 300, 100]) results.add('paxosctl', 'put1', value);
    for (const value of [100, 50]) results.add('etcd', 'put1', value);
    const table = resultTable({ rows, systems, results, profile: 'peers' });
    expect(table.rows[0]).toEqual(['put', '/s', '200 [100–300]', '75.0 [50.0–100]', '2.67', '≥ 1.6']);
  });

  it('leaves out what was not measured', () => {
    const table = resultTable({ rows, systems, results: new Results(), profile: 'peers' });
    expect(table.rows[1]).toEqual(['failover', 's', '–', '–', '–', '']);
    expect(drawText(table)).toContain('failover');
    expect(drawMarkdown(table)).toContain('| failover | s | – | – | – |  |');
  });
});

describe('the options', () => {
  it('have defaults for a run that may be quoted, and small ones with --quick', () => {
    expect(parseOptions([])).toMatchObject({ rounds: 5, seconds: 3, keys: 100_000, connections: 'spread' });
    expect(parseOptions(['--quick', '--rounds', '2'])).toMatchObject({ rounds: 2, seconds: 1, keys: 5000 });
    expect(parseOptions(['--full']).keys).toBe(1_000_000);
  });

  it.each([['--rounds', '0'], ['--rounds', '1.5'], ['--systems', 'etcd,x'], ['--profile', 'x'], ['--what'], ['x']])(
    'refuse %s %s',
    (...args) => {
      expect(() => parseOptions(args.filter((arg) => arg !== undefined))).toThrow(UsageError);
    },
  );
});

describe('statistics', () => {
  it('know the median of odd, even and empty lists', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([])]).toEqual([2, 2.5, null]);
  });

  it('take the nearest rank for a quantile', () => {
    const sorted = Array.from({ length: 100 }, (_, i) => i + 1);
    expect([quantile(sorted, 0.5), quantile(sorted, 0.99), quantile(sorted, 1)]).toEqual([50, 99, 100]);
  });
});

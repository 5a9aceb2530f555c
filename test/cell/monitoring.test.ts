/** The alert rules and the dashboard that are shipped ask for what a real replica gives: every metric, every label. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { withCell } from '../support/cell-process.ts';
import { until } from '../support/until.ts';

const root = path.resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(root, 'docs/monitoring', file), 'utf8');
const text = async (url: string): Promise<string> => (await request(url)).body.text();

/** What is no name of a metric or label in an expression. */
const words = new Set([
  ...['sum', 'max', 'min', 'count', 'by', 'on', 'and', 'or', 'unless', 'group_left', 'group_right'],
  ...['rate', 'increase', 'absent', 'scalar', 'histogram_quantile'],
]);
/** Given by Prometheus itself. */
const ofScrape = ['job', 'instance', 'le'];

interface Used {
  readonly metrics: readonly string[];
  readonly labels: readonly string[];
}

/** Names in one expression: labels stand in braces before an operator, or in the parentheses of a grouping. */
function namesIn(expression: string): Used {
  const labels = [...expression.matchAll(/\{([^}]*)\}/g)].flatMap(([, inside]) =>
    [...(inside ?? '').matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, label]) => label as string),
  );
  const groupings = /\b(?:by|on|group_left|group_right)\s*\(([^)]*)\)/g;
  for (const [, inside] of expression.matchAll(groupings)) labels.push(...((inside ?? '').match(/[a-z_]+/g) ?? []));
  const rest = expression
    .replace(/\{[^}]*\}/g, '')
    .replace(groupings, ' ')
    .replace(/\[[^\]]*\]/g, '');
  const metrics = (rest.match(/[a-z_][a-z0-9_]*/g) ?? []).filter((word) => !words.has(word));
  return { metrics, labels };
}

const alerts = [...read('alerts.yaml').matchAll(/^\s+expr: '(.+)'$/gm)].map(([, expression]) => expression as string);
interface Panel {
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
}
const { panels } = JSON.parse(read('dashboard.json')) as { panels: readonly Panel[] };
const targets = panels.flatMap((panel) => panel.targets);

describe('alert rules and dashboard', () => {
  it('ask only for metrics and labels that a real replica gives', { timeout: 60_000 }, async () => {
    expect(alerts.length).toBeGreaterThan(15);
    expect(alerts.length).toBe(read('alerts.yaml').match(/- alert: /g)?.length);
    await withCell({ replicas: 3 }, async (cell) => {
      const [first = ''] = cell.urls;
      const run = promisify(execFile);
      const cli = path.join(root, 'bin/run.js');
      await run(process.execPath, [cli, 'verify', 'checksums', '--endpoints', first], {
        env: { ...process.env, XDG_STATE_HOME: cell.folder },
      });
      // What is counted from requests is there once there were some.
      await until('its own requests are counted', async () =>
        /paxosctl_http_wait_seconds_bucket/.test(await text(`${first}/metrics`)),
      );
      const metrics = await text(`${first}/metrics`);
      const given = new Set(['up']);
      const labels = new Set(ofScrape);
      for (const [, name, inside] of metrics.matchAll(/^([a-z_0-9]+)(?:\{(.*)\})? /gm)) {
        given.add(name as string);
        for (const [, label] of (inside ?? '').matchAll(/([a-z_]+)="/g)) labels.add(label as string);
      }
      const expressions = [...alerts, ...targets.map(({ expr }) => expr)];
      const missing = expressions.flatMap((expression) => {
        const used = namesIn(expression);
        expect(used.metrics.length, expression).toBeGreaterThan(0);
        const unknown = [
          ...used.metrics.filter((name) => !given.has(name)),
          ...used.labels.filter((name) => !labels.has(name)),
        ];
        return unknown.map((name) => `${name} in ${expression}`);
      });
      expect(missing).toEqual([]);
      const legends = targets.flatMap(({ legendFormat }) => [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)]);
      expect(legends.map(([, name]) => name as string).filter((name) => !labels.has(name))).toEqual([]);

      const ready = await text(`${first}/readyz?verbose`);
      expect(ready).toMatch(/^\[\+] role: \w+\n\[\+] master: n\d\n\[\+] writes: accepted\n/);
      expect(ready).toContain('[ ] peers: all connected\n');
      expect(metrics).toMatch(/^paxosctl_role\{role="(master|replica)"\} 1$/m);
      expect(metrics).toMatch(/^paxosctl_epoch_changes_total\{cause="election"\} \d+$/m);
      expect(metrics).toMatch(/^paxosctl_disk_free_bytes [1-9]\d*$/m);
      expect(metrics).toMatch(/^process_open_fds \d+$/m);
    });
  });

  it('a misspelt name of a metric or label would be found', () => {
    const { metrics, labels } = namesIn('sum by (cel) (rate(paxosctl_rol{rle=~"a|b"}[5m])) > on (job) 0.5 * up');
    expect(metrics).toEqual(['paxosctl_rol', 'up']);
    expect(labels).toEqual(['rle', 'cel', 'job']);
  });
});

/**
 * How throughput and latency grow: with connections, with the size of a value, with the number of replicas, with the size of the
 * database. Of this program alone. The figures are kept in `bench/results/growth.json`, the plots in `docs/plots/`; `--draw` draws
 * them again from the kept figures.
 */
import fs from 'node:fs';
import path from 'node:path';
import { runClosedLoop } from './load/closed-loop.mjs';
import { fill } from './load/fill.mjs';
import { describeMachine } from './measure/machine.mjs';
import { quantile, summary } from './measure/statistics.mjs';
import { root, writeSection } from './report/document.mjs';
import { figure } from './report/figures.mjs';
import { drawMarkdown } from './report/markdown.mjs';
import { drawPlot } from './report/plot.mjs';
import { drawText } from './report/text.mjs';
import { Cell } from './systems/cell.mjs';
import { paxosctl } from './systems/paxosctl.mjs';

export const resultsFile = path.join(root, 'bench', 'results', 'growth.json');
const plotsFolder = path.join(root, 'docs', 'plots');
const startPatienceMs = 600_000;
const smallBytes = 100;

/** Everything but what grows stays at this. */
const usual = { replicas: 3, connections: 64, valueBytes: smallBytes, keys: 0 };

/** `values` with `--quick` only show that it works. */
export const dimensions = [
  { id: 'connections', label: 'connections', values: [1, 4, 16, 64, 256, 900], quick: [1, 16] },
  {
    id: 'valueBytes',
    label: 'bytes of a value',
    values: [10, 100, 1_000, 10_000, 100_000],
    quick: [10, 1_000],
    connections: 16,
  },
  { id: 'replicas', label: 'replicas', values: [1, 3, 5, 7], quick: [1, 3] },
  {
    id: 'keys',
    label: 'keys in the database',
    values: [10_000, 100_000, 1_000_000, 10_000_000],
    quick: [1_000, 2_000],
  },
];

/**
 * Runs what `options.only` names of the dimensions, or all of them, and draws.
 *
 * @returns the exit code.
 */
export async function runGrowthProfile(options, say) {
  if (!options.draw) await measure(options, say);
  const results = JSON.parse(fs.readFileSync(options.quick ? quickFile(options) : resultsFile, 'utf8'));
  const table = growthTable(results);
  process.stdout.write(`${options.markdown ? drawMarkdown(table) : drawText(table)}\n`);
  const folder = options.quick ? options.directory : plotsFolder;
  fs.mkdirSync(folder, { recursive: true });
  for (const [name, svg] of Object.entries(plotsOf(results))) {
    fs.writeFileSync(path.join(folder, name), svg);
    say(`drawn: ${path.relative(process.cwd(), path.join(folder, name))}`);
  }
  if (!options.quick) writeSection('growth', growthSection(results));
  return 0;
}

/** A quick run must not take the place of figures that were measured with care. */
const quickFile = ({ directory }) => path.join(directory, 'paxosctl-growth-quick.json');

async function measure(options, say) {
  const directory = fs.mkdtempSync(path.join(options.directory, 'paxosctl-bench-'));
  process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  const file = options.quick ? quickFile(options) : resultsFile;
  const kept = fs.existsSync(file) && !options.quick ? JSON.parse(fs.readFileSync(file, 'utf8')) : { dimensions: {} };
  const results = {
    machine: describeMachine(directory),
    date: new Date().toISOString(),
    rounds: options.rounds,
    seconds: options.seconds,
    dimensions: kept.dimensions,
  };
  for (const dimension of dimensions) {
    if (options.only !== null && !options.only.includes(dimension.id)) continue;
    const points = [];
    for (const value of options.quick ? dimension.quick : dimension.values) {
      const { id: _, label: __, values: ___, quick: ____, ...fixed } = dimension;
      points.push({
        value,
        ...(await measurePoint({ ...usual, ...fixed, [dimension.id]: value }, directory, options)),
      });
      say(`${value} ${dimension.label}: ${figure(points.at(-1).put.rate.median)} puts/s`);
    }
    results.dimensions[dimension.id] = points;
  }
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
}

/** A cell of its own; puts and gets in turn, round by round. */
async function measurePoint({ replicas, connections, valueBytes, keys }, directory, options) {
  const cell = await Cell.create({ system: paxosctl, parent: directory, replicas });
  try {
    cell.start();
    const leader = await cell.ready(startPatienceMs);
    if (keys > 0) await fill({ cell, member: leader, letter: 'n', count: keys, valueBytes: smallBytes });
    const keysEach = 4;
    await fill({ cell, member: leader, letter: 'k', count: connections * keysEach, valueBytes });
    const samples = { put: [], get: [] };
    for (let round = 0; round < options.rounds; round += 1) {
      for (const operation of ['put', 'get']) {
        const target = await cell.ready(startPatienceMs);
        const load = { operation, connections, letter: 'k', keysEach, valueBytes, seconds: options.seconds };
        const { operations, seconds, latenciesMs } = await runClosedLoop({ cell, targets: [target], ...load });
        samples[operation].push({
          rate: operations / seconds,
          p50: quantile(latenciesMs, 0.5),
          p99: quantile(latenciesMs, 0.99),
        });
      }
    }
    const of = (list, name) => summary(list.map((sample) => sample[name]));
    const all = (list) => ({ rate: of(list, 'rate'), p50: of(list, 'p50'), p99: of(list, 'p99') });
    return { put: all(samples.put), get: all(samples.get) };
  } finally {
    await cell.remove();
  }
}

const known = (results) => dimensions.filter(({ id }) => (results.dimensions[id] ?? []).length > 0);

/** Every figure of the kept run as a table. */
export function growthTable(results) {
  const rows = known(results).flatMap(({ id, label }) =>
    results.dimensions[id].map((point) => [
      label,
      point.value.toLocaleString('en-US'),
      ...['put', 'get'].flatMap((operation) =>
        ['rate', 'p50', 'p99'].map((name) => figure(point[operation][name].median)),
      ),
    ]),
  );
  return { head: ['what grows', 'to', 'put/s', 'put p50 ms', 'put p99 ms', 'get/s', 'get p50 ms', 'get p99 ms'], rows };
}

/** Two plots a dimension, throughput and latency, as `{file name: SVG}`. */
export function plotsOf(results) {
  const plots = {};
  for (const { id, label } of known(results)) {
    const points = results.dimensions[id];
    const series = (operation, name, title) =>
      points.map((point) => ({ x: point.value, series: title, ...point[operation][name] }));
    plots[`${id}-throughput.svg`] = drawPlot({
      title: `Throughput by ${label}`,
      x: label,
      y: 'operations a second',
      values: points.map(({ value }) => value),
      points: [...series('put', 'rate', 'put'), ...series('get', 'rate', 'get')],
    });
    plots[`${id}-latency.svg`] = drawPlot({
      title: `Latency by ${label}`,
      x: label,
      y: 'milliseconds',
      logarithmic: true,
      values: points.map(({ value }) => value),
      points: ['put', 'get'].flatMap((operation) =>
        ['p50', 'p99'].flatMap((name) => series(operation, name, `${operation} ${name}`)),
      ),
    });
  }
  return plots;
}

/** The part of docs/PERFORMANCE.md. */
export function growthSection(results) {
  const { machine, rounds, seconds, date } = results;
  const images = known(results).flatMap(({ id, label }) => [
    `![Throughput by ${label}](plots/${id}-throughput.svg)`,
    `![Latency by ${label}](plots/${id}-latency.svg)`,
  ]);
  return [
    `Measured on ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${rounds} rounds of ${seconds} s a point, the last part ` +
      `on ${date}; lines are medians, bars reach from the slowest to the fastest round. What does not grow is ${usual.replicas} replicas, ` +
      `${usual.connections} connections (16 where values grow), values of ${usual.valueBytes} bytes, an empty database.`,
    images.join('\n'),
    drawMarkdown(growthTable(results)),
  ].join('\n\n');
}

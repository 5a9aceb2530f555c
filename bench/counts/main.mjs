/**
 * `npm run bench:counts`: what the hot paths allocate, beside the counts that were kept. No clock is read, so a busy machine
 * changes nothing; the versions of Node.js differ, so counts are kept by its major version.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { bytesEach, nodeFlags } from './measure.mjs';
import { compared, drawCounts, grown } from './report.mjs';

const usage = `What the hot paths allocate, in bytes an operation, beside what was kept (bench/results/counts.json).

usage: npm run bench:counts -- [--keep] [--json] [--fail-above PERCENT]

  --keep                keep these counts: what later runs are compared with
  --json                print them as JSON
  --fail-above PERCENT  exit 1 when a path allocates more than so much above what was kept; without it this is a report
`;
const file = path.join(import.meta.dirname, '..', 'results', 'counts.json');
const major = `node ${process.versions.node.split('.')[0]}`;

let values;
try {
  ({ values } = parseArgs({
    options: {
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      'fail-above': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  }));
  if (values['fail-above'] !== undefined && !(Number(values['fail-above']) > 0)) {
    throw new Error(`--fail-above wants a number above 0, not "${values['fail-above']}"`);
  }
} catch (error) {
  process.stderr.write(`${error.message}\n\n${usage}`);
  process.exit(2);
}

if (values.help) process.stdout.write(usage);
else if (globalThis.gc === undefined) restart();
else await main();

/** The counts depend on flags that only a start can set. */
function restart() {
  const args = [...nodeFlags, '--import', 'tsx', import.meta.filename, ...process.argv.slice(2)];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}

async function main() {
  const { hotPaths } = await import('./paths.mjs');
  const { paths, close } = await hotPaths();
  const counts = [];
  for (const { id, what, times, work } of paths) counts.push({ id, what, bytes: await bytesEach(work, times) });
  await close();
  const all = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : {};
  const lines = compared(counts, all[major] ?? {});
  if (values.json) process.stdout.write(`${JSON.stringify({ node: process.version, paths: lines }, null, 2)}\n`);
  else process.stdout.write(`${drawCounts(lines)}\n`);
  if (values.keep) {
    all[major] = Object.fromEntries(counts.map(({ id, bytes }) => [id, Math.round(bytes)]));
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`);
  }
  const limit = values['fail-above'];
  const worse = limit === undefined ? [] : grown(lines, Number(limit));
  for (const { id, percent } of worse)
    process.stderr.write(`${id} allocates ${percent.toFixed(0)} % more than was kept\n`);
  if (worse.length > 0) process.exitCode = 1;
}

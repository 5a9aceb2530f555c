/**
 * How fast simulated time passes: cells of five replicas under the standard swarm of faults, one after another in one
 * thread, seeds from 1. Time is that of the processor, collecting garbage included, so that what else runs on the
 * machine slows it as little as possible.
 */
import fs from 'node:fs';
import { describeMachine } from './measure/machine.mjs';
import { drawMarkdown } from './report/markdown.mjs';
import { drawText } from './report/text.mjs';

const replicas = 5;
const hours = 0.05;
/** Cells that are run before, so that what is measured has been compiled. */
const warmUpSeeds = 2;

const rows = [
  { id: 'swarm', label: 'standard swarm, at most 10 operations a second', operationsPerSecond: null, wanted: 500 },
  { id: 'load', label: 'the same, clients that ask 200 times a second', operationsPerSecond: 200, wanted: 30 },
  { id: 'calm', label: 'no faults, 200 operations a second', operationsPerSecond: 200, mode: 'liveness', wanted: 30 },
];

async function runCell({ SimulatedCell, loadOf }, row, seed) {
  const profile = row.operationsPerSecond === null ? {} : loadOf(row.operationsPerSecond);
  const before = process.cpuUsage();
  const { simulatedMs, events, operations, violation } = await new SimulatedCell({
    seed,
    replicas,
    hours,
    mode: row.mode ?? null,
    profile,
  }).run();
  const { user, system } = process.cpuUsage(before);
  if (violation !== null) throw new Error(`seed ${seed}: ${violation.property}: ${violation.message}`);
  return { row: row.id, seed, simulatedMs, events, operations, cpuMs: (user + system) / 1000 };
}

const sum = (samples, pick) => samples.reduce((total, sample) => total + pick(sample), 0);

/** Of the speeds of single seeds, in rising order. */
const at = (speeds, share) => speeds[Math.min(speeds.length - 1, Math.floor(speeds.length * share))];

const whole = (n) => Math.round(n).toLocaleString('en');

function line(row, samples) {
  const cpuMs = sum(samples, (sample) => sample.cpuMs);
  const events = sum(samples, (sample) => sample.events);
  const simulatedMs = sum(samples, (sample) => sample.simulatedMs);
  const speeds = samples.map((sample) => sample.simulatedMs / sample.cpuMs).sort((a, b) => a - b);
  return [
    row.label,
    `${samples.length}`,
    whole(simulatedMs / cpuMs),
    `${whole(at(speeds, 0.5))} [${whole(speeds[0])}–${whole(speeds.at(-1))}]`,
    `≥ ${row.wanted}`,
    whole((events / cpuMs) * 1000),
    ((cpuMs * 1000) / events).toFixed(1),
    ((sum(samples, (sample) => sample.operations) / simulatedMs) * 1000).toFixed(1),
  ];
}

const head = [
  'cells',
  'seeds',
  '× real time, all',
  '× real time, median of seeds',
  'wanted',
  'events/s',
  'µs an event',
  'answers a simulated s',
];

/** Gives the exit code. */
export async function runSimulatorProfile(options, say) {
  const built = (file) => import(new URL(`../dist/src/simulator/${file}.js`, import.meta.url).href);
  const parts = { ...(await built('cell')), ...(await built('profile')) };
  const samples = [];
  const lines = [];
  for (const row of rows) {
    for (let i = 0; i < warmUpSeeds; i++) await runCell(parts, row, `warm-up ${i}`);
    const own = [];
    for (let seed = 1; seed <= options.seeds; seed++) {
      const sample = await runCell(parts, row, seed);
      own.push(sample);
      say(`${row.id}: seed ${seed}: × ${whole(sample.simulatedMs / sample.cpuMs)}`);
    }
    lines.push(line(row, own));
    samples.push(...own);
  }
  const table = { head, rows: lines };
  process.stdout.write(`${options.markdown ? drawMarkdown(table) : drawText(table)}\n`);
  if (options.json !== null) {
    const machine = describeMachine(options.directory);
    fs.writeFileSync(options.json, `${JSON.stringify({ machine, options, samples }, null, 2)}\n`);
  }
  return 0;
}

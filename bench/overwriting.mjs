/**
 * Whether memory and files grow while the same keys are written over and over: a cell of three, filled, then rounds of batches on keys in no
 * order, with values of other lengths each time. Beside etcd, which forgets what is older than a minute there.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fill, overwrite } from './load/fill.mjs';
import { describeMachine } from './measure/machine.mjs';
import { residentMegabytes } from './measure/process-usage.mjs';
import { drawMarkdown } from './report/markdown.mjs';
import { drawText } from './report/text.mjs';
import { Cell } from './systems/cell.mjs';
import { etcd } from './systems/etcd.mjs';
import { paxosctl } from './systems/paxosctl.mjs';

const replicas = 3;
const letter = 'o';
/** 100 on average. */
const valueBytes = [50, 150];

function fileMegabytes(directory) {
  const files = fs.readdirSync(directory, { recursive: true, withFileTypes: true }).filter((it) => it.isFile());
  // A file of a member at work may be gone by now.
  const sizes = files.map((it) => fs.statSync(path.join(it.parentPath, it.name), { throwIfNoEntry: false })?.size ?? 0);
  return sizes.reduce((sum, size) => sum + size, 0) / 2 ** 20;
}

/** With its own settings it would keep every value that ever was, until it takes no more. */
const compacting = (system) => ({
  ...system,
  plan: async (where) =>
    (await system.plan(where)).map((plan) => ({
      ...plan,
      args: [
        ...plan.args,
        ...[
          '--auto-compaction-mode',
          'periodic',
          '--auto-compaction-retention',
          '1m',
          '--quota-backend-bytes',
          `${2 ** 33}`,
        ],
      ],
    })),
});

/** Goes on with the new master where mastership moved. Gives how many keys were written. */
async function overwritePatiently(cell, { seconds, ...what }, say) {
  const untilMs = performance.now() + seconds * 1_000;
  let written = 0;
  while (performance.now() < untilMs) {
    const member = await cell.leader();
    const leftSeconds = (untilMs - performance.now()) / 1_000;
    const onProgress = (count) => {
      written += count;
    };
    try {
      await overwrite({ cell, member, seconds: leftSeconds, onProgress, ...what });
    } catch (error) {
      say(`mastership moved: ${error.message.slice(0, 80)}`);
      await cell.ready();
    }
  }
  return written;
}

/** Gives the samples of one system. */
async function measure(system, directory, { keys, rounds, seconds }, say) {
  const cell = await Cell.create({ system, parent: directory, replicas });
  const samples = [];
  let written = 0;
  const sample = (rate) => {
    const residentMB = cell.members.map(({ pid }) => residentMegabytes(pid));
    samples.push({ system: system.label, written, rate, residentMB, filesMB: fileMegabytes(directory) });
    say(`${system.label}: ${written} written, ${Math.round(rate)}/s, ${residentMB.map(Math.round).join(', ')} MiB`);
  };
  try {
    cell.start();
    await cell.ready();
    await fill({ cell, member: await cell.leader(), letter, count: keys, valueBytes: 100 });
    sample(0);
    for (let round = 0; round < rounds; round += 1) {
      const more = await overwritePatiently(cell, { letter, count: keys, valueBytes, seconds }, say);
      written += more;
      sample(more / seconds);
    }
  } finally {
    await cell.remove();
  }
  return samples;
}

/** Gives the exit code. */
export async function runOverwritingProfile(options, say) {
  const { keys, systems } = options;
  const directory = fs.mkdtempSync(path.join(options.directory, 'paxosctl-bench-'));
  process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  const samples = [];
  for (const system of [paxosctl, compacting(etcd)]) {
    if (!systems.includes(system.name)) continue;
    if (system.unavailable() === null) samples.push(...(await measure(system, directory, options, say)));
    else say(`skipping ${system.label}: ${system.unavailable()}`);
  }
  const head = ['system', 'written over', 'times all keys', 'keys/s', 'resident, MiB a member', 'files of all, MiB'];
  const rows = samples.map(({ system, written, rate, residentMB, filesMB }) => [
    ...[system, `${written}`, (written / keys).toFixed(1), rate === 0 ? '–' : `${Math.round(rate)}`],
    ...[residentMB.map((it) => it.toFixed(0)).join(', '), filesMB.toFixed(0)],
  ]);
  const table = { head, rows };
  process.stdout.write(`${options.markdown ? drawMarkdown(table) : drawText(table)}\n`);
  if (options.json !== null) {
    const machine = describeMachine(options.directory);
    fs.writeFileSync(options.json, `${JSON.stringify({ machine, keys, samples }, null, 2)}\n`);
  }
  return 0;
}

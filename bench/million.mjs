/**
 * A cell with a million keys of 100 bytes: how long a restart takes, how much memory a replica holds, and what snapshots and deep
 * checks cost the writers. Of this program alone: the figures are wanted as such, not beside others.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { addUnderLoad } from './adding.mjs';
import { runClosedLoop } from './load/closed-loop.mjs';
import { checkFilled, fill } from './load/fill.mjs';
import { describeMachine } from './measure/machine.mjs';
import { residentMegabytes } from './measure/process-usage.mjs';
import { drawMarkdown } from './report/markdown.mjs';
import { drawText } from './report/text.mjs';
import { Cell } from './systems/cell.mjs';
import { deepCheck, post, statusOf } from './systems/member-requests.mjs';
import { paxosctl } from './systems/paxosctl.mjs';

const replicas = 3;
const letter = 'n';
const writers = 64;
const valueBytes = 100;
const settleMs = 3_000;
const sliceKeys = 100_000;
const movesMax = 20;
const readyMsMax = 120_000;

/** For a look into the members: `PAXOSCTL_BENCH_NODE_FLAGS='--cpu-prof --cpu-prof-dir=/tmp/profiles'`. */
const nodeFlags = (process.env.PAXOSCTL_BENCH_NODE_FLAGS ?? '').split(' ').filter((flag) => flag !== '');

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
const range = (values, digits) => {
  const all = [...values].sort((a, b) => a - b).map((it) => it.toFixed(digits));
  return all.length === 1 ? all[0] : `${median(values).toFixed(digits)} [${all[0]}–${all.at(-1)}]`;
};

/** Each member tells how late its event loop was since the last time. */
function watched(directory) {
  const preload = path.join(import.meta.dirname, 'measure', 'loop-delay.mjs');
  return {
    ...paxosctl,
    plan: async (where) =>
      (await paxosctl.plan(where)).map((plan) => ({
        ...plan,
        args: ['--import', preload, ...nodeFlags, ...plan.args],
        env: { ...process.env, PAXOSCTL_BENCH_LOOP_DELAY: path.join(directory, `${plan.name}.loop`) },
      })),
  };
}

async function loopDelay(member, directory) {
  const file = path.join(directory, `${member.name}.loop`);
  fs.rmSync(file, { force: true });
  process.kill(member.pid, 'SIGUSR2');
  const until = performance.now() + 5_000;
  while (!fs.existsSync(file)) {
    if (performance.now() > until) throw new Error(`${member.name} does not tell how late its event loop is`);
    await sleep(20);
  }
  return JSON.parse(fs.readFileSync(file, 'utf8'));
}

/** Milliseconds until it takes part again: it has its state, and knows a master or is it. */
async function untilReady(members, startedMs) {
  const readyMs = new Map();
  while (readyMs.size < members.length) {
    for (const member of members) {
      if (readyMs.has(member)) continue;
      const role = await paxosctl.roleOf(member).catch(() => null);
      if (role !== null) readyMs.set(member, performance.now() - startedMs);
    }
    if (performance.now() - startedMs > readyMsMax) throw new Error('not ready within two minutes');
    // Asked more often, it would be measured by what the asking costs.
    await sleep(20);
  }
  return [...readyMs.values()];
}

/** Writers for some seconds, with or without other work beside them. */
async function load(cell, { seconds, beside, directory }) {
  const leader = await cell.leader();
  const before = await statusOf(leader);
  await loopDelay(leader, directory);
  let running = true;
  let done = 0;
  const other = (async () => {
    while (running && beside !== null) {
      await beside(leader);
      done += 1;
    }
  })();
  other.catch(() => undefined);
  const result = await runClosedLoop({
    cell,
    targets: [leader],
    operation: 'put',
    connections: writers,
    letter: 'p',
    keysEach: 16,
    valueBytes,
    seconds,
  });
  const delay = await loopDelay(leader, directory);
  running = false;
  await other;
  const after = await statusOf(leader);
  return {
    rate: result.operations / result.seconds,
    p50: percentile(result.latenciesMs, 0.5),
    p99: percentile(result.latenciesMs, 0.99),
    delay,
    done,
    masterChanges: after.epoch - before.epoch,
  };
}

/** Slice by slice; one in which mastership moved is written again, to the new master. Gives how often that was. */
async function fillPatiently(cell, keys, say) {
  let moved = 0;
  for (let first = 0; first < keys; ) {
    const count = Math.min(keys, first + sliceKeys);
    try {
      await fill({ cell, member: await cell.leader(), letter, first, count, valueBytes });
      first = count;
      say(`${count} keys`);
    } catch (error) {
      moved += 1;
      say(`mastership moved: ${error.message.slice(0, 80)}`);
      if (moved > movesMax) throw error;
      await cell.ready();
    }
  }
  return moved;
}

async function measureWork(cell, { keys, seconds, rounds, directory, row, samples, say }) {
  const alone = await load(cell, { seconds, beside: null, directory });
  samples.push({ alone });
  row(
    '64 writers alone',
    `${Math.round(alone.rate)}/s, p99 ${alone.p99.toFixed(1)} ms, loop p99.9 ${alone.delay.p999.toFixed(1)} ms`,
    '–',
  );
  const everyMember = async () => {
    for (const member of cell.members) await post(member, '/v1/snapshots');
  };
  const works = [
    ['snapshots', everyMember],
    ['deep scans', deepCheck],
  ];
  for (const [what, beside] of works) {
    try {
      const during = await load(cell, { seconds, beside, directory });
      samples.push({ [what]: during });
      row(
        `${what} under 64 writers: write p99`,
        `${during.p99.toFixed(1)} ms = ${(during.p99 / alone.p99).toFixed(2)} × (${Math.round(during.rate)}/s, ${during.done} done)`,
        '≤ 3 ×',
      );
      row(
        `${what} under 64 writers: event loop of the master p99.9`,
        `${during.delay.p999.toFixed(1)} ms (max ${during.delay.max.toFixed(0)})`,
        '≤ 20 ms',
      );
      row(`${what} under 64 writers: changes of master`, `${during.masterChanges}`, '0');
    } catch (error) {
      row(`${what} under 64 writers`, `failed: ${error.message}`, '');
    }
  }

  const restarts = { clean: [], killed: [], oneClean: [], oneKilled: [] };
  const memory = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const how of ['oneClean', 'oneKilled']) {
      const leader = await cell.leader();
      const member = cell.members.find((it) => it !== leader);
      if (how === 'oneClean') await member.stop();
      else {
        member.killNow();
        await sleep(300);
      }
      const startedMs = performance.now();
      member.start();
      restarts[how].push(Math.max(...(await untilReady([member], startedMs))) / 1000);
      say(`restart, ${how}: ${restarts[how].at(-1).toFixed(2)} s`);
    }
    for (const how of ['clean', 'killed']) {
      if (how === 'clean') await cell.stop();
      else {
        for (const member of cell.members) member.killNow();
        await sleep(300);
      }
      const startedMs = performance.now();
      cell.start();
      restarts[how].push(Math.max(...(await untilReady(cell.members, startedMs))) / 1000);
      await sleep(settleMs);
      memory.push(...cell.members.map(({ pid }) => residentMegabytes(pid)));
      say(`restart, ${how}: ${restarts[how].at(-1).toFixed(2)} s`);
    }
  }
  await checkFilled({ cell, member: await cell.leader(), letter, count: keys, valueBytes, samples: 50 });
  await sleep(settleMs);
  row('restart of one, cleanly stopped', `${range(restarts.oneClean, 2)} s`, '< 3 s');
  row('restart of one after kill -9', `${range(restarts.oneKilled, 2)} s`, '< 10 s');
  row('restart of all, cleanly stopped, to the last one ready', `${range(restarts.clean, 2)} s`, '< 3 s');
  row('restart of all after kill -9, to the last one ready', `${range(restarts.killed, 2)} s`, '< 10 s');
  row('resident memory a member, restarted', `${range(memory, 0)} MiB`, '< 400 MiB');
}

async function measureAdding(cell, { seconds, rounds, directory, row, samples, say }) {
  const all = [];
  for (let round = 0; round < rounds; round += 1) {
    const added = await addUnderLoad(cell, { directory, name: `a${round}`, seconds });
    all.push(added);
    const { before, during } = added;
    say(`added in ${during.seconds.toFixed(1)} s: p99 ${during.p99.toFixed(1)} ms, before ${before.p99.toFixed(1)} ms`);
  }
  samples.push({ adding: all });
  const of = (pick, digits = 1) => range(all.map(pick), digits);
  row(
    'adding a member under 64 writers: write p99',
    `${of(({ before, during }) => during.p99 / before.p99, 2)} × (${of(({ before }) => before.p99)} ms before, ${of(({ during }) => during.p99)} ms during)`,
    '≤ 3 ×',
  );
  row(
    '… writes a second, before',
    of(({ before }) => before.rate, 0),
    '–',
  );
  row(
    '… writes a second, during',
    of(({ during }) => during.rate, 0),
    '–',
  );
  row(
    '… longest write, ms, before and during',
    `${of(({ before }) => before.max, 0)}, ${of(({ during }) => during.max, 0)}`,
    '–',
  );
  row(
    '… seconds from the command to the vote',
    of(({ during }) => during.seconds),
    '–',
  );
  row('… changes of master', `${all.reduce((sum, { masterChanges }) => sum + masterChanges, 0)}`, '0');
}

/** Gives the exit code. */
export async function runMillionProfile(options, say) {
  const { keys } = options;
  const wants = (part) => options.only === null || options.only.includes(part);
  const directory = fs.mkdtempSync(path.join(options.directory, 'paxosctl-bench-'));
  process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  const rows = [];
  const samples = [];
  const row = (label, figure, wanted) => {
    rows.push([label, figure, wanted]);
    say(`${label}: ${figure} (wanted ${wanted})`);
  };
  const cell = await Cell.create({ system: watched(directory), parent: directory, replicas });
  try {
    cell.start();
    await cell.ready();
    const filledMs = performance.now();
    const moved = await fillPatiently(cell, keys, say);
    row(
      'filling, batches of 100',
      `${Math.round(keys / ((performance.now() - filledMs) / 1000))} keys/s, mastership moved ${moved} times`,
      '0 times',
    );
    await sleep(settleMs);
    row(
      'resident memory after filling',
      `${cell.members.map(({ pid }) => Math.round(residentMegabytes(pid))).join(', ')} MiB`,
      '< 400 MiB',
    );

    if (wants('adding')) await measureAdding(cell, { ...options, directory, row, samples, say });
    if (wants('work')) await measureWork(cell, { ...options, directory, row, samples, say });
  } catch (error) {
    for (const { name } of cell.members)
      say(
        `--- ${name}\n${cell
          .logOf(name)
          .split('\n')
          .filter((line) => /mastership|snapshot|error|warn/.test(line))
          .slice(-25)
          .join('\n')}`,
      );
    throw error;
  } finally {
    if (process.env.PAXOSCTL_BENCH_LOGS === '1')
      for (const { name } of cell.members)
        say(
          `--- ${name}\n${cell
            .logOf(name)
            .split('\n')
            .filter((line) => /mastership|snapshot|error/.test(line))
            .slice(-25)
            .join('\n')}`,
        );
    await cell.remove();
  }
  const machine = describeMachine(directory);
  const table = { head: ['with a million keys', 'measured', 'wanted'], rows };
  process.stdout.write(`${options.markdown ? drawMarkdown(table) : drawText(table)}\n`);
  if (options.json !== null) fs.writeFileSync(options.json, `${JSON.stringify({ machine, rows, samples }, null, 2)}\n`);
  return 0;
}

/**
 * What clients feel of everything that goes on in a cell beside them: puts and linearizable gets at 64 and 256 connections, alone, beside
 * snapshots and deep checks, while a member comes back or is added, when the master is killed, and through a rolling upgrade. Of this
 * program alone.
 */
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildVersion } from '../tooling/version.mjs';
import { addCommand, newcomerOf } from './adding.mjs';
import { fill } from './load/fill.mjs';
import { PatientClients } from './load/patient-clients.mjs';
import { describeMachine } from './measure/machine.mjs';
import { summary } from './measure/statistics.mjs';
import { drawMarkdown } from './report/markdown.mjs';
import { drawText } from './report/text.mjs';
import { Cell } from './systems/cell.mjs';
import { deepCheck, post, statusOf } from './systems/member-requests.mjs';
import { operatorCommand } from './systems/operator-command.mjs';
import { paxosctl } from './systems/paxosctl.mjs';

const replicas = 3;
const valueBytes = 100;
const letter = 'n';
const newVersion = '0.2.0';
const settleMs = 2_000;
const pollMs = 50;
const caughtUpMsMax = 60_000;

/** Of so many connections one in four reads, a hundred times a second at the most. */
export const latencySizes = [
  { id: '64', connections: 64 },
  { id: '256', connections: 256 },
];
const readersOf = (connections) => connections / 4;

async function untilSecondsAreOver(seconds, work) {
  const endMs = performance.now() + seconds * 1000;
  while (performance.now() < endMs) await work();
}

/** Every member, one after the other. */
const snapshots = ({ cell, seconds }) =>
  untilSecondsAreOver(seconds, async () => {
    for (const member of cell.members) await post(member, '/v1/snapshots');
  });

const deepChecks = ({ cell, seconds }) => untilSecondsAreOver(seconds, async () => deepCheck(await cell.leader()));

const followerOf = async (cell) => {
  const leader = await cell.leader();
  return cell.members.find((it) => it !== leader);
};

/** Until it has applied what was chosen when it came back. */
async function comesBack({ cell }, member) {
  const { instances } = await statusOf(await cell.leader());
  member.start();
  const untilMs = performance.now() + caughtUpMsMax;
  while (performance.now() < untilMs) {
    const applied = await statusOf(member).then(
      (it) => it.instances.applied,
      () => 0,
    );
    if (applied >= instances.chosen) return;
    await sleep(pollMs);
  }
  throw new Error(`${member.name} has not caught up within ${caughtUpMsMax} ms`);
}

async function added({ cell, directory, round }) {
  const member = await newcomerOf(cell, { directory, name: `a${round}` });
  member.start();
  return { member, work: () => operatorCommand(cell, addCommand(member)) };
}

async function masterKilled({ cell, seconds }) {
  const leader = await cell.leader();
  leader.killNow();
  await sleep(seconds * 500);
  leader.start();
  await sleep(seconds * 500);
}

/** Restarts members with another version when the upgrade asks for it. */
async function restarterOf(cell, script) {
  const server = http.createServer(async (request, response) => {
    const name = new URL(request.url, 'http://localhost').searchParams.get('name');
    const member = cell.members.find((it) => it.name === name);
    await member.stop();
    member.useScript(script);
    member.start();
    response.end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}/?name={name}`;
  return { server, command: `${process.execPath} -e "fetch('${url}').then(() => process.exit(0))"` };
}

async function upgraded({ cell, directory, script }) {
  const { server, command } = await restarterOf(cell, script);
  try {
    const env = { ...process.env, XDG_STATE_HOME: path.join(directory, 'operator') };
    await operatorCommand(cell, ['upgrade', 'run', '--to', newVersion, '--exec', command, '--yes'], env);
  } finally {
    server.close();
  }
}

/** Each with what is measured; what has to be made ready before, or put right behind it, is not. */
const disturbances = [
  { id: 'nothing else', run: ({ clients, seconds }) => clients.during(() => sleep(seconds * 1000)) },
  { id: 'snapshots of every member', run: (facts) => facts.clients.during(() => snapshots(facts)) },
  { id: 'deep checks', run: (facts) => facts.clients.during(() => deepChecks(facts)) },
  {
    id: 'a member catches up',
    run: async (facts) => {
      const member = await followerOf(facts.cell);
      member.killNow();
      await sleep(facts.seconds * 1000);
      return facts.clients.during(() => comesBack(facts, member));
    },
  },
  {
    id: 'a member is added',
    run: async (facts) => {
      const { member, work } = await added(facts);
      try {
        const result = await facts.clients.during(work);
        await operatorCommand(facts.cell, ['members', 'remove', member.name]);
        return result;
      } finally {
        await member.stop();
      }
    },
  },
  { id: 'a rolling upgrade', run: (facts) => facts.clients.during(() => upgraded(facts)) },
  { id: 'kill -9 of the master', run: (facts) => facts.clients.during(() => masterKilled(facts)) },
];

async function measureCell({ connections, round, script, parent, options, say }) {
  const { seconds, keys } = options;
  const directory = fs.mkdtempSync(path.join(parent, `latency-${connections}-`));
  const cell = await Cell.create({ system: paxosctl, parent: directory, replicas });
  let clients = null;
  try {
    cell.start();
    await fill({ cell, member: await cell.ready(), letter, count: keys, valueBytes });
    const readers = readersOf(connections);
    clients = new PatientClients({ cell, writers: connections - readers, readers, filled: keys, valueBytes });
    await sleep(settleMs);
    const results = {};
    for (const { id, run } of disturbances) {
      const { epoch } = await statusOf(await cell.leader());
      const { writes, reads, seconds: took } = await run({ cell, clients, directory, round, script, seconds });
      const masterChanges = (await statusOf(await cell.leader())).epoch - epoch;
      results[id] = { writes, reads, seconds: took, masterChanges };
      say(
        `${connections} connections, ${id}: ${Math.round(writes.rate)} puts/s p99 ${writes.p99.toFixed(1)} ms, ` +
          `gets p99 ${reads.p99.toFixed(1)} ms, ${masterChanges} changes of master, ${took.toFixed(1)} s`,
      );
      await sleep(settleMs);
    }
    await clients.stop();
    return results;
  } finally {
    await clients?.stop().catch(() => undefined);
    await cell.remove();
  }
}

function tableOf(connections, all) {
  const cells = (id) => all.map((it) => it[id]);
  const of = (id, pick, digits) => {
    const { median, min, max } = summary(cells(id).map(pick));
    return all.length === 1
      ? median.toFixed(digits)
      : `${median.toFixed(digits)} [${min.toFixed(digits)}–${max.toFixed(digits)}]`;
  };
  const first = disturbances[0].id;
  const times = (id) => summary(all.map((it) => it[id].writes.p99 / it[first].writes.p99)).median.toFixed(2);
  return {
    head: [
      `${connections} connections, beside`,
      'puts/s',
      ...['put p50 ms', 'put p99 ms', '× alone', 'longest put ms', 'get p99 ms', 'changes of master'],
    ],
    rows: disturbances.map(({ id }) => [
      id,
      of(id, ({ writes }) => writes.rate, 0),
      of(id, ({ writes }) => writes.p50, 1),
      of(id, ({ writes }) => writes.p99, 1),
      times(id),
      of(id, ({ writes }) => writes.max, 0),
      of(id, ({ reads }) => reads.p99, 1),
      String(Math.max(...cells(id).map(({ masterChanges }) => masterChanges))),
    ]),
  };
}

/** Gives the exit code. */
export async function runLatencyProfile(options, say) {
  const parent = fs.mkdtempSync(path.join(options.directory, 'paxosctl-bench-'));
  process.on('exit', () => fs.rmSync(parent, { recursive: true, force: true, maxRetries: 5 }));
  say(`building ${newVersion}, which members are upgraded to`);
  const script = await buildVersion({
    version: newVersion,
    levels: { min: 1, max: 2 },
    folder: path.join(parent, newVersion),
  });
  const sizes = latencySizes.filter(({ id }) => options.only === null || options.only.includes(id));
  const results = new Map(sizes.map(({ connections }) => [connections, []]));
  for (let round = 0; round < options.rounds; round += 1)
    for (const { connections } of sizes)
      results.get(connections).push(await measureCell({ connections, round, script, parent, options, say }));
  for (const [connections, all] of results) {
    const table = tableOf(connections, all);
    process.stdout.write(`${options.markdown ? drawMarkdown(table) : drawText(table)}\n\n`);
  }
  const document = { machine: describeMachine(parent), options, results: [...results] };
  if (options.json !== null) fs.writeFileSync(options.json, `${JSON.stringify(document, null, 2)}\n`);
  return 0;
}

/** A member is added to a filled cell while 64 writers work: how long it takes, and what the writers feel of it. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { runClosedLoop } from './load/closed-loop.mjs';
import { MemberProcess } from './systems/member-process.mjs';
import { freePorts } from './systems/ports.mjs';

const writers = 64;
const valueBytes = 100;
/** Writers are asked for their latencies in slices: nobody knows before how long the command takes. */
const sliceSeconds = 1;
const executable = path.join(import.meta.dirname, '..', 'bin', 'run.js');
const statusOf = async ({ host, port }) => (await fetch(`http://${host}:${port}/v1/status`)).json();

/** Gives { command } as soon as it is begun; `over` resolves with the exit code and what was said. */
function addMember(cell, url) {
  const endpoints = cell.members.map(({ host, port }) => `http://${host}:${port}`).join(',');
  const args = [executable, 'members', 'add', 'n4', '--url', url, '--endpoints', endpoints, '--timeout', '120s'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => said.push(chunk));
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve({ code, said: Buffer.concat(said).toString() }));
  });
}

/**
 * Gives { seconds, p50, p99, rate, masterChanges } of the time from the command to its end. The member is ended and stays in the cell:
 * call this last.
 * @throws {Error} when it was not added.
 */
export async function whileAdding(cell, directory) {
  const [port] = await freePorts(1);
  const host = '127.0.0.1';
  const { host: known, port: knownPort } = cell.members[0];
  const member = new MemberProcess(
    {
      ...{ name: 'n4', host, port, command: process.execPath },
      args: [
        [executable, 'node', 'start', '--name', 'n4', '--data-dir', path.join(directory, 'n4')],
        ['--listen', `${host}:${port}`, '--join', `http://${known}:${knownPort}`],
      ].flat(),
    },
    path.join(directory, 'n4.log'),
  );
  member.start();
  try {
    const leader = await cell.leader();
    const before = await statusOf(leader);
    const startedMs = performance.now();
    let ended = null;
    const added = addMember(cell, `http://${host}:${port}`).then((result) => {
      ended = { ...result, seconds: (performance.now() - startedMs) / 1000 };
    });
    const latenciesMs = [];
    let operations = 0;
    let loadSeconds = 0;
    while (ended === null) {
      const slice = await runClosedLoop({
        ...{ cell, targets: [leader], operation: 'put', connections: writers, letter: 'p', keysEach: 16, valueBytes },
        seconds: sliceSeconds,
      });
      for (const latency of slice.latenciesMs) latenciesMs.push(latency);
      operations += slice.operations;
      loadSeconds += slice.seconds;
    }
    await added;
    if (ended.code !== 0) throw new Error(`members add ended with ${ended.code}: ${ended.said.slice(-300)}`);
    latenciesMs.sort((a, b) => a - b);
    const at = (share) => latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * share))];
    const after = await statusOf(leader);
    return {
      ...{ seconds: ended.seconds, p50: at(0.5), p99: at(0.99), rate: operations / loadSeconds },
      masterChanges: after.epoch - before.epoch,
    };
  } finally {
    await member.stop();
  }
}

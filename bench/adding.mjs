/** A member is added to a filled cell while 64 writers work: how long it takes, and what the writers feel of it. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runClosedLoop } from './load/closed-loop.mjs';
import { MemberProcess } from './systems/member-process.mjs';
import { statusOf } from './systems/member-requests.mjs';
import { executable, operatorCommand } from './systems/operator-command.mjs';
import { freePorts } from './systems/ports.mjs';

const writers = 64;
const valueBytes = 100;
/** After the command: the member that comes may still be busy, and the one that went. */
const settleMs = 3_000;
const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
const loadOf = (cell, leader, more) => ({
  ...{ cell, targets: [leader], operation: 'put', connections: writers, letter: 'p', keysEach: 16, valueBytes },
  ...more,
});

const figures = ({ latenciesMs, operations, seconds }) => ({
  ...{ p50: at(latenciesMs, 0.5), p99: at(latenciesMs, 0.99), max: latenciesMs.at(-1) },
  ...{ seconds, rate: operations / seconds },
});

/** A member that may be added to `cell`, by `members add NAME --url URL` once it was started. */
export async function newcomerOf(cell, { directory, name }) {
  const [port] = await freePorts(1);
  const host = '127.0.0.1';
  const { host: known, port: knownPort } = cell.members[0];
  const plan = {
    ...{ name, host, port, command: process.execPath },
    args: [
      [executable, 'node', 'start', '--name', name, '--data-dir', path.join(directory, name)],
      ['--listen', `${host}:${port}`, '--join', `http://${known}:${knownPort}`],
    ].flat(),
  };
  return new MemberProcess(plan, path.join(directory, `${name}.log`));
}

export const addCommand = ({ name, host, port }) => ['members', 'add', name, '--url', `http://${host}:${port}`];

/**
 * The writers alone for `seconds`, then from the command `members add NAME` to its end; then the member goes again.
 *
 * Gives { before, during, masterChanges }, the first two with p50, p99, max (ms), seconds and rate.
 * @throws {Error} when it was not added, or any write failed.
 */
export async function addUnderLoad(cell, { directory, name, seconds }) {
  const member = await newcomerOf(cell, { directory, name });
  const leader = await cell.leader();
  const { epoch } = await statusOf(leader);
  const before = figures(await runClosedLoop(loadOf(cell, leader, { seconds })));
  member.start();
  try {
    const add = () => operatorCommand(cell, addCommand(member));
    const during = figures(await runClosedLoop(loadOf(cell, leader, { beside: add })));
    const masterChanges = (await statusOf(leader)).epoch - epoch;
    await operatorCommand(cell, ['members', 'remove', name]);
    await sleep(settleMs);
    return { before, during, masterChanges };
  } finally {
    await member.stop();
  }
}

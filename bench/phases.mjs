/**
 * The parts of a run. In each, all cells stand at the same time, and the systems take turns within every row of every
 * round: what disturbs the machine for a minute disturbs all of them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { noClient, runCallers } from './load/callers.mjs';
import { runClosedLoop } from './load/closed-loop.mjs';
import { checkFilled, fill } from './load/fill.mjs';
import { firstAcknowledgedWrite } from './load/first-write.mjs';
import { keyName, makeValue } from './load/keys-and-values.mjs';
import { runOverload } from './load/overload.mjs';
import { call } from './load/promises.mjs';
import { residentMegabytes } from './measure/process-usage.mjs';
import { measureStartup } from './measure/startup.mjs';
import { quantile } from './measure/statistics.mjs';
import { root } from './report/document.mjs';
import { Cell } from './systems/cell.mjs';

const failoverLetter = 'f';
const fillLetter = 'n';
const paperFillLetter = 'g';
const smallValueBytes = 100;
const paperFillValueBytes = 8192;
const fillSamples = 50;
/** After a member came back, before the next one is killed. */
const settleMs = 1000;
/** A big log may take minutes to read. */
const restartPatienceMs = 600_000;
/** For garbage collectors to come to rest before memory is read. */
const memorySettleMs = 2000;
/** As many as a replica lets in before it is crowded and closes those that it has answered; each has one request in flight. */
const overloadConnections = 1_800;
const capacityConnections = 256;
const snapshotWriters = 64;
/** A replica of paxosctl that is not the master only says who is, so there is nothing to spread. */
const toMasterOnly = new Set(['paxosctl', 'bare']);
/** JIT compilers reach full speed only under load. */
const warmUpSeconds = 3;

/** Load rows, then failover on the same cells. */
export async function runLoadPhase({ systems, rows, failover, options, replicas, results, directory, say }) {
  await withCells({ systems, replicas, directory, results, say, row: 'start' }, async (cells) => {
    for (const cell of [...cells]) {
      await guarded({ cell, cells, results, row: 'start', say }, () => prepareKeys({ cell, rows, options, say }));
    }
    for (const cell of [...cells]) {
      await guarded({ cell, cells, results, row: 'start', say }, () => warmUp({ cell, rows, options, say }));
    }
    for (let round = 0; round < options.rounds; round += 1) {
      for (const row of rows) {
        for (const cell of inTurn(cells, round)) {
          await guarded({ cell, cells: null, results, row: row.id, say }, async () => {
            const result = await measureLoad({ cell, row, options, round });
            record({ results, cell, row, result });
            say(`round ${round + 1}/${options.rounds}  ${row.title}  ${cell.system.label}: ${headline(row, result)}`);
          });
        }
      }
    }
    if (!failover) return;
    for (let round = 0; round < options.rounds; round += 1) {
      for (const cell of inTurn(cells, round)) {
        await guarded({ cell, cells: null, results, row: failover.id, say }, async () => {
          const result = await measureFailover(cell, round);
          record({ results, cell, row: failover, result });
          say(
            `round ${round + 1}/${options.rounds}  ${failover.title}  ${cell.system.label}: ${headline(failover, result)}`,
          );
        });
      }
    }
  });
}

/** Fresh cells with many keys: memory, and how long a restart of all members takes. */
export async function runKeysPhase({ systems, row, snapshot, options, replicas, results, directory, say }) {
  await withCells({ systems, replicas, directory, results, say, row: (row ?? snapshot).id }, async (cells) => {
    for (const cell of [...cells]) {
      await guarded({ cell, cells, results, row: (row ?? snapshot).id, say }, async () => {
        const result = await measureFill(cell, options.keys, say);
        if (row) record({ results, cell, row, result });
      });
    }
    for (let round = 0; snapshot && round < options.rounds; round += 1) {
      for (const cell of inTurn(cells, round)) {
        if (cell.system.snapshot === undefined) continue;
        await guarded({ cell, cells: null, results, row: snapshot.id, say }, async () => {
          const result = await measureSnapshot(cell, options);
          record({ results, cell, row: snapshot, result });
          say(
            `round ${round + 1}/${options.rounds}  ${snapshot.title}  ${cell.system.label}: ${headline(snapshot, result)}`,
          );
        });
      }
    }
    for (let round = 0; row && round < options.rounds; round += 1) {
      for (const cell of inTurn(cells, round)) {
        await guarded({ cell, cells: null, results, row: row.id, say }, async () => {
          const result = await measureRestart(cell, options.keys, round);
          record({ results, cell, row, result });
          say(
            `round ${round + 1}/${options.rounds}  restart  ${cell.system.label}: ${result.restartSeconds.toFixed(2)} s`,
          );
        });
      }
    }
  });
}

/** Fresh cells: their memory before anything was written, then callers through the client libraries, then twice the load that fits. */
export async function runClientsPhase({
  systems,
  idle,
  callers,
  overload,
  options,
  replicas,
  results,
  directory,
  say,
}) {
  const first = callers ?? overload ?? idle;
  await withCells({ systems, replicas, directory, results, say, row: first.id }, async (cells) => {
    const each = async (row, round, measure) => {
      for (const cell of inTurn(cells, round)) {
        await guarded({ cell, cells: null, results, row: row.id, say }, async () => {
          const result = await measure(cell);
          if (result === null) return;
          record({ results, cell, row, result });
          say(`round ${round + 1}/${options.rounds}  ${row.title}  ${cell.system.label}: ${headline(row, result)}`);
        });
      }
    };
    if (idle) await each(idle, 0, async (cell) => ({ megabytes: await settledMegabytes(cell) }));
    for (const cell of cells) await fillFor(cell, 'k', capacityConnections * 16);
    for (let round = 0; round < options.rounds; round += 1) {
      if (callers) {
        await each(callers, round, async (cell) => {
          const reason = noClient(cell.system.name);
          if (reason !== null) {
            if (round === 0) say(`skipping ${callers.id} of ${cell.system.label}: ${reason}`);
            return null;
          }
          await cell.ready();
          return runCallers({ cell, root, directory, callers: callers.callers, seconds: options.seconds });
        });
      }
      if (overload) {
        await each(overload, round, (cell) =>
          cell.system.name === 'paxosctl' ? measureOverload(cell, options) : null,
        );
      }
    }
  });
}

async function fillFor(cell, letter, count) {
  await fill({ cell, member: await cell.ready(), letter, count, valueBytes: smallValueBytes });
}

/** How much fits is measured just before: a closed loop of many connections. */
async function measureOverload(cell, options) {
  const leader = await cell.ready();
  const fits = await runClosedLoop({
    cell,
    targets: [leader],
    operation: 'put',
    connections: capacityConnections,
    letter: 'k',
    keysEach: 16,
    valueBytes: smallValueBytes,
    seconds: options.seconds,
  });
  const capacity = fits.operations / fits.seconds;
  const before = await epochOf(leader);
  const result = await runOverload({
    cell,
    target: leader,
    rate: 2 * capacity,
    connections: overloadConnections,
    letter: 'o',
    seconds: options.seconds,
  });
  return { ...result, capacity, masterChanges: (await epochOf(await cell.ready())) - before };
}

const epochOf = async ({ host, port }) => (await (await fetch(`http://${host}:${port}/v1/status`)).json()).epoch;

/** Of the system's own kind, again and again until it is told to stop. */
async function takeSnapshots(cell, state) {
  while (state.running) {
    if (cell.system.snapshot === undefined) return;
    for (const member of cell.members) await cell.system.snapshot(member);
  }
}

async function measureSnapshot(cell, options) {
  const leader = await cell.ready();
  const writers = async () => {
    const result = await runClosedLoop({
      cell,
      targets: [leader],
      operation: 'put',
      connections: snapshotWriters,
      letter: 'k',
      keysEach: 16,
      valueBytes: smallValueBytes,
      seconds: options.seconds,
    });
    return { rate: result.operations / result.seconds, p99: quantile(result.latenciesMs, 0.99) };
  };
  // The first load of a cell is a slow one: compilers warm up.
  await writers();
  const alone = await writers();
  const state = { running: true };
  const snapshots = takeSnapshots(cell, state);
  snapshots.catch(() => {});
  const during = await writers();
  state.running = false;
  await snapshots;
  return { alone, during };
}

/** Nothing else runs meanwhile. */
export async function runStartupPhase({ row, options, results, say }) {
  for (let round = 0; round < options.rounds; round += 1) {
    try {
      const result = measureStartup();
      for (const metric of row.metrics) results.add('paxosctl', metric.id, metric.of(result));
      say(`round ${round + 1}/${options.rounds}  ${row.title}: ${result.version.toFixed(2)} × a bare node`);
    } catch (error) {
      results.fail('paxosctl', row.id, error.message);
      say(`FAILED  ${row.id}: ${error.message}`);
      return;
    }
  }
}

async function withCells({ systems, replicas, directory, results, say, row }, body) {
  const cells = [];
  try {
    for (const system of systems) {
      const cell = await Cell.create({ system, parent: directory, replicas });
      cells.push(cell);
      say(`starting ${system.label}, ${replicas} members`);
      cell.start();
    }
    const ready = [];
    for (const cell of cells) {
      try {
        await cell.ready();
        ready.push(cell);
      } catch (error) {
        results.fail(cell.system.name, row, error.message);
        say(`${cell.system.label}: ${error.message}`);
      }
    }
    await body(ready);
  } finally {
    for (const cell of cells) await cell.remove();
  }
}

/** A system that fails here fails its row, not the run; with `cells`, it takes no further part. */
async function guarded({ cell, cells, results, row, say }, body) {
  try {
    await body();
  } catch (error) {
    results.fail(cell.system.name, row, error.message);
    say(`FAILED  ${row}  ${cell.system.label}: ${error.message}`);
    cells?.splice(cells.indexOf(cell), 1);
  }
}

/** Another one begins in each round. */
const inTurn = (list, round) => list.map((_, i) => list[(i + round) % list.length]);

function record({ results, cell, row, result }) {
  for (const metric of row.metrics) {
    const value = metric.of(result);
    if (value !== undefined) results.add(cell.system.name, metric.id, value);
  }
  if (result.generatorCpuSeconds !== undefined) {
    results.add(cell.system.name, `${row.id}.generator`, (result.generatorCpuSeconds * 1e6) / result.operations);
  }
}

function headline(row, result) {
  const [metric] = row.metrics;
  return `${Number(metric.of(result).toPrecision(4))} ${metric.unit}`;
}

async function prepareKeys({ cell, rows, options, say }) {
  const leader = await cell.ready();
  const counts = new Map([[failoverLetter, { count: 2, valueBytes: smallValueBytes }]]);
  for (const { load } of rows) {
    const count = load.connections * load.keysEach;
    if (count > (counts.get(load.letter)?.count ?? 0)) {
      counts.set(load.letter, { count, valueBytes: load.valueBytes });
    }
  }
  if (options.profile === 'paper' && options.fillMegabytes > 0) {
    const count = Math.ceil((options.fillMegabytes * 1e6) / paperFillValueBytes);
    counts.set(paperFillLetter, { count, valueBytes: paperFillValueBytes });
    say(`filling ${cell.system.label} with ${options.fillMegabytes} MB`);
  }
  for (const [letter, { count, valueBytes }] of counts) {
    await fill({ cell, member: leader, letter, count, valueBytes });
  }
}

/** The widest load of this run, unmeasured. */
async function warmUp({ cell, rows, options, say }) {
  say(`warming up ${cell.system.label}`);
  const seconds = Math.min(warmUpSeconds, options.seconds);
  const byOperation = new Map();
  for (const row of rows) {
    const widest = byOperation.get(row.load.operation);
    if (widest === undefined || widest.load.connections < row.load.connections)
      byOperation.set(row.load.operation, row);
  }
  for (const row of byOperation.values()) await measureLoad({ cell, row, options: { ...options, seconds }, round: 0 });
}

async function measureLoad({ cell, row, options, round }) {
  const leader = await cell.ready();
  const spread = options.connections === 'spread' && !toMasterOnly.has(cell.system.name);
  // Another member comes first in each round, so that a single connection meets all of them in turn.
  const targets = spread ? inTurn(cell.members, round) : [leader];
  return runClosedLoop({ cell, targets, seconds: options.seconds, ...row.load });
}

async function measureFailover(cell, round) {
  const leader = await cell.ready();
  const before = keyName(failoverLetter, 0);
  const after = keyName(failoverLetter, 1);
  const value = makeValue(before, round + 1, smallValueBytes);
  const connection = await cell.connect(leader);
  await call(connection, 'put', before, value);
  const killedAt = performance.now();
  leader.killNow();
  connection.close();
  let acknowledgedAt;
  try {
    acknowledgedAt = await firstAcknowledgedWrite({
      cell,
      members: cell.members.filter((member) => member !== leader),
      key: after,
      value: makeValue(after, round + 1, smallValueBytes),
    });
  } finally {
    await leader.exited;
    leader.start();
  }
  const next = await cell.ready();
  await expectValue({ cell, member: next, key: before, value });
  await sleep(settleMs);
  return { seconds: (acknowledgedAt - killedAt) / 1000 };
}

async function measureFill(cell, count, say) {
  const leader = await cell.ready();
  const start = performance.now();
  let shown = start;
  await fill({
    cell,
    member: leader,
    letter: fillLetter,
    count,
    valueBytes: smallValueBytes,
    onProgress(written) {
      if (performance.now() - shown < 2000) return;
      shown = performance.now();
      say(`filling ${cell.system.label}: ${written} of ${count} keys`);
    },
  });
  const seconds = (performance.now() - start) / 1000;
  await checkFilled({
    cell,
    member: leader,
    letter: fillLetter,
    count,
    valueBytes: smallValueBytes,
    samples: fillSamples,
  });
  const megabytes = await settledMegabytes(cell);
  say(`filled ${cell.system.label} in ${seconds.toFixed(1)} s, ${megabytes?.toFixed(0)} MB a member`);
  return { fillRate: count / seconds, residentMegabytes: megabytes };
}

async function measureRestart(cell, count, round) {
  await cell.ready();
  await cell.stop();
  const key = keyName(fillLetter, 0);
  const startedAt = performance.now();
  cell.start();
  const acknowledgedAt = await firstAcknowledgedWrite({
    cell,
    members: cell.members,
    key: keyName(fillLetter, count - 1),
    value: makeValue(keyName(fillLetter, count - 1), 0, smallValueBytes),
    patienceMs: restartPatienceMs,
  });
  const leader = await cell.ready(restartPatienceMs);
  await expectValue({ cell, member: leader, key, value: makeValue(key, 0, smallValueBytes) });
  await checkFilled({
    cell,
    member: leader,
    letter: fillLetter,
    count,
    valueBytes: smallValueBytes,
    samples: fillSamples,
  });
  const restartSeconds = (acknowledgedAt - startedAt) / 1000;
  const residentMegabytesRestarted = round === 0 ? await settledMegabytes(cell) : undefined;
  return { restartSeconds, residentMegabytesRestarted };
}

async function settledMegabytes(cell) {
  await sleep(memorySettleMs);
  const each = cell.members.map(({ pid }) => (pid === null ? null : residentMegabytes(pid)));
  return each.includes(null) ? null : each.reduce((sum, one) => sum + one, 0) / each.length;
}

async function expectValue({ cell, member, key, value }) {
  const connection = await cell.connect(member);
  try {
    if ((await call(connection, 'get', key)) !== value) throw new Error(`an acknowledged write of ${key} is lost`);
  } finally {
    connection.close();
  }
}

/**
 * Entry point of the side-by-side benchmark: see `options.mjs` for its flags, docs/PERFORMANCE.md for what it found and
 * docs/adr/0008-benchmark-method.md for why it measures as it does.
 */
import fs from 'node:fs';
import path from 'node:path';
import { dimensions, runGrowthProfile } from './growth.mjs';
import { latencySizes, runLatencyProfile } from './latency.mjs';
import { describeMachine, isInMemory } from './measure/machine.mjs';
import { runMillionProfile } from './million.mjs';
import { chooseRows, parseOptions, UsageError, usage } from './options.mjs';
import { runOverwritingProfile } from './overwriting.mjs';
import { paperReplicas, paperRows } from './paper.mjs';
import { runClientsPhase, runKeysPhase, runLoadPhase, runStartupPhase } from './phases.mjs';
import { runRepairProfile } from './repair.mjs';
import { expectSections, writeSection } from './report/document.mjs';
import { drawMarkdown, drawMarkdownFacts } from './report/markdown.mjs';
import { circumstances, resultTable } from './report/tables.mjs';
import { drawFacts, drawText } from './report/text.mjs';
import { Results } from './results.mjs';
import { callersRow, failoverRow, idleRow, keysRow, loadRows, overloadRow, snapshotRow, startupRow } from './rows.mjs';
import { runSimulatorProfile } from './simulator.mjs';
import { bare } from './systems/bare.mjs';
import { etcd } from './systems/etcd.mjs';
import { paxosctl } from './systems/paxosctl.mjs';
import { zookeeper } from './systems/zookeeper.mjs';

const allSystems = [paxosctl, etcd, zookeeper, bare];
const peerReplicas = 3;
const peerRows = [...loadRows, failoverRow, idleRow, callersRow, overloadRow, keysRow, snapshotRow, startupRow];

const say = (line) => process.stderr.write(`${line}\n`);

/** Names every system that was asked for and cannot run here. */
function chooseSystems(names) {
  const asked = allSystems.filter((system) => names.includes(system.name));
  const skipped = [];
  const systems = [];
  for (const system of asked) {
    const reason = system.unavailable();
    if (reason === null) {
      systems.push(system);
      continue;
    }
    skipped.push({ label: system.label, reason });
    say(`skipping ${system.label}: ${reason}`);
  }
  return { systems, skipped };
}

/** The flags that decide what is measured; where files go on this machine is nobody else's business. */
const withoutPlaces = (args) =>
  args.filter(
    (arg, i) => !/^--(json|directory|write)(=|$)/.test(arg) && !/^--(json|directory)$/.test(args[i - 1] ?? ''),
  );

/** Gives the exit code: 0, or 1 when a row failed. */
async function main(args) {
  const options = parseOptions(args);
  if (options.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (options.profile === 'simulator') return await runSimulatorProfile(options, say);
  if (options.profile === 'repair') return await runRepairProfile(options, say);
  if (options.profile === 'overwriting') return await runOverwritingProfile(options, say);
  if (options.profile === 'growth') {
    chooseRows(dimensions, options.only);
    return await runGrowthProfile(options, say);
  }
  if (options.profile === 'million') {
    chooseRows([{ id: 'work' }, { id: 'adding' }], options.only);
    return await runMillionProfile(options, say);
  }
  if (options.profile === 'latency') {
    chooseRows(latencySizes, options.only);
    return await runLatencyProfile(options, say);
  }
  const isPaper = options.profile === 'paper';
  const chosen = chooseRows(isPaper ? paperRows : peerRows, options.only);
  const section = isPaper ? 'paper' : 'peers';
  if (options.write) expectSections([section]);
  const replicas = isPaper ? paperReplicas : peerReplicas;
  const { systems, skipped } = chooseSystems(options.systems);
  const rows = chosen.filter((row) => row !== startupRow || systems.includes(paxosctl));
  if (systems.length === 0 || rows.length === 0) {
    say('nothing to measure');
    return 0;
  }
  if (isInMemory(options.directory)) {
    throw new UsageError(`${options.directory} is in memory, where a flush costs nothing: give --directory on a disk`);
  }

  const directory = fs.mkdtempSync(path.join(options.directory, 'paxosctl-bench-'));
  process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  const startedAt = new Date().toISOString();
  const machine = describeMachine(directory);
  const results = new Results();
  const shared = { systems, options, replicas, results, directory, say };

  const loads = rows.filter((row) => row.load !== undefined);
  const failover = rows.find((row) => row === failoverRow) ?? null;
  if (loads.length > 0 || failover !== null) await runLoadPhase({ ...shared, rows: loads, failover });
  const has = (row) => (rows.includes(row) ? row : null);
  if (has(idleRow) || has(callersRow) || has(overloadRow)) {
    await runClientsPhase({ ...shared, idle: has(idleRow), callers: has(callersRow), overload: has(overloadRow) });
  }
  // Snapshots want a database of some size, which is that of the rows of memory and restart.
  if (has(keysRow) || has(snapshotRow))
    await runKeysPhase({ ...shared, row: has(keysRow), snapshot: has(snapshotRow) });
  if (rows.includes(startupRow)) await runStartupPhase({ ...shared, row: startupRow });

  const commandLine = ['npm run bench --', ...withoutPlaces(args)].join(' ');
  const facts = circumstances({ machine, systems, skipped, commandLine, options, replicas, startedAt });
  if (rows.includes(keysRow))
    facts.splice(-2, 0, ['keys', `${options.keys} of 100 bytes in the rows of memory and restart`]);
  const table = resultTable({ rows, systems, results, profile: options.profile });
  const markdown = `${drawMarkdownFacts(facts)}\n\n${drawMarkdown(table)}\n`;
  if (options.write) writeSection(section, markdown);
  const report = options.markdown ? markdown : `${drawFacts(facts)}\n\n${drawText(table)}\n`;
  process.stdout.write(report);
  for (const { system, row, message } of results.failures) say(`failed: ${system}, ${row}: ${message}`);
  if (options.json !== null) {
    const document = { machine, options, commandLine, startedAt, skipped, ...results.toJSON() };
    fs.writeFileSync(options.json, `${JSON.stringify(document, null, 2)}\n`);
  }
  return results.failures.length > 0 ? 1 : 0;
}

// The members and the data directories go in the handlers of 'exit', whatever the reason.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(130));

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  say(`${error.message}\n\n${usage}`);
  process.exitCode = 2;
}

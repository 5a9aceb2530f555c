/** The tables of a run, as rows of text; `text.mjs` and `markdown.mjs` draw them. */
import { figure, spread } from './figures.mjs';

/** `{head, rows}` with the systems' figures side by side and the ratios of their medians. */
export function resultTable({ rows, systems, results, profile }) {
  const own = systems.find((system) => system.name === 'paxosctl');
  const peers = systems.filter((system) => system !== own);
  const isPaper = profile === 'paper';
  const head = ['row', 'unit', ...systems.map((system) => system.label)];
  if (own !== undefined) {
    for (const peer of peers) head.push(`× ${peer.label}`, ...(isPaper ? [] : ['wanted']));
  }
  if (isPaper) head.push('paper (2007): Paxos', 'paper: 3DB');
  const lines = [];
  for (const metric of rows.flatMap((row) => row.metrics)) {
    const cells = [metric.label, metric.unit];
    for (const system of systems) cells.push(spread(results.summary(system.name, metric.id)));
    if (own !== undefined) {
      for (const peer of peers) {
        const ratio = results.ratio(own.name, peer.name, metric.id);
        cells.push(ratio === null ? '–' : figure(ratio), ...(isPaper ? [] : [wanted(metric, peer.name)]));
      }
    }
    if (isPaper) cells.push(metric.paper, metric.threeDb);
    lines.push(cells);
  }
  return { head, rows: lines };
}

function wanted(metric, peer) {
  const goal = metric.goal?.[peer];
  return goal === undefined ? '' : `${metric.better === 'more' ? '≥' : '≤'} ${goal}`;
}

const howConnected = {
  spread: 'over all members of etcd and ZooKeeper, to the master of paxosctl: as the clients of each do',
  leader: 'all to the leader of each system',
};

/** What the figures were measured on and how, as `[name, text]`. */
export function circumstances({ machine, systems, skipped, commandLine, options, replicas, startedAt }) {
  return [
    ['machine', `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGigabytes} GB, ${machine.system}`],
    ['disk', `4 KiB + fdatasync: p50 ${machine.flushMs.p50.toFixed(2)} ms, p99 ${machine.flushMs.p99.toFixed(2)} ms`],
    ['generator', `Node ${machine.node}, on the same cores`],
    ['cells', `${replicas} members each on loopback, all of them up at once; every write flushed by a majority`],
    ...systems.map((system) => [system.label, system.version()]),
    ...skipped.map(({ label, reason }) => [label, `skipped: ${reason}`]),
    ['method', `${options.rounds} rounds of ${options.seconds} s a row, systems alternating; median [min–max]`],
    ['connections', howConnected[options.connections]],
    ['command', commandLine],
    ['date', startedAt],
  ];
}

/**
 * What is measured, in the order of the table. A row is one thing to run; each of its metrics is one line of the table.
 *
 * `goal` is what this project wants of the ratio paxosctl / peer: at least that where more is better, at most that where
 * less is. `null`: no goal.
 */
import { quantile } from './measure/statistics.mjs';

const rate = (result) => result.operations / result.seconds;
const cpuMicroseconds = (result) =>
  result.serverCpuSeconds === null ? null : (result.serverCpuSeconds * 1e6) / result.operations;
const megabytes = (bytes) => (result) => (rate(result) * bytes) / 1e6;
const latency = (q) => (result) => quantile(result.latenciesMs, q);

const more = { better: 'more' };
const less = { better: 'less' };

/** Closed loops on a warm cell. `keysEach`: keys that each connection has for itself. */
export const loadRows = [
  {
    id: 'put1',
    title: 'put, 1 connection',
    load: { operation: 'put', connections: 1, letter: 'k', keysEach: 16, valueBytes: 100 },
    metrics: [
      { id: 'put1', label: 'put, 1 connection', unit: '/s', ...more, of: rate, goal: { etcd: 1.6, zookeeper: 0.9 } },
      { id: 'put1.p50', label: '… p50', unit: 'ms', ...less, of: latency(0.5), goal: null },
    ],
  },
  {
    id: 'put64',
    title: 'put, 64 connections',
    load: { operation: 'put', connections: 64, letter: 'k', keysEach: 16, valueBytes: 100 },
    metrics: [
      { id: 'put64', label: 'put, 64 connections', unit: '/s', ...more, of: rate, goal: { etcd: 3.2, zookeeper: 1.5 } },
      { id: 'put64.p50', label: '… p50', unit: 'ms', ...less, of: latency(0.5), goal: null },
      { id: 'put64.p99', label: '… p99', unit: 'ms', ...less, of: latency(0.99), goal: null },
      {
        id: 'put64.cpu',
        label: '… server CPU a put',
        unit: 'µs',
        ...less,
        of: cpuMicroseconds,
        goal: { etcd: 0.27, zookeeper: 0.55 },
      },
    ],
  },
  {
    id: 'put256',
    title: 'put, 256 connections',
    load: { operation: 'put', connections: 256, letter: 'k', keysEach: 16, valueBytes: 100 },
    metrics: [
      {
        id: 'put256',
        label: 'put, 256 connections',
        unit: '/s',
        ...more,
        of: rate,
        goal: { etcd: 3.8, zookeeper: 1.8 },
      },
      { id: 'put256.p99', label: '… p99', unit: 'ms', ...less, of: latency(0.99), goal: null },
    ],
  },
  {
    id: 'cas64',
    title: 'compare-and-swap, 64 connections',
    load: { operation: 'swap', connections: 64, letter: 'k', keysEach: 16, valueBytes: 100 },
    metrics: [
      {
        id: 'cas64',
        label: 'compare-and-swap, 64',
        unit: '/s',
        ...more,
        of: rate,
        goal: { etcd: 5.5, zookeeper: 1.4 },
      },
    ],
  },
  {
    id: 'get64',
    title: 'linearizable get, 64 connections',
    load: { operation: 'get', connections: 64, letter: 'k', keysEach: 16, valueBytes: 100 },
    metrics: [
      { id: 'get64', label: 'linearizable get, 64', unit: '/s', ...more, of: rate, goal: { etcd: 5.5, zookeeper: 2 } },
      { id: 'get64.p50', label: '… p50', unit: 'ms', ...less, of: latency(0.5), goal: null },
      { id: 'get64.p99', label: '… p99', unit: 'ms', ...less, of: latency(0.99), goal: null },
      {
        id: 'get64.cpu',
        label: '… server CPU a get',
        unit: 'µs',
        ...less,
        of: cpuMicroseconds,
        goal: { etcd: 0.12, zookeeper: 0.4 },
      },
    ],
  },
  {
    id: 'put8k',
    title: 'put of 8 KiB, 4 workers',
    load: { operation: 'put', connections: 4, letter: 'l', keysEach: 16, valueBytes: 8192 },
    metrics: [
      {
        id: 'put8k',
        label: 'put of 8 KiB, 4 workers',
        unit: 'MB/s',
        ...more,
        of: megabytes(8192),
        goal: { etcd: 3, zookeeper: 1.1 },
      },
    ],
  },
  {
    id: 'put32k',
    title: 'put of 32 KiB, 1 worker',
    load: { operation: 'put', connections: 1, letter: 'm', keysEach: 16, valueBytes: 32768 },
    metrics: [
      { id: 'put32k', label: 'put of 32 KiB, 1 worker', unit: 'MB/s', ...more, of: megabytes(32768), goal: null },
    ],
  },
];

/** `kill -9` of the leader, on the cell that the load rows ran on. */
export const failoverRow = {
  id: 'failover',
  title: 'kill -9 of the master to the next acknowledged write',
  metrics: [
    {
      id: 'failover',
      label: 'kill -9 of the master to the next write',
      unit: 's',
      ...less,
      of: (result) => result.seconds,
      goal: { etcd: 0.5, zookeeper: 1.1 },
    },
  ],
};

/** A cell of its own, filled with many keys, then stopped and started again. */
export const keysRow = {
  id: 'keys',
  title: 'restart and memory with many keys',
  metrics: [
    {
      id: 'fill',
      label: 'filling, batches of 100',
      unit: 'keys/s',
      ...more,
      of: (result) => result.fillRate,
      goal: null,
    },
    {
      id: 'rss',
      label: 'resident memory a member, filled',
      unit: 'MB',
      ...less,
      of: (result) => result.residentMegabytes,
      goal: { etcd: 0.6, zookeeper: 0.4 },
    },
    {
      id: 'restart',
      label: 'restart of all to the first write',
      unit: 's',
      ...less,
      of: (result) => result.restartSeconds,
      goal: { etcd: 0.6, zookeeper: 0.3 },
    },
    {
      id: 'rss.restarted',
      label: 'resident memory a member, restarted',
      unit: 'MB',
      ...less,
      of: (result) => result.residentMegabytesRestarted,
      goal: null,
    },
  ],
};

/** A thousand callers in one process, through the client that programs use: what an application sees. */
export const callersRow = {
  id: 'callers',
  title: '1,000 callers in one process, through the client library',
  callers: 1000,
  metrics: [
    {
      id: 'callers',
      label: 'put, 1,000 callers through the client (etcd3)',
      unit: '/s',
      ...more,
      of: rate,
      goal: { etcd: 10 },
    },
    { id: 'callers.p99', label: '… p99', unit: 'ms', ...less, of: latency(0.99), goal: null },
    { id: 'callers.cpu', label: '… server CPU a put', unit: 'µs', ...less, of: cpuMicroseconds, goal: null },
  ],
};

/** Puts at twice the rate that the cell just carried. The peers do not refuse in this way, so there is nothing to compare. */
export const overloadRow = {
  id: 'overload',
  title: 'twice the load that the cell can carry',
  metrics: [
    {
      id: 'overload.held',
      label: 'throughput at 2 × overload / before (wanted ≥ 0.8)',
      unit: '×',
      ...more,
      of: (result) => result.acknowledgedRate / result.capacity,
      goal: null,
    },
    { id: 'overload.refused', label: '… refused early', unit: '/s', ...less, of: (it) => it.refusedRate, goal: null },
    {
      id: 'overload.refused.p99',
      label: '… a refusal, p99',
      unit: 'ms',
      ...less,
      of: (it) => it.refusedP99,
      goal: null,
    },
    {
      id: 'overload.p99',
      label: '… an acknowledged put, p99',
      unit: 'ms',
      ...less,
      of: (it) => it.acknowledgedP99,
      goal: null,
    },
    {
      id: 'overload.changes',
      label: '… changes of master (wanted 0)',
      unit: '',
      ...less,
      of: (it) => it.masterChanges,
      goal: null,
    },
  ],
};

/** On the cell with many keys: 64 writers alone, and while snapshots of the whole database are taken. */
export const snapshotRow = {
  id: 'snapshot',
  title: 'writes during a snapshot',
  metrics: [
    {
      id: 'snapshot.p99',
      label: 'write p99 during a snapshot / without (wanted ≤ 2)',
      unit: '×',
      ...less,
      of: (result) => result.during.p99 / result.alone.p99,
      goal: null,
    },
    {
      id: 'snapshot.rate',
      label: '… throughput during / without',
      unit: '×',
      ...more,
      of: (result) => result.during.rate / result.alone.rate,
      goal: null,
    },
  ],
};

/** What an idle replica holds: fresh cells, nothing written. */
export const idleRow = {
  id: 'idle',
  title: 'resident memory of an idle replica',
  metrics: [
    {
      id: 'idle',
      label: 'resident memory a member, idle',
      unit: 'MB',
      ...less,
      of: (result) => result.megabytes,
      goal: null,
    },
  ],
};

/** Our own commands against a bare Node process; the peers have nothing to compare. */
export const startupRow = {
  id: 'startup',
  title: 'start of a command',
  metrics: [
    {
      id: 'startup.version',
      label: 'paxosctl --version (wanted ≤ 1.5)',
      unit: '× node -e 0',
      ...less,
      of: (result) => result.version,
      goal: null,
    },
    {
      id: 'startup.help',
      label: 'paxosctl status --help (wanted ≤ 3)',
      unit: '× node -e 0',
      ...less,
      of: (result) => result.help,
      goal: null,
    },
  ],
};

/** The command line of the benchmark. */
import os from 'node:os';
import { parseArgs } from 'node:util';

export const usage = `Side-by-side benchmark: paxosctl, etcd and ZooKeeper on this machine, in one run.

usage: npm run bench -- [options]

  --systems LIST     of paxosctl,etcd,zookeeper (default: all; what is not installed is skipped) and bare: Node.js processes that
                     flush and answer, without a protocol
  --profile NAME     peers (default): the rows of docs/PERFORMANCE.md; paper: Table 1 of Paxos Made Live, five replicas;
                     simulator: how fast simulated time passes on one core;
                     repair: what a repair of a damaged log holds up;
                     million: memory, restarts, snapshots, deep checks and a member that is added, with a million keys, of
                     paxosctl alone;
                     overwriting: memory and files while the same keys are written over and over, of paxosctl and etcd;
                     latency: puts and gets beside snapshots, deep checks, members that come back or are added, and upgrades;
                     growth: with connections, sizes, replicas and keys, kept in bench/results and drawn into docs/plots
  --only LIST        rows: put1,put64,put256,cas64,get64,put8k,put32k,failover,idle,callers,overload,keys,snapshot,startup
                     (paper: t1-1x5,t1-10x5,…; growth: connections,valueBytes,replicas,keys; million: work,adding;
                     latency: 64,256)
  --draw             growth: measure nothing, draw the kept figures again
  --rounds N         rounds; the median is printed (default 5)
  --seconds S        measured time of a row in a round (default 3)
  --keys N           keys of the restart and memory rows (default 100000)
  --fill MB          paper: size of the database before the load (default 100)
  --connections HOW  spread (default): over all members, as etcd's and ZooKeeper's own clients do; leader: all to it.
                     paxosctl's go to the master either way, as its client's do
  --seeds N          simulator: cells of a row (default 30)
  --quick            one round of one second, 5000 keys, no fill: to see that it works, not to quote
  --full             one million keys
  --json FILE        also write every sample of the run there
  --write            write the tables into docs/PERFORMANCE.md, between their marks (npm run bench:peers does)
  --markdown         print the tables as Markdown
  --directory DIR    where the data directories go (default: the system's temporary directory); must be on a real disk
  --help
`;

const profiles = ['peers', 'paper', 'simulator', 'million', 'overwriting', 'repair', 'latency', 'growth'];

export class UsageError extends Error {}

const systemNames = ['paxosctl', 'etcd', 'zookeeper', 'bare'];

/** @throws {UsageError} */
export function parseOptions(args) {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      allowPositionals: false,
      options: {
        systems: { type: 'string' },
        profile: { type: 'string', default: 'peers' },
        only: { type: 'string' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        keys: { type: 'string' },
        fill: { type: 'string' },
        connections: { type: 'string', default: 'spread' },
        quick: { type: 'boolean', default: false },
        seeds: { type: 'string' },
        full: { type: 'boolean', default: false },
        json: { type: 'string' },
        draw: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        markdown: { type: 'boolean', default: false },
        directory: { type: 'string', default: os.tmpdir() },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  if (!profiles.includes(values.profile)) {
    throw new UsageError(`--profile is ${profiles.join(' or ')}, not ${values.profile}`);
  }
  if (values.write && values.profile !== 'peers' && values.profile !== 'paper') {
    throw new UsageError('--write is for the profiles peers and paper');
  }
  if (values.write && values.only !== undefined)
    throw new UsageError('--write wants all rows: the table is replaced as a whole');
  if (values.connections !== 'spread' && values.connections !== 'leader') {
    throw new UsageError(`--connections is spread or leader, not ${values.connections}`);
  }
  const { quick, full } = values;
  return {
    help: values.help,
    systems: list('--systems', values.systems, systemNames) ?? systemNames.filter((name) => name !== 'bare'),
    profile: values.profile,
    only: values.only === undefined ? null : values.only.split(','),
    rounds: positive('--rounds', values.rounds, quick ? 1 : values.profile === 'million' ? 3 : 5, Number.isInteger),
    seconds: positive('--seconds', values.seconds, quick ? 1 : values.profile === 'million' ? 10 : 3, Number.isFinite),
    keys: positive(
      '--keys',
      values.keys,
      quick ? 5_000 : full || ['million', 'overwriting'].includes(values.profile) ? 1_000_000 : 100_000,
      Number.isInteger,
    ),
    fillMegabytes: values.fill === '0' ? 0 : positive('--fill', values.fill, quick ? 0 : 100, Number.isFinite),
    connections: values.connections,
    seeds: positive('--seeds', values.seeds, quick ? 3 : 30, Number.isInteger),
    json: values.json ?? null,
    markdown: values.markdown,
    write: values.write,
    draw: values.draw,
    quick,
    directory: values.directory,
  };
}

/** @throws {UsageError} when a name in `only` is none of the rows'. */
export function chooseRows(rows, only) {
  if (only === null) return rows;
  const known = rows.map((row) => row.id);
  list('--only', only.join(','), known);
  return rows.filter((row) => only.includes(row.id));
}

function list(flag, text, known) {
  if (text === undefined) return null;
  const names = text.split(',');
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UsageError(`${flag}: "${unknown}" is none of ${known.join(', ')}`);
  return names;
}

function positive(flag, text, fallback, isGood) {
  if (text === undefined) return fallback;
  const number = text.trim() === '' ? Number.NaN : Number(text);
  if (!isGood(number) || number <= 0) throw new UsageError(`${flag} wants a number above 0, not "${text}"`);
  return number;
}

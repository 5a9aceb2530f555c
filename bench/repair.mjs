/**
 * What a repair of the log holds up: one member's storage on a real disk, 64 MiB of log in values of 16 KiB, a byte flipped near its
 * beginning, and a writer that has a small record made durable, again and again, before and while a deep check finds and repairs it.
 * Of storage alone: no cell, no client.
 */
import fs from 'node:fs';
import path from 'node:path';
import { describeMachine } from './measure/machine.mjs';
import { drawMarkdown } from './report/markdown.mjs';
import { drawText } from './report/text.mjs';

const logBytes = 64 * 1024 * 1024;
const largeBytes = 16 * 1024;
const smallBytes = 1_000;
const aloneWrites = 300;

const built = (file) => import(new URL(`../dist/src/${file}.js`, import.meta.url).href);

const configuration = {
  members: [{ name: 'n1', incarnation: 1, role: 'voter', url: 'http://n1.example:7400' }],
  alpha: 16,
  leaseMs: 500,
  driftPpm: 500,
};

const formation = {
  cell: { id: 'bench', name: 'bench', generation: 1, secretHex: '11'.repeat(32) },
  member: { name: 'n1', incarnation: 1 },
  configurations: [{ from: 1, configuration }],
  level: 1,
};

/** One record a write, as a replica makes it; `entries` is all that it remembers. */
class Writer {
  entries = [];
  #storage;
  #waiting = new Map();

  constructor(storage) {
    this.#storage = storage;
    storage.onPersisted((write) => {
      for (const [waiting, done] of this.#waiting) {
        if (waiting > write) break;
        this.#waiting.delete(waiting);
        done();
      }
    });
    storage.onFailed((error) => {
      throw error;
    });
  }

  write(bytes) {
    const instance = this.entries.length + 1;
    const items = [Buffer.alloc(bytes, instance)];
    const value = { kind: 'submitted', epoch: 1, cellTimeMs: 5, items };
    const entry = { instance, ballot: { round: 1, name: 'n1', incarnation: 1 }, value };
    this.entries.push(entry);
    this.#storage.persist({ write: instance, promise: null, entries: [entry], chosenUpTo: instance - 1 });
    return new Promise((resolve) => this.#waiting.set(instance, resolve));
  }

  /** Milliseconds of each write, one after the other, as long as `running` says. */
  async times(running) {
    const times = [];
    while (running(times.length)) {
      const began = performance.now();
      await this.write(smallBytes);
      times.push(performance.now() - began);
    }
    return times;
  }
}

function damage(directory) {
  const [file] = fs
    .readdirSync(directory)
    .filter((name) => name.startsWith('wal-'))
    .sort()
    .slice(1);
  const opened = fs.openSync(path.join(directory, file), 'r+');
  fs.writeSync(opened, Buffer.from('rotten'), 0, 6, 100_000);
  fs.closeSync(opened);
}

const percentile = (times, share) => [...times].sort((a, b) => a - b)[Math.floor((times.length - 1) * share)];
const line = (what, times, seconds) => [
  what,
  seconds === null ? '' : seconds.toFixed(2),
  `${times.length}`,
  ...[0.5, 0.99, 1].map((share) => percentile(times, share).toFixed(1)),
];

async function round(directory) {
  const { NodeDisk } = await built('adapters/disk-node/index');
  const { createNodeDigest } = await built('adapters/digest-node/digest-node');
  const { ReplicaStorage } = await built('storage/replica-storage');
  const { checkAndRepair } = await built('runtime/file-repair');
  const disk = await NodeDisk.open(directory);
  await ReplicaStorage.form(disk, formation);
  const storage = await ReplicaStorage.open(disk, {
    expectName: 'n1',
    digest: await createNodeDigest(),
    randomness: { bytes: (length) => Buffer.alloc(length, 7) },
    programVersion: '0.1.0',
    now: () => performance.now(),
    wallMs: () => Date.now(),
  });
  const writer = new Writer(storage);
  while (writer.entries.length * largeBytes < logBytes) {
    await Promise.all(Array.from({ length: 64 }, () => writer.write(largeBytes)));
  }
  const alone = await writer.times((done) => done < aloneWrites);
  damage(directory);
  const log = {
    mayRepair: true,
    get memory() {
      return { from: 1, entries: [...writer.entries] };
    },
    takeSnapshot: () => Promise.reject(new Error('no snapshot is bad')),
  };
  const pause = () => new Promise((resolve) => setImmediate(resolve));
  let running = true;
  const during = writer.times(() => running);
  const began = performance.now();
  const { files, repaired } = await checkAndRepair(storage, log, { info() {}, error() {} }, pause);
  const seconds = (performance.now() - began) / 1000;
  running = false;
  const times = await during;
  if (files.length > 0 || repaired.length !== 1)
    throw new Error(`not repaired: ${JSON.stringify({ files, repaired })}`);
  await storage.close();
  return [line('alone', alone, null), line('while a deep check repairs', times, seconds)];
}

/** Gives the exit code. */
export async function runRepairProfile(options, say) {
  const rows = [];
  for (let n = 0; n < options.rounds; n += 1) {
    const directory = fs.mkdtempSync(path.join(options.directory, 'paxosctl-bench-'));
    try {
      rows.push(...(await round(directory)));
      say(`round ${n + 1}: ${rows.at(-1).join(' ')}`);
    } finally {
      fs.rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    }
  }
  const head = ['durable writes of 1 kB', 'took, s', 'writes', 'p50, ms', 'p99, ms', 'longest, ms'];
  const table = { head, rows };
  process.stdout.write(`${options.markdown ? drawMarkdown(table) : drawText(table)}\n`);
  if (options.json !== null) {
    const machine = describeMachine(options.directory);
    fs.writeFileSync(options.json, `${JSON.stringify({ machine, rows }, null, 2)}\n`);
  }
  return 0;
}

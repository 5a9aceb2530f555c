/**
 * Many callers in one process, each with one call at a time, through the client that programs use: ours, which gathers what is asked
 * at the same time, and `etcd3`, which sends each call by itself over gRPC.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { cpuSecondsOf } from '../measure/process-usage.mjs';
import { makeValue } from './keys-and-values.mjs';

const valueBytes = 100;
const keyOf = (caller) => `callers/${String(caller).padStart(4, '0')}`;

/** The client library of each system; null where there is none or it is not installed. */
const clients = {
  paxosctl: async (cell, { root, directory }) => {
    const { connect } = await import(pathToFileURL(await clientLibrary(root, directory)).href);
    const endpoints = cell.members.map(({ host, port }) => `http://${host}:${port}`);
    const client = connect({ endpoints, batch: true, connections: 8 });
    return {
      put: (key, value) => client.put(key, value),
      get: async (key) => text(await client.get(key)),
      close: () => client.close(),
    };
  },
  etcd: async (cell) => {
    const { Etcd3 } = createRequire(import.meta.url)('etcd3');
    const client = new Etcd3({ hosts: cell.members.map(({ host, port }) => `http://${host}:${port}`) });
    return {
      put: (key, value) => client.put(key).value(value),
      get: (key) => client.get(key).string(),
      close: async () => client.close(),
    };
  },
};

/** The client as a program would install it, without waiting for the whole library to be compiled. */
async function clientLibrary(root, directory) {
  const { build } = await import('esbuild');
  const outfile = path.join(directory, 'client.mjs');
  await build({
    entryPoints: [path.join(root, 'src', 'client', 'index.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  return outfile;
}

const text = (entry) => (entry === null ? null : Buffer.from(entry.value).toString('utf8'));

/** Why a system has no figure in the row, or null. */
export function noClient(system) {
  if (clients[system] === undefined) return 'no client library to compare';
  if (system !== 'etcd') return null;
  try {
    createRequire(import.meta.url).resolve('etcd3');
    return null;
  } catch {
    return 'the package etcd3 is not installed';
  }
}

/**
 * `callers` loops of puts for `seconds`, after a second that is not counted.
 * @throws {Error} when a call failed, or a sample of what was acknowledged last cannot be read.
 */
export async function runCallers({ cell, root, directory, callers, seconds }) {
  const client = await clients[cell.system.name](cell, { root, directory });
  try {
    const last = new Array(callers).fill(null);
    const latenciesMs = [];
    let recording = false;
    let running = true;
    let failure = null;
    const loops = last.map(async (_, caller) => {
      const key = keyOf(caller);
      for (let sequence = 1; running; sequence += 1) {
        const value = makeValue(key, sequence, valueBytes);
        const startedAt = performance.now();
        try {
          await client.put(key, value);
        } catch (error) {
          failure ??= error;
          running = false;
          return;
        }
        last[caller] = value;
        if (recording) latenciesMs.push(performance.now() - startedAt);
      }
    });
    const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    await wait(Math.min(1, seconds) * 1000);
    const before = { at: performance.now(), cpu: cpuSecondsOf(cell.members) };
    recording = true;
    await wait(seconds * 1000);
    recording = false;
    const after = { at: performance.now(), cpu: cpuSecondsOf(cell.members) };
    running = false;
    await Promise.all(loops);
    if (failure !== null) throw failure;
    for (let caller = 0; caller < callers; caller += Math.ceil(callers / 16)) {
      if ((await client.get(keyOf(caller))) !== last[caller])
        throw new Error(`${keyOf(caller)} does not hold what was acknowledged last`);
    }
    return {
      operations: latenciesMs.length,
      seconds: (after.at - before.at) / 1000,
      latenciesMs: Float64Array.from(latenciesMs).sort(),
      serverCpuSeconds: before.cpu === null || after.cpu === null ? null : after.cpu - before.cpu,
    };
  } finally {
    await client.close();
  }
}

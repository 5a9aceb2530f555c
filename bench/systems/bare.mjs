/**
 * No store: the least that Node.js processes do for a put with the same durability. It says how much of a figure is the platform's and
 * how much is the protocol's. Only measured when `--systems` names it.
 */
import path from 'node:path';
import { PaxosctlConnection } from '../load/paxosctl-connection.mjs';
import { freePorts } from './ports.mjs';

const host = '127.0.0.1';
const script = path.join(import.meta.dirname, 'bare-member.mjs');

export const bare = {
  name: 'bare',
  label: 'bare Node.js',

  unavailable: () => null,

  version: () => 'processes that flush and answer, without a protocol: bench/systems/bare-member.mjs',

  async plan({ directory, replicas }) {
    const ports = await freePorts(replicas);
    return ports.map((port, i) => ({
      name: `n${i + 1}`,
      host,
      port,
      command: process.execPath,
      args: [script, path.join(directory, `n${i + 1}.log-file`), String(i), ports.join(',')],
    }));
  },

  async roleOf({ port }) {
    const response = await fetch(`http://${host}:${port}/role`, { signal: AbortSignal.timeout(1000) });
    return await response.text();
  },

  connect: (address) => PaxosctlConnection.connect(address),
};

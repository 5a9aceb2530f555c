/** This checkout's own build, started as an operator would start it. */
import fs from 'node:fs';
import path from 'node:path';
import { PaxosctlConnection } from '../load/paxosctl-connection.mjs';
import { freePorts } from './ports.mjs';

const host = '127.0.0.1';
const root = path.join(import.meta.dirname, '..', '..');
const executable = path.join(root, 'bin', 'run.js');

export const paxosctl = {
  name: 'paxosctl',
  label: 'paxosctl',

  unavailable() {
    if (!fs.existsSync(executable)) return `${path.relative(root, executable)} is missing`;
    if (!fs.existsSync(path.join(root, 'dist', 'main.cjs'))) {
      return 'paxosctl is not built (npm run build)';
    }
    return null;
  },

  version() {
    const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
    return `paxosctl ${version}, HTTP`;
  },

  async plan({ directory, replicas }) {
    const ports = await freePorts(replicas);
    const names = ports.map((_, i) => `n${i + 1}`);
    const cell = names.map((name, i) => `${name}=http://${host}:${ports[i]}`).join(',');
    return names.map((name, i) => ({
      name,
      host,
      port: ports[i],
      command: process.execPath,
      args: [
        [executable, 'node', 'start'],
        ['--name', name],
        ['--data-dir', path.join(directory, name)],
        ['--listen', `${host}:${ports[i]}`],
        ['--cell', cell],
      ].flat(),
    }));
  },

  async roleOf({ port }) {
    const response = await fetch(`http://${host}:${port}/v1/status`, { signal: AbortSignal.timeout(1000) });
    if (response.status !== 200) return null;
    const status = await response.json();
    if (status.role === 'master') return 'leader';
    return status.role === 'replica' && status.voting && status.master !== null ? 'follower' : null;
  },

  async snapshot({ port }) {
    const answer = await fetch(`http://${host}:${port}/v1/snapshots`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    if (!answer.ok) throw new Error(`no snapshot: ${(await answer.text()).slice(0, 200)}`);
    await answer.arrayBuffer();
  },

  connect: (address) => PaxosctlConnection.connect(address),
};

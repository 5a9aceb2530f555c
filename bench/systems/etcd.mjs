/** etcd as Debian's `etcd-server` ships it, every setting at its default but names, addresses and log level. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { EtcdConnection } from '../load/etcd-connection.mjs';
import { findExecutable } from './executable.mjs';
import { freePorts } from './ports.mjs';

const host = '127.0.0.1';

/** Settings of the caller's shell must not reach the members. */
const environment = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ETCD')));

export const etcd = {
  name: 'etcd',
  label: 'etcd',

  unavailable: () => (findExecutable('etcd') === null ? "etcd is not installed (Debian's package etcd-server)" : null),

  version: () => `etcd ${/[\d.]+/.exec(execFileSync('etcd', ['--version'], { encoding: 'utf8' }))[0]}, JSON over HTTP`,

  async plan({ directory, replicas }) {
    const ports = await freePorts(replicas * 2);
    const names = Array.from({ length: replicas }, (_, i) => `e${i + 1}`);
    const peer = (i) => `http://${host}:${ports[replicas + i]}`;
    const cluster = names.map((name, i) => `${name}=${peer(i)}`).join(',');
    return names.map((name, i) => {
      const client = `http://${host}:${ports[i]}`;
      return {
        name,
        host,
        port: ports[i],
        command: 'etcd',
        args: [
          ['--name', name],
          ['--data-dir', path.join(directory, name)],
          ['--listen-client-urls', client],
          ['--advertise-client-urls', client],
          ['--listen-peer-urls', peer(i)],
          ['--initial-advertise-peer-urls', peer(i)],
          ['--initial-cluster', cluster],
          ['--initial-cluster-state', 'new'],
          ['--logger', 'zap'],
          ['--log-level', 'warn'],
        ].flat(),
        env: environment(),
      };
    });
  },

  async roleOf({ port }) {
    const response = await fetch(`http://${host}:${port}/v3/maintenance/status`, {
      method: 'POST',
      body: '{}',
      signal: AbortSignal.timeout(1000),
    });
    const status = await response.json();
    if (status.header === undefined || status.leader === undefined || status.leader === '0') return null;
    return status.leader === status.header.member_id ? 'leader' : 'follower';
  },

  /** What `etcdctl snapshot save` asks for, read to its end. */
  async snapshot({ port }) {
    const answer = await fetch(`http://${host}:${port}/v3/maintenance/snapshot`, { method: 'POST', body: '{}' });
    if (!answer.ok) throw new Error(`no snapshot: etcd answered ${answer.status}`);
    for await (const _ of answer.body);
  },

  connect: (address) => EtcdConnection.connect(address),
};

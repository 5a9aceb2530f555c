/** What starting a command costs, as a multiple of a bare `node -e 0`. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { median } from './statistics.mjs';

const executable = path.join(import.meta.dirname, '..', '..', 'bin', 'run.js');
const starts = 10;

/** One of each in turn, so that a slow moment hits all of them. */
export function measureStartup() {
  const bare = [];
  const version = [];
  const help = [];
  for (let i = 0; i < starts; i += 1) {
    bare.push(milliseconds(['-e', '0']));
    version.push(milliseconds([executable, '--version']));
    help.push(milliseconds([executable, 'status', '--help']));
  }
  return { version: median(version) / median(bare), help: median(help) / median(bare) };
}

function milliseconds(args) {
  // Node 20 reads the certificates of this variable at every start, 45 ms that are not ours.
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}: ${stderr.slice(-200)}`);
  return performance.now() - start;
}

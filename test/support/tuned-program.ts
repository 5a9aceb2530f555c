/** Bundles the tuned replica once a test file, since a process that starts from sources takes many times as long. */
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import type { Program } from './replica-child.ts';
import type { Tuning } from './tuned-replica.ts';

export interface TunedProgram {
  readonly program: Program;
  remove(): void;
}

export async function buildTunedReplica(): Promise<TunedProgram> {
  const outfile = path.resolve(import.meta.dirname, `../../node_modules/.cache/paxosctl/tuned-${process.pid}.mjs`);
  await build({
    entryPoints: [path.join(import.meta.dirname, 'tuned-replica.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'silent',
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
  return { program: [process.execPath, outfile], remove: () => rmSync(outfile, { force: true }) };
}

export function tunedEnv(tuning: Tuning): Readonly<Record<string, string>> {
  const { version } = JSON.parse(readFileSync(path.resolve(import.meta.dirname, '../../package.json'), 'utf8'));
  return { PAXOSCTL_TUNED: JSON.stringify({ version, ...tuning }) };
}

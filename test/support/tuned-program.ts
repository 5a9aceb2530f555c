/** The tuned replica, bundled once a test file, and its settings. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type BundledProgram, bundleProgram } from './bundle-program.ts';
import type { Tuning } from './tuned-replica.ts';

export type TunedProgram = BundledProgram;

export const buildTunedReplica = (): Promise<TunedProgram> => bundleProgram('tuned-replica.ts');

export function tunedEnv(tuning: Tuning): Readonly<Record<string, string>> {
  const { version } = JSON.parse(readFileSync(path.resolve(import.meta.dirname, '../../package.json'), 'utf8'));
  return { PAXOSCTL_TUNED: JSON.stringify({ version, ...tuning }) };
}

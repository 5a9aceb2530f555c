/** Runs vitest and learns how many tests passed, also when it dies on the way. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { at } from './paths.mjs';
import { runNode } from './run.mjs';

/**
 * @param {readonly string[]} args passed on to vitest: files, `-t NAME`, …
 * @param {Record<string, string>} [env]
 * @returns {Promise<{ passed: number, failed: number }>} `failed` is at least 1 whenever the run was not clean.
 */
export async function runVitest(args, env = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'paxosctl-tests-'));
  const counts = path.join(folder, 'counts.json');
  try {
    const { code } = await runNode([at('node_modules', 'vitest', 'vitest.mjs'), 'run', ...args], {
      stdio: 'inherit',
      env: { ...process.env, ...env, PAXOSCTL_TEST_COUNTS: counts },
    });
    const { passed, failed } = readCounts(counts);
    return { passed, failed: code !== 0 && failed === 0 ? 1 : failed };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readCounts(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return { passed: 0, failed: 1 };
  }
}

/** `npm run explore`: bundles the explorer into a temporary folder and runs it, arguments included. */
import './node-version.mjs';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { installOrExit } from './install.mjs';
import { runNode } from './run.mjs';

await installOrExit();
const { bundleExplorer } = await import('./explorer-bundle.mjs');
const folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-explorer-'));
try {
  const outfile = path.join(folder, 'explore.mjs');
  await bundleExplorer({ outfile });
  const { code } = await runNode(['--max-old-space-size=6000', outfile, ...process.argv.slice(2)]);
  process.exitCode = code;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

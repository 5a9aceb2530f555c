/** `npm run bench`: sets up and hands over to `bench/run.mjs`, arguments included. */
import './node-version.mjs';
import { existsSync } from 'node:fs';
import { ensureBundle } from './build.mjs';
import { installOrExit } from './install.mjs';
import { at, say } from './paths.mjs';
import { runNode } from './run.mjs';

await installOrExit();
await ensureBundle();
const script = at('bench', 'run.mjs');
if (existsSync(script)) {
  process.exitCode = (await runNode([script, ...process.argv.slice(2)])).code;
} else {
  say('bench/run.mjs is missing from this copy of the project.');
  process.exitCode = 1;
}

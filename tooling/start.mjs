/** `npm start`: installs and builds what is not up to date, then runs a local cell. Extra arguments go to `cell start`. */
import './node-version.mjs';
import { ensureBundle } from './build.mjs';
import { ensureInstalled } from './install.mjs';
import { at, say } from './paths.mjs';
import { runNode } from './run.mjs';

try {
  await ensureInstalled();
  await ensureBundle();
} catch (error) {
  say(error.message);
  process.exit(1);
}
const { code } = await runNode([at('bin', 'run.js'), 'cell', 'start', ...process.argv.slice(2)]);
process.exitCode = code;

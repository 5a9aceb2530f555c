/** `npm run bench:counts`: sets up and hands over to `bench/counts/main.mjs`, arguments included. Nothing is built. */
import './node-version.mjs';
import { installOrExit } from './install.mjs';
import { at } from './paths.mjs';
import { runNode } from './run.mjs';

await installOrExit();
process.exitCode = (await runNode([at('bench', 'counts', 'main.mjs'), ...process.argv.slice(2)])).code;

/** `npm run mutants`: sets up and hands over to `test/mutants/tool.ts`, arguments included. */
import './node-version.mjs';
import { installOrExit } from './install.mjs';
import { at } from './paths.mjs';
import { runNode } from './run.mjs';

await installOrExit();
const tool = at('test', 'mutants', 'tool.ts');
process.exitCode = (await runNode(['--import', 'tsx', tool, ...process.argv.slice(2)])).code;

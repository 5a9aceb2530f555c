/**
 * The explorer as one file: `test/explorer` with the consensus core.
 *
 * In this file the core's private fields (`#promised`) are ordinary properties (`_promised_`), and nothing else differs from
 * production: the exhaustive search must see whether two states are the same, and a list of fields kept by hand would one day
 * miss one.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { at, root } from './paths.mjs';

const core = at('src', 'core') + path.sep;

/**
 * @param {object} options
 * @param {string} options.outfile
 * @param {string} [options.entry] relative to the project; the command line of the explorer when absent
 * @param {(source: string, file: string) => string} [options.transform]
 *   sees each file of `src/core` first, by its path relative to the project: for a known bug put back on purpose
 */
export async function bundleExplorer({ outfile, entry = 'test/explorer/main.ts', transform = (source) => source }) {
  const opened = {
    name: 'opened-core',
    setup(plugin) {
      plugin.onLoad({ filter: /\.ts$/ }, ({ path: file }) => {
        if (!file.startsWith(core)) return undefined;
        const source = transform(readFileSync(file, 'utf8'), path.relative(root, file).replaceAll(path.sep, '/'));
        return { contents: openFields(source), loader: 'ts' };
      });
    },
  };
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
    plugins: [opened],
  });
}

/** `#name` becomes `_name_` where it is a field: in texts and comments of the core a letter stands before the sign. */
const openFields = (source) => source.replace(/(?<![\w'"`])#(?=[a-zA-Z])(\w+)/g, '_$1_');

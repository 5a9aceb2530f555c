/**
 * The bundle of the command line, in two parts, because loading is most of a start-up.
 *
 * `dist/main.cjs` is one file with what every command needs: the framework, the errors, the main program. It is CommonJS,
 * which Node.js loads at once, where each ES module takes a turn of its asynchronous loader. All else, the commands and what they
 * load on demand, are ES modules in chunks; what they import of the first part they take from it, so that there is one
 * of each class. (docs/adr/0002-toolchain.md)
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { build as esbuild } from 'esbuild';
import { at, root } from './paths.mjs';

const main = 'src/render/main.ts';
/** What each command imports besides; what these import statically comes along. */
const shared = ['src/render/base-command.ts', 'src/render/prose.ts'];
const frameworkParts = ['args', 'command', 'flags', 'config', 'help', 'run'];
/** As `package.json` names it in `imports`, so that a chunk finds it wherever it lies. */
const mainName = '#main';

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  logLevel: 'warning',
  // Names stay, for stack traces; the rest of the text is only read by the parser, at each start.
  minifyWhitespace: true,
  minifySyntax: true,
  // oclif loads compilers when it meets TypeScript sources; bundled, one of them would be 9 MB that nothing uses.
  external: ['typescript', 'ts-node', 'tsx', 'pino'],
};

const sourceOf = (file) => path.relative(root, file).split(path.sep).join('/');
const isFramework = (name) => /^@oclif\/core\/\w+$/.test(name);

/**
 * Both parts as files in memory, `define` as esbuild takes it; chunks come before what refers to them.
 *
 * @returns {Promise<{path: string, contents: Uint8Array}[]>}
 */
export async function bundleFiles(options) {
  return (await bundled(options)).files;
}

/**
 * Of what files the bundle is made, as paths from the root of the repository.
 *
 * @returns {Promise<string[]>}
 */
export async function bundledModules(options) {
  // What a plugin makes up, and the entry that was written above, are no files.
  return (await bundled(options)).modules.filter((file) => !file.includes(':') && file !== '<stdin>');
}

async function bundled({ outdir, define = {} }) {
  const { files: mainFiles, members, lazy, modules } = await bundleMain({ outdir, define });
  const { outputFiles, metafile } = await esbuild({
    ...common,
    define,
    outdir,
    write: false,
    metafile: true,
    entryPoints: entries(lazy),
    plugins: [takenFromMain(members)],
    splitting: true,
    format: 'esm',
    chunkNames: 'chunks/[name]-[hash]',
    // Packages written for CommonJS call `require` for Node's own modules.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
  const chunks = path.join(outdir, 'chunks') + path.sep;
  const isChunk = (file) => file.path.startsWith(chunks);
  const files = [...outputFiles.filter(isChunk), ...mainFiles, ...outputFiles.filter((file) => !isChunk(file))];
  return { files, modules: [...new Set([...modules, ...Object.keys(metafile.inputs)])] };
}

function entries(lazy) {
  const commands = readdirSync(at('commands'), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => sourceOf(path.join(entry.parentPath, entry.name)))
    .sort();
  return [
    ...commands.map((file) => ({ in: file, out: file.replace(/\.ts$/, '') })),
    ...lazy.map((file) => ({ in: file, out: lazyName(file) })),
    { in: 'src/simulator/worker.ts', out: 'simulator-worker' },
  ];
}

const lazyName = (file) => `lazy/${path.basename(file, '.ts')}`;

/** Built twice: the first time tells which of our files it consists of, the second exports each of them. */
async function bundleMain({ outdir, define }) {
  const options = (files, lazy) => ({
    ...common,
    define,
    write: false,
    metafile: true,
    stdin: {
      resolveDir: root,
      contents: [
        ...files.map((file) => `exports[${JSON.stringify(file)}] = require('./${file}');`),
        ...frameworkParts.map((part) => `exports['@oclif/core/${part}'] = require('@oclif/core/${part}');`),
        `exports.main = require('./${main}').main;`,
      ].join('\n'),
    },
    outfile: path.join(outdir, 'main.cjs'),
    format: 'cjs',
    plugins: [leftForLater(lazy), globOnDemand, sortWithoutLocale],
  });
  const { metafile } = await esbuild(options(shared, new Set()));
  const members = Object.keys(metafile.inputs).filter((file) => file.startsWith('src/'));
  const lazy = new Set();
  const { outputFiles, metafile: whole } = await esbuild(options(members, lazy));
  const modules = Object.keys(whole.inputs);
  return { files: outputFiles, members: await exportsOf(members), lazy: [...lazy], modules };
}

/** What our own files load on demand stays out of the one file. */
function leftForLater(lazy) {
  return {
    name: 'left-for-later',
    setup(build) {
      build.onResolve({ filter: /^\.{1,2}\// }, ({ path: name, resolveDir, kind }) => {
        if (kind !== 'dynamic-import' || !sourceOf(resolveDir).startsWith('src/')) return undefined;
        const file = sourceOf(path.join(resolveDir, name));
        lazy.add(file);
        return { path: `./${lazyName(file)}.js`, external: true };
      });
    },
  };
}

/** The framework looks for command files only where there is no manifest; that takes 15 ms to load. */
const globOnDemand = {
  name: 'glob-on-demand',
  setup(build) {
    build.onResolve({ filter: /^tinyglobby$/ }, ({ namespace }) =>
      namespace === 'on-demand' ? undefined : { path: 'tinyglobby', namespace: 'on-demand' },
    );
    build.onLoad({ filter: /.*/, namespace: 'on-demand' }, () => ({
      contents: "Object.defineProperty(exports, 'glob', { get: () => require('tinyglobby').glob });",
      resolveDir: root,
    }));
  },
};

/** The framework sorts the names of commands by the rules of a language, which costs 5 ms to set up; they are plain ASCII. */
const sortWithoutLocale = {
  name: 'sort-without-locale',
  setup(build) {
    build.onLoad({ filter: /[\\/]@oclif[\\/]core[\\/]lib[\\/]config[\\/]plugin\.js$/ }, ({ path: file }) => {
      const text = readFileSync(file, 'utf8');
      const contents = text.replace('a.id.localeCompare(b.id)', 'a.id < b.id ? -1 : 1');
      if (contents === text)
        throw new Error('@oclif/core sorts its commands in another way now: see tooling/bundle.mjs.');
      return { contents };
    });
  },
};

/** Each importer gets a line of its own for it: shared, these lines would be chunks again. */
function takenFromMain(members) {
  const taken = (name, importer) => ({ path: `${name}?${importer}`, namespace: 'main', pluginData: name });
  return {
    name: 'taken-from-main',
    setup(build) {
      build.onResolve({ filter: /^@oclif\/core\// }, ({ path: name, importer, namespace }) =>
        namespace === 'file' && isFramework(name) ? taken(name, importer) : undefined,
      );
      build.onResolve({ filter: /^\.{1,2}\// }, ({ path: name, resolveDir, importer, namespace, kind }) => {
        const file = sourceOf(path.join(resolveDir, name));
        if (kind === 'entry-point' || namespace !== 'file' || !members.has(file)) return undefined;
        // `await import()` gives an object with the names of the exports, which only an ES module has.
        if (kind === 'dynamic-import') return { path: file, namespace: 'main-by-names' };
        return taken(file, importer);
      });
      build.onResolve({ filter: /^#main$/ }, () => ({ path: mainName, external: true }));
      build.onLoad({ filter: /.*/, namespace: 'main' }, ({ pluginData }) => ({
        contents: `module.exports = require(${JSON.stringify(mainName)})[${JSON.stringify(pluginData)}];`,
        resolveDir: root,
      }));
      build.onLoad({ filter: /.*/, namespace: 'main-by-names' }, ({ path: file }) => ({
        contents: `export const { ${members.get(file).join(', ')} } = require(${JSON.stringify(mainName)})[${JSON.stringify(file)}];`,
        resolveDir: root,
      }));
    },
  };
}

/** Which names each of these files exports, as a map. */
async function exportsOf(files) {
  const { metafile } = await esbuild({
    ...common,
    entryPoints: files,
    outdir: at('dist'),
    write: false,
    metafile: true,
    splitting: true,
    format: 'esm',
    packages: 'external',
  });
  const outputs = Object.values(metafile.outputs).filter(({ entryPoint }) => files.includes(entryPoint));
  return new Map(outputs.map(({ entryPoint, exports }) => [entryPoint, exports]));
}

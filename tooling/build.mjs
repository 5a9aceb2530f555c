/**
 * Builds `dist/` and `oclif.manifest.json`. As `npm run build` it first installs what is not up to date.
 *
 * Two parts. The *bundle* is what `bin/run.js` runs (`bundle.mjs`): the command line framework and every command. The *library*
 * (`paxosctl/client`, `paxosctl/log`) is plain compiler output with its type declarations.
 *
 * A cell may be running from `dist/` during a build: files are replaced by renaming, chunks before what refers to them, and
 * chunks of earlier builds stay for an hour, because a running process may still have to load them.
 */
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled } from './install.mjs';
import { withLock } from './lock.mjs';
import { at, root, say } from './paths.mjs';
import { runNode } from './run.mjs';

const dist = at('dist');
const cache = at('node_modules', '.cache', 'paxosctl');
const lockFile = path.join(cache, 'build.lock');
const stampFile = path.join(dist, '.bundle-stamp');
const chunkHours = 1;

/** Bundles when a source file, the tooling or the dependencies changed since the last time. */
export async function ensureBundle() {
  const wanted = sourceStamp();
  if (bundledStamp() === wanted) return;
  await withLock(lockFile, async () => {
    // Another process may have built it while this one waited.
    const now = sourceStamp();
    if (bundledStamp() === now) return;
    say('Building …');
    await bundle(now);
  });
}

/**
 * Everything: type check, library, bundle, manifest.
 *
 * @throws {Error} with what the compiler said.
 */
export async function build() {
  await withLock(lockFile, async () => {
    await library();
    await bundle(sourceStamp());
  });
}

function bundledStamp() {
  return existsSync(stampFile) && existsSync(at('oclif.manifest.json')) ? readFileSync(stampFile, 'utf8') : null;
}

/** Names, sizes and times of all that the bundle is made of. */
function sourceStamp() {
  const hash = createHash('sha256');
  const files = ['package.json', 'package-lock.json', ...walk('src'), ...walk('commands'), ...walk('tooling')];
  for (const file of files) {
    const { size, mtimeMs } = statSync(at(file));
    hash.update(`${file}\0${size}\0${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

/** All files below a folder of the project, sorted, relative to the project. */
function walk(folder) {
  const entries = readdirSync(at(folder), { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .sort();
}

/** Compiles with declarations into `dist/src`; fails on any type error. */
async function library() {
  const out = path.join(cache, 'library');
  const args = ['-p', 'tsconfig.json', '--outDir', out, '--noEmitOnError'];
  rmSync(out, { recursive: true, force: true });
  const { code, output } = await runNode([at('node_modules', 'typescript', 'bin', 'tsc'), ...args], {
    stdio: 'collect',
  });
  if (code !== 0) throw new Error(`The sources do not compile.\n${output.trimEnd()}`);
  rmSync(path.join(dist, 'src'), { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  cpSync(path.join(out, 'src'), path.join(dist, 'src'), { recursive: true });
}

async function bundle(stamp) {
  // Loaded late: the packages may only just have been installed.
  const { bundleFiles } = await import('./bundle.mjs');
  const files = await bundleFiles({ outdir: dist });
  for (const file of files) writeInPlace(file.path, file.contents);
  removeStale(new Set(files.map((file) => file.path)));
  await manifest();
  writeInPlace(stampFile, stamp);
}

function writeInPlace(file, contents) {
  mkdirSync(path.dirname(file), { recursive: true });
  const next = `${file}.${process.pid}.next`;
  writeFileSync(next, contents);
  renameSync(next, file);
}

/** A command that is gone from the sources must not live on as a command. */
function removeStale(kept) {
  const oldest = Date.now() - chunkHours * 60 * 60 * 1000;
  for (const folder of ['commands', 'lazy', 'chunks']) {
    if (!existsSync(path.join(dist, folder))) continue;
    for (const entry of readdirSync(path.join(dist, folder), { withFileTypes: true, recursive: true })) {
      const file = path.join(entry.parentPath, entry.name);
      if (!entry.isFile() || kept.has(file)) continue;
      if (folder === 'commands' || statSync(file).mtimeMs < oldest) rmSync(file, { force: true });
    }
  }
}

/** With it, oclif knows all commands without loading one of them. */
async function manifest() {
  rmSync(at('oclif.manifest.json'), { force: true });
  const { code, output } = await runNode([at('node_modules', 'oclif', 'bin', 'run.js'), 'manifest', '.'], {
    stdio: 'collect',
  });
  if (code !== 0 || !existsSync(at('oclif.manifest.json'))) throw new Error(`oclif manifest failed.\n${output}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    await import('./node-version.mjs');
    await ensureInstalled();
    await build();
  } catch (error) {
    say(error.message);
    process.exitCode = 1;
  }
}

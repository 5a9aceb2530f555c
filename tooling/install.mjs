/**
 * Makes `node_modules` what `package-lock.json` says, and does nothing when it is that already.
 *
 * npm writes `node_modules/.package-lock.json` last, so it is the stamp: a broken-off install has none. It is compared by
 * content, since times mean nothing after a clone or a restored cache.
 */
import { existsSync, readFileSync } from 'node:fs';
import { at, say } from './paths.mjs';
import { run, runNode } from './run.mjs';

const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'));

/** Why `npm ci` is needed, or null when what is installed is what the lock names. */
export function whyInstall() {
  const stamp = at('node_modules', '.package-lock.json');
  if (!existsSync(stamp)) return 'nothing is installed yet';
  const installed = readJson(stamp).packages;
  for (const [place, wanted] of Object.entries(readJson(at('package-lock.json')).packages)) {
    if (place === '' || wanted.optional || wanted.devOptional || wanted.peer) continue;
    const found = installed[place];
    if (!found) return `${place} is missing`;
    if (found.version !== wanted.version || found.integrity !== wanted.integrity) return `${place} is another version`;
  }
  return null;
}

/** @throws {Error} with the next command when npm fails; what it said is on stderr. */
export async function ensureInstalled() {
  const why = whyInstall();
  if (why === null) return;
  say(`Installing dependencies (${why}) …`);
  // Development tools are needed to build, whatever NODE_ENV or npm's configuration leave out.
  const args = ['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  const npm = process.env.npm_execpath;
  const { code } =
    npm?.endsWith('.js') === true
      ? await runNode([npm, ...args], { stdio: 'stderr' })
      : await run('npm', args, { stdio: 'stderr' });
  if (code !== 0)
    throw new Error(`The dependencies are not installed (npm's exit code ${code}). What to run next: npm ci`);
}

/** Installs what is not up to date; when npm fails, says so in one sentence and ends the process. */
export async function installOrExit() {
  try {
    await ensureInstalled();
  } catch (error) {
    say(error.message);
    process.exit(1);
  }
}

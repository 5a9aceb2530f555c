/**
 * Builds this tree as another version of itself: `node tooling/version.mjs --version 0.2.0 --levels 1-2 --out FOLDER`.
 *
 * The folder then holds `bin/run.js` and a `package.json` with that version; the program speaks those levels. With it an upgrade
 * from one version to the next is tested before there are two (docs/TESTING.md).
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleFiles } from './bundle.mjs';
import { at, say } from './paths.mjs';

/** @returns the path of its `bin/run.js`. */
export async function buildVersion({ version, levels, folder }) {
  const files = await bundleFiles({
    outdir: path.join(folder, 'dist'),
    define: { PAXOSCTL_BUILD_LEVELS: JSON.stringify(levels) },
  });
  for (const file of files) {
    mkdirSync(path.dirname(file.path), { recursive: true });
    writeFileSync(file.path, file.contents);
  }
  mkdirSync(path.join(folder, 'bin'), { recursive: true });
  copyFileSync(at('bin', 'run.js'), path.join(folder, 'bin', 'run.js'));
  for (const name of ['package.json', 'oclif.manifest.json']) {
    const document = JSON.parse(readFileSync(at(name), 'utf8'));
    writeFileSync(path.join(folder, name), JSON.stringify({ ...document, version }));
  }
  const modules = path.join(folder, 'node_modules');
  if (!existsSync(modules)) symlinkSync(at('node_modules'), modules);
  return path.join(folder, 'bin', 'run.js');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({
    options: { version: { type: 'string' }, levels: { type: 'string', default: '1-1' }, out: { type: 'string' } },
  });
  const [min, max] = values.levels.split('-').map(Number);
  if (!values.version || !values.out || !(min >= 1 && max >= min)) {
    say('node tooling/version.mjs --version VERSION --levels MIN-MAX --out FOLDER');
    process.exitCode = 2;
  } else {
    say(await buildVersion({ version: values.version, levels: { min, max }, folder: path.resolve(values.out) }));
  }
}

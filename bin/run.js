#!/usr/bin/env node
// Hands over to oclif. The one thing done here: a lone `--version`, which scripts ask for often, without loading it.
import { readFileSync } from 'node:fs';

const args = process.argv.slice(2);
if (args.length === 1 && args[0] === '--version') {
  const { name, version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  process.stdout.write(`${name}/${version} ${process.platform}-${process.arch} node-${process.version}\n`);
} else {
  const { default: module } = await import('node:module');
  module.enableCompileCache?.();
  let main;
  try {
    ({ main } = module.createRequire(import.meta.url)('../dist/main.cjs'));
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    process.stderr.write('paxosctl is not built yet. In a clone of its sources, run: npm ci && npm run build\n');
    process.exit(1);
  }
  await main(args, import.meta.url);
}

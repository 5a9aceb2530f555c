#!/usr/bin/env node
// Hands over to oclif. The one thing done here: a lone `--version`, which scripts ask for often, without loading it.
import { readFileSync } from 'node:fs';

const args = process.argv.slice(2);
if (args.length === 1 && args[0] === '--version') {
  const { name, version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  process.stdout.write(`${name}/${version} ${process.platform}-${process.arch} node-${process.version}\n`);
} else {
  const module = await import('node:module');
  module.default.enableCompileCache?.();
  let main;
  try {
    ({ main } = await import('../dist/main.js'));
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    process.stderr.write('paxosctl is not built yet. In a clone of its sources, run: npm ci && npm run build\n');
    process.exit(1);
  }
  await main(args, import.meta.url);
}

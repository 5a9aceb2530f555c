/** One program of the tests as a single file, since a process that starts from sources takes many times as long. */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import type { Program } from './replica-child.ts';

export interface BundledProgram {
  readonly program: Program;
  remove(): void;
}

/** @param entry its file in this folder. `levels`: those that it speaks, where it is to be another version (docs/TESTING.md, "Two versions"). */
export async function bundleProgram(
  entry: string,
  levels?: { readonly min: number; readonly max: number },
): Promise<BundledProgram> {
  const name = `${path.basename(entry, '.ts')}-${levels?.min ?? 0}-${levels?.max ?? 0}-${process.pid}.mjs`;
  const outfile = path.resolve(import.meta.dirname, '../../node_modules/.cache/paxosctl', name);
  await build({
    entryPoints: [path.join(import.meta.dirname, entry)],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'silent',
    ...(levels === undefined ? {} : { define: { PAXOSCTL_BUILD_LEVELS: JSON.stringify(levels) } }),
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
  return { program: [process.execPath, outfile], remove: () => rmSync(outfile, { force: true }) };
}

/** The loaders that put a mutant into a test build. No production build has them (`mutants.test.ts` looks). */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Plugin as EsbuildPlugin } from 'esbuild';
import type { Plugin as VitePlugin } from 'vitest/config';
import { mutantNamed } from './index.ts';
import { type Mutant, mutateFile } from './mutant.ts';

const root = path.resolve(import.meta.dirname, '../..');

/** File of the project that a module comes from, or null for one from elsewhere. */
const fileOf = (mutant: Mutant, id: string): string | null => {
  const file = path.relative(root, id.split('?')[0] as string).replaceAll(path.sep, '/');
  return mutant.edits.some((edit) => edit.file === file) ? file : null;
};

/** For vitest: none without an id. */
export function vitePlugins(id: string | undefined): VitePlugin[] {
  if (id === undefined || id === '') return [];
  const mutant = mutantNamed(id);
  return [
    {
      name: 'paxosctl-mutant',
      enforce: 'pre',
      transform: (source, module) => {
        const file = fileOf(mutant, module);
        return file === null ? null : { code: mutateFile(mutant, file, source), map: null };
      },
    },
  ];
}

/** For bundles of the hunters. */
export const esbuildPlugin = (mutant: Mutant): EsbuildPlugin => ({
  name: 'paxosctl-mutant',
  setup: ({ onLoad }) => {
    onLoad({ filter: /\.ts$/ }, ({ path: module }) => {
      const file = fileOf(mutant, module);
      if (file === null) return null;
      return { contents: mutateFile(mutant, file, readFileSync(module, 'utf8')), loader: 'ts' };
    });
  },
});

/** Mutants stay what they are while the code around them changes: each can still be put in, and none can be in production. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { transform } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { mutants, notYet } from './index.ts';
import { mutateFile } from './mutant.ts';

const root = path.resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

describe('mutants', () => {
  it('have names of their own, and tests that are there', () => {
    expect(new Set(mutants.map(({ id }) => id)).size).toBe(mutants.length);
    for (const { id, killedBy } of mutants) {
      expect(killedBy.length, id).toBeGreaterThan(0);
      for (const file of killedBy) expect(read(file), `${id}: ${file}`).toMatch(/\b(it|test)(\.each)?\b/);
    }
  });

  it('change what is still there, and what comes of it is still a program', { timeout: 30_000 }, async () => {
    for (const mutant of mutants) {
      for (const file of new Set(mutant.edits.map((edit) => edit.file))) {
        const source = read(file);
        const mutated = mutateFile(mutant, file, source);
        expect(mutated, mutant.id).not.toBe(source);
        await transform(mutated, { loader: 'ts' });
      }
    }
  });

  it('are there for every pitfall, or the reason is', () => {
    const covered = new Set(mutants.flatMap(({ pitfalls }) => pitfalls));
    const all = Array.from({ length: 55 }, (_, i) => `P${String(i + 1).padStart(2, '0')}`);
    expect(all.filter((pitfall) => !covered.has(pitfall) && notYet[pitfall] === undefined)).toEqual([]);
    expect(Object.keys(notYet).filter((pitfall) => covered.has(pitfall))).toEqual([]);
  });

  it('cannot be in a production build: nothing that is built knows of them', () => {
    const built = ['src', 'commands', 'bin'].flatMap((folder) =>
      readdirSync(path.join(root, folder), { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name))),
    );
    const knowing = [...built, 'tooling/build.mjs'].filter((file) => /PAXOSCTL_MUTANT|test\/mutants/.test(read(file)));
    expect(knowing).toEqual([]);
    const { files } = JSON.parse(read('package.json')) as { files: string[] };
    expect(files.filter((file) => file.startsWith('test') || file.startsWith('tooling'))).toEqual([]);
  });

  it('all have their place in docs/MUTANTS.md', () => {
    const told = [...read('docs/MUTANTS.md').matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1]);
    expect(told).toEqual(mutants.map(({ id }) => id));
  });
});

/** Style that matters is a check with a helpful message (house rules): forbidden calls, leftovers, the lock, the documents. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from '@oclif/core';
import { describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');

/** Files below these folders of the project, relative to it. */
function filesOf(folders: readonly string[], ending: RegExp): string[] {
  return folders
    .flatMap((folder) => readdirSync(path.join(root, folder), { withFileTypes: true, recursive: true }))
    .filter((entry) => entry.isFile() && ending.test(entry.name))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .filter((file) => !file.includes('node_modules'))
    .sort();
}

/** Source without comments, so that a comment may name what the code must not. Line numbers stay as they are. */
const withoutComments = (source: string) =>
  source.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, '')).replace(/(^|[^:'"`])\/\/.*$/gm, '$1');

/** Every line that matches, as `file:line: text  → instead`. */
function findings(files: readonly string[], pattern: RegExp, instead: string, prepare = withoutComments): string[] {
  return files.flatMap((file) =>
    prepare(read(file))
      .split('\n')
      .flatMap((line, at) => (pattern.test(line) ? [`${file}:${at + 1}: ${line.trim()}  → ${instead}`] : [])),
  );
}

const code = filesOf(['src', 'commands', 'test', 'bench', 'tooling', 'bin', 'examples'], /\.(ts|mjs|cjs|js)$/);
const core = filesOf(['src/core'], /\.ts$/);
const thisFile = path.relative(root, import.meta.filename);

describe('the deterministic core', () => {
  const forbidden: [name: string, pattern: RegExp, instead: string][] = [
    ['the date', /\bDate\b/, 'time comes in with each input (`at`)'],
    ['ambient randomness', /\bMath\.random\b|\bcrypto\b/, 'draw from the seeded Random given to the constructor'],
    ['waiting', /\basync\b|\bawait\b|\bPromise\b/, 'return an effect; the runtime alone waits'],
    ['timers', /\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/, 'return a `wake` effect'],
    ['locales', /\blocaleCompare\b|\bIntl\b|\btoLocale\w+\b/, 'replicas must agree on bytes: compare code units'],
    ['the outside', /\b(process|globalThis|console|performance)\b\s*[.[]/, 'what the core needs comes in as an input'],
  ];
  it.each(forbidden)('does not use %s', (_name, pattern, instead) => {
    expect(findings(core, pattern, instead)).toEqual([]);
  });
});

describe('the code', () => {
  const others = code.filter((file) => file !== thisFile);
  const asItIs = (source: string) => source;

  it('has no leftovers to be done later', () => {
    expect(
      findings(others, /\b(FIXME|TODO|XXX|HACK)\b/, 'finish it, or open an issue and cite its number', asItIs),
    ).toEqual([]);
  });

  it('has no test that is left out or runs alone', () => {
    const tests = others.filter((file) => file.startsWith('test/'));
    const pattern = /\b(it|test|describe)\.(skip|only|todo)\b/;
    expect(findings(tests, pattern, 'tests run, or are deleted')).toEqual([]);
  });

  it('imports its own files by their real name', () => {
    const sources = others.filter((file) => file.endsWith('.ts'));
    expect(findings(sources, /from '\.{1,2}\/[^']*(?<!\.(ts|mjs|cjs|json))'/, 'write the .ts ending')).toEqual([]);
  });

  it('has no path of somebody’s machine', () => {
    const top = readdirSync(root).filter((file) => /\.(md|json|ts|cjs)$/.test(file) && file !== 'package-lock.json');
    const files = [...others, ...filesOf(['docs'], /\.md$/), ...top];
    const pattern = /(?<![\w.])\/(home|Users|root|work)\/[a-z]/;
    expect(findings(files, pattern, 'use a path relative to the project, or a temporary folder', asItIs)).toEqual([]);
  });
});

describe('package-lock.json', () => {
  interface Locked {
    readonly resolved?: string;
    readonly integrity?: string;
    readonly link?: boolean;
  }
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> };
  const locked = Object.entries(packages).filter(([place, { link }]) => place !== '' && !link);

  it('names no host to download from', () => {
    expect(locked.filter(([, { resolved }]) => resolved !== undefined).map(([place]) => place)).toEqual([]);
  });

  it('pins the content of every package', () => {
    expect(locked.filter(([, { integrity }]) => !integrity).map(([place]) => place)).toEqual([]);
  });
});

describe('package.json', () => {
  const { dependencies, devDependencies, scripts } = JSON.parse(read('package.json')) as Record<
    string,
    Record<string, string>
  >;

  it('pins every dependency to one version', () => {
    const versions = Object.values({ ...dependencies, ...devDependencies });
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });

  it('has each dependency explained in docs/DEPENDENCIES.md, and no other explained there', () => {
    const explained = [...read('docs/DEPENDENCIES.md').matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1]);
    expect(explained.sort()).toEqual(Object.keys({ ...dependencies, ...devDependencies }).sort());
  });

  it('needs no script at installation', () => {
    expect(Object.keys(scripts ?? {}).filter((name) => /^(pre|post)?(install|prepare)$/.test(name))).toEqual([]);
  });
});

describe('commands', () => {
  it.each(filesOf(['commands'], /\.ts$/))('%s says what it does and shows an example with long flags', async (file) => {
    const { default: command } = (await import(path.join(root, file))) as { default: typeof Command };
    expect(command.summary, 'a summary that is a sentence').toMatch(/\.$/);
    expect(command.description, 'a description').toBeTruthy();
    const examples = (command.examples ?? []).map((example) =>
      typeof example === 'string' ? example : example.command,
    );
    expect(examples[0], 'an example').toMatch(/^<%= config\.bin %> <%= command\.id %>/);
    for (const arg of Object.values(command.args ?? {})) {
      // The framework would take a missing argument from standard input, and trim it.
      expect(arg.ignoreStdin, `argument ${arg.name} ignores standard input`).toBe(true);
    }
    for (const example of examples) expect(example, 'long flags only').not.toMatch(/(?<=\s)-[a-zA-Z]\b/);
  });
});

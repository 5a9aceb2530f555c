/**
 * `npm run machines`: writes the code and the page of every `*.machine` file below `src/`. With `--check` nothing is
 * written; the exit code is 1 when a file is not what its specification says.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { differences } from './drift.ts';
import { generate } from './generate.ts';
import { SpecificationError } from './problems.ts';

const root = path.resolve(import.meta.dirname, '..', '..');
const at = (file: string): string => path.join(root, file);

const specifications = readdirSync(at('src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.machine'))
  .map((file) => path.posix.join('src', file.split(path.sep).join('/')))
  .sort();

try {
  const generated = specifications.flatMap((file) => generate({ file, text: readFileSync(at(file), 'utf8') }));
  if (process.argv.includes('--check')) {
    const found = differences(generated, (file) => readFileSync(at(file), 'utf8'));
    for (const line of found) process.stderr.write(`${line}\n`);
    process.exitCode = found.length > 0 ? 1 : 0;
  } else {
    for (const { file, text } of generated) {
      mkdirSync(path.dirname(at(file)), { recursive: true });
      writeFileSync(at(file), text);
      process.stdout.write(`${file}\n`);
    }
  }
} catch (error) {
  if (!(error instanceof SpecificationError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

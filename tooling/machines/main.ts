/**
 * `npm run machines`: writes the code and the page of every `*.machine` file below `src/`. With `--check` nothing is
 * written; the exit code is 1 when a file is not what its specification says, or has none.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { optionsOf } from '../options.mjs';
import { differences, orphans } from './drift.ts';
import { generate } from './generate.ts';
import { SpecificationError } from './problems.ts';

const { check } = optionsOf(
  { check: { type: 'boolean', default: false } },
  `Writes the code and the page of every state machine (src/**/*.machine).

  npm run machines [-- OPTIONS]

  --check   writes nothing, and ends with 1 where a file is not what its specification says`,
);
const root = path.resolve(import.meta.dirname, '..', '..');
const at = (file: string): string => path.join(root, file);

const filesBelow = (folder: string, ending: string): readonly string[] =>
  readdirSync(at(folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ending))
    .map((file) => path.posix.join(folder, file.split(path.sep).join('/')))
    .sort();

const specifications = filesBelow('src', '.machine');
/** What `src/core/state-machine.ts` is by name only. */
const writtenByHand = ['src/core/state-machine.ts'];

try {
  const generated = specifications.flatMap((file) => generate({ file, text: readFileSync(at(file), 'utf8') }));
  if (check) {
    const files = [...filesBelow('src', '-machine.ts'), ...filesBelow('docs/machines', '.md')];
    const found = [
      ...differences(generated, (file) => readFileSync(at(file), 'utf8')),
      ...orphans(
        generated,
        files.filter((file) => !writtenByHand.includes(file)),
      ),
    ];
    for (const line of found) process.stderr.write(`${line}\n`);
    if (found.length === 0) {
      process.stdout.write(`${generated.length} files are what ${specifications.length} specifications say.\n`);
    }
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

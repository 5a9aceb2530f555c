/** From a specification to the files that are made of it. */
import { check } from './check.ts';
import { documentFile, toDocument } from './document.ts';
import type { Machine } from './machine.ts';
import { parse } from './parse.ts';
import type { Source } from './problems.ts';
import { generatedFile, toTypeScript } from './typescript.ts';

export interface Generated {
  /** Relative to the project. */
  readonly file: string;
  readonly text: string;
}

/** @throws {SpecificationError} with all that is wrong with it. */
export function compile(source: Source): Machine {
  return check(parse(source), source);
}

/** The code and the page of one machine. `source.file` is relative to the project. @throws {SpecificationError} */
export function generate(source: Source): readonly Generated[] {
  const machine = compile(source);
  return [
    { file: generatedFile(source.file), text: toTypeScript(machine, source.file) },
    { file: documentFile(source.file), text: toDocument(machine, source.file) },
  ];
}

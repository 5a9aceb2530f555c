/** Reads a `*.machine` file. The grammar is `machine.peggy`; the parser is made of it when it is first needed. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import peggy, { type Parser } from 'peggy';
import { anyOf, type Source, SpecificationError } from './problems.ts';
import type { Specification } from './specification.ts';

let parser: Parser | null = null;

/** @throws {SpecificationError} at the first place that has not the form of the language. */
export function parse(source: Source): Specification {
  parser ??= peggy.generate(readFileSync(path.join(import.meta.dirname, 'machine.peggy'), 'utf8'));
  try {
    return parser.parse(source.text) as Specification;
  } catch (error) {
    if (!isSyntaxError(error)) throw error;
    const { start } = error.location;
    const message = `unexpected ${foundText(source.text, start.offset)}`;
    const problem = { at: { line: start.line, column: start.column }, message, expected: expectedText(error.expected) };
    throw new SpecificationError(source, [{ ...problem, width: wordAt(source.text, start.offset).length }]);
  }
}

interface Expectation {
  readonly type: string;
  readonly description?: string;
  readonly text?: string;
}

interface SyntaxError {
  readonly expected: readonly Expectation[];
  readonly location: { readonly start: { readonly offset: number; readonly line: number; readonly column: number } };
}

const isSyntaxError = (error: unknown): error is SyntaxError =>
  error instanceof Error && 'expected' in error && Array.isArray(error.expected) && 'location' in error;

const wordAt = (text: string, offset: number): string => /^(?:[\w-]+|[^\s]?)/.exec(text.slice(offset))?.[0] ?? '';

function foundText(text: string, offset: number): string {
  if (offset >= text.length) return 'end of the file';
  const word = wordAt(text, offset);
  if (word !== '') return JSON.stringify(word);
  return /^\r?\n/.test(text.slice(offset)) ? 'end of the line' : 'space';
}

/** In the words of the grammar. Space may stand nearly everywhere and helps nobody, unless it is all that is missing. */
function expectedText(expected: readonly Expectation[]): string {
  const words = expected.map(({ description, text }) => description ?? JSON.stringify(text ?? ''));
  const sorted = [...new Set(words)].sort();
  const useful = sorted.filter((word) => word !== 'a space' && word !== 'an empty line');
  return anyOf(useful.length > 0 ? useful : sorted);
}

/** What is wrong with a specification, where, and what was expected there. */
import type { Place } from './specification.ts';

export interface Problem {
  readonly at: Place;
  /** Characters that the caret underlines. */
  readonly width: number;
  readonly message: string;
  readonly expected: string;
}

/** One file, by the name that people know it by, and its text. */
export interface Source {
  readonly file: string;
  readonly text: string;
}

/** The message holds every problem in the order of the file. */
export class SpecificationError extends Error {
  readonly problems: readonly Problem[];

  constructor(source: Source, problems: readonly Problem[]) {
    const ordered = [...problems].sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
    super(ordered.map((problem) => formatProblem(source, problem)).join('\n\n'));
    this.name = 'SpecificationError';
    this.problems = ordered;
  }
}

/** `file:line:column: message`, the line, and below it a caret with what was expected. */
export function formatProblem({ file, text }: Source, { at, width, message, expected }: Problem): string {
  const line = (text.split('\n')[at.line - 1] ?? '').replace(/\r$/, '');
  const margin = String(at.line);
  // Tabs stay tabs, so that the caret stands where the eye expects it.
  const indent = line.slice(0, at.column - 1).replace(/[^\t]/g, ' ');
  return [
    `${file}:${at.line}:${at.column}: ${message}`,
    `  ${margin} | ${line}`,
    `  ${' '.repeat(margin.length)} | ${indent}${'^'.repeat(Math.max(1, width))} expected ${expected}`,
  ].join('\n');
}

/** `a`, `a or b`, `a, b or c`. */
export function anyOf(things: readonly string[]): string {
  if (things.length <= 1) return things[0] ?? 'nothing';
  return `${things.slice(0, -1).join(', ')} or ${things[things.length - 1]}`;
}

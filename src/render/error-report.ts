/**
 * From whatever was thrown to what the operator reads and what a program gets: one shape, one exit code, with and without
 * `--json` (contract §1).
 */
import { type ErrorDocument, errorDocument, InterruptedError, OperatorError, UsageError } from '../errors/index.ts';
import { printableLines } from './escape.ts';
import { coloured } from './output.ts';
import { pasteable } from './suggestions.ts';

type ErrorFields = ErrorDocument['error'];

export interface ErrorReport {
  /** The value of `error` in the JSON document. */
  readonly json: ErrorFields;
  /** For stderr, ending in a line break. */
  readonly text: string;
  readonly showUsage: boolean;
}

/** Describes any thrown value. */
export function reportError(thrown: unknown): ErrorReport {
  const found = documentOf(thrown);
  const json = { ...found, suggestions: found.suggestions.map((it) => pasteable(it)) };
  return { json, text: textOf(json, causesOf(thrown)), showUsage: json.code === 'PAXOS_USAGE' };
}

function documentOf(thrown: unknown): ErrorFields {
  if (isUsageError(thrown) && !isAboutData(thrown)) return usage(thrown);
  if (thrown instanceof OperatorError) return thrown.toDocument().error;
  if (isPromptClosed(thrown)) {
    return new InterruptedError('Interrupted at the question; nothing was done.').toDocument().error;
  }
  const known = errorDocument(thrown).error;
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : '';
  return { ...known, facts: { stack: stack.split('\n').slice(1, 12) } };
}

/** Exit 2 as well, but what the command line says is right. */
const isAboutData = (error: Error): boolean => error instanceof OperatorError && error.code !== 'PAXOS_USAGE';

/** The framework's wording of a wrong command line, with what it wraps around ours taken off again. */
function usage(error: Error): ErrorFields {
  const unknown = /^command (\S+) not found$/.exec(error.message)?.[1];
  const message = unknown
    ? `${unknown.replaceAll(':', ' ')} is not a command of paxosctl.`
    : error.message
        .replace(/^Parsing (--\S+) \n\t/, '$1: ')
        .replace(/\nSee more help with --help$/, '')
        .trim();
  const { code, facts, suggestions } =
    error instanceof OperatorError
      ? error
      : new UsageError(message, { suggestions: unknown ? ['paxosctl --help'] : [] });
  return { code, message, outcome: 'none', exitCode: 2, facts, suggestions };
}

function textOf(report: ErrorFields, causes: readonly string[]): string {
  const red = (text: string) => coloured('red', text, process.stderr);
  const dim = (text: string) => coloured('dim', text, process.stderr);
  const lines = [`${red('Error:')} ${printableLines(report.message)}`];
  // Most messages tell their cause already.
  const told = [report.message];
  for (const cause of causes) {
    if (told.some((it) => it.includes(cause))) continue;
    told.push(cause);
    lines.push(dim(`  caused by: ${printableLines(cause)}`));
  }
  if (report.code === 'PAXOS_INTERNAL' && Array.isArray(report.facts.stack)) lines.push(...report.facts.stack);
  if (report.outcome === 'unknown' && report.exitCode === 7) {
    lines.push('  It may have been done, or may still be: look before you send it again.');
  }
  lines.push(dim(`  ${report.code}, exit code ${report.exitCode}`));
  if (report.suggestions.length > 0)
    lines.push('Try this:', ...report.suggestions.map((it) => `  ${printableLines(it)}`));
  return `${lines.join('\n')}\n`;
}

function causesOf(thrown: unknown): string[] {
  const causes: string[] = [];
  let cause = thrown instanceof Error ? thrown.cause : undefined;
  for (; cause instanceof Error && causes.length < 5; cause = cause.cause) causes.push(cause.message);
  return causes;
}

/** What the framework throws for a wrong command line: an error of its own class with an exit code of 2. */
function isUsageError(thrown: unknown): thrown is Error {
  return thrown instanceof Error && (thrown as { oclif?: { exit?: unknown } }).oclif?.exit === 2;
}

const isPromptClosed = (thrown: unknown): boolean => thrown instanceof Error && thrown.name === 'ExitPromptError';

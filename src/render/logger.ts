/**
 * The log of `node start`, on stderr: a line to read on a terminal, a JSON line anywhere else.
 *
 * Both are written synchronously: the last lines before a crash are the ones that matter, and a worker that writes them
 * would lose them.
 */
import { OperatorError } from '../errors/index.ts';
import { printable } from './escape.ts';
import { coloured } from './output.ts';

const levels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof levels)[number];

/** The shape of the runtime's Logger; see there. */
export type ReplicaLogger = Readonly<Record<LogLevel, (facts: object, message: string) => void>>;

export interface LoggerOptions {
  readonly level: LogLevel;
  /** `people`: lines to read; `json`: one JSON object a line. */
  readonly format: 'people' | 'json';
  /** Added to every JSON line. */
  readonly base: Readonly<Record<string, string>>;
}

export async function createLogger({ level, format, base }: LoggerOptions): Promise<ReplicaLogger> {
  if (format === 'people') return peopleLogger(level);
  const { pino } = await import('pino');
  const stderr = pino.destination({ dest: 2, sync: true });
  // Whoever read the log is gone: that must not stop the replica before it has handed mastership over.
  stderr.on('error', () => {});
  return pino(
    {
      level,
      base,
      serializers: { err: errorFacts(pino.stdSerializers.err) },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stderr,
  ) as ReplicaLogger;
}

/** Where an error that was foreseen came from in the source helps nobody: code and message say all of it. */
const errorFacts =
  (usual: (error: Error) => unknown) =>
  (error: unknown): unknown => {
    if (error instanceof OperatorError) return error.toDocument().error;
    return error instanceof Error ? usual(error) : error;
  };

function peopleLogger(least: LogLevel): ReplicaLogger {
  const line = (level: LogLevel) => (facts: object, message: string) => {
    if (levels.indexOf(level) >= levels.indexOf(least)) process.stderr.write(`${logLine({ level, message, facts })}\n`);
  };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly facts: object;
  readonly at?: Date;
}

/** One line for people: time of day, level unless it is the usual one, message, facts. */
export function logLine({ level, message, facts, at = new Date() }: LogLine): string {
  const time = coloured('dim', at.toTimeString().slice(0, 8), process.stderr);
  const colour = level === 'error' ? 'red' : 'yellow';
  const sign = level === 'warn' || level === 'error' ? `${coloured(colour, level, process.stderr)} ` : '';
  const rest = Object.entries(facts).map(([name, value]) => `${name}=${fact(value)}`);
  const tail = rest.length > 0 ? `  ${coloured('dim', rest.join(' '), process.stderr)}` : '';
  return `${time} ${sign}${printable(message)}${tail}`;
}

function fact(value: unknown): string {
  if (isErrorLike(value)) return printable(JSON.stringify(value.message)).replaceAll('\\\\', '\\');
  const text = typeof value === 'string' && /^[\w.:/#@+-]+$/.test(value) ? value : JSON.stringify(value);
  return printable(text ?? String(value)).replaceAll('\\\\', '\\');
}

/** An error, or what a log line made of one: its message is enough for people. */
const isErrorLike = (value: unknown): value is { readonly message: string } =>
  typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string';

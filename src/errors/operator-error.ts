/**
 * Errors for operators: a stable code, one sentence with the facts, whole commands to run next, an exit code.
 *
 * oclif prints `code` and `suggestions` by itself and ends the process with `oclif.exit`, with and without `--json`.
 */
import { catalogued, type ErrorCode, type Outcome } from './catalogue.ts';
import { suggestionsFor } from './suggestions.ts';

export type Facts = Readonly<Record<string, unknown>>;

export interface OperatorErrorOptions {
  /** Numbers and names of the message, for programs. */
  readonly facts?: Facts;
  /** Whole commands that work when pasted; by default those that fit the code and the facts. */
  readonly suggestions?: readonly string[];
  /** Only where it differs from the catalogue's. */
  readonly outcome?: Outcome;
  readonly exitCode?: number;
  readonly cause?: unknown;
}

/** What `--json` prints for a failed command (contract §1). */
export interface ErrorDocument {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly outcome: Outcome;
    readonly exitCode: number;
    readonly facts: Facts;
    readonly suggestions: readonly string[];
  };
}

export class OperatorError extends Error {
  readonly code: string;
  readonly exitCode: number;
  readonly outcome: Outcome;
  readonly facts: Facts;
  /** Mutable because oclif's type of this field is. */
  readonly suggestions: string[];
  /** Read by oclif. */
  readonly oclif: { readonly exit: number };

  constructor(code: ErrorCode | (string & {}), message: string, options: OperatorErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    const known = catalogued(code);
    this.name = new.target.name;
    this.code = code;
    this.exitCode = options.exitCode ?? known.exit;
    this.outcome = options.outcome ?? known.outcome;
    this.facts = options.facts ?? {};
    this.suggestions = [...(options.suggestions ?? suggestionsFor(code, this.facts))];
    this.oclif = { exit: this.exitCode };
  }

  toDocument(): ErrorDocument {
    const { code, message, outcome, exitCode, facts, suggestions } = this;
    return { error: { code, message, outcome, exitCode, facts, suggestions } };
  }
}

/** The document of any error: what is not an {@link OperatorError} is a bug, exit 1. */
export function errorDocument(error: unknown): ErrorDocument {
  if (error instanceof OperatorError) return error.toDocument();
  const message = error instanceof Error ? error.message : String(error);
  return new OperatorError('PAXOS_INTERNAL', message, { cause: error }).toDocument();
}

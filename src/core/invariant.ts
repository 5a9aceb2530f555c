/**
 * Assertions that stay on in production.
 *
 * Source: PML §6.2 ("liberal use of assert"). A violated invariant is a bug: the replica stops before it
 * sends or writes anything more, and is restarted from its durable state.
 */

/** A fact that must hold if the code is right does not hold. Never caught inside the core. */
export class InvariantViolation extends Error {
  readonly details: Readonly<Record<string, unknown>>;

  constructor(message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(`invariant violated: ${message}`);
    this.name = 'InvariantViolation';
    this.details = details;
  }
}

/** @throws {InvariantViolation} when `condition` is false. State one fact, positively. */
export function invariant(
  condition: boolean,
  message: string,
  details?: Readonly<Record<string, unknown>>,
): asserts condition {
  if (!condition) throw new InvariantViolation(message, details);
}

/** The `default:` of a `switch` over a discriminated union: does not compile while a case is missing. */
export function unreachable(value: never): never {
  throw new InvariantViolation('unreachable case reached', { value });
}

/** What can go wrong with a request to a cell, one class for each way in which a caller would go on. */
import type { ErrorCode } from './catalogue.ts';
import { type Facts, OperatorError, type OperatorErrorOptions } from './operator-error.ts';

/** Exit 2: what was asked is malformed; nothing was sent or done. */
export class UsageError extends OperatorError {
  constructor(message: string, options?: OperatorErrorOptions & { readonly code?: ErrorCode }) {
    super(options?.code ?? 'PAXOS_USAGE', message, options);
  }
}

/** Exit 3: the cell cannot answer: no master, no quorum, nobody reachable. Nothing was done. */
export class UnreachableError extends OperatorError {
  constructor(message: string, options?: OperatorErrorOptions & { readonly code?: ErrorCode }) {
    // A master whose disk is nearly full is waited for in vain; one with room may take its place meanwhile.
    const next =
      options?.code === 'PAXOS_READ_ONLY' ? 'paxosctl master transfer' : 'paxosctl wait master --timeout 30s';
    super(options?.code ?? 'PAXOS_UNREACHABLE', message, {
      ...options,
      exitCode: 3,
      suggestions: options?.suggestions ?? ['paxosctl status', next],
    });
  }
}

/** Exit 4: a check found something: databases differ, corruption. */
export class CheckFailedError extends OperatorError {
  constructor(message: string, options?: OperatorErrorOptions) {
    super('PAXOS_CHECK_FAILED', message, options);
  }
}

/** Exit 5: refused to protect data. Say which precondition, what would be lost, and the next command. */
export class RefusedError extends OperatorError {
  constructor(message: string, options?: OperatorErrorOptions & { readonly code?: ErrorCode }) {
    super(options?.code ?? 'PAXOS_REFUSED', message, options);
  }
}

/** Exit 6: a condition of the request did not hold: compare-and-swap, guard, epoch, key absent. Nothing was written. */
export class ConditionFailedError extends OperatorError {
  constructor(message: string, options?: OperatorErrorOptions & { readonly code?: ErrorCode }) {
    super(options?.code ?? 'PAXOS_CONDITION_FAILED', message, options);
  }
}

/** Exit 7: the request was sent and its fate could not be learned. Never sent again by itself. */
export class OutcomeUnknownError extends OperatorError {
  constructor(message: string, options?: OperatorErrorOptions & { readonly code?: ErrorCode }) {
    super(options?.code ?? 'PAXOS_OUTCOME_UNKNOWN', message, { ...options, exitCode: 7, outcome: 'unknown' });
  }
}

/** Exit 8: a configured member could not be checked. */
export class CheckIncompleteError extends OperatorError {
  constructor(message: string, options?: OperatorErrorOptions) {
    super('PAXOS_CHECK_INCOMPLETE', message, options);
  }
}

/** Exit 9: the cell serves, with less fault tolerance than intended. */
export class DegradedError extends OperatorError {
  constructor(message: string, options?: OperatorErrorOptions) {
    super('PAXOS_DEGRADED', message, options);
  }
}

/** Exit 12: not allowed: credentials, the wrong cell. */
export class NotAllowedError extends OperatorError {
  constructor(message: string, options?: OperatorErrorOptions & { readonly code?: ErrorCode }) {
    super(options?.code ?? 'PAXOS_NOT_ALLOWED', message, options);
  }
}

/** Exit 13: the cell no longer has what it once acknowledged. */
export class CellRolledBackError extends OperatorError {
  constructor(message: string, options?: OperatorErrorOptions) {
    super('PAXOS_CELL_ROLLED_BACK', message, {
      ...options,
      suggestions: options?.suggestions ?? ['paxosctl status', 'paxosctl recover plan --keep-present'],
    });
  }
}

/** Exit 130. `message` says whether the work goes on, and how to follow it. */
export class InterruptedError extends OperatorError {
  constructor(message: string, options?: OperatorErrorOptions) {
    super('PAXOS_INTERRUPTED', message, options);
  }
}

export type { Facts };

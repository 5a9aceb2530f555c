/**
 * Exactly once (I9): however often an operation is sent, it takes effect at most once, and every copy gets the answer of
 * the first.
 *
 * Source: design §3 "Exactly once"; pitfalls P11, P12. Told by the log: a copy that was executed answers with its own
 * instance, one that was recognised answers with the instance of the first.
 */
import type { CommandResult } from '../../core/database/command.ts';
import { answerText } from './reference-database.ts';
import { Violation } from './violation.ts';

export class ExactlyOnceChecker {
  readonly #first = new Map<number, { readonly instance: number; readonly result: CommandResult }>();

  /** Operation `id` was found in `instance` and answered so. Returns true when this copy took effect. */
  delivered(id: number, instance: number, result: CommandResult): boolean {
    const first = this.#first.get(id);
    switch (result.kind) {
      case 'skipped':
      case 'session-expired':
        return false;
      case 'multiop':
      case 'epoch-changed':
      case 'sequencer-invalid':
        break;
      default:
        throw new Violation('exactly-once', `operation ${id} was answered with ${result.kind}`, { instance });
    }
    if (first === undefined) {
      if (result.kind === 'multiop' && result.instance !== instance) {
        throw new Violation('exactly-once', `operation ${id} at ${instance} got the answer of another operation`, {
          answered: result.instance,
        });
      }
      this.#first.set(id, { instance, result });
      return result.kind === 'multiop';
    }
    const forgotten = result.kind === 'multiop' && result.resultsForgotten === true;
    if (answerText(result, !forgotten) !== answerText(first.result, !forgotten)) {
      throw new Violation('exactly-once', `operation ${id} took effect at ${first.instance} and again at ${instance}`, {
        first: answerText(first.result),
        second: answerText(result),
      });
    }
    return false;
  }

  /** Instance at which the operation took effect, or null. */
  effectiveAt(id: number): number | null {
    const first = this.#first.get(id);
    return first?.result.kind === 'multiop' ? first.instance : null;
  }

  /** What the first copy was answered, or null. */
  answer(id: number): CommandResult | null {
    return this.#first.get(id)?.result ?? null;
  }
}

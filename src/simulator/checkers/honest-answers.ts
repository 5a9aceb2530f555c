/**
 * Honest answers (I8): "ok" means chosen and applied, with exactly this answer; "none" means that it never takes effect,
 * not later either; only "unknown" leaves it open.
 *
 * Source: pitfalls P41; contract §2 (`outcome`).
 */
import type { CommandResult } from '../../core/database/command.ts';
import { answerText } from './reference-database.ts';
import { Violation } from './violation.ts';

export class HonestAnswersChecker {
  /** Operations whose every copy was answered with "none". */
  readonly #none = new Set<number>();
  readonly #effective = new Map<number, number>();

  /** A client's operation ended with "none". @throws {Violation} when it has taken effect. */
  toldNone(id: number): void {
    this.#none.add(id);
    this.#check(id);
  }

  /** Operation `id` took effect at `instance`. @throws {Violation} when its client was told "none". */
  tookEffect(id: number, instance: number): void {
    this.#effective.set(id, instance);
    this.#check(id);
  }

  #check(id: number): void {
    const instance = this.#effective.get(id);
    if (instance === undefined || !this.#none.has(id)) return;
    throw new Violation('honest-answers', `operation ${id} took effect at ${instance}, its client was told "none"`);
  }

  /** A replica answers "ok" with `result`; `logged` is what the log says about it. @throws {Violation} */
  toldOk(id: number, result: CommandResult, logged: CommandResult | null): void {
    if (logged === null) throw new Violation('honest-answers', `operation ${id} was answered before it was applied`);
    const forgotten = result.kind === 'multiop' && result.resultsForgotten === true;
    if (answerText(result, !forgotten) !== answerText(logged, !forgotten)) {
      throw new Violation('honest-answers', `operation ${id} was answered with what the log does not say`, {
        told: answerText(result),
        logged: answerText(logged),
      });
    }
  }
}

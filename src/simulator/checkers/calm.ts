/**
 * What a cell owes its operator once nothing goes wrong any more.
 *
 * Source: pitfalls L2 (no change of master without a loss of one), L4 (status names every redundancy that is lost); design §4 "Repair by
 * item".
 */
import { Violation } from './violation.ts';

/** @throws {Violation} when somebody became master although nobody was lost. */
export function checkStability(before: number, after: number, calmMs: number): void {
  if (after === before) return;
  throw new Violation('stability', `${after - before} changes of master in ${Math.round(calmMs)} ms without any fault`);
}

/**
 * `unheard`: the voters that the master's status says it does not hear.
 * @throws {Violation} when one that is out is not among them.
 */
export function checkRedundancyTold(out: readonly string[], unheard: readonly string[]): void {
  const untold = out.filter((name) => !unheard.includes(name));
  if (untold.length === 0) return;
  throw new Violation('redundancy', `status does not say that ${untold.join(', ')} cannot be counted on`, { unheard });
}

/**
 * `unrepaired`: members that still miss something that their disk has lost, long after everything went well.
 * @throws {Violation} when there are any: each counts as no evidence, so that tolerance is gone though all look well.
 */
export function checkRepaired(unrepaired: readonly string[]): void {
  if (unrepaired.length === 0) return;
  throw new Violation('repair', `what the disk of ${unrepaired.join(', ')} has lost was never made good`);
}

/** What even a careless operator does not do, because nobody could tell him why the cell stands afterwards. */

export interface LeftVoter {
  /** Its process has ended for good, which the cell sees. */
  readonly ended: boolean;
  /** Something has struck it, whether it has been found or not. */
  readonly damaged: boolean;
}

/**
 * May a voter that is well be given up, when these are left? Who has ended for good is for the product to see. It cannot see that one
 * which answers is about to end: with such a one among them, a majority has to be whole without those that have ended, too.
 */
export function isPrudent(left: readonly LeftVoter[]): boolean {
  const isUnaware = left.some(({ ended, damaged }) => damaged && !ended);
  const whole = left.filter(({ ended, damaged }) => !damaged && !ended);
  return !isUnaware || 2 * whole.length > left.length;
}

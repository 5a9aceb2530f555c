/**
 * Every kind of fault that strikes at moments: its row in pitfalls §2, its class, and what it must come to.
 *
 * Steady faults of messages (loss, delay and the like) are in `network-faults`. `docs/TESTING.md` has the whole table, with what
 * is not here and why.
 */

/**
 * - `survives`: the replica goes on, or comes back, with nothing lost
 * - `halts`: it ends with a named error and stays out; nothing else is right
 * - `survives or halts`: either, depending on what was hit
 * - `refused`: a start that must not be gets a named error, and nothing on any disk has changed
 */
export type Expectation = 'survives' | 'halts' | 'survives or halts' | 'refused';

export type FaultClass = 'process' | 'network' | 'disk' | 'clock' | 'operator' | 'membership' | 'upgrade';

export interface FaultFacts {
  /** Row of the catalogue. */
  readonly id: string;
  readonly class: FaultClass;
  readonly expects: Expectation;
}

const facts = <Class extends FaultClass>(
  id: string,
  ofClass: Class,
  expects: Expectation = 'survives',
): FaultFacts => ({
  id,
  class: ofClass,
  expects,
});

export const faultCatalogue = {
  crash: facts('P-3', 'process'),
  'crash-at-effect': facts('P-1', 'process'),
  'crash-majority': facts('P-7', 'process'),
  'crash-all': facts('P-7', 'process'),
  'restart-storm': facts('P-8', 'process'),
  'grantor-restart': facts('P-3', 'process'),
  pause: facts('P-4', 'process'),
  'slow-process': facts('P-5', 'process'),
  'hand-over': facts('P-8', 'process'),
  'graceful-stop': facts('P-8', 'process'),
  partition: facts('N6', 'network'),
  'isolate-one': facts('N6', 'network'),
  'isolate-master': facts('N6', 'network'),
  'one-way': facts('N7', 'network'),
  partial: facts('N8', 'network'),
  'flapping-link': facts('N9', 'network'),
  clog: facts('N5', 'network'),
  swizzle: facts('N5', 'network'),
  'client-cut': facts('N15', 'network'),
  'slow-flush': facts('D10', 'disk'),
  'hanging-flush': facts('D10', 'disk'),
  'disk-error': facts('D7', 'disk'),
  'clock-drift': facts('C1', 'clock'),
  'wall-jump': facts('C3', 'clock'),
  suspend: facts('C4', 'clock'),
} as const satisfies Readonly<Record<string, FaultFacts>>;

export type FaultKind = keyof typeof faultCatalogue;
export const faultKinds = Object.keys(faultCatalogue) as readonly FaultKind[];

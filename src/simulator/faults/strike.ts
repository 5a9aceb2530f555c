/**
 * One strike of a fault as plain data: when, which kind, whom, how long. What struck a run is a list of these, and a run can
 * be repeated from its list, or from a part of it.
 *
 * Keeps: everything random in carrying a strike out comes from its own `seed`, so leaving one out changes no other.
 */
import type { FaultKind } from './catalogue.ts';
import type { Parameters } from './definition.ts';

export interface Strike {
  /** True simulated time. */
  readonly atMs: number;
  readonly kind: FaultKind;
  /** Of what is random in carrying it out: which sectors of a torn write survive, for example. */
  readonly seed: string;
  readonly with: Parameters;
}

/** A machine that has passed all checks: what each state answers to each event. The emitters write it down. */
import type { Literal } from './specification.ts';

export interface MachineState {
  readonly name: string;
  readonly meaning: string;
  readonly initial: boolean;
  readonly final: boolean;
  /** Only events that nobody feeds yet lead here. */
  readonly later: boolean;
}

export interface MachineEvent {
  readonly name: string;
  readonly meaning: string;
  readonly later: boolean;
}

export interface MachineGuard {
  readonly name: string;
  readonly meaning: string;
}

export interface Group {
  readonly name: string;
  readonly states: readonly string[];
}

/** When an answer holds: always, when all literals do, or when no other does. */
export type When =
  | { readonly kind: 'always' }
  | { readonly kind: 'when'; readonly literals: readonly Literal[] }
  | { readonly kind: 'otherwise' };

export interface Transition {
  /** `machine.from.event.to`, with `[condition]` behind the event when there is one. Kept as long as these names are. */
  readonly id: string;
  readonly from: string;
  readonly event: string;
  readonly to: string;
  readonly when: When;
  readonly section: string;
  /** Its event is fed by nobody yet, or only such events lead to where it begins. */
  readonly later: boolean;
}

export type Answer =
  | { readonly kind: 'transition'; readonly when: When; readonly id: string }
  | { readonly kind: 'ignored' | 'impossible'; readonly when: When; readonly reason: string };

export interface Machine {
  readonly name: string;
  readonly meaning: string;
  readonly states: readonly MachineState[];
  readonly groups: readonly Group[];
  readonly events: readonly MachineEvent[];
  readonly guards: readonly MachineGuard[];
  /** In the order of the specification, one for each state that a rule names. */
  readonly transitions: readonly Transition[];
  /** By state, then by event; at least one answer each, those with `otherwise` last. */
  readonly answers: ReadonlyMap<string, ReadonlyMap<string, readonly Answer[]>>;
}

/** `new-incarnation`, `not a and b`, `otherwise`; empty when it always holds. */
export function whenText(when: When): string {
  if (when.kind !== 'when') return when.kind === 'otherwise' ? 'otherwise' : '';
  return when.literals.map(({ name, negated }) => (negated ? `not ${name}` : name)).join(' and ');
}

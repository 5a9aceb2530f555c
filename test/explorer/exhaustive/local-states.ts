/**
 * The states of one member and the moves between them, found as they are asked for and then remembered.
 *
 * A state is known by the list of steps that first led to it; to see what another step does there, a fresh member is led
 * along that list by the production core, and on. So every move of the search is made by the core itself, but only once.
 */
import type { Catalogue } from './catalogue.ts';
import type { Flights } from './flights.ts';
import { type Interests, LocalRun, stepOf } from './local-run.ts';
import type { Scope } from './scope.ts';

/** What the search needs to know of a state. */
export interface LocalState {
  readonly parent: number;
  readonly step: number;
  /** Numbers of everything ever durably accepted. */
  readonly votes: readonly number[];
  /** Numbers of the values applied since the start, by instance from 1. */
  readonly applied: readonly number[];
  /** The request for missed values that waits for its answer, as a message's number; -1 when there is none. */
  readonly missing: number;
  /** Null when its disk is lost. */
  readonly interests: Interests | null;
  readonly elections: number;
  readonly gone: boolean;
  readonly pending: number;
  readonly canElect: boolean;
  readonly canExpire: boolean;
  readonly canSubmit: boolean;
}

export interface LocalMove {
  readonly to: number;
  /** Writes that the event made. */
  readonly wrote: number;
  /** The messages that leave, a set of flights by place of the receiver among the scope's voters; null when none do. */
  readonly sent: readonly number[] | null;
}

export class LocalStates {
  readonly #scope: Scope;
  readonly #catalogue: Catalogue;
  readonly #flights: Flights;
  readonly #name: string;
  readonly states: LocalState[] = [];
  readonly #numbers = new Map<string, number>();
  /** Known moves and answers, by state, then by step. */
  readonly #moves: Map<number, LocalMove>[] = [];
  readonly #answers: Map<number, number>[] = [];

  constructor(scope: Scope, catalogue: Catalogue, flights: Flights, name: string) {
    this.#scope = scope;
    this.#catalogue = catalogue;
    this.#flights = flights;
    this.#name = name;
    this.#numberOf(new LocalRun(scope, catalogue, name), -1, 0);
  }

  at(state: number): LocalState {
    return this.states[state] as LocalState;
  }

  /** What `step` does in `state`. @throws {Violation} or {InvariantViolation} when it breaks a rule. */
  move(state: number, step: number): LocalMove {
    const known = (this.#moves[state] as Map<number, LocalMove>).get(step);
    if (known !== undefined) return known;
    const run = this.#replay(state);
    run.take(step);
    const move = { to: this.#numberOf(run, state, step), wrote: run.wrote, sent: this.#sentBy(run) };
    (this.#moves[state] as Map<number, LocalMove>).set(step, move);
    return move;
  }

  #sentBy(run: LocalRun): readonly number[] | null {
    if (run.sent.size === 0) return null;
    const sent = [...run.sent].sort((a, b) => a - b);
    return this.#scope.voters.map((name) =>
      this.#flights.numberOf(sent.filter((message) => this.#catalogue.message(message).to === `${name}#1`)),
    );
  }

  /** The answer that this member gives in `state` to the request `message`, as a message's number; -1 for none. */
  answer(state: number, message: number): number {
    const known = (this.#answers[state] as Map<number, number>).get(message);
    if (known !== undefined) return known;
    const run = this.#replay(state);
    run.answer = -1;
    run.take(stepOf(message, null));
    (this.#answers[state] as Map<number, number>).set(message, run.answer);
    return run.answer;
  }

  #replay(state: number): LocalRun {
    const steps: number[] = [];
    for (let at = state; at > 0; at = this.at(at).parent) steps.push(this.at(at).step);
    const run = new LocalRun(this.#scope, this.#catalogue, this.#name);
    for (const step of steps.reverse()) run.take(step);
    run.sent = new Set();
    return run;
  }

  #numberOf(run: LocalRun, parent: number, step: number): number {
    const print = run.fingerprint();
    let number = this.#numbers.get(print);
    if (number === undefined) {
      number = this.states.push(describe(run, parent, step)) - 1;
      this.#numbers.set(print, number);
      this.#moves.push(new Map());
      this.#answers.push(new Map());
    }
    return number;
  }
}

function describe(run: LocalRun, parent: number, step: number): LocalState {
  return {
    ...{ parent, step },
    votes: [...run.votes].sort((a, b) => a - b),
    applied: [...run.values],
    missing: run.missing,
    interests: run.interests,
    elections: run.elections,
    gone: run.member.gone,
    pending: run.member.pending.length,
    canElect: run.canElect,
    canExpire: run.canExpire,
    canSubmit: run.canSubmit,
  };
}

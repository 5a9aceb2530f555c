/**
 * Makes a machine of a specification, or says all that is wrong with it: unknown and doubled names, no start, states that
 * nothing reaches or that nothing leaves, events that a state does not answer or answers twice, conditions that leave a
 * case out, declarations that nothing uses, transitions that cite nothing.
 */
import { type Answer, type Machine, type Transition, type When, whenText } from './machine.ts';
import { Names } from './names.ts';
import { anyOf, type Problem, type Source, SpecificationError } from './problems.ts';
import type { Name, Place, Rule, Specification } from './specification.ts';

/** Papers by their initials, the design, or a pitfall by its number. */
const cites = /\b(PML|CHB|PMS) §\d|\bdesign §\d|\bP\d\d\b/;

interface Entry {
  readonly answer: Answer;
  readonly at: Place;
  readonly width: number;
}

/** @throws {SpecificationError} with everything that is wrong. */
export function check(specification: Specification, source: Source): Machine {
  return new Checker(specification, source).run();
}

class Checker {
  readonly #specification: Specification;
  readonly #source: Source;
  readonly #names: Names;
  readonly #problems: Problem[];
  readonly #transitions: Transition[] = [];
  readonly #entries = new Map<string, Map<string, Entry[]>>();

  constructor(specification: Specification, source: Source) {
    this.#specification = specification;
    this.#source = source;
    this.#names = new Names(specification);
    this.#problems = this.#names.problems;
    for (const { name } of specification.states) this.#entries.set(name, new Map());
  }

  run(): Machine {
    const { states, events, rules } = this.#specification;
    for (const rule of rules) this.#addRule(rule);
    // What names mean comes first: everything else would only repeat it.
    this.#stopAtProblems();
    for (const rule of rules) if (rule.from.kind === 'elsewhere') this.#addElsewhere(rule);
    for (const state of states) for (const event of events) this.#checkAnswers(state, event.name);
    this.#checkWays();
    this.#checkUse();
    this.#stopAtProblems();
    return this.#machine();
  }

  #stopAtProblems(): void {
    if (this.#problems.length > 0) throw new SpecificationError(this.#source, this.#problems);
  }

  #problem(entry: { readonly at: Place; readonly width: number }, message: string, expected: string): void {
    this.#problems.push({ at: entry.at, width: entry.width, message, expected });
  }

  // --- rules ----------------------------------------------------------------------------------------------------------

  #addRule(rule: Rule): void {
    const states = this.#names.statesFrom(rule.from);
    const events = this.#names.events(rule);
    this.#names.checkGuards(rule.condition);
    const to = rule.to === null ? null : this.#names.target(rule.to);
    if (rule.kind === 'transition' && !cites.test(rule.source.text)) {
      const { at, text } = rule.source;
      this.#problem(
        { at, width: text.length },
        'the transition cites nothing',
        'a section: PML §5.2, design §3 or P42',
      );
    }
    for (const state of states ?? []) {
      events.forEach((event, i) => {
        this.#add(state, event, rule, { to, named: rule.events === 'every' ? null : (rule.events[i] ?? null) });
      });
    }
  }

  #addElsewhere(rule: Rule): void {
    this.#names.events(rule).forEach((event, i) => {
      const named = rule.events === 'every' ? null : (rule.events[i] ?? null);
      const open = this.#specification.states.filter(({ name }) => !this.#entries.get(name)?.has(event));
      for (const { name } of open) this.#add(name, event, rule, { to: null, named });
      if (open.length === 0 && named !== null) {
        this.#names.problem(named, `"${event}" is answered everywhere`, 'an event that some state does not answer yet');
      }
    });
  }

  #add(state: string, event: string, rule: Rule, { to, named }: { to: string | null; named: Name | null }): void {
    const at = named?.at ?? rule.source.at;
    const entry = {
      at,
      width: named?.name.length ?? rule.source.text.length,
      answer: this.#answer(state, event, rule, to),
    };
    const byEvent = this.#entries.get(state);
    const entries = byEvent?.get(event);
    if (entries === undefined) byEvent?.set(event, [entry]);
    else if (entry.answer.when.kind === 'otherwise') entries.push(entry);
    else {
      const otherwise = entries.findIndex(({ answer }) => answer.when.kind === 'otherwise');
      entries.splice(otherwise === -1 ? entries.length : otherwise, 0, entry);
    }
  }

  #answer(state: string, event: string, rule: Rule, to: string | null): Answer {
    const { kind, condition, source } = rule;
    const when: When = condition ?? { kind: 'always' };
    if (kind !== 'transition' || to === null) return { kind: kind as 'ignored', when, reason: source.text };
    const { name, events } = this.#specification;
    const text = whenText(when);
    const transition: Transition = {
      id: `${name}.${state}.${event}${text === '' ? '' : `[${text}]`}.${to}`,
      from: state,
      event,
      to,
      when,
      section: source.text,
      later: events.some((declared) => declared.name === event && declared.later),
    };
    this.#transitions.push(transition);
    return { kind: 'transition', when, id: transition.id };
  }

  // --- each state and event -------------------------------------------------------------------------------------------

  #checkAnswers(state: Name, event: string): void {
    const entries = this.#entries.get(state.name)?.get(event) ?? [];
    if (entries.length === 0) {
      const expected = 'a transition, or the event under ignored or impossible';
      this.#names.problem(state, `state "${state.name}" does not say what "${event}" does`, expected);
      return;
    }
    const { holding, never } = this.#tryAll(state.name, event, entries);
    for (const entry of never) if (!holding.has(entry)) this.#neverHolds(entry, state.name, event);
  }

  /** Every combination of the guards that are asked here must find exactly one answer. */
  #tryAll(state: string, event: string, entries: readonly Entry[]): { holding: Set<Entry>; never: readonly Entry[] } {
    const guards = [
      ...new Set(entries.flatMap(({ answer }) => literalsOf(answer.when).map(({ name }) => name))),
    ].sort();
    const holding = new Set<Entry>();
    let said = false;
    for (let bits = 0; bits < 2 ** guards.length; bits++) {
      const holds = (guard: string): boolean => (bits & (1 << guards.indexOf(guard))) !== 0;
      const named = entries.filter(({ answer: { when } }) => when.kind !== 'otherwise' && fulfils(when, holds));
      const rest = entries.filter(({ answer: { when } }) => when.kind === 'otherwise');
      const found = named.length > 0 ? named : rest;
      for (const entry of found) holding.add(entry);
      if (found.length === 1 || said) continue;
      // One example is enough: the next ones would be the same mistake.
      said = true;
      const example = guards.map((guard) => (holds(guard) ? guard : `not ${guard}`)).join(' and ');
      if (found.length === 0) this.#leftOut(state, event, entries, example);
      else this.#twice(state, event, found, example);
    }
    return { holding, never: said ? [] : entries };
  }

  #leftOut(state: string, event: string, entries: readonly Entry[], example: string): void {
    const last = entries[entries.length - 1] as Entry;
    const message = `state "${state}" does not say what "${event}" does when ${example}`;
    this.#problem(last, message, `a rule for "${event}" when ${example}, or otherwise`);
  }

  #twice(state: string, event: string, found: readonly Entry[], example: string): void {
    const [first, second] = [...found].sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column) as [
      Entry,
      Entry,
    ];
    const message = `state "${state}" has two answers to "${event}"${example === '' ? '' : ` when ${example}`}`;
    this.#problem(second, message, `one answer: the other stands in line ${first.at.line}`);
  }

  #neverHolds(entry: Entry, state: string, event: string): void {
    const message = `"${whenText(entry.answer.when)}" never holds for "${event}" in state "${state}"`;
    this.#problem(entry, message, 'a condition that the other rules leave open');
  }

  // --- the whole ------------------------------------------------------------------------------------------------------

  #checkWays(): void {
    const reached = this.#reachable(() => true);
    for (const state of this.#specification.states) {
      const { name, mark } = state;
      const leaves = this.#transitions.filter(({ from, to }) => from === name && to !== name);
      if (!reached.has(name)) {
        this.#names.problem(
          state,
          `state "${name}" is never reached`,
          `a transition to it from ${anyOf([...reached])}`,
        );
      }
      if (mark === 'final' && leaves.length > 0) {
        const { event } = leaves[0] as Transition;
        this.#names.problem(
          state,
          `state "${name}" is final, but "${event}" leaves it`,
          'no transition, or no (final)',
        );
      }
      if (mark !== 'final' && leaves.length === 0) {
        this.#names.problem(
          state,
          `state "${name}" has no way out`,
          'a transition to another state, or the mark (final)',
        );
      }
    }
  }

  #reachable(counts: (transition: Transition) => boolean): ReadonlySet<string> {
    const initial = this.#specification.states.find(({ mark }) => mark === 'initial')?.name ?? '';
    const reached = new Set([initial]);
    // A set hands out what is added while it is walked through.
    for (const state of reached) {
      for (const transition of this.#transitions) {
        if (transition.from === state && counts(transition)) reached.add(transition.to);
      }
    }
    return reached;
  }

  #checkUse(): void {
    const { events, guards, rules } = this.#specification;
    for (const event of events) {
      if (this.#transitions.some((transition) => transition.event === event.name)) continue;
      this.#names.problem(event, `event "${event.name}" moves nothing`, 'a transition on it, or no such event');
    }
    const asked = new Set(
      rules.flatMap(({ condition }) => (condition?.kind === 'when' ? condition.literals.map(({ name }) => name) : [])),
    );
    for (const guard of guards) {
      if (!asked.has(guard.name)) {
        this.#names.problem(guard, `guard "${guard.name}" is never asked`, 'a transition with it, or no such guard');
      }
    }
  }

  #machine(): Machine {
    const { name, meaning, states, events, guards } = this.#specification;
    const live = this.#reachable(({ later }) => !later);
    return {
      name,
      meaning,
      states: states.map((state) => ({
        name: state.name,
        meaning: state.meaning,
        initial: state.mark === 'initial',
        final: state.mark === 'final',
        later: !live.has(state.name),
      })),
      groups: [...this.#names.groups].map(([group, members]) => ({ name: group, states: members })),
      events: events.map((event) => ({ name: event.name, meaning: event.meaning, later: event.later })),
      guards: guards.map((guard) => ({ name: guard.name, meaning: guard.meaning })),
      transitions: this.#transitions.map((it) => ({ ...it, later: it.later || !live.has(it.from) })),
      answers: new Map(
        [...this.#entries].map(([state, byEvent]) => [
          state,
          new Map([...byEvent].map(([event, entries]) => [event, entries.map(({ answer }) => answer)])),
        ]),
      ),
    };
  }
}

const literalsOf = (when: When): Extract<When, { kind: 'when' }>['literals'] =>
  when.kind === 'when' ? when.literals : [];

const fulfils = (when: When, holds: (guard: string) => boolean): boolean =>
  literalsOf(when).every(({ name, negated }) => holds(name) !== negated);

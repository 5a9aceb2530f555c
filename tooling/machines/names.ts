/** Which names a specification declares, and what each use of one stands for. Gathers what is wrong with them. */
import { camel } from './camel.ts';
import { anyOf, type Problem } from './problems.ts';
import type { Condition, From, Name, Rule, Specification } from './specification.ts';

export class Names {
  readonly problems: Problem[] = [];
  readonly #specification: Specification;
  readonly #groups = new Map<string, readonly string[]>();

  constructor(specification: Specification) {
    this.#specification = specification;
    const { states, groups, events, guards } = specification;
    this.#declare('state', states);
    this.#declare('event', events);
    this.#declare('guard', guards);
    this.#declareGroups();
    this.#findStart();
    const known = new Set(states.map(({ name }) => name));
    for (const group of groups) if (known.has(group.name)) this.#duplicate('group', group, states);
  }

  /** States by the names of groups, in the order of the specification. */
  get groups(): ReadonlyMap<string, readonly string[]> {
    return this.#groups;
  }

  problem(name: Name, message: string, expected: string): void {
    this.problems.push({ at: name.at, width: name.name.length, message, expected });
  }

  #declare(kind: string, names: readonly Name[]): void {
    names.forEach((name, i) => {
      const before = names.slice(0, i);
      if (before.some((other) => other.name === name.name)) this.#duplicate(kind, name, before);
      else this.#oneInCode(kind, name, before);
    });
  }

  /** `a1` and `a-1` are two names here, and one in the code. */
  #oneInCode(kind: string, name: Name, before: readonly Name[]): void {
    const other = before.find((it) => camel(it.name) === camel(name.name));
    if (other === undefined) return;
    const message = `${kind} "${name.name}" is called ${camel(name.name)} in the code, like "${other.name}"`;
    this.problem(name, message, `another name: that one is declared in line ${other.at.line}`);
  }

  #duplicate(kind: string, name: Name, before: readonly Name[]): void {
    const line = before.find((other) => other.name === name.name)?.at.line;
    this.problem(
      name,
      `${kind} "${name.name}" is declared again`,
      `another name: this one is declared in line ${line}`,
    );
  }

  #declareGroups(): void {
    const { groups } = this.#specification;
    this.#declare('group', groups);
    for (const group of groups) {
      if (!this.#groups.has(group.name)) this.#groups.set(group.name, this.states(group.states));
    }
  }

  #findStart(): void {
    const { states, statesAt, name } = this.#specification;
    const [first, ...others] = states.filter(({ mark }) => mark === 'initial');
    if (first === undefined) {
      const message = `machine "${name}" has no start`;
      this.problems.push({ at: statesAt, width: 'states'.length, message, expected: 'one state marked (initial)' });
    }
    for (const other of others) {
      this.problem(other, `state "${other.name}" is a second start`, `only "${first?.name}" to be marked (initial)`);
    }
  }

  /** The states that these names of states and groups stand for, each once, in the order of their declaration. */
  states(names: readonly Name[]): readonly string[] {
    const { states } = this.#specification;
    const known = states.map(({ name }) => name);
    const wanted = new Set<string>();
    for (const name of names) {
      const meant = known.includes(name.name) ? [name.name] : this.#groups.get(name.name);
      if (meant === undefined) {
        const all = [...new Set([...known, ...this.#groups.keys()])];
        this.problem(name, `unknown state or group "${name.name}"`, anyOf(all));
      }
      for (const state of meant ?? []) wanted.add(state);
    }
    return known.filter((state) => wanted.has(state));
  }

  /** Null for `elsewhere`, which needs to know all other rules. */
  statesFrom(from: From): readonly string[] | null {
    switch (from.kind) {
      case 'named':
        return this.states(from.names);
      case 'every': {
        const except = this.states(from.except);
        return this.#specification.states.map(({ name }) => name).filter((state) => !except.includes(state));
      }
      case 'elsewhere':
        return null;
    }
  }

  target(name: Name): string {
    const known = this.#specification.states.map((state) => state.name);
    if (!known.includes(name.name)) {
      const what = this.#groups.has(name.name) ? `"${name.name}" is a group` : `unknown state "${name.name}"`;
      this.problem(name, what, anyOf(known));
    }
    return name.name;
  }

  events({ events }: Rule): readonly string[] {
    const known = this.#specification.events.map(({ name }) => name);
    if (events === 'every') return known;
    for (const event of events) {
      if (!known.includes(event.name)) this.problem(event, `unknown event "${event.name}"`, anyOf(known));
    }
    return events.map(({ name }) => name);
  }

  /** Looks at the guards that a condition names. */
  checkGuards(condition: Condition | null): void {
    if (condition?.kind !== 'when') return;
    const known = this.#specification.guards.map(({ name }) => name);
    for (const literal of condition.literals) {
      if (!known.includes(literal.name)) this.problem(literal, `unknown guard "${literal.name}"`, anyOf(known));
    }
  }
}

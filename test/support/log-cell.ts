/**
 * A whole cell of logs in one thread: several `LogMember`s, a network under control of the test, one true time.
 *
 * Every message takes `latencyMs` unless a rule says otherwise: `drop`, `hold`, `delay`, `duplicate` take a predicate over
 * single messages. `checker` fails at the first violated invariant, whatever the test itself looks at.
 */
import type { Configuration, Member } from '../../src/core/consensus/configuration.ts';
import type { Effect } from '../../src/core/consensus/effect.ts';
import { type ReplicaId, type RequestId, replicaId } from '../../src/core/consensus/identity.ts';
import type { Input } from '../../src/core/consensus/input.ts';
import type { Limits } from '../../src/core/consensus/limits.ts';
import type { AcceptedEntry, Message } from '../../src/core/consensus/message.ts';
import type { Value } from '../../src/core/consensus/value.ts';
import { Random } from '../../src/core/random.ts';
import { TransitionCounts } from '../../src/simulator/transition-counts.ts';
import { effectText, idText, messageText } from './core-text.ts';
import { EventQueue } from './event-queue.ts';
import { LogChecker } from './log-checker.ts';
import { LogMember, type Outcome } from './log-member.ts';

export interface Envelope {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  readonly message: Message;
}

type Predicate = (envelope: Envelope) => boolean;
/** Delays of the copies that arrive, none when it is lost; null when the rule has nothing to say. */
type Rule = (envelope: Envelope) => readonly number[] | null;

export interface Held {
  readonly messages: readonly Envelope[];
  /** Delivers what was held, and holds no more. */
  release(): void;
  /** Forgets what was held, and holds no more. */
  discard(): void;
}

export interface CellOptions {
  readonly names?: readonly string[];
  /** Members without a vote, besides. */
  readonly learners?: readonly string[];
  readonly seed?: number | string;
  readonly leaseMs?: number;
  readonly driftPpm?: number;
  readonly alpha?: number;
  readonly limits?: Partial<Limits>;
  /** Members that do not start at once. */
  readonly down?: readonly string[];
  /** Keeps what happened for `transcript`; costs time. */
  readonly record?: boolean;
}

export const memberNamed = (name: string, role: Member['role'] = 'voter', incarnation = 1): Member => ({
  name,
  incarnation,
  role,
  url: `http://${name}:7001`,
});

export function configurationOf(members: readonly (string | Member)[], options: CellOptions = {}): Configuration {
  const list = members.map((member) => (typeof member === 'string' ? memberNamed(member) : member));
  const byName = (a: Member, b: Member): number => (a.name < b.name ? -1 : 1);
  const { alpha = 64, leaseMs = 500, driftPpm = 10_000 } = options;
  return { members: list.sort(byName), alpha, leaseMs, driftPpm };
}

const id = (name: string): ReplicaId => (name.includes('#') ? (name as ReplicaId) : replicaId(name, 1));

export class LogCell {
  readonly queue = new EventQueue();
  readonly random: Random;
  readonly limits: Partial<Limits>;
  readonly formation: Configuration;
  readonly checker: LogChecker;
  readonly transitions = new TransitionCounts();
  readonly #members = new Map<ReplicaId, LogMember>();
  readonly #rules: Rule[] = [];
  readonly #cuts = new Set<string>();
  readonly #transcript: string[] | null;
  /** Messages sent so far, by kind. */
  readonly sent = new Map<string, number>();
  latencyMs: (envelope: Envelope) => number = () => 0.4;
  /** Sees every step of every member. */
  watch: ((member: LogMember, input: Input, effects: readonly Effect[]) => void) | null = null;

  constructor(options: CellOptions = {}) {
    this.random = new Random(options.seed ?? 1);
    this.limits = options.limits ?? {};
    const learners = (options.learners ?? []).map((name) => memberNamed(name, 'learner'));
    this.formation = configurationOf([...(options.names ?? ['a', 'b', 'c']), ...learners], options);
    this.checker = new LogChecker(this.formation, () => this.#members.values());
    this.#transcript = options.record === true ? [] : null;
    for (const { name } of this.formation.members) this.addMember(name);
    for (const member of this.#members.values()) {
      if (!(options.down ?? []).some((name) => id(name) === member.id)) member.start();
    }
  }

  /** A process that is not yet running, with an empty disk. */
  addMember(name: string): LogMember {
    const member = new LogMember(this, id(name), this.formation);
    this.#members.set(member.id, member);
    return member;
  }

  get nowMs(): number {
    return this.queue.nowMs;
  }

  get members(): readonly LogMember[] {
    return [...this.#members.values()];
  }

  member(name: string): LogMember {
    const member = this.#members.get(id(name));
    if (member === undefined) throw new Error(`no member ${name}`);
    return member;
  }

  // --- network --------------------------------------------------------------------------------------------------------

  send(from: ReplicaId, to: ReplicaId, message: Message): void {
    this.checker.onSend(from, message);
    this.sent.set(message.kind, (this.sent.get(message.kind) ?? 0) + 1);
    if (this.#cuts.has(`${from}>${to}`)) return;
    const envelope = { from, to, message };
    for (const rule of this.#rules) {
      const delays = rule(envelope);
      if (delays === null) continue;
      for (const delayMs of delays) this.#deliverAfter(delayMs, envelope);
      return;
    }
    this.#deliverAfter(this.latencyMs(envelope), envelope);
  }

  #deliverAfter(delayMs: number, envelope: Envelope): void {
    this.queue.after(delayMs, () => this.deliver(envelope));
  }

  /** Hands a message over now, as a copy: nobody may rely on identity of objects. Also for messages never sent. */
  deliver({ from, to, message }: Envelope): void {
    const member = this.#members.get(to);
    if (member?.alive) member.feed({ kind: 'message', from, message: copyMessage(message) });
  }

  connected(from: string, to: string): boolean {
    return this.#members.get(id(from)) !== undefined && !this.#cuts.has(`${id(from)}>${id(to)}`);
  }

  #rule(rule: Rule): () => void {
    this.#rules.unshift(rule);
    return () => {
      const at = this.#rules.indexOf(rule);
      if (at >= 0) this.#rules.splice(at, 1);
    };
  }

  /** Loses what matches, until the returned function is called. */
  drop(matches: Predicate): () => void {
    return this.#rule((envelope) => (matches(envelope) ? [] : null));
  }

  delay(matches: Predicate, ms: number): () => void {
    return this.#rule((envelope) => (matches(envelope) ? [ms] : null));
  }

  /** What matches arrives again after each of `delaysMs`. */
  duplicate(matches: Predicate, ...delaysMs: readonly number[]): () => void {
    return this.#rule((envelope) => (matches(envelope) ? delaysMs : null));
  }

  hold(matches: Predicate): Held {
    const messages: Envelope[] = [];
    const stop = this.#rule((envelope) => {
      if (!matches(envelope)) return null;
      messages.push(envelope);
      return [];
    });
    return {
      messages,
      release: () => {
        stop();
        for (const envelope of messages.splice(0)) this.#deliverAfter(0, envelope);
      },
      discard: () => {
        stop();
        messages.length = 0;
      },
    };
  }

  /** Cuts every link between the two sides, in both directions. */
  cut(side: readonly string[], other: readonly string[]): void {
    for (const a of side) {
      for (const b of other) {
        this.cutOneWay(a, b);
        this.cutOneWay(b, a);
      }
    }
  }

  cutOneWay(from: string, to: string): void {
    this.#cuts.add(`${id(from)}>${id(to)}`);
  }

  isolate(name: string): void {
    this.cut(
      [name],
      this.members.map((member) => member.id).filter((other) => other !== id(name)),
    );
  }

  /** Mends every cut; rules stay. */
  mend(): void {
    this.#cuts.clear();
  }

  /** Ends every rule and cut. */
  heal(): void {
    this.#cuts.clear();
    this.#rules.length = 0;
  }

  // --- time -----------------------------------------------------------------------------------------------------------

  run(ms: number): void {
    const until = this.nowMs + ms;
    while (this.queue.next(until));
  }

  /** Runs until `condition` holds after an event. Returns the time it took. */
  runUntil(what: string, condition: () => boolean, msMax = 10_000): number {
    const begin = this.nowMs;
    while (!condition()) {
      if (!this.queue.next(begin + msMax)) throw new Error(`not within ${msMax} ms: ${what}\n${this.describe()}`);
    }
    return this.nowMs - begin;
  }

  /** The member that serves now, or null. */
  get serving(): LogMember | null {
    return this.members.find((member) => member.isServing) ?? null;
  }

  runUntilServing(name?: string, msMax = 10_000): LogMember {
    this.runUntil(
      name === undefined ? 'a master serves' : `${name} serves`,
      () => this.serving !== null && (name === undefined || this.serving.id === id(name)),
      msMax,
    );
    return this.serving as LogMember;
  }

  /** Submits at whoever serves and runs until it is applied there. */
  write(...texts: readonly string[]): Outcome {
    const master = this.runUntilServing();
    const requests = master.submit(...texts);
    return this.runUntilOutcome(master, requests.at(-1) as RequestId);
  }

  runUntilOutcome(member: LogMember, request: RequestId): Outcome {
    this.runUntil(`request ${request} of ${member.id} is answered`, () => member.outcome(request) !== undefined);
    return member.outcome(request) as Outcome;
  }

  /** All members that run have applied as much as the most caught-up one knows now. */
  runUntilEqual(msMax = 10_000): void {
    const running = this.members.filter((member) => member.alive);
    const [first] = running.sort((one, two) => two.core.chosenUpTo - one.core.chosenUpTo);
    if (first === undefined) throw new Error('nobody runs');
    const ids = first.core.configuration.members.map(({ name, incarnation }) => replicaId(name, incarnation));
    const target = first.core.chosenUpTo;
    const inside = running.filter((member) => ids.includes(member.id));
    this.runUntil(`all applied ${target}`, () => inside.every(({ core }) => core.appliedUpTo >= target), msMax);
  }

  /**
   * Makes `name` master, by leaving it the only one that asks: the others' pre-votes are lost meanwhile.
   */
  elect(name: string): LogMember {
    const stop = this.drop(({ from, message }) => message.kind === 'pre-vote' && from !== id(name));
    const master = this.runUntilServing(name, 20_000);
    stop();
    return master;
  }

  /** The present master hands over to `name`, as soon as it has heard of it. */
  handOverTo(name: string): LogMember {
    const master = this.runUntilServing();
    const to = id(name);
    this.runUntil(`${name} is heard of`, () => master.core.handOverCandidate(to, master.clocks()) !== null);
    master.feed({ kind: 'hand-over', to });
    return this.runUntilServing(name);
  }

  /** Runs until these two have applied equally much, and says whether their states are the same. */
  areAlike(name: string, other: string): boolean {
    const [one, two] = [this.member(name), this.member(other)];
    this.runUntil('both applied as much', () => one.core.appliedUpTo === two.core.appliedUpTo);
    return one.hash === two.hash;
  }

  // --- what happened --------------------------------------------------------------------------------------------------

  onStep(member: LogMember, input: Input, effects: readonly Effect[]): void {
    this.transitions.count(effects);
    this.watch?.(member, input, effects);
    if (this.#transcript === null) return;
    const what = input.kind === 'message' ? `${idText(input.from)}: ${messageText(input.message)}` : input.kind;
    this.#transcript.push(`${this.nowMs.toFixed(2)} ${idText(member.id)} <- ${what}`);
    for (const effect of effects) if (effect.kind !== 'wake') this.#transcript.push(`    ${effectText(effect)}`);
  }

  transcript(lastLines = 200): string {
    return (this.#transcript ?? []).slice(-lastLines).join('\n');
  }

  describe(): string {
    return this.members
      .map((member) => {
        if (!member.alive) return `${member.id} down`;
        const { core } = member;
        const { state, chosenUpTo, appliedUpTo, epoch, promised } = core;
        return `${member.id} ${state} chosen=${chosenUpTo} applied=${appliedUpTo} epoch=${epoch} promised=${promised.round}.${promised.name} serving=${member.isServing} behind=${core.behind}`;
      })
      .join('\n');
  }
}

const copyValue = (value: Value): Value =>
  value.kind === 'submitted' ? { ...value, items: value.items.map((item) => item.slice()) } : { ...value };
const copyEntry = (entry: AcceptedEntry): AcceptedEntry => ({ ...entry, value: copyValue(entry.value) });

function copyMessage(message: Message): Message {
  switch (message.kind) {
    case 'accept':
      return { ...message, value: copyValue(message.value) };
    case 'promise':
    case 'catch-up-reply':
      return { ...message, entries: message.entries.map(copyEntry) };
    default:
      return message;
  }
}

export const threeReplicaCell = (options: CellOptions = {}): LogCell =>
  new LogCell({ names: ['a', 'b', 'c'], ...options });
export const fiveReplicaCell = (options: CellOptions = {}): LogCell =>
  new LogCell({ names: ['a', 'b', 'c', 'd', 'e'], ...options });

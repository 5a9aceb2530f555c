/**
 * One attempt to become, or to stay, coordinator: the votes and promises that came in for one ballot and nonce.
 *
 * Source: PMS §2.2, PML §4.1. Keeps (pitfalls P03-P06, P10): only answers to this very ballot and nonce count, each
 * voter once, a promise only with all its pages; a majority is needed in every configuration that governs an instance
 * from `from` on. What a promise calls bad is no report (design §4, PAR): such an instance needs a majority that has
 * reported, a copy of what is bad counting as the report of who had it, or somebody who knows it as chosen.
 */
import { type BadItem, type DigestOfValue, endless, isCopy } from './bad-item.ts';
import { type Ballot, ballotsEqual, compareBallots } from './ballot.ts';
import type { ConfigurationFrom } from './configuration.ts';
import type { ConfigurationHistory } from './configuration-history.ts';
import type { Instance, ReplicaId, WriteId } from './identity.ts';
import type { AcceptedEntry, Message, Release } from './message.ts';
import { isQuorum, voters } from './quorum.ts';

interface Pages {
  readonly pages: Map<number, Extract<Message, { kind: 'promise' }>>;
  last: number | null;
}

/** Of a long range, this many are looked at one by one; further ones are decided together or not at all. */
const lookedAtMax = 4096;

export class Campaign {
  readonly ballot: Ballot;
  readonly nonce: number;
  readonly from: Instance;
  readonly release: Release | null;
  readonly startedMs: number;
  lastSentMs: number;
  /** This replica's own promise is durable with this write; null while it only asks. */
  ownWrite: WriteId | null = null;
  readonly votes = new Set<ReplicaId>();
  readonly refusals = new Set<ReplicaId>();
  readonly promises = new Set<ReplicaId>();
  /** How far anybody who answered knows chosen values. */
  chosenUpTo = 0;
  readonly #pages = new Map<ReplicaId, Pages>();
  readonly #best = new Map<number, AcceptedEntry>();
  /** Values known as chosen by whoever reported them. */
  readonly #chosen = new Map<number, AcceptedEntry>();
  readonly #bad = new Map<ReplicaId, readonly BadItem[]>();
  /** Who has said what it knows of an instance. */
  readonly #asked = new Map<number, Set<ReplicaId>>();
  readonly #digestOf: DigestOfValue;
  /** Everything reported at an instance, for finding copies; only where somebody has something bad. */
  readonly #reported = new Map<number, AcceptedEntry[]>();

  constructor(options: {
    ballot: Ballot;
    nonce: number;
    from: Instance;
    release: Release | null;
    nowMs: number;
    digestOf: DigestOfValue;
  }) {
    this.ballot = options.ballot;
    this.nonce = options.nonce;
    this.from = options.from;
    this.release = options.release;
    this.startedMs = options.nowMs;
    this.lastSentMs = options.nowMs;
    this.#digestOf = options.digestOf;
  }

  /** Takes one page of `from`'s promise. */
  addPage(from: ReplicaId, message: Extract<Message, { kind: 'promise' }>): void {
    if (this.promises.has(from) || message.from !== this.from) return;
    let pages = this.#pages.get(from);
    if (pages === undefined) {
      pages = { pages: new Map(), last: null };
      this.#pages.set(from, pages);
    }
    pages.pages.set(message.page, message);
    if (message.last) pages.last = message.page;
    if (pages.last === null || pages.pages.size !== pages.last + 1) return;
    for (const page of pages.pages.values()) this.report(from, page);
    this.#pages.delete(from);
    this.promises.add(from);
  }

  /** What `from` has accepted, and what of it is bad: of this replica itself too, once its promise counts. */
  report(from: ReplicaId, report: Pick<Extract<Message, { kind: 'promise' }>, 'entries' | 'chosenUpTo' | 'bad'>): void {
    for (const entry of report.entries) {
      this.consider(entry);
      if (entry.instance <= report.chosenUpTo) this.#chosen.set(entry.instance, entry);
    }
    if (report.bad.length > 0) this.#bad.set(from, report.bad);
  }

  /** Of what was accepted at an instance, the value of the highest ballot must be proposed. */
  consider(entry: AcceptedEntry): void {
    const known = this.#best.get(entry.instance);
    if (known === undefined || compareBallots(entry.ballot, known.ballot) > 0) this.#best.set(entry.instance, entry);
    const reported = this.#reported.get(entry.instance);
    if (reported === undefined) this.#reported.set(entry.instance, [entry]);
    else if (!reported.some(({ ballot }) => ballotsEqual(ballot, entry.ballot))) reported.push(entry);
  }

  /** The value that must be proposed at `instance`. */
  best(instance: number): AcceptedEntry | undefined {
    return this.#chosen.get(instance) ?? this.#best.get(instance);
  }

  // --- what is bad ----------------------------------------------------------------------------------------------------

  /** An answer to a question about one instance. */
  onItem(from: ReplicaId, message: Extract<Message, { kind: 'item' }>): void {
    const { instance, entry, chosen } = message;
    if (entry !== null && entry.instance !== instance) return;
    const answered = this.#asked.get(instance) ?? new Set();
    this.#asked.set(instance, answered.add(from));
    if (entry === null) return;
    if (chosen) this.#chosen.set(instance, entry);
    // Whoever gives it need not have voted: it stands for the report of those who lost it, and for nothing else.
    else if (this.#badAt(instance).some((item) => this.#isCopyOf(item, entry))) this.consider(entry);
  }

  hasAskedFor(instance: number): boolean {
    return this.#asked.has(instance);
  }

  /** Those of `members` that have not said yet what they know of `instance`. */
  askFor(instance: number, members: readonly ReplicaId[]): readonly ReplicaId[] {
    const answered = this.#asked.get(instance) ?? new Set();
    this.#asked.set(instance, answered);
    return members.filter((id) => !answered.has(id));
  }

  #badAt(instance: number): readonly BadItem[] {
    return [...this.#bad.values()].flatMap((items) => items.filter((item) => covers(item, instance)));
  }

  readonly #isCopyOf = ({ identity }: BadItem, entry: AcceptedEntry): boolean =>
    identity !== null && isCopy(identity, entry, this.#digestOf);

  /**
   * Has every majority of the configuration of `instance` a member that has said what it accepted there? Then whatever was chosen is
   * among that. With an odd number of voters those who have said it are a majority themselves; of two, one is enough.
   */
  isDecided(instance: number, configurations: ConfigurationHistory): boolean {
    if (this.#bad.size === 0 || this.#chosen.has(instance)) return true;
    const reporters = new Set(this.promises);
    for (const [id, items] of this.#bad) {
      const item = items.find((one) => covers(one, instance));
      if (item !== undefined && !(this.#reported.get(instance) ?? []).some((entry) => this.#isCopyOf(item, entry))) {
        reporters.delete(id);
      }
    }
    const configuration = configurations.at(instance);
    const silent = new Set([...voters(configuration)].filter((id) => !reporters.has(id)));
    return isQuorum(configuration, this.promises) && !isQuorum(configuration, silent);
  }

  /** The first item that is not decided, with what is known of it; null when all are. */
  undecided(configurations: ConfigurationHistory): BadItem | null {
    let first: BadItem | null = null;
    for (const item of [...this.#bad.values()].flat()) {
      if (first !== null && first.instance < item.instance) continue;
      for (const instance of this.#lookedAt(item)) {
        if (this.isDecided(instance, configurations)) continue;
        const identity = this.#badAt(instance).find((one) => one.identity !== null)?.identity ?? null;
        if (first === null || instance < first.instance || (first.identity === null && instance === first.instance)) {
          first = { instance: instance as Instance, upTo: instance as Instance, identity };
        }
        break;
      }
    }
    return first;
  }

  *#lookedAt({ instance, upTo }: BadItem): Iterable<number> {
    const last = Math.min(upTo, instance + lookedAtMax);
    for (let at: number = instance; at <= last; at++) yield at;
    if (upTo === last) return;
    // Who has lost what is the same from here on, but where another range begins or ends.
    const ends = [...this.#bad.values()].flat().flatMap(endsOf);
    yield* [last + 1, ...ends.filter((at) => at > last && at <= upTo)].sort((a, b) => a - b);
  }

  /** Every member has said what it knows of `item`: whoever waits, waits for nobody. */
  allHaveAnswered({ instance }: BadItem, configurations: ConfigurationHistory, self: ReplicaId): boolean {
    const configuration = configurations.at(instance);
    const answered = this.#asked.get(instance);
    return (
      [...voters(configuration)].every((id) => this.promises.has(id)) &&
      configurations.othersFrom(this.from, self).every((id) => answered?.has(id) === true)
    );
  }

  /** A majority has reported nothing above it. */
  get settledAbove(): Instance {
    return Math.max(this.from - 1, this.highestReported) as Instance;
  }

  /** Who has reported something bad. */
  get damaged(): readonly ReplicaId[] {
    return [...this.#bad.keys()];
  }

  // --- majorities -----------------------------------------------------------------------------------------------------

  get highestReported(): number {
    let highest = 0;
    for (const instance of this.#best.keys()) if (instance > highest) highest = instance;
    for (const instance of this.#chosen.keys()) if (instance > highest) highest = instance;
    return highest;
  }

  hasVotes(configurations: readonly ConfigurationFrom[]): boolean {
    return configurations.every(({ configuration }) => isQuorum(configuration, this.votes));
  }

  hasPromises(configurations: readonly ConfigurationFrom[]): boolean {
    return configurations.every(({ configuration }) => isQuorum(configuration, this.promises));
  }
}

const covers = (item: BadItem, instance: number): boolean => item.instance <= instance && instance <= item.upTo;

const endsOf = ({ instance, upTo }: BadItem): readonly number[] => [instance, Math.min(upTo, endless - 1) + 1];
